//  Gradients that are derived once for a structure, and graphs that are run in stretches, against the
//  plain evaluator.

import XCTest

@testable import Nanograd

final class EngineDerivationTests: EngineTestCase {
  private func isPlain<T>(_ body: () throws -> T) rethrows -> T {
    Evaluation.isPlain.store(true, ordering: .relaxed)
    defer { Evaluation.isPlain.store(false, ordering: .relaxed) }
    return try body()
  }

  /// The random graph of a seed with its values, a loss in it and the Parameters; nil if it has no loss.
  private func trainable(
    _ seed: UInt64
  ) throws -> (graph: RandomGraph, loss: Tensor, parameters: [Tensor])? {
    let graph = try RandomGraph(seed: seed)
    guard let (loss, parameters) = loss(graph) else { return nil }
    try graph.write(seed: seed)
    return (graph, loss, parameters)
  }

  private func computedPlainly(_ root: Tensor) throws -> Evaluated {
    Evaluated(root: root, value: try isPlain { try root.evaluated() })
  }

  /// A scalar among the roots of a random graph that leads to a Parameter, and the Parameters.
  private func loss(_ graph: RandomGraph) -> (loss: Tensor, parameters: [Tensor])? {
    graph.roots.first { $0.size == 1 && $0.leaf == nil && $0.leadsToParameter }
      .map { ($0, graph.leaves.filter(\.isParameter)) }
  }

  /// What the Parameters have accumulated.
  private func accumulated(_ parameters: [Tensor]) throws -> [Evaluated] {
    try parameters.compactMap { parameter in
      guard let grad = parameter.grad, parameter.leaf?.hasGradient == true else { return nil }
      return Evaluated(root: grad, value: try grad.evaluated())
    }
  }

  private func carry(
    _ nodes: [Tensor], _ seeds: [(of: Tensor, is: Tensor)], _ targets: [Tensor]
  ) throws -> [Tensor?] {
    var back = Back(from: seeds)
    for node in nodes.reversed() { try back.visit(node) }
    return targets.map { $0.isParameter || $0.leaf == nil ? back.gradient(of: $0) : nil }
  }

  func testGradientsOfRandomGraphs() throws {
    var compared = 0
    for seed in UInt64(1)...1_200 {
      guard let (graph, loss, parameters) = try trainable(seed) else { continue }
      let tolerance = graph.isSingle ? 1e-4 : 1e-11
      try isPlain { try loss.backward() }
      let once = try accumulated(parameters)
      try isPlain { try loss.backward() }
      let twice = try accumulated(parameters)
      compared += once.count

      // The first of its structure, then with something accumulated, then both again on a graph that was
      // built anew, of which only the loss's structure is looked at.
      for round in 0..<2 {
        let (again, loss, parameters) = try XCTUnwrap(trainable(seed))
        if round == 1 { try evaluate(Array(again.roots.prefix(2))) }
        for (want, name) in [(once, "once"), (twice, "twice")] {
          try loss.backward()
          let text = difference(try accumulated(parameters), want, tolerance: tolerance)
          XCTAssertNil(text, "seed \(seed), round \(round), \(name)")
        }
      }

      let (stretched, root, targets) = try XCTUnwrap(trainable(seed))
      let along = stretched.roots.filter { $0.leaf == nil }
      let request = try Request([root] + along, isWhole: true)
      let leaves = request.leafNumbers.map { request.node(Int($0)) }
      let stretches = Stretches(request, results: request.results, length: 1 + Int(seed % 9))
      let ones = try full(1, like: root)
      guard
        let values = try stretches.carriedBack(ones, leaves.map { _ in nil }, carry)
      else { return XCTFail("seed \(seed): no plan") }
      var shares = TensorMap<Value>()
      for (leaf, value) in zip(leaves, values.dropFirst(1 + along.count)) {
        if let value { shares[leaf] = value }
      }
      let got = targets.compactMap { t in shares[t].map { Evaluated(root: t, value: $0) } }
      let text = difference(got, once, tolerance: tolerance)
      XCTAssertNil(text, "seed \(seed), in stretches")
      for (root, value) in zip(along, values.dropFirst()) {
        let got = Evaluated(root: root, value: try XCTUnwrap(value))
        let text = difference([got], [try computedPlainly(root)], tolerance: tolerance)
        XCTAssertNil(text, "seed \(seed), computed along in stretches")
      }
    }
    XCTAssertGreaterThan(compared, 500)
  }

  /// Tensors that `backward` computes along: operators twice and known before, leaves, numbers, and the loss.
  func testValuesComputedAlong() throws {
    for seed in UInt64(1)...600 {
      guard let (graph, loss, parameters) = try trainable(seed) else { continue }
      let tolerance = graph.isSingle ? 1e-4 : 1e-11
      try isPlain { try loss.backward() }
      let gradients = try accumulated(parameters)
      let roots = graph.roots.filter { $0.leaf == nil }
      let want = try roots.map(computedPlainly)
      for round in 0..<3 {
        let (again, loss, parameters) = try XCTUnwrap(trainable(seed))
        let roots = again.roots.filter { $0.leaf == nil }
        if round == 2 { try evaluate(Array(roots.suffix(2))) }
        let others = roots + again.leaves + [loss, roots[0], try full(2, like: loss)]
        try loss.backward(evaluating: Array(others.dropFirst(round)))
        for root in roots.dropFirst(round) where root.size > 0 {
          XCTAssertNotNil(root.memo.value, "seed \(seed)")
        }
        let got = try roots.map { Evaluated(root: $0, value: try $0.evaluated()) }
        for (got, want) in [(got, want), (try accumulated(parameters), gradients)] {
          XCTAssertNil(
            difference(got, want, tolerance: tolerance), "seed \(seed), round \(round)")
        }
      }
    }
  }

