//  A value is a function of the leaves: computed when asked for, kept until a leaf below changes.

import XCTest

@testable import Nanograd

final class LazinessTests: XCTestCase {
  func testNothingIsComputedUntilAsked() throws {
    let x = try vector([1, 2])
    let y = try exp(x)
    let z = try y + 1
    XCTAssertNil(y.memo.value)
    _ = try gradients(of: z, withRespectTo: [x])
    XCTAssertNil(z.memo.value)
    _ = try z.dense()
    XCTAssertNotNil(z.memo.value)
    XCTAssertNil(y.memo.value, "only what was asked for is kept")
  }

  /// Each way in which a leaf's data can change.
  func testEveryChangeIsFollowed() throws {
    try onBothEngines {
      let (x, w) = try (vector([1, 2]), vector([3, 4], isParameter: true))
      let y = try sum(x * w)
      let gradient = try gradients(of: y, withRespectTo: [w])[0]
      let accumulated = try w.grad! * 1
      func check(_ value: Double, _ slope: [Double], _ total: [Double], line: UInt = #line) throws {
        try assertEqual(y, Dense([], [value]), "value", line: line)
        try assertEqual(gradient, Dense([2], slope), "gradient", line: line)
        try assertEqual(accumulated, Dense([2], total), "accumulated", line: line)
      }
      try check(11, [1, 2], [0, 0])
      try x.write([5.0, 6])
      try check(39, [5, 6], [0, 0])
      try w.write([1.0, 1])
      try check(11, [5, 6], [0, 0])
      let memory: [Double] = [2, 3]
      try memory.withUnsafeBytes { try x.write($0.baseAddress, bytes: $0.count) }
      try check(5, [2, 3], [0, 0])
      try x.assign(w * 10)
      try check(20, [10, 10], [0, 0])
      try w.assign(w - 0.5 * x)
      try check(-80, [10, 10], [0, 0])
      try y.backward()
      try check(-80, [10, 10], [10, 10])
      try y.backward()
      try check(-80, [10, 10], [20, 20])
      w.zeroGrad()
      try check(-80, [10, 10], [0, 0])
      try w.assign(x)
      try check(200, [10, 10], [0, 0])
      try w.assign(w)
      try check(200, [10, 10], [0, 0])
    }
  }

  /// Leaves may share memory after an assignment, but never each other's later changes.
  func testAssignedLeavesAreIndependent() throws {
    let (a, b) = try (vector([1, 2]), vector([0, 0]))
    let view = try reshape(a, [2, 1])
    let c = try Tensor.leaf(view, isParameter: true, tag: "c")
    try b.assign(a)
    let kept = try view.evaluated()
    try a.write([8.0, 9])
    try assertEqual(b, Dense([2], [1, 2]))
    try assertEqual(c, Dense([2, 1], [1, 2]))
    XCTAssertEqual(Array(UnsafeBufferPointer(start: kept.elements(Double.self), count: 2)), [1, 2])
    try b.write([5.0, 6])
    try assertEqual(a, Dense([2], [8, 9]))
    try assertEqual(view, Dense([2, 1], [8, 9]))
  }

  func testAGraphRunsManyTimes() throws {
    let (x, w) = try (vector([0, 0]), vector([1, -1], isParameter: true))
    let loss = try squaredError(sigmoid(x * w), vector([1, 0]))
    for i in 0..<20 {
      let z = [Double(i) / 3, Double(i) - 5]
      try x.fill(z)
      let y = [1 / (1 + exp(-z[0])), 1 / (1 + exp(z[1]))]
      try assertEqual(
        loss, Dense([], [((1 - y[0]) * (1 - y[0]) + y[1] * y[1]) / 2]), tolerance: 1e-14, scale: 1)
    }
  }

  func testValuesAreKept() throws {
    try onBothEngines {
      let (x, other) = try (vector([1, 2]), vector([0]))
      let y = try exp(x)
      let value = try y.evaluated()
      XCTAssertTrue(try y.evaluated() === value)
      // A change elsewhere is no reason to compute again, nor is a reader further up.
      try other.write([1.0])
      XCTAssertTrue(try y.evaluated() === value)
      value.elements(Double.self)[0] = 42
      try assertEqual(y + other, Dense([2], [43, exp(2.0) + 1]), tolerance: 1e-15)
      try evaluate([y + 1, y, y * 2])
      XCTAssertTrue(y.memo.value === value)
      // A change below is one, even to the same numbers.
      try x.write([1.0, 2])
      try assertEqual(y + other, Dense([2], [exp(1.0) + 1, exp(2.0) + 1]), tolerance: 1e-15)
      XCTAssertFalse(try y.evaluated() === value)
    }
  }

