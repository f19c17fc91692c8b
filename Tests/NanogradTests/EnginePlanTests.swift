//  Plans by themselves: which graphs share one, what one keeps, what a failure leaves behind, and the
//  shapes of graphs in which a step can go wrong.

import XCTest

@testable import Nanograd

final class EnginePlanTests: EngineTestCase {
  private func plan(_ tensors: Tensor...) throws -> Plan { try planned(tensors).plan }

  private func random(_ shape: [Int], _ dtype: DType = .float64, seed: UInt64 = 1) throws -> Tensor
  {
    try .leaf(.random(shape, -2...2, dtype, seed: seed), dtype)
  }

  // MARK: The cache

  /// Graphs that differ in one thing have different plans; each finds its own again.
  func testADifferenceAnywhereIsAnotherPlan() throws {
    func twice(_ x: Tensor) throws -> Tensor { try exp(x + x) }
    let graphs: [(String, () throws -> Tensor)] = [
      ("plain", { try exp(self.random([4, 6]) + 1) }),
      ("another operator", { try sin(self.random([4, 6]) + 1) }),
      ("another constant", { try exp(self.random([4, 6]) + 2) }),
      ("times zero", { try exp(self.random([4, 6]) * 0.0) }),
      ("times a negative zero", { try exp(self.random([4, 6]) * -0.0) }),
      ("another dtype", { try exp(self.random([4, 6], .float32) + 1) }),
      ("another shape", { try exp(self.random([6, 4]) + 1) }),
      ("another rank", { try exp(self.random([24]) + 1) }),
      ("the operands swapped", { try exp(1 + self.random([4, 6])) }),
      ("axis 0", { try sum(self.random([4, 6]), axes: [0]) }),
      ("axis 1", { try sum(self.random([4, 6]), axes: [1]) }),
      ("axis 1 kept", { try sum(self.random([4, 6]), axes: [1], keep: true) }),
      ("both axes", { try sum(self.random([4, 6])) }),
      ("the largest", { try max(self.random([4, 6]), axes: [1]) }),
      ("a window", { try -slice(self.random([4, 6]), axis: 1, 0, 3) }),
      ("a window further on", { try -slice(self.random([4, 6]), axis: 1, 1, 4) }),
      ("a window with a step", { try -slice(self.random([4, 6]), axis: 1, 0, 6, step: 2) }),
      ("a window backwards", { try -slice(self.random([4, 6]), axis: 1, 2, nil, step: -1) }),
      ("an order", { try -permute(self.random([4, 4, 4]), [0, 2, 1]) }),
      ("another order", { try -permute(self.random([4, 4, 4]), [1, 0, 2]) }),
      (
        "joined along 0",
        { try concatenate([self.random([4, 4]), self.random([4, 4])], axis: 0) }
      ),
      (
        "joined along 1",
        { try concatenate([self.random([4, 4]), self.random([4, 4])], axis: 1) }
      ),
      ("two leaves", { try exp(self.random([4, 6]) + self.random([4, 6], seed: 2)) }),
      ("one leaf twice", { try twice(self.random([4, 6])) }),
      ("cast", { try cast(self.random([4, 6]), to: .int32) }),
      ("cast to int64", { try cast(self.random([4, 6]), to: .int64) }),
    ]
    var plans: [Plan] = []
    for (name, graph) in graphs {
      let tensor = try graph()
      let plan = try plan(tensor)
      for (other, known) in zip(graphs, plans) where known === plan {
        XCTFail("\(name) has the plan of \(other.0)")
      }
      plans.append(plan)
      XCTAssertTrue(try self.plan(graph()) === plan, "\(name), built again")
      try assertPlanIsPlain([tensor], name)
    }
  }

  func testRootsAndValuesArePartOfTheStructure() throws {
    let x = try random([3, 4])
    let (y, z) = try (exp(x), sin(x))
    let first = try plan(y, z)
    XCTAssertFalse(try plan(z, y) === first, "the order of roots")
    XCTAssertFalse(try plan(y) === first, "one root of two")
    let deep = try sum(y * z)
    let whole = try plan(deep)
    try evaluate([y])
    XCTAssertFalse(try plan(deep) === whole, "what has a value already is an input")
    try assertPlanIsPlain([deep])
  }

