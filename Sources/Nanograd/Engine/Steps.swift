//  What a graph is compiled to: steps that read and write buffers, row by row.

import NanogradKernelTable

/// Memory that steps write or leaves bring. A producer writes row after row: row i of `rows` is elements
/// i·rowSize ..< (i + 1)·rowSize.
struct Buffer {
  enum Source {
    /// A leaf, or a value that was computed before: bound anew at every run.
    case input(Int)
    /// The same at every run.
    case constant(Value)
    /// Written by a step.
    case step
  }

  let source: Source
  /// Bytes of an element.
  let elementSize: Int
  let size: Int
  let rows: Int
  /// The buffer whose memory this one takes over, having added to it.
  var continues: Int?
  /// The number of the result, if somebody asked for it.
  var result: Int?

  var rowSize: Int { rows > 0 ? size / rows : 0 }
  var bytes: Int { size * elementSize }
}

/// A buffer read through strides: how movements of data are done without moving any.
struct View: Hashable {
  var buffer: Int
  var offset = 0
  var strides: [Int]

  /// Whether row i of this view is in row i of its buffer, for a view of that shape.
  func isAligned(_ shape: Shape, rows: Int, rowSize: Int) -> Bool {
    guard shape.rank > 0, shape[0] == rows, strides[0] == rowSize || rows == 1, offset >= 0 else {
      return false
    }
    var last = offset
    for axis in 1..<Swift.max(shape.rank, 1) {
      guard strides[axis] >= 0 else { return false }
      last += Swift.max(shape[axis] - 1, 0) * strides[axis]
    }
    return last < rowSize
  }
}

/// Elementwise work: a program of loops over tiles. The result of instruction i is register i until
/// registers are assigned.
struct Map {
  enum Kind: Hashable {
    case unary(UnaryCode)
    case binary(BinaryCode)
    case select
  }

  enum Operand {
    /// The result of an earlier instruction.
    case result(Int)
    /// Input i of the map.
    case input(Int)
  }

  struct Instruction {
    let kind: Kind
    var operands: [Operand]
    /// The buffer that the result goes to.
    var output: Int
    /// Whether it is stored there: some other step reads it.
    var isStored = true
    /// The register that it is in otherwise.
    var register = 0
  }

  /// A row of a result, reduced to one element while its tiles are at hand.
  struct Reduction {
    let instruction: Int
    let code: ReductionCode
    let target: Int
  }

  /// A stored result that is also written elsewhere.
  struct Copy {
    let output: Int
    let target: Int
  }

  let shape: Shape
  let dtype: DType
  var inputs: [View]
  var instructions: [Instruction]
  var reductions: [Reduction] = []
  var copies: [Copy] = []
}

/// A product A·B, rows of A by panels of B.
struct Product {
  var a: View
  var b: View
  /// A is rows × depth, B is depth × columns; the strides are those of the views' two axes.
  let depth: Int
  /// How a contraction reads B; nil where B is left to the kernel of a single product.
  var panels: Panels?
}

extension Product {
  /// The buffer that B was packed to.
  var packed: Int? { if case .packed(let buffer) = panels { buffer } else { nil } }
}

/// A right operand: so many rows and columns of a view.
struct Factor: Hashable {
  let view: View
  let depth: Int
  let columns: Int
}

/// A right operand by panels of columns.
enum Panels {
  /// Copied to a buffer, one panel after the other.
  case packed(buffer: Int)
  /// Where B is.
  case inPlace
}

/// C = Σ A·B, or C += Σ A·B, for several C that share every B.
struct Contraction {
  /// The most depth that is multiplied at a time: a panel of it fills half of a first-level cache.
  static var stretchDepth: Int { 256 }

  struct Block {
    let target: Int
    let accumulates: Bool
    var products: [Product]
  }

  let dtype: DType
  let rows: Int
  let columns: Int
  var blocks: [Block]

  /// Whether it is the product of a row and so much of a matrix that it had better be a loop of its own, which threads
  /// share by columns: it takes tens of microseconds then, and to wait for each other takes one.
  var isLongRow: Bool {
    // Of views there may be so many that no integer holds the sum.
    let depth = blocks.reduce(0) { $1.products.reduce($0) { $0 + Double($1.depth) } }
    return rows == 1 && depth * Double(columns) >= 0x1p18
  }

  /// Whether every B is read by panels.
  var hasPanels: Bool { blocks.allSatisfy { $0.products.allSatisfy { $0.panels != nil } } }
}

/// A step of a plan.
struct Step {
  enum Work {
    case map(Map)
    case contraction(Contraction)
    /// Copies B into panels.
    case pack(Factor, dtype: DType, target: Int)
    /// Reduces runs of `length` elements, `runs` to a row.
    case reduceRuns(ReductionCode, source: Int, length: Int, runs: Int, dtype: DType, target: Int)
    /// Reduces `length` rows of `columns` elements to one.
    case reduceRows(
      ReductionCode, source: Int, length: Int, columns: Int, dtype: DType, target: Int)
    /// Any other operator, by the plain evaluator, on dense operands.
    case general(Int, sources: [Int], target: Int)
  }

  /// A buffer that is read; `isAligned` if row i of the step needs only row i of it.
  struct Read {
    let buffer: Int
    let isAligned: Bool
  }

  var work: Work
  /// Steps of equal rows can run one after the other on the same rows. Nil: a loop of its own.
  let rows: Int?
  var reads: [Read]
  var writes: [Int]
}

extension Step {
  /// Whether it can find that it cannot do its work.
  var canFail: Bool { if case .general = work { true } else { false } }
}

extension Map {
  /// For each buffer that is read, the last instruction that does; the largest number there is, if it is not read in
  /// the order in which results are written.
  var lastReaders: [Int: Int] {
    var lastReader = [Int](repeating: -1, count: inputs.count)
    for (k, instruction) in instructions.enumerated() {
      for case .input(let i) in instruction.operands { lastReader[i] = k }
    }
    let dense = shape.strides
    var result: [Int: Int] = [:]
    for (input, last) in zip(inputs, lastReader) {
      let isInOrder =
        input.offset == 0
        && (0..<shape.rank).allSatisfy { shape[$0] == 1 || input.strides[$0] == dense[$0] }
      result[input.buffer] = Swift.max(result[input.buffer] ?? -1, isInOrder ? last : .max)
    }
    return result
  }

  /// Whether a buffer is read in the order in which another is written, and not after.
  func readsInPlace(_ source: Int, until target: Int) -> Bool {
    guard let store = instructions.firstIndex(where: { $0.output == target }) else { return false }
    return lastReaders[source] ?? -1 <= store
  }
}
