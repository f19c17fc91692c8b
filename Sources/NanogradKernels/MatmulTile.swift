//  The register tile of a matrix product, composed of types: columns beside columns make a row, rows
//  above rows make a tile. The compiler unrolls the composition, so that every accumulator of a tile
//  is a register.

internal import CMoves

/// A row of accumulators, or the piece of a row of B that they are multiplied with.
protocol TileRow {
  associatedtype Element: Accumulator
  /// Its scalars.
  static var count: Int { get }
  static var zero: Self { get }
  static func load(_ p: UnsafePointer<Element.Scalar>) -> Self
  mutating func add(_ a: Element, times b: Self)
  /// Writes or adds.
  func store(_ c: UnsafeMutablePointer<Element.Scalar>, accumulate: Bool)
  /// Asks for the row's lines of memory, into the second-level cache.
  static func prefetch(_ p: UnsafePointer<Element.Scalar>)
  /// The same, into the first-level cache.
  static func prefetchNear(_ p: UnsafePointer<Element.Scalar>)
}

/// One vector, or one scalar.
struct Single<Element: Accumulator>: TileRow {
  var value: Element

  @inline(__always) static var count: Int { Element.count }
  @inline(__always) static var zero: Self { Self(value: Element(repeating: 0)) }
  @inline(__always) static func load(_ p: UnsafePointer<Element.Scalar>) -> Self {
    Self(value: Element.load(p))
  }
  @inline(__always) mutating func add(_ a: Element, times b: Self) {
    value = value.adding(a, times: b.value)
  }
  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Element.Scalar>, accumulate: Bool) {
    (accumulate ? Element.load(c) + value : value).store(c)
  }
  @inline(__always)
  static func prefetch(_ p: UnsafePointer<Element.Scalar>) { ngp_prefetch(p) }
  @inline(__always)
  static func prefetchNear(_ p: UnsafePointer<Element.Scalar>) { ngp_prefetch_near(p) }
}

/// `left` and, to its right, one vector more.
struct Wider<Left: TileRow>: TileRow {
  typealias Element = Left.Element
  var left: Left
  var right: Single<Element>

  @inline(__always) static var count: Int { Left.count &+ Element.count }
  @inline(__always) static var zero: Self { Self(left: .zero, right: .zero) }
  @inline(__always) static func load(_ p: UnsafePointer<Element.Scalar>) -> Self {
    Self(left: .load(p), right: .load(p + Left.count))
  }
  @inline(__always) mutating func add(_ a: Element, times b: Self) {
    left.add(a, times: b.left)
    right.add(a, times: b.right)
  }
  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Element.Scalar>, accumulate: Bool) {
    left.store(c, accumulate: accumulate)
    right.store(c + Left.count, accumulate: accumulate)
  }
  @inline(__always)
  static func prefetch(_ p: UnsafePointer<Element.Scalar>) {
    Left.prefetch(p)
    ngp_prefetch(p + Left.count)
  }
  @inline(__always)
  static func prefetchNear(_ p: UnsafePointer<Element.Scalar>) {
    Left.prefetchNear(p)
    ngp_prefetch_near(p + Left.count)
  }
}

/// From the first of a tile's rows of A to each other, in bytes: an odd number of rows in a register, which the
/// processor doubles as it forms an address, so that no step of a product computes any.
struct RowDistances {
  private let one, three, five, seven: Int

  @inline(__always)
  init(_ rowStride: Int) {
    #if NANOGRAD_AVX512
      one = ngp_opaque(rowStride)
      three = ngp_opaque(3 &* rowStride)
      five = ngp_opaque(5 &* rowStride)
      seven = ngp_opaque(7 &* rowStride)
    #else
      (one, three, five, seven) = (rowStride, 3 &* rowStride, 5 &* rowStride, 7 &* rowStride)
    #endif
  }

  @inline(__always)
  subscript(row: Int) -> Int {
    switch row {
    case 0: 0
    case 1: one
    case 2: 2 &* one
    case 3: three
    case 4: 4 &* one
    case 5: five
    case 6: 2 &* three
    default: seven
    }
  }
}