  func testANumberThatChangesIsNoNewPlan() throws {
    func graph(_ number: Double) throws -> Tensor {
      try power(exp(self.random([5])), number) * number
    }
    let first = try plan(graph(2.5))
    for number in [3.5, 2, -0.25, .infinity, 1e300] {
      XCTAssertTrue(try plan(graph(number)) === first, "\(number)")
      try assertPlanIsPlain([graph(number)], "\(number)")
    }
    // What multiplies or adds nothing is left out, which takes a plan of its own.
    for number in [0, 1, -1.0] { try assertPlanIsPlain([graph(number)], "\(number)") }
    XCTAssertEqual(try full(.float32, [], 3.5).item(), 3.5)
    try evaluate([full(.float32, [], 2.5)])
  }

  func testTheCacheForgetsWhatIsNotUsed() throws {
    func graph(_ size: Int) throws -> Tensor { try self.random([size]) * 3 }
    weak var unused = try plan(graph(1))
    let used = try plan(graph(2))
    XCTAssertNotNil(unused)
    for i in 0..<300 {
      _ = try plan(graph(i + 3))
      XCTAssertTrue(try plan(graph(2)) === used)
    }
    XCTAssertNil(unused, "300 plans later")
  }

  func testAPlanKeepsNoGraphAndNoData() throws {
    func step() throws -> (leaf: WeakTensor, memory: WeakValue, plan: Plan) {
      let x = try self.random([300, 70], .float32)
      let w = try Tensor.leaf(.random([70, 5], -2...2, .float32), .float32, isParameter: true)
      let at = try Tensor(variable: (0..<300).map { Int32($0 % 5) }, [300, 1])
      let loss = try sum(
        gather(pad(matmul(x, w), before: [0, 0], after: [0, 1]), at: at, axis: 1))
      let roots = try [loss] + gradients(of: loss, withRespectTo: [w])
      let plan = try planned(roots).plan
      try evaluate(roots)
      return (WeakTensor(x), WeakValue(x.leaf?.value), plan)
    }
    let first = try step()
    let bytes = liveBytes
    for _ in 0..<3 {
      let next = try step()
      XCTAssertTrue(next.plan === first.plan)
      XCTAssertNil(next.leaf.tensor)
      XCTAssertNil(next.memory.value)
    }
    XCTAssertEqual(liveBytes, bytes)
  }

  // MARK: Failures

  /// An index out of range in the middle of a plan, with work before it and beside it.
  func testAFailureLeavesEverythingUsable() throws {
    let x = try random([64, 48])
    let w = try Tensor.leaf(.random([48, 32]), isParameter: true)
    let at = try Tensor(variable: [Int64](repeating: 3, count: 64), [64, 1])
    let h = try tanh(matmul(x, w))
    let loss = try sum(exp(gather(h, at: at, axis: 1))) + sum(sin(h))
    for threads in [1, 3] {
      try setNumberOfThreads(threads)
      w.zeroGrad()
      try at.write([Int64](repeating: 3, count: 64))
      try loss.backward()
      let (value, slope) = try (loss.item(), w.grad!.dense())
      let plan = try self.plan(gradients(of: loss, withRespectTo: [w])[0])

      for bad in [32, -1, Int64.max] {
        try at.write([Int64](repeating: 3, count: 63) + [bad])
        let memo = loss.memo.value
        assertThrows(.index, "gather", "\(bad)", "element 63") { try loss.backward() }
        assertThrows(.index, "gather") { try loss.item() }
        assertThrows(.index) { try planned(gradients(of: loss, withRespectTo: [w])) }
        XCTAssertTrue(loss.memo.value === memo)
        try assertEqual(w.grad!, slope)
        try assertEqual(x, .random([64, 48]))
      }

      try at.write([Int64](repeating: 3, count: 64))
      XCTAssertEqual(try loss.item(), value)
      try loss.backward()
      try assertEqual(w.grad!, slope.map { 2 * $0 }, tolerance: 1e-15)
      XCTAssertTrue(try self.plan(gradients(of: loss, withRespectTo: [w])[0]) === plan)
    }
  }

