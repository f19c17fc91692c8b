//  The contract between the engine and the kernels: plain loops over raw memory, found through one
//  table per instruction set. A kernel checks nothing; whoever calls it has checked everything.
//  No kernel allocates, blocks, or knows of threads, tensors or graphs.

/// An elementwise function of one argument. Raw values index `ScalarKernels.unary`.
public enum UnaryCode: UInt8, CaseIterable, Sendable {
  case copy, absolute, sign, exp, log, log1p, expm1, sqrt, sin, cos, tanh, sigmoid, relu
  case negate, reciprocal, square
}

/// An elementwise function of two arguments. Comparisons give 1 or 0 in the operands' type, 0 where
/// an operand is NaN. `maximum` and `minimum` give NaN where either operand is NaN.
public enum BinaryCode: UInt8, CaseIterable, Sendable {
  case add, subtract, multiply, divide, power, maximum, minimum, equal, less, lessEqual
}

/// What an instruction of a chain does with x, the elements that the chain has in registers of the processor, and its
/// operand y.
public enum ChainCode: UInt8, CaseIterable, Sendable {
  /// `x = y`. Where y is one number, the same is another code, the next: an instruction is found by its code at one go.
  case load, loadNumber
  /// `x = x + y`, and so on.
  case add, addNumber, subtract, subtractNumber, multiply, multiplyNumber, divide, divideNumber
  case maximum, maximumNumber, minimum, minimumNumber
  case equal, equalNumber, less, lessNumber, lessEqual, lessEqualNumber
  /// `x = y - x`, and so on: the same with the operands exchanged, where that makes a difference.
  case subtractFrom, subtractFromNumber, divideInto, divideIntoNumber
  case maximumOf, maximumOfNumber, minimumOf, minimumOfNumber
  case greater, greaterNumber, greaterEqual, greaterEqualNumber
  /// Of x alone.
  case absolute, negate, square, squareRoot, reciprocal, relu
  /// `y = x`
  case store
  /// The same past the caches, where y is aligned to 64 bytes.
  case stream
  /// Asks for what lies `distance` elements after y to be brought to the first-level cache.
  case prefetch
  /// After the last instruction.
  case end

  /// `x = code(x)`, if that is simple enough. For a copy there is nothing to do beyond having x.
  public init?(_ code: UnaryCode) {
    switch code {
    case .copy: self = .load
    case .absolute: self = .absolute
    case .negate: self = .negate
    case .square: self = .square
    case .sqrt: self = .squareRoot
    case .reciprocal: self = .reciprocal
    case .relu: self = .relu
    default: return nil
    }
  }

  /// `x = code(x, y)`, or `code(y, x)`, if that is simple enough.
  public init?(_ code: BinaryCode, isReversed: Bool) {
    switch code {
    case .add: self = .add
    case .subtract: self = isReversed ? .subtractFrom : .subtract
    case .multiply: self = .multiply
    case .divide: self = isReversed ? .divideInto : .divide
    case .maximum: self = isReversed ? .maximumOf : .maximum
    case .minimum: self = isReversed ? .minimumOf : .minimum
    case .equal: self = .equal
    case .less: self = isReversed ? .greater : .less
    case .lessEqual: self = isReversed ? .greaterEqual : .lessEqual
    case .power: return nil
    }
  }

  /// The same where y is one number.
  public var ofNumber: ChainCode { ChainCode(rawValue: rawValue + 1) ?? self }
}

/// An instruction of a chain.
public struct ChainInstruction: Sendable {
  public let code: ChainCode
  /// Which of the chain's sources y is.
  public let source: Int
  public let distance: Int

  public init(_ code: ChainCode, source: Int = 0, distance: Int = 0) {
    (self.code, self.source, self.distance) = (code, source, distance)
  }
}

/// A reduction of many elements to one. Of no elements: 0, -infinity, +infinity.
public enum ReductionCode: UInt8, CaseIterable, Sendable {
  case sum, max, min
}

/// Loops over one scalar type. Pointers may be unaligned for vectors (they are aligned for the
/// scalar); `y` may equal an operand's pointer when that operand's stride is 1, and must not
/// overlap an operand in any other way.
public struct ScalarKernels<Scalar>: Sendable {
  public typealias Unary =
    @Sendable (_ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, _ count: Int) -> Void