/// Rows of accumulators, one above the other.
protocol Tile {
  associatedtype Row: TileRow
  static var height: Int { get }
  static var zero: Self { get }
  static func load(_ c: UnsafePointer<Row.Element.Scalar>, _ strideC: Int) -> Self
  /// Adds the product of a column of A, from one of its rows on, and a row of B.
  mutating func add(
    _ a: UnsafeRawPointer, _ rows: RowDistances, from first: Int, times b: Row)
  func store(_ c: UnsafeMutablePointer<Row.Element.Scalar>, _ strideC: Int, accumulate: Bool)
}

/// A tile of one row.
struct Rows1<Row: TileRow>: Tile {
  var row: Row

  @inline(__always) static var height: Int { 1 }
  @inline(__always) static var zero: Self { Self(row: .zero) }
  @inline(__always)
  static func load(_ c: UnsafePointer<Row.Element.Scalar>, _ strideC: Int) -> Self {
    Self(row: .load(c))
  }
  @inline(__always)
  mutating func add(
    _ a: UnsafeRawPointer, _ rows: RowDistances, from first: Int, times b: Row
  ) {
    let element = (a + rows[first]).assumingMemoryBound(to: Row.Element.Scalar.self)[0]
    row.add(Row.Element(repeating: element), times: b)
  }
  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Row.Element.Scalar>, _ strideC: Int, accumulate: Bool) {
    row.store(c, accumulate: accumulate)
  }
}

/// A tile above another.
struct Above<Top: Tile, Bottom: Tile>: Tile where Top.Row == Bottom.Row {
  typealias Row = Top.Row
  var top: Top
  var bottom: Bottom

  @inline(__always) static var height: Int { Top.height + Bottom.height }
  @inline(__always) static var zero: Self { Self(top: .zero, bottom: .zero) }
  @inline(__always)
  static func load(_ c: UnsafePointer<Row.Element.Scalar>, _ strideC: Int) -> Self {
    Self(top: .load(c, strideC), bottom: .load(c + Top.height &* strideC, strideC))
  }
  @inline(__always)
  mutating func add(
    _ a: UnsafeRawPointer, _ rows: RowDistances, from first: Int, times b: Row
  ) {
    top.add(a, rows, from: first, times: b)
    bottom.add(a, rows, from: first &+ Top.height, times: b)
  }
  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Row.Element.Scalar>, _ strideC: Int, accumulate: Bool) {
    top.store(c, strideC, accumulate: accumulate)
    bottom.store(c + Top.height &* strideC, strideC, accumulate: accumulate)
  }
}

typealias Rows2<R: TileRow> = Above<Rows1<R>, Rows1<R>>
typealias Rows3<R: TileRow> = Above<Rows2<R>, Rows1<R>>
typealias Rows4<R: TileRow> = Above<Rows2<R>, Rows2<R>>
typealias Rows5<R: TileRow> = Above<Rows4<R>, Rows1<R>>
typealias Rows6<R: TileRow> = Above<Rows4<R>, Rows2<R>>
typealias Rows7<R: TileRow> = Above<Rows4<R>, Rows3<R>>
typealias Rows8<R: TileRow> = Above<Rows4<R>, Rows4<R>>

/// As many rows and vectors as `TileShape` says.
#if NANOGRAD_AVX512
  typealias LargestTile<V: Lanes> = Rows8<Wider<Wider<Single<V>>>>
#elseif NANOGRAD_BASELINE && arch(x86_64)
  typealias LargestTile<V: Lanes> = Rows2<Single<V>>
#else
  typealias LargestTile<V: Lanes> = Rows6<Single<V>>
#endif