  // MARK: Graphs that need care

  /// [n] as a row and [n] as a column: neither is a part of the other's accumulator.
  func testSumOfARowAndAColumn() throws {
    let (x, w) = try (random([7]), random([7, 20], seed: 2))
    let (m, y) = try (random([20, 9], seed: 3), random([9], seed: 4))
    try assertPlanIsPlain([matmul(x, w) + matmul(m, y)])
    try assertPlanIsPlain([matmul(m, y) + (matmul(x, w) + matmul(x * 2, w)) + matmul(m, y * y)])
    let (row, column) = try (random([1, 7]), random([1, 20, 9], seed: 5))
    try assertPlanIsPlain([matmul(row, w) + matmul(column, y)])
  }

  /// Weights and a part of them begin at the same place and have the same strides.
  func testPartsOfSharedWeights() throws {
    let (x, w) = try (random([12, 40]), random([40, 64], seed: 2))
    let narrow = try slice(w, axis: 1, 0, 33)
    let short = try slice(w, axis: 0, 0, 17)
    let few = try slice(x, axis: 1, 0, 17)
    try assertPlanIsPlain([
      matmul(x, w), matmul(x * 2, w), matmul(x, narrow), matmul(x * 3, narrow),
      matmul(few, short), matmul(few * 2, short), matmul(few, short) + matmul(x, w),
    ])
  }

  /// Each product's group would have to wait for the other's.
  func testGroupsThatWaitForEachOther() throws {
    let (x, y) = try (random([8, 32]), random([8, 32], seed: 2))
    let w = try Tensor.leaf(.random([32, 32], -0.3...0.3), isParameter: true)
    let u = try Tensor.leaf(.random([32, 32], -0.3...0.3, seed: 3), isParameter: true)
    let first = try matmul(tanh(matmul(x, w)), u)
    let second = try matmul(tanh(matmul(y, u)), w)
    let loss = try sum(tanh(first) * tanh(second))
    try assertPlanIsPlain([first, second, loss] + gradients(of: loss, withRespectTo: [w, u]))
  }

  /// What is worked out of one buffer waits for the map that reads it, and becomes a part of that: the derivative of
  /// a sigmoid takes no memory.
  func testDerivativesWaitForTheirReaders() throws {
    let u = try Tensor.leaf(.random([64, 20], -1...1, seed: 3), isParameter: true)
    let v = try Tensor.leaf(.random([40, 64], -1...1, seed: 4), isParameter: true)
    // Of two rows that share their weights, products are one step, which comes after all other work.
    let loss = try (1...2).map { seed in
      try sum(tanh(matmul(sigmoid(matmul(random([12, 40], seed: UInt64(seed)), v)), u)))
    }.reduce(sum(u)) { try $0 + $1 }
    let roots = try [loss] + gradients(of: loss, withRespectTo: [u, v])
    let maps = try planned(roots).plan.parts.joined().flatMap(\.steps).compactMap { step -> Map? in
      if case .map(let map) = step.work { map } else { nil }
    }
    let sigmoids = maps.filter { map in
      map.instructions.contains { if case .unary(.sigmoid) = $0.kind { true } else { false } }
    }
    XCTAssertEqual(sigmoids.map { $0.instructions.filter(\.isStored).count }, [2])
    try assertPlanIsPlain(roots)
  }