  /// A stride is 0 (the one element stands for all) or 1.
  public typealias Binary =
    @Sendable (
      _ a: UnsafePointer<Scalar>, _ strideA: Int, _ b: UnsafePointer<Scalar>, _ strideB: Int,
      _ y: UnsafeMutablePointer<Scalar>, _ count: Int
    ) -> Void

  /// Carries out a program, which ends with `end`, for `count` elements of its sources, the instructions in order for
  /// each element; each operation is rounded by itself. Sources of what is written may equal others, and must not overlap them in any
  /// other way.
  public typealias Chain =
    @Sendable (
      _ program: UnsafePointer<ChainInstruction>,
      _ sources: UnsafePointer<UnsafeMutablePointer<Scalar>>, _ count: Int
    ) -> Void

  /// `y[i] = a[i] != 0 ? b[i] : c[i]`; NaN counts as not 0. Strides are 0 or 1.
  public typealias Select =
    @Sendable (
      _ a: UnsafePointer<Scalar>, _ strideA: Int, _ b: UnsafePointer<Scalar>, _ strideB: Int,
      _ c: UnsafePointer<Scalar>, _ strideC: Int, _ y: UnsafeMutablePointer<Scalar>, _ count: Int
    ) -> Void

  /// Reduces `count` contiguous elements to one, by a tree that depends on `count` alone: the same
  /// bits on AVX2, AVX-512 and for any caller. max and min give NaN if any element is NaN.
  public typealias Reduce = @Sendable (_ x: UnsafePointer<Scalar>, _ count: Int) -> Scalar

  /// `y[c * rows + r] = x[r * stride + c]`: a transposed copy of `rows` × `columns` elements.
  public typealias Transpose =
    @Sendable (
      _ x: UnsafePointer<Scalar>, _ stride: Int, _ rows: Int, _ columns: Int,
      _ y: UnsafeMutablePointer<Scalar>
    ) -> Void

  /// `C = A·B`, or `C += A·B` when `accumulate`: A is m × k with any row and column stride (in
  /// elements; they may be 0 or negative), B is k × n likewise, C is m × n with rows `strideC`
  /// apart and contiguous columns. With k = 0, C is set to 0 (or left). Each element of C is the
  /// sum over p = 0, 1, …, k-1 in that order, blocked the same way whatever m, n and the
  /// position of the element in the matrix are, so that splitting the rows or the columns of C over
  /// several calls gives the same bits. `workspace` has `matmulWorkspace` elements (aligned to 64
  /// bytes), private to this call.
  public typealias Matmul =
    @Sendable (
      _ m: Int, _ n: Int, _ k: Int,
      _ a: UnsafePointer<Scalar>, _ rowStrideA: Int, _ columnStrideA: Int,
      _ b: UnsafePointer<Scalar>, _ rowStrideB: Int, _ columnStrideB: Int,
      _ c: UnsafeMutablePointer<Scalar>, _ strideC: Int, _ accumulate: Bool,
      _ workspace: UnsafeMutablePointer<Scalar>
    ) -> Void

  /// `y = A·x`, or `y += A·x` when `accumulate`: A is `rows` × `depth` with any row and column stride, as for
  /// `Matmul`, x any distance apart, y contiguous. An element is the sum of sixteen chains (eight in double
  /// precision), for each stretch of 256 of their terms; of up to eight products, or where contiguous columns of A lie
  /// eight vectors apart or more, it is a chain as in `Matmul`. So it has the same bits whichever rows are computed with
  /// it. `workspace` is that of `Matmul`.
  public typealias MatrixVector =
    @Sendable (
      _ rows: Int, _ depth: Int,
      _ a: UnsafePointer<Scalar>, _ rowStride: Int, _ columnStride: Int,
      _ x: UnsafePointer<Scalar>, _ stride: Int,
      _ y: UnsafeMutablePointer<Scalar>, _ accumulate: Bool,
      _ workspace: UnsafeMutablePointer<Scalar>
    ) -> Void

