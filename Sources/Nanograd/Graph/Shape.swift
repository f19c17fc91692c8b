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
  public var description: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .int32: "int32"
    case .int64: "int64"
    }
  }
}

/// The dimensions of a tensor, as a collection of at most eight integers of at least 0.
public struct Shape: Sendable, RandomAccessCollection, CustomStringConvertible {
  public static let maximalRank = 8
  /// The shape of a scalar.
  public static let scalar = Shape()

  private var dimensions: InlineArray<8, Int>
  private let storedRank: UInt8
  /// The number of elements: the product of the dimensions.
  public let size: Int

  private init() {
    dimensions = .init(repeating: 1)
    storedRank = 0
    size = 1
  }

  /// Makes a shape of `rank` dimensions, each given by its axis.
  public init(rank: Int, _ dimension: (_ axis: Int) throws -> Int) throws {
    guard rank >= 0, rank <= Shape.maximalRank else {
      throw NanogradError(.shape, "rank \(rank), expected 0 to \(Shape.maximalRank)")
    }
    dimensions = .init(repeating: 1)
    var size = 1
    // The product that leaves out zeros bounds every stride and every partial product.
    var extent = 1
    for axis in 0..<rank {
      let d = try dimension(axis)
      guard d >= 0 else {
        throw NanogradError(.shape, "dimension \(d) on axis \(axis), expected at least 0")
      }
      let (product, overflow) = extent.multipliedReportingOverflow(by: Swift.max(d, 1))
      guard !overflow, product <= Int.max >> 4 else {
        throw NanogradError(.shape, "too large: dimension \(d) on axis \(axis) is beyond 2^59 elements")
      }
      extent = product
      size = d == 0 ? 0 : size * d
      dimensions[axis] = d
    }
    self.size = size
    storedRank = UInt8(rank)
  }

  /// Makes a shape of the given dimensions.
  public init(_ dimensions: some RandomAccessCollection<Int>) throws {
    try self.init(rank: dimensions.count) {
      dimensions[dimensions.index(dimensions.startIndex, offsetBy: $0)]
    }
  }

  /// The number of dimensions.
  public var rank: Int { Int(storedRank) }
  public var startIndex: Int { 0 }
  public var endIndex: Int { Int(storedRank) }
  /// The dimension on an axis from 0 to `rank - 1`.
  public subscript(axis: Int) -> Int { dimensions[axis] }
  public var description: String { "[\(map(String.init).joined(separator: ", "))]" }

  /// The shape with one dimension replaced.
  func replacing(_ axis: Int, with dimension: Int) throws -> Shape {
    try Shape(rank: rank) { $0 == axis ? dimension : self[$0] }
  }

  /// An axis counted from 0, of one that may be negative.
  func axis(_ axis: Int) throws -> Int {
    guard axis >= -rank, axis < rank else {
      throw NanogradError(
        .argument,
        "axis \(axis) of shape \(self), expected "
          + (rank == 0 ? "none: it is a scalar" : "\(-rank) to \(rank - 1)"))
    }
    return axis < 0 ? axis + rank : axis
  }

  /// Whether repeating dimensions of 1 (and missing ones) gives the other shape.
  func broadcasts(to other: Shape) -> Bool {
    guard rank <= other.rank else { return false }
    let offset = other.rank - rank
    return allSatisfied { self[$0] == other[$0 + offset] || self[$0] == 1 }
  }

  /// The shape to which both broadcast: aligned at the last axes, 1 repeated.
  static func broadcast(_ a: Shape, _ b: Shape) throws -> Shape {
    if a == b { return a }
    let rank = Swift.max(a.rank, b.rank)
    return try Shape(rank: rank) { axis in
      let i = axis - (rank - a.rank)
      let j = axis - (rank - b.rank)
      let (m, n) = (i < 0 ? 1 : a[i], j < 0 ? 1 : b[j])
      guard m == n || m == 1 || n == 1 else {
        throw NanogradError(
          .shape,
          "shapes \(a) and \(b) do not broadcast: \(m) and \(n) on axis \(axis - rank), expected "
            + "equal dimensions or 1")
      }
      return m == 1 ? n : m
    }
  }

  private func allSatisfied(_ condition: (Int) -> Bool) -> Bool {
    for axis in 0..<rank where !condition(axis) { return false }
    return true
  }
}

extension Shape: Hashable {
  public static func == (a: Shape, b: Shape) -> Bool {
    a.storedRank == b.storedRank && a.allSatisfied { a[$0] == b[$0] }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(storedRank)
    for dimension in self { hasher.combine(dimension) }
  }
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
      guard !contains(axis) else { throw NanogradError(.argument, "axis \(entry) is given twice") }
      insert(axis)
    }
  }

  func contains(_ axis: Int) -> Bool { bits & (1 << UInt8(axis)) != 0 }
  mutating func insert(_ axis: Int) { bits |= 1 << UInt8(axis) }

  /// The shape without these axes, or with 1 in their place.
  func reduce(_ shape: Shape, keep: Bool) throws -> Shape {
    var kept = InlineArray<8, Int>(repeating: 1)
    var rank = 0
    for axis in 0..<shape.rank where keep || !contains(axis) {
      kept[rank] = contains(axis) ? 1 : shape[axis]
      rank += 1
    }
    return try Shape(rank: rank) { kept[$0] }
  }
}