  /// What depends on a gradient is computed with the one before, and again when it is asked for.
  func testAGradientComputedAlong() throws {
    let w = try Tensor(parameter: [3.0], [])
    let loss = try w * w
    try loss.backward()
    let slope = try 10 * w.grad!
    try loss.backward(evaluating: [slope, w.grad!])
    XCTAssertEqual(try slope.item(), 120)
    XCTAssertEqual(try w.grad!.item(), 12)
    XCTAssertEqual(try loss.item(), 9)
  }

  /// A graph that is run in stretches: beside a loss that is a leaf, and behind what has no elements.
  func testALongGraphComputedAlong() throws {
    let w = try Tensor(parameter: [3.0], [])
    var y = try w * 1
    for _ in 0..<8_000 { y = try y + w }
    let none = try slice(
      expandDims(gather(reshape(w, [1]), at: Tensor(variable: [Int32(9)], [1]), axis: 0), axis: 0),
      axis: 0, 0, 0)
    for sum in 1...2 {
      try w.backward(evaluating: [y, none])
      XCTAssertEqual(try w.grad!.item(), Double(sum))
      XCTAssertEqual(try y.item(), 24_003)
    }
    try sum(w * w).backward(evaluating: [y, none])
    XCTAssertEqual(try w.grad!.item(), 8)
    XCTAssertEqual(try none.values(Double.self), [])
  }

  /// What cannot be computed keeps the gradients from being added.
  func testNothingIsAddedIfWhatIsAlongFails() throws {
    let w = try Tensor(parameter: [3.0, 1.0], [2])
    let loss = try sum(w * w)
    let bad = try gather(w, at: Tensor(variable: [Int32(9)], [1]), axis: 0)
    XCTAssertThrowsError(try loss.backward(evaluating: [bad]))
    XCTAssertFalse(w.leaf!.hasGradient)
    try loss.backward(evaluating: [w])
    XCTAssertEqual(try w.grad!.values(Double.self), [6, 2])
  }

  func testStretchesOfRandomGraphs() throws {
    for seed in UInt64(1)...800 {
      let graph = try RandomGraph(seed: seed)
      try graph.write(seed: seed)
      let want = try plain(graph.roots)
      let request = try Request(graph.roots.filter { $0.leaf == nil })
      let stretches = Stretches(request, results: request.results, length: 1 + Int(seed % 13))
      guard let values = try stretches.computed() else { return XCTFail("no plan") }
      let got = zip(request.results, values).map { Evaluated(root: request.node($0), value: $1) }
      let text = difference(got, want, tolerance: graph.isSingle ? 1e-4 : 1e-12)
      XCTAssertNil(text, "seed \(seed)")
    }
  }

  /// Numbers that a gradient is made with may change although the structure does not.
  func testNumbersAreNotPartOfTheGradient() throws {
    for exponent in [3.0, 2.0, 2.5, 1.0, 0.0, 3.0, -2.0] {
      for factor in [0.5, 2.0, 1.0] {
        let x = try Tensor(parameter: [2.0, 3.0], [2])
        try sum(factor * power(x, exponent)).backward()
        for (slope, base) in zip(try x.grad!.values(Double.self), [2.0, 3.0]) {
          XCTAssertEqual(
            slope, factor * exponent * Foundation.pow(base, exponent - 1), accuracy: 1e-13)
        }
      }
    }
  }

  /// A gradient that is an operand of the loss whose gradient is taken.
  func testAGradientAmongTheOperands() throws {
    func check(_ other: (Tensor) -> Tensor) throws {
      let w = try Tensor(parameter: [2.0], [1])
      try sum(3 * w).backward()
      let loss = try sum(w * other(w))
      let before = try loss.item()
      let slope = try other(w).item()
      try loss.backward()
      XCTAssertEqual(before, 2 * slope)
      XCTAssertEqual(try w.grad!.item(), 3 + slope)
      let slopeNow = try other(w).item()
      XCTAssertEqual(try loss.item() as Double, 2.0 * slopeNow)
    }
    let v = try Tensor(variable: [5.0], [1])
    for _ in 0..<2 {
      try check { $0.grad! }
      try check { _ in v }
    }
  }

  /// A loss that is asked for after `backward` is not computed again, unless it has to be.
  func testTheLossKeepsItsValue() throws {
    let w = try Tensor(parameter: [2.0, 1.0], [2])
    let loss = try sum(w * w)
    try loss.backward()
    let value = loss.memo.value
    XCTAssertEqual(try loss.item(), 5)
    XCTAssertTrue(loss.memo.value === value)
    try w.write([3.0, 1.0])
    XCTAssertEqual(try loss.item(), 10)
  }
}