  /// A panel of C, `rows` × `columns`, with rows `strideC` apart: `C = Σ A·B`, or `C += Σ A·B` when
  /// `accumulate`, each element one chain of multiply-adds over the terms in order. `columns` is at
  /// most `panelWidth`.
  public typealias Contract =
    @Sendable (
      _ rows: Int, _ columns: Int, _ terms: UnsafePointer<ContractionTerm<Scalar>>, _ count: Int,
      _ c: UnsafeMutablePointer<Scalar>, _ strideC: Int, _ accumulate: Bool
    ) -> Void

  /// Copies a panel of B, `depth` × `columns` with any strides, for `contract`: row after row, filled up
  /// with zeros to whole vectors (`panelStride`).
  public typealias Pack =
    @Sendable (
      _ b: UnsafePointer<Scalar>, _ rowStride: Int, _ columnStride: Int, _ depth: Int,
      _ columns: Int, _ packed: UnsafeMutablePointer<Scalar>
    ) -> Void

  /// Copies `rows` × `depth` elements of A, with any strides, for `contract` as packed rows: tile by
  /// tile, each column after column.
  public typealias PackRows =
    @Sendable (
      _ a: UnsafePointer<Scalar>, _ rowStride: Int, _ columnStride: Int, _ rows: Int, _ depth: Int,
      _ packed: UnsafeMutablePointer<Scalar>
    ) -> Void

  /// Copies past the caches, for memory that will not be read soon: whole lines are not fetched before they are
  /// written.
  public typealias Stream =
    @Sendable (_ x: UnsafePointer<Scalar>, _ y: UnsafeMutablePointer<Scalar>, _ count: Int) -> Void

  // Functions that are elements of an array themselves take their arguments through memory, and are
  // wrapped to take them so: several times the price of a call.
  private struct UnaryEntry { let kernel: Unary }
  private struct BinaryEntry { let kernel: Binary }
  private struct ReduceEntry { let kernel: Reduce }
  private let unaryEntries: [UnaryEntry]
  private let binaryEntries: [BinaryEntry]
  private let reduceEntries: [ReduceEntry]

  public func unary(_ code: UnaryCode) -> Unary { unaryEntries[Int(code.rawValue)].kernel }
  public func binary(_ code: BinaryCode) -> Binary { binaryEntries[Int(code.rawValue)].kernel }
  public func reduce(_ code: ReductionCode) -> Reduce {
    reduceEntries[Int(code.rawValue)].kernel
  }
  public let select: Select
  public let chain: Chain
  /// The sum of x·x, the bits that `reduce(.sum)` gives for the rounded squares.
  public let sumOfSquares: Reduce
  public let transpose: Transpose
  public let matmul: Matmul
  /// Elements of workspace that `matmul` needs, at most, whatever the sizes.
  public let matmulWorkspace: Int
  /// For up to so many rows `matmul` reads a transposed B where it is, if it is wide.
  public let mostTransposedRows: Int
  public let matrixVector: MatrixVector
  public let contract: Contract
  public let pack: Pack
  public let packRows: PackRows
  public let stream: Stream
  /// Whether `contract` reads an A whose rows lie side by side about as fast as if it were packed, and a B whose
  /// columns do.
  public let readsInPlace: Bool
  /// The most columns of a panel.
  public let panelWidth: Int
  /// Elements of packed panels that are worth keeping in the second-level cache together.
  public let cacheBlock: Int