extension Tile {
  /// Adds the products of `depth` columns of A and as many rows of B. A stride that is 1 is best written as
  /// the number: where another program shares the core, instructions are what is short, and a constant takes
  /// none. Some rows of B are asked for meanwhile, from `next` on, one for four of the depth, but
  /// where the processor is faster by itself.
  @inline(__always)
  mutating func add(
    _ depth: Int, _ a: UnsafePointer<Row.Element.Scalar>, _ rowStrideA: Int, _ columnStrideA: Int,
    times b: UnsafePointer<Row.Element.Scalar>, _ rowStrideB: Int,
    askingFor next: UnsafePointer<Row.Element.Scalar>? = nil
  ) {
    let size = MemoryLayout<Row.Element.Scalar>.stride
    let rows = RowDistances(rowStrideA &* size)
    var (a, b) = (UnsafeRawPointer(a), b)
    @inline(__always)
    func step() {
      add(a, rows, from: 0, times: Row.load(b))
      a += columnStrideA &* size
      b += rowStrideB
    }
    #if arch(x86_64) && !NANOGRAD_AVX512
      for _ in 0..<depth / 4 {
        for _ in 0..<4 { step() }
      }
      for _ in 0..<depth % 4 { step() }
    #else
      var next = next
      @inline(__always)
      func ask() {
        guard let line = next else { return }
        Row.prefetch(line)
        next = line + rowStrideB
      }
      // With several steps in a row the compiler runs out of registers.
      for p in 0..<depth {
        if p & 3 == 0 { ask() }
        step()
      }
    #endif
  }

  #if !NANOGRAD_AVX512
    /// The same, and copies the rows of B, one after the other. A function of its own: one that does both when asked
    /// keeps less in registers.
    @inline(__always)
    mutating func addPacking(
      _ depth: Int, _ a: UnsafePointer<Row.Element.Scalar>, _ rowStrideA: Int, _ columnStrideA: Int,
      times b: UnsafePointer<Row.Element.Scalar>, _ rowStrideB: Int,
      to packed: UnsafeMutablePointer<Row.Element.Scalar>
    ) {
      let size = MemoryLayout<Row.Element.Scalar>.stride
      let rows = RowDistances(rowStrideA &* size)
      var (a, b, packed) = (UnsafeRawPointer(a), b, packed)
      for _ in 0..<depth {
        let row = Row.load(b)
        row.store(packed, accumulate: false)
        add(a, rows, from: 0, times: row)
        a += columnStrideA &* size
        b += rowStrideB
        packed += Row.count
      }
    }
  #endif
}

/// Calls `body` with a tile of C, or, where C's edge cuts it, with memory for a whole one, to which the rows
/// are copied if they are added to, and from which they are copied: a tile that had to look where C ends
/// would keep its accumulators in memory.
@inline(__always)
func withWholeTile<V: Lanes>(
  _: V.Type, _ c: UnsafeMutablePointer<V.Scalar>, _ strideC: Int, height: Int, width: Int,
  columns: Int, adds: Bool, _ body: (UnsafeMutablePointer<V.Scalar>, _ stride: Int) -> Void
) {
  let stride = width &* V.count
  guard columns < stride else { return body(c, strideC) }
  var tile = LargestTile<V>.zero
  withUnsafeMutableBytes(of: &tile) {
    let whole = $0.baseAddress!.assumingMemoryBound(to: V.Scalar.self)
    if adds {
      for r in 0..<height {
        (whole + r &* stride).update(from: c + r &* strideC, count: columns)
      }
    }
    body(whole, stride)
    for r in 0..<height {
      (c + r &* strideC).update(from: whole + r &* stride, count: columns)
    }
  }
}

/// A piece of a product: `depth` columns of A, `depth` rows of B, a tile of C. Where the tile's rows are
/// vectors, one of A's strides is 1.
struct TileProduct<Scalar> {
  var depth: Int
  var a: UnsafePointer<Scalar>
  var rowStrideA: Int
  var columnStrideA: Int
  var b: UnsafePointer<Scalar>
  var rowStrideB: Int
  var c: UnsafeMutablePointer<Scalar>
  var strideC: Int
  var accumulate: Bool

  @inline(__always)
  func run<T: Tile>(_: T.Type) where T.Row.Element.Scalar == Scalar {
    var tile = T.zero
    if T.Row.count == 1 {
      tile.add(depth, a, rowStrideA, columnStrideA, times: b, rowStrideB)
    } else if columnStrideA == 1 {
      tile.add(depth, a, rowStrideA, 1, times: b, rowStrideB)
    } else {
      tile.add(depth, a, 1, columnStrideA, times: b, rowStrideB)
    }
    tile.store(c, strideC, accumulate: accumulate)
  }

