import XCTest

@testable import Nanograd

final class ShapeTests: XCTestCase {
  func testDimensions() throws {
    for dimensions in [[], [0], [7], [2, 3], [2, 0, 3], [1, 2, 1, 2, 1, 2, 1, 2]] {
      let shape = try Shape(dimensions)
      XCTAssertEqual(shape.rank, dimensions.count)
      XCTAssertEqual(shape.size, dimensions.reduce(1, *))
      XCTAssertEqual(Array(shape), dimensions)
      XCTAssertEqual(shape.description, "\(dimensions)")
    }
    XCTAssertEqual(Shape.scalar, try Shape([]))
    XCTAssertNotEqual(try Shape([1]), .scalar)
    XCTAssertNotEqual(try Shape([2, 3]), try Shape([3, 2]))
    XCTAssertEqual(try Shape([2, 3]).hashValue, try Shape([2, 3, 5].dropLast()).hashValue)
    XCTAssertEqual(Set([try Shape([2, 3]), try Shape([2, 3]), try Shape([3])]).count, 2)
  }

  func testLimits() throws {
    assertThrows(.shape, "9") { try Shape(Array(repeating: 1, count: 9)) }
    assertThrows(.shape, "-1", "axis 1") { try Shape([2, -1]) }
    assertThrows(.shape, "\(Int.min)") { try Shape([Int.min]) }
    XCTAssertEqual(try Shape([1 << 58, 1]).size, 1 << 58)
    for dimensions in [
      [1 << 62], [Int.max], [1 << 30, 1 << 30], [1 << 62, 2, 2], [0, Int.max, 2],
    ] {
      assertThrows(.shape, "too large") { try Shape(dimensions) }
    }
    // A zero hides no overflow: strides are products of the other dimensions.
    assertThrows(.shape, "too large") { try Shape([1 << 40, 0, 1 << 40]) }
    XCTAssertEqual(try Shape([1 << 40, 0, 1 << 10]).size, 0)
  }

  func testBroadcasting() throws {
    let table: [([Int], [Int], [Int]?)] = [
      ([], [], []), ([], [3], [3]), ([3], [3], [3]), ([1], [0], [0]), ([0], [0], [0]),
      ([2, 3], [3], [2, 3]), ([2, 1], [3], [2, 3]), ([2, 1], [1, 3], [2, 3]),
      ([4, 1, 2], [3, 1], [4, 3, 2]), ([2, 0], [1], [2, 0]), ([2, 0], [1, 1], [2, 0]),
      ([1, 1, 1, 1, 1, 1, 1, 1], [2], [1, 1, 1, 1, 1, 1, 1, 2]),
      ([2], [3], nil), ([2, 3], [2], nil), ([0], [2], nil), ([2, 2], [2, 0], nil),
    ]
    for (a, b, result) in table {
      for (x, y) in [(a, b), (b, a)] {
        let (x, y) = try (Shape(x), Shape(y))
        if let result {
          XCTAssertEqual(Array(try Shape.broadcast(x, y)), result)
          XCTAssertEqual(x.broadcasts(to: y), Array(y) == result, "\(x) to \(y)")
        } else {
          assertThrows(.shape, x.description, y.description) { try Shape.broadcast(x, y) }
          XCTAssertFalse(x.broadcasts(to: y))
        }
      }
    }
    assertThrows(.shape, "too large") {
      try Shape.broadcast(Shape([1 << 40, 1]), Shape([1 << 40]))
    }
  }

  func testAxes() throws {
    let shape = try Shape([2, 3, 4])
    XCTAssertEqual(try (-3..<3).map { try shape.axis($0) }, [0, 1, 2, 0, 1, 2])
    for axis in [3, -4, Int.min, Int.max] {
      assertThrows(.argument, "\(axis)", "[2, 3, 4]") { try shape.axis(axis) }
      assertThrows(.argument, "\(axis)", "[2, 3, 4]") { try Axes([0, axis], of: shape) }
    }
    assertThrows(.argument, "scalar") { try Shape.scalar.axis(0) }
    assertThrows(.argument, "twice") { try Axes([1, -2], of: shape) }

    let table: [([Int]?, keep: [Int], drop: [Int])] = [
      (nil, [1, 1, 1], []), ([], [2, 3, 4], [2, 3, 4]), ([0], [1, 3, 4], [3, 4]),
      ([-1, 0], [1, 3, 1], [3]), ([2, 1, 0], [1, 1, 1], []),
    ]
    for (list, keep, drop) in table {
      let axes = try Axes(list, of: shape)
      XCTAssertEqual(Array(try axes.reduce(shape, keep: true)), keep)
      XCTAssertEqual(Array(try axes.reduce(shape, keep: false)), drop)
    }
    let eight = try Shape(Array(repeating: 2, count: 8))
    XCTAssertEqual(try Axes(nil, of: eight).reduce(eight, keep: false), .scalar)
    XCTAssertEqual(try Axes(nil, of: .scalar).bits, 0)
  }

  func testDTypes() {
    XCTAssertEqual(DType.allCases.map(\.size), [4, 8, 4, 8])
    XCTAssertEqual(DType.allCases.map(\.isFloat), [true, true, false, false])
    XCTAssertEqual(DType.allCases.map(\.description), ["float32", "float64", "int32", "int64"])
    XCTAssertEqual(DType.allCases.map(\.rawValue), [1, 2, 3, 4])
  }
}
