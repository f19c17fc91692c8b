//  Dimensions, broadcasting and axes. Every shape in existence is valid: rank and dimensions are in
//  range, and no product of dimensions overflows, so that code below may multiply without checking.

/// The type of a tensor's elements.
public enum DType: UInt8, CaseIterable, Sendable, CustomStringConvertible {
  case float32 = 1
  case float64
  case int32
  case int64

  /// Bytes of an element.
  public var size: Int { self == .float32 || self == .int32 ? 4 : 8 }
  /// Whether values of this type carry gradients.
  public var isFloat: Bool { self == .float32 || self == .float64 }
  public var description: String { "\(isFloat ? "float" : "int")\(size * 8)" }

  /// Whether there is such a number: floats round, integers are exact.
  func holds(_ number: Double) -> Bool {
    isFloat || (self == .int32 ? Int32(exactly: number) != nil : Int64(exactly: number) != nil)
  }
}

/// An integer for each of the axes that a tensor may have.
typealias PerAxis = InlineArray<8, Int>

/// The dimensions of a tensor, as a collection of at most eight integers of at least 0.
public struct Shape: Sendable, RandomAccessCollection, CustomStringConvertible {
  public static let maximalRank = 8
  /// The shape of a scalar.
  public static let scalar = Shape()

  /// The number of elements: the product of the dimensions.
  public private(set) var size = 1
  // As wide as the rest, because padding is copied in pieces that wait for each other.
  private var storedRank = 0
  private var dimensions = PerAxis(repeating: 1)

  private init() {}

  /// Makes a shape of `rank` dimensions, each given by its axis.
  public init(rank: Int, _ dimension: (_ axis: Int) throws -> Int) throws {
    try require(
      rank >= 0 && rank <= Shape.maximalRank, .shape,
      "rank \(rank), expected 0 to \(Shape.maximalRank)")
    // The product that leaves out zeros bounds every stride and every partial product.
    var extent = 1
    for axis in 0..<rank {
      let d = try dimension(axis)
      try require(d >= 0, .shape, "dimension \(d) on axis \(axis), expected at least 0")
      let (product, overflow) = extent.multipliedReportingOverflow(by: Swift.max(d, 1))
      try require(
        !overflow && product <= Int.max >> 4, .shape,
        "too large: dimension \(d) on axis \(axis) is beyond 2^59 elements")
      extent = product
      size *= d
      dimensions[axis] = d
    }
    storedRank = rank
  }

  /// Makes a shape of the given dimensions.
  public init(_ dimensions: some RandomAccessCollection<Int>) throws {
    try self.init(rank: dimensions.count) {
      dimensions[dimensions.index(dimensions.startIndex, offsetBy: $0)]
    }
  }

  /// The number of dimensions.
  public var rank: Int { storedRank }
  public var startIndex: Int { 0 }
  public var endIndex: Int { storedRank }
  /// The dimension on an axis from 0 to `rank - 1`.
  public subscript(axis: Int) -> Int { dimensions[axis] }
  public var description: String { "[\(map(String.init).joined(separator: ", "))]" }

  /// The shape with one dimension replaced.
  func replacing(_ axis: Int, with dimension: Int) throws -> Shape {
    try Shape(rank: rank) { $0 == axis ? dimension : self[$0] }
  }

  /// An axis counted from 0, of one that may be negative.
  func axis(_ axis: Int) throws -> Int {
    try counted(axis, below: rank, "axis \(axis) of shape \(self)", none: "it is a scalar")
  }

  /// Whether repeating dimensions of 1 (and missing ones) gives the other shape.
  func broadcasts(to other: Shape) -> Bool {
    guard rank <= other.rank else { return false }
    let offset = other.rank - rank
    return indices.allSatisfy { self[$0] == other[$0 + offset] || self[$0] == 1 }
  }

  /// The shape to which both broadcast: aligned at the last axes, 1 repeated.
  static func broadcast(_ a: Shape, _ b: Shape) throws -> Shape {
    if b.rank == 0 || a == b { return a }
    if a.rank == 0 { return b }
    let rank = Swift.max(a.rank, b.rank)
    return try Shape(rank: rank) { axis in
      let (i, j) = (axis - (rank - a.rank), axis - (rank - b.rank))
      let (m, n) = (i < 0 ? 1 : a[i], j < 0 ? 1 : b[j])
      try require(
        m == n || m == 1 || n == 1, .shape,
        "shapes \(a) and \(b) do not broadcast: \(m) and \(n) on axis \(axis - rank), expected "
          + "equal dimensions or 1")
      return m == 1 ? n : m
    }
  }

  /// The shape of a matrix product: [m, k] and [k, n] give [m, n]; leading axes broadcast; a
  /// vector's axis is not in the result.
  static func product(_ a: Shape, _ b: Shape) throws -> Shape {
    try require(
      a.rank > 0 && b.rank > 0, .shape, "shapes \(a) and \(b), expected at least one axis each")
    let (columns, rows) = (a[a.rank - 1], b[Swift.max(b.rank - 2, 0)])
    try require(
      columns == rows, .shape,
      "shapes \(a) and \(b): \(columns) columns on the left, \(rows) rows on the right, expected "
        + "equal numbers")
    let batch =
      a.rank <= 2 && b.rank <= 2
      ? .scalar : try Shape.broadcast(Shape(a.dropLast(2)), Shape(b.dropLast(2)))
    let hasRows = a.rank > 1
    return try Shape(rank: batch.rank + (hasRows ? 1 : 0) + (b.rank > 1 ? 1 : 0)) { axis in
      if axis < batch.rank { return batch[axis] }
      return axis == batch.rank && hasRows ? a[a.rank - 2] : b[b.rank - 1]
    }
  }
}

extension Shape: Hashable {
  public static func == (a: Shape, b: Shape) -> Bool {
    a.rank == b.rank && a.indices.allSatisfy { a[$0] == b[$0] }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(storedRank)
    for dimension in self { hasher.combine(dimension) }
  }
}

/// A place from 0 to n - 1, of one that may be negative: counted from the end.
func counted(
  _ i: Int, below n: Int, _ text: @autoclosure () -> String, none: String = "it is empty",
  in function: String? = nil
) throws -> Int {
  try require(
    i >= -n && i < n, .argument,
    "\(text()), expected " + (n == 0 ? "none: \(none)" : "\(-n) to \(n - 1)"), in: function)
  return i < 0 ? i + n : i
}

/// A set of axes from 0 to 7.
struct Axes: Hashable, Sendable {
  private(set) var bits: UInt8 = 0

  init() {}

  /// The given axes of a shape, which may be negative; all of them for nil. None may stand twice.
  init(_ list: [Int]?, of shape: Shape) throws {
    guard let list else {
      bits = shape.rank == 8 ? .max : (1 << UInt8(shape.rank)) - 1
      return
    }
    for entry in list {
      let axis = try shape.axis(entry)
      try require(!contains(axis), .argument, "axis \(entry) is given twice")
      insert(axis)
    }
  }

  func contains(_ axis: Int) -> Bool { bits & (1 << UInt8(axis)) != 0 }
  mutating func insert(_ axis: Int) { bits |= 1 << UInt8(axis) }

  /// The shape without these axes, or with 1 in their place.
  func reduce(_ shape: Shape, keep: Bool) throws -> Shape {
    var kept = PerAxis(repeating: 1)
    var rank = 0
    for axis in 0..<shape.rank where keep || !contains(axis) {
      kept[rank] = contains(axis) ? 1 : shape[axis]
      rank += 1
    }
    return try Shape(rank: rank) { kept[$0] }
  }
}