  func testOnePassKeepsAllItWasAskedFor() throws {
    try onBothEngines {
      let x = try vector([1, 2])
      let a = try x + 1
      let b = try a * 2
      let c = try b - 3
      try evaluate([c, a, c, x, x.number(4)])
      XCTAssertNotNil(a.memo.value)
      XCTAssertNil(b.memo.value)
      try assertEqual(c, Dense([2], [1, 3]))
      try evaluate([])
    }
  }

  func testAFailureChangesNothing() throws {
    try onBothEngines {
      let table = try vector([1, 2, 3], isParameter: true)
      let indices = try Tensor(variable: [Int64(0), 2], [2])
      let before = try table * 2
      let picked = try gather(before, at: indices, axis: 0)
      let loss = try sum(picked * picked)
      try loss.backward()
      try assertEqual(table.grad!, Dense([3], [8, 0, 24]))
      let kept = try (loss.evaluated(), before.evaluated())
      var memory: Int?

      for bad in [Int64(3), -1, .min, .max] {
        try indices.write([0, bad])
        assertThrows(.index, "\(bad)", "gather", "0 to 2", "[3]") { try loss.item() }
        assertThrows(.index, "\(bad)") { try evaluate([before, loss]) }
        assertThrows(.index, "\(bad)") { try loss.backward() }
        assertThrows(.index, "\(bad)") { try table.assign(pad(picked, before: [1], after: [0])) }
        XCTAssertTrue(loss.memo.value === kept.0)
        XCTAssertTrue(before.memo.value === kept.1)
        try assertEqual(table, Dense([3], [1, 2, 3]))
        try assertEqual(table.grad!, Dense([3], [8, 0, 24]))
        // From the second time on: plans keep a little memory once they are made.
        XCTAssertEqual(liveBytes, memory ?? liveBytes, "nothing is left of what failed")
        memory = liveBytes
      }
      try indices.write([1, 1] as [Int64])
      XCTAssertEqual(try loss.item(), 32)
      try loss.backward()
      try assertEqual(table.grad!, Dense([3], [8, 32, 24]))
    }
  }

  func testMemoryIsGivenBack() throws {
    try onBothEngines {
      // A plan keeps its memory for the next run of the same graph.
      var isWarm = false
      func train() throws {
        let memory = liveBytes
        let x = try Tensor(parameter: .float64, [1000])
        XCTAssertEqual(liveBytes, memory, "zeros take no memory")
        try x.fill(Array(repeating: 1, count: 1000))
        var y = x
        for _ in 0..<50 { y = try tanh(y + 1) }
        try sum(y).backward()
        guard isWarm else { return }
        XCTAssertEqual(liveBytes, memory + 2 * x.bytes, "the leaf and its gradient stay")
      }
      try train()
      isWarm = true
      let memory = liveBytes
      try train()
      XCTAssertEqual(liveBytes, memory)
    }
  }

  func testDataInAndOut() throws {
    let x = try Tensor(variable: [Int32(1), 2, 3, 4], [2, 2], tag: "x")
    XCTAssertEqual(x.tag, "x")
    XCTAssertEqual(try x.values(Int32.self), [1, 2, 3, 4])
    XCTAssertEqual(try Tensor(variable: .int64, [2]).values(Int64.self), [0, 0])
    XCTAssertEqual(try Tensor(parameter: [Double](), [0]).values(Double.self), [])
    var bytes = [Int32](repeating: 0, count: 4)
    try bytes.withUnsafeMutableBytes { try x.read($0.baseAddress, bytes: 16) }
    XCTAssertEqual(bytes, [1, 2, 3, 4])
    for dtype in DType.allCases {
      XCTAssertEqual(try Tensor.leaf(Dense([1, 1], [-7]), dtype).item(), -7)
    }
  }
}