  /// A tile of `height` rows, at most as many as `TileShape.height`.
  @inline(__always)
  func run<R: TileRow>(_: R.Type, height: Int) where R.Element.Scalar == Scalar {
    switch height {
    case 1: run(Rows1<R>.self)
    case 2: run(Rows2<R>.self)
    #if !(NANOGRAD_BASELINE && arch(x86_64))
      case 3: run(Rows3<R>.self)
      case 4: run(Rows4<R>.self)
      case 5: run(Rows5<R>.self)
      case 6: run(Rows6<R>.self)
      #if NANOGRAD_AVX512
        case 7: run(Rows7<R>.self)
        case 8: run(Rows8<R>.self)
      #endif
    #endif
    default: break
    }
  }

  /// A tile of `height` rows and `width` vectors.
  @inline(never)
  func run<V: Lanes>(_: V.Type, height: Int, width: Int) where V.Scalar == Scalar {
    #if NANOGRAD_AVX512
      switch width {
      case 1: run(Single<V>.self, height: height)
      case 2: run(Wider<Single<V>>.self, height: height)
      default: run(Wider<Wider<Single<V>>>.self, height: height)
      }
    #else
      run(Single<V>.self, height: height)
    #endif
  }

  #if !NANOGRAD_AVX512
    /// The first of several tiles, which is not the lowest, and copies the rows of B for the others.
    @inline(never)
    func runPacking<V: Lanes>(
      _: V.Type, height: Int, to packed: UnsafeMutablePointer<Scalar>
    ) where V.Scalar == Scalar {
      #if NANOGRAD_BASELINE && arch(x86_64)
        runPacking(Rows2<Single<V>>.self, to: packed)
      #else
        height == TileShape.height
          ? runPacking(Rows6<Single<V>>.self, to: packed)
          : runPacking(Rows5<Single<V>>.self, to: packed)
      #endif
    }

    @inline(__always)
    private func runPacking<T: Tile>(_: T.Type, to packed: UnsafeMutablePointer<Scalar>)
    where T.Row.Element.Scalar == Scalar {
      var tile = T.zero
      if columnStrideA == 1 {
        tile.addPacking(depth, a, rowStrideA, 1, times: b, rowStrideB, to: packed)
      } else {
        tile.addPacking(depth, a, 1, columnStrideA, times: b, rowStrideB, to: packed)
      }
      tile.store(c, strideC, accumulate: accumulate)
    }
  #endif
}

/// The largest tile, which fills the vector registers, and about half of the second-level cache of
/// processors with these instructions.
enum TileShape {
  /// For a tile of several vectors there is time to fetch A and B from the second-level cache.
  static let readsInPlace = width > 1
  /// What a tile of one vector reads of B is no more than it can store meanwhile.
  static let packsOnTheWay = width == 1

  #if NANOGRAD_AVX512
    static let height = 8
    static let width = 3
    static let cacheBytes = 512 << 10
  #elseif NANOGRAD_BASELINE && arch(x86_64)
    static let height = 2
    static let width = 1
    static let cacheBytes = 256 << 10
  #else
    static let height = 6
    static let width = 1
    static let cacheBytes = 256 << 10
  #endif

  /// Cuts rows into tiles of heights that differ by at most one: a low tile at the end would have too few
  /// accumulators to keep the multiply-add units busy.
  @inline(__always)
  static func forEach(_ rows: Int, _ body: (_ row: Int, _ height: Int) -> Void) {
    let count = count(rows)
    guard count > 0 else { return }
    let low = rows / count
    let higher = rows &- low &* count
    var row = 0
    for tile in 0..<count {
      let height = tile < higher ? low &+ 1 : low
      body(row, height)
      row &+= height
    }
  }

  @inline(__always)
  static func count(_ rows: Int) -> Int { (rows &+ height &- 1) / height }
}