  /// The kernels of every code are collected here, not where they are made: array code that is
  /// compiled for one instruction set must not end up serving another.
  public init(
    unary: (UnaryCode) -> Unary, binary: (BinaryCode) -> Binary,
    select: @escaping Select, chain: @escaping Chain, reduce: (ReductionCode) -> Reduce,
    sumOfSquares: @escaping Reduce, transpose: @escaping Transpose,
    matmul: @escaping Matmul,
    matmulWorkspace: Int, mostTransposedRows: Int,
    matrixVector: @escaping MatrixVector, contract: @escaping Contract,
    pack: @escaping Pack,
    packRows: @escaping PackRows, stream: @escaping Stream, readsInPlace: Bool, panelWidth: Int,
    cacheBlock: Int
  ) {
    unaryEntries = UnaryCode.allCases.map { UnaryEntry(kernel: unary($0)) }
    binaryEntries = BinaryCode.allCases.map { BinaryEntry(kernel: binary($0)) }
    self.select = select
    self.chain = chain
    reduceEntries = ReductionCode.allCases.map { ReduceEntry(kernel: reduce($0)) }
    self.sumOfSquares = sumOfSquares
    self.transpose = transpose
    self.matmul = matmul
    self.matmulWorkspace = matmulWorkspace
    self.mostTransposedRows = mostTransposedRows
    self.matrixVector = matrixVector
    self.contract = contract
    self.pack = pack
    self.packRows = packRows
    self.stream = stream
    self.readsInPlace = readsInPlace
    self.panelWidth = panelWidth
    self.cacheBlock = cacheBlock
  }
}

// Inlinable, because a product asks for its panels again and again: the vector's length is then a constant.
extension ScalarKernels {
  @inlinable var lanes: Int { 64 / MemoryLayout<Scalar>.size }

  /// Elements from one row of a panel to the next: its columns, filled up to whole vectors.
  @inlinable public func panelStride(_ columns: Int) -> Int {
    (columns + lanes - 1) / lanes * lanes
  }

  /// How many panels a matrix of so many columns is cut into.
  @inlinable public func panelCount(_ columns: Int) -> Int {
    (columns + panelWidth - 1) / panelWidth
  }

  /// The columns of a panel: as many as fit, but the last two panels share four vectors as 2 + 2, which
  /// is faster than 3 + 1.
  @inlinable
  public func panel(_ i: Int, of columns: Int) -> Range<Int> {
    let vectors = (columns + lanes - 1) / lanes
    let width = panelWidth / lanes
    let isShared = width == 3 && vectors > 3 && vectors % 3 == 1
    func start(_ i: Int) -> Int {
      isShared && i * width + 1 == vectors ? vectors - 2 : i * width
    }
    return start(i) * lanes..<Swift.min(start(i + 1) * lanes, columns)
  }
}

/// A product A·B among those that a contraction sums. A is packed, or either of its strides is 1.
public struct ContractionTerm<Scalar> {
  public var a: UnsafePointer<Scalar>
  public var rowStride: Int
  public var columnStride: Int
  /// Rows of a panel of B: packed, or, with `readsInPlace`, `panelStride` apart and whole vectors.
  public var panel: UnsafePointer<Scalar>
  public var panelStride: Int
  public var depth: Int
  /// The panel that is likely to be wanted next; any address will do.
  public var next: UnsafePointer<Scalar>
  /// Whether `a` is what `packRows` made of just these rows; then its strides do not matter.
  public var isPacked = false

  public init(
    a: UnsafePointer<Scalar>, rowStride: Int, columnStride: Int, panel: UnsafePointer<Scalar>,
    panelStride: Int, depth: Int
  ) {
    self.a = a
    self.rowStride = rowStride
    self.columnStride = columnStride
    self.panel = panel
    self.panelStride = panelStride
    self.depth = depth
    next = panel
  }
}

/// Everything that was built for one instruction set.
public struct KernelTable: Sendable {
  /// `baseline`, `avx2` or `avx512`.
  public let name: String
  public let float32: ScalarKernels<Float>
  public let float64: ScalarKernels<Double>

  public init(name: String, float32: ScalarKernels<Float>, float64: ScalarKernels<Double>) {
    self.name = name
    self.float32 = float32
    self.float64 = float64
  }
}

/// Whether rows of B so far apart are held by enough sets of a cache: by a large power of 2, they share a few. No
/// product of strides, which may be as large as integers are.
@inlinable
public func spreads(_ stride: Int, elementSize: Int) -> Bool {
  stride & (0 &- stride) <= 2048 / elementSize
}

/// Whether the columns of A that a tile takes, so far apart, lie on no more pages than a processor finds without
/// looking them up: 64 for a depth of 256.
@inlinable
public func isOnFewPages(_ stride: Int, elementSize: Int) -> Bool {
  stride.magnitude <= 1024 / elementSize.magnitude
}