  /// Readers of such maps that want other rows of them, or all rows, or wait for something else as well.
  func testWhoReadsWhatWaits() throws {
    for rows in [1, 7, 64] {
      let (x, w) = try (random([rows, 7]), random([7, 7], seed: 2))
      let late = try sum(tanh(matmul(x, w)), axes: [0], keep: true)
      let y = try -(x * 3 + 1)
      let z = try y * y - y
      try assertPlanIsPlain([
        y * late, transpose(z) * matmul(w, transpose(x)), z + slice(z, axis: 0, step: -1),
        sum(z, axes: [0]), z * sum(z, axes: [1], keep: true), matmul(z, w) * late,
        exp(reshape(z, [-1])), y + exp(broadcastTo(slice(x, axis: 0, 0, 1), y.shape)),
      ])
      let turned = try transpose(z)
      try assertPlanIsPlain([turned * transpose(y * late), exp(transpose(turned)) * late])
    }
  }

  /// Views of no elements, in an order that is not their buffer's.
  func testEmptyViews() throws {
    let x = try random([3, 0, 5])
    let turned = try permute(x, [2, 1, 0])
    let part = try slice(random([3, 4, 5]), axis: 1, 2, 2)
    try assertPlanIsPlain([
      concatenate([turned, random([5, 2, 3])], axis: 1),
      reshape(permute(part, [2, 0, 1]), [0, 7]),
      pad(turned, before: [0, 1, 0], after: [0, 0, 1], value: 2), sum(turned, axes: [1]),
      matmul(permute(part, [0, 2, 1]), reshape(part, [3, 0, 5])), -turned, transpose(part),
    ])
  }

  /// What no axis walks, a number repeated, as the operand of everything.
  func testRepeatedNumbers() throws {
    let x = try reshape(slice(random([5]), axis: 0, 2, 3), [1, 1])
    for shape in [[1, 1], [5, 1], [1, 40], [7, 40], [3, 7, 40]] {
      let y = try broadcastTo(x, shape)
      let z = try random(shape, seed: 2)
      try assertPlanIsPlain(
        [
          y, exp(y), -transpose(y), y * z, z / y, select(y, z, y), sum(y, axes: [-1]),
          softmax(y, axis: -1),
          pad(y, before: shape.map { _ in 1 }, after: shape.map { _ in 0 }), reshape(exp(y), [-1]),
        ],
        "\(shape)")
    }
  }

  /// Roots that are views of roots, the same root under other names, and equal ones.
  /// What has nothing in common is a chain of its own, so that any thread may take it; what is small stays together.
  func testUnrelatedWorkIsTakenApart() throws {
    func chains(_ tensors: [Tensor]) throws -> [Int] {
      try planned(tensors).plan.parts.joined().filter { $0.rows == 256 }.map(\.steps.count)
    }
    let (a, b) = (try random([256, 64], seed: 2), try random([256, 64], seed: 3))
    let (v, w) = (try random([64, 64], seed: 4), try random([64, 64], seed: 5))
    XCTAssertEqual(try chains([matmul(a, v), matmul(b, w)]), [1, 1])
    XCTAssertEqual(try chains([tanh(a), exp(b)]), [1, 1], "two maps of one shape")
    // One reads what the other writes.
    let product = try matmul(a, v)
    XCTAssertEqual(try chains([product, matmul(tanh(product), w)]), [3])
    // Both write what a third reads.
    XCTAssertEqual(try chains([matmul(a, v) - matmul(b, w)]).count, 1)
    // Together they are small.
    let (x, y) = (try random([256, 2], seed: 6), try random([256, 2], seed: 7))
    XCTAssertEqual(try chains([tanh(x), exp(y)]), [1], "one map for both")
  }

  func testRootsOfRoots() throws {
    let x = try random([6, 5])
    let y = try exp(x)
    try assertPlanIsPlain([
      y, transpose(y), reshape(y, [30]), exp(x), stopGradient(y), slice(y, axis: 0, step: -1),
      y * 1,
      transpose(x), x * 1, sum(y, axes: []), full(.float64, [4], 3), select(y, axis: 0, index: 5),
    ])
  }
}

private struct WeakTensor {
  weak var tensor: Tensor?
  init(_ tensor: Tensor?) { self.tensor = tensor }
}

private struct WeakValue {
  weak var value: Value?
  init(_ value: Value?) { self.value = value }
}
