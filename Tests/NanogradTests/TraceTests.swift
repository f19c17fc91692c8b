import XCTest

@testable import Nanograd

final class TraceTests: XCTestCase {
  private struct Recorder: Visitor {
    var seen: [Tensor] = []
    mutating func visit(_ tensor: Tensor) { seen.append(tensor) }
  }

  private func same(_ a: [Tensor], _ b: [Tensor]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0 === $1 }
  }

  func testOrder() throws {
    let (x, w, b) = try (vector([1]), vector([2]), vector([3]))
    let product = try x * w
    let y = try product + b
    let z = try y * product
    XCTAssertTrue(same(try order([z]), [x, w, product, b, y, z]))
    XCTAssertTrue(same(try order([y, z, product, y]), [x, w, product, b, y, z]))
    XCTAssertTrue(same(try order([b, z]), [b, x, w, product, y, z]))
    XCTAssertTrue(same(try order([]), []))
    XCTAssertTrue(same(try order([x]), [x]))

    var recorder = Recorder()
    try trace(z, &recorder)
    XCTAssertTrue(same(recorder.seen, [z, y, b, product, w, x]))
  }

  func testOrderHoldsInRandomGraphs() throws {
    var generator = SplitMix(state: 5)
    for _ in 0..<50 {
      var nodes = try (0..<3).map { try scalar(Double($0)) }
      for _ in 0..<60 {
        let (a, b) = (
          nodes.randomElement(using: &generator)!, nodes.randomElement(using: &generator)!
        )
        nodes.append(try Bool.random(using: &generator) ? a + b : -a)
      }
      var recorder = Recorder()
      try trace(nodes.last!, &recorder)
      XCTAssertTrue(recorder.seen.first === nodes.last)
      var position: [ObjectIdentifier: Int] = [:]
      for (i, tensor) in recorder.seen.enumerated() {
        XCTAssertNil(position.updateValue(i, forKey: ObjectIdentifier(tensor)), "visited twice")
      }
      for (i, tensor) in recorder.seen.enumerated() {
        for operand in tensor.operands.list {
          XCTAssertGreaterThan(position[ObjectIdentifier(operand)] ?? -1, i)
        }
      }
    }
  }

  func testZero() throws {
    let (a, b, c) = try (
      vector([1], isParameter: true), vector([2], isParameter: true), vector([3], isParameter: true)
    )
    let loss = try sum(a * b)
    try loss.backward()
    try sum(c).backward()
    var zero = Zero()
    try trace(loss, &zero)
    for (parameter, want) in [(a, 0.0), (b, 0), (c, 1)] {
      XCTAssertEqual(try parameter.grad?.item(), want)
      XCTAssertEqual(parameter.leaf?.hasGradient, want != 0)
    }
    // Zeroing what has nothing is no change: values are kept.
    let version = a.grad?.leaf?.version
    a.zeroGrad()
    XCTAssertEqual(a.grad?.leaf?.version, version)
  }

  func testBack() throws {
    let (x, w, b) = try (
      vector([5]), vector([2], isParameter: true), vector([3], isParameter: true)
    )
    let product = try x * w
    let loss = try product + b
    var back = Back()
    try trace(loss, &back)
    XCTAssertTrue(same(back.parameters, [b, w]))
    XCTAssertEqual(try back.gradient(of: loss)?.item(), 1)
    XCTAssertEqual(try back.gradient(of: product)?.item(), 1)
    XCTAssertEqual(try back.gradient(of: w)?.item(), 5)
    XCTAssertNil(back.gradient(of: x), "leads to no Parameter")
    XCTAssertNil(back.gradient(of: try scalar(1)))
  }

  func testWalk() throws {
    let (x, w, t) = try (vector([1], tag: "x"), vector([2], tag: "w"), vector([3], tag: "t"))
    let product = try x * w
    let loss = try product - t + 2 * product
    var walk = Walk()
    try trace(loss, &walk)
    let (difference, double) = (loss.operands[0], loss.operands[1])
    XCTAssertTrue(same(walk.nodes, [loss, double, difference, t, product, w, x]))
    XCTAssertTrue(
      same(
        walk.edges.map(\.consumer), [loss, loss, double, difference, difference, product, product]))
    XCTAssertTrue(same(walk.edges.map(\.operand), [double, difference, product, t, product, w, x]))

    // An opaque composite stands for all that is inside; an open one shows it.
    let soft = try softmax(product, axis: 0)
    walk = Walk()
    try trace(soft, &walk)
    XCTAssertTrue(same(walk.nodes, [soft, product, w, x]))
    XCTAssertEqual(walk.edges.count, 3)
    walk = Walk()
    try trace(lasso(w), &walk)
    XCTAssertEqual(
      walk.nodes.map { "\($0.op)" }, ["named", "reshape", "sum", "absolute", "variable"])
    // A constant is drawn within its consumer, and a lone tensor all the same.
    walk = Walk()
    try trace(Tensor(constant: 1, .float32), &walk)
    XCTAssertEqual(walk.nodes.count, 1)
  }

  func testAVisitorMayThrow() throws {
    struct Thrower: Visitor {
      var left = 2
      mutating func visit(_ tensor: Tensor) throws {
        left -= 1
        if left == 0 { throw NanogradError(.state, "enough") }
      }
    }
    var thrower = Thrower()
    let y = try -scalar(1)
    assertThrows(.state, "enough") { try trace(y, &thrower) }
    XCTAssertEqual(thrower.left, 0)
  }

  func testMapOfTensors() throws {
    var map = TensorMap<Int>()
    let tensors = try (0..<5000).map { try scalar(Double($0)) }
    for (i, tensor) in tensors.enumerated() {
      XCTAssertNil(map[tensor])
      map[tensor] = -1
      map[tensor] = i
    }
    XCTAssertEqual(map.count, tensors.count)
    for (i, tensor) in tensors.enumerated() { XCTAssertEqual(map[tensor], i) }
    // Held to the end: a map knows addresses only, and a freed one may be another tensor's next.
    try withExtendedLifetime(tensors) { XCTAssertNil(map[try scalar(0)]) }
  }
}
