//  Graphs that stay, and are run again and again: what is behind their roots is looked for once.

import XCTest

@testable import Nanograd

final class EngineKeptGraphTests: EngineTestCase {
  private func isPlain<T>(_ body: () throws -> T) rethrows -> T {
    Evaluation.isPlain.store(true, ordering: .relaxed)
    defer { Evaluation.isPlain.store(false, ordering: .relaxed) }
    return try body()
  }

  /// A random graph with a loss that leads to a Parameter; nil if the seed's has none.
  private struct Trainable {
    let graph: RandomGraph
    let loss: Tensor
    let parameters: [Tensor]

    init?(_ seed: UInt64) throws {
      graph = try RandomGraph(seed: seed)
      let roots = graph.roots
      guard let loss = roots.first(where: { $0.size == 1 && $0.leaf == nil && $0.leadsToParameter })
      else { return nil }
      self.loss = loss
      parameters = graph.leaves.filter(\.isParameter)
    }

    /// One of several things that a program does with a graph.
    func act(_ step: Int, seed: UInt64) throws {
      if step % 5 != 4 { try graph.write(seed: seed &+ UInt64(step)) }
      switch (UInt64(step) &+ seed) % 6 {
      case 0: for parameter in parameters { parameter.zeroGrad() }
      case 1: try evaluate(Array(graph.roots.suffix(2)))
      case 2: parameters.first?.zeroGrad()
      case 3: try evaluate([loss])
      default: break
      }
      if step % 4 == 3 { try evaluate([loss]) } else { try loss.backward() }
    }

    /// The loss, and what the Parameters have accumulated.
    func values() throws -> [Evaluated] {
      let gradients = parameters.filter { $0.leaf?.hasGradient == true }.compactMap(\.grad)
      return try ([loss] + gradients).map { Evaluated(root: $0, value: try $0.evaluated()) }
    }
  }

  /// Against a graph of the same kind with which the plain evaluator does the same.
  func testRandomGraphs() throws {
    var kept = 0
    for seed in UInt64(1)...500 {
      guard let graph = try Trainable(seed), let other = try Trainable(seed) else { continue }
      for step in 0..<14 {
        if step == 9, seed % 3 == 0 { releaseCaches() }
        try graph.act(step, seed: seed)
        try isPlain { try other.act(step, seed: seed) }
        let want = try isPlain { try other.values() }
        let text = difference(
          try graph.values(), want, tolerance: graph.graph.isSingle ? 1e-4 : 1e-11)
        XCTAssertNil(text, "seed \(seed), step \(step)")
      }
      if PlanCache.walk(from: graph.loss) != nil { kept += 1 }
    }
    XCTAssertGreaterThan(kept, 50)
  }

  /// The list is the same at every step, and goes with its root.
  func testTheWalkStaysWithItsRoot() throws {
    weak var list: NodeList?
    weak var end: Tensor?
    try {
      let (x, w) = try (Tensor(variable: [2.0], [1]), Tensor(parameter: [3.0], [1]))
      let loss = try sum(x * w * w)
      end = loss
      for step in 0..<6 {
        try x.write([Double(step)])
        try loss.backward()
        XCTAssertEqual(try loss.item(), Double(9 * step))
        XCTAssertEqual(try w.grad!.values(Double.self), [Double(6 * step)])
        w.zeroGrad()
        // The first time nobody knows that there will be more.
        let now = PlanCache.walk(from: loss)
        XCTAssertEqual(now == nil, step < 1, "\(step)")
        if step > 1 { XCTAssertTrue(now === list) }
        list = now
      }
    }()
    XCTAssertNil(end)
    XCTAssertNil(list)
  }

  /// A value that is known meanwhile, and one that is not any more, change what has to be computed.
  func testWhatIsKnownMeanwhile() throws {
    let (x, w) = try (Tensor(variable: [2.0], [1]), Tensor(variable: [3.0], [1]))
    let inner = try x * x
    let y = try inner + w
    for step in 1...12 {
      if step % 2 == 0 { try x.write([Double(step)]) } else { try w.write([Double(step)]) }
      if step % 3 == 0 { try evaluate([inner]) }
      let (a, b) = try (x.values(Double.self)[0], w.values(Double.self)[0])
      XCTAssertEqual(try y.values(Double.self), [a * a + b], "\(step)")
    }
  }

  /// The same of a loss, whose graph is walked whole, from a step on at which something was known.
  func testWhatIsKnownOfALoss() throws {
    let (x, w) = try (Tensor(variable: [2.0], [1]), Tensor(parameter: [3.0], [1]))
    let inner = try x * x
    let loss = try sum(inner * w)
    for step in 1...12 {
      if step % 2 == 0 { try x.write([Double(step)]) } else { try w.write([Double(step)]) }
      if step % 3 != 0 { try evaluate([inner]) }
      w.zeroGrad()
      try loss.backward()
      let (a, b) = try (x.values(Double.self)[0], w.values(Double.self)[0])
      XCTAssertEqual(try loss.item(), a * a * b, "\(step)")
      XCTAssertEqual(try w.grad!.values(Double.self), [a * a], "\(step)")
    }
  }

  /// More graphs than there is room for, in turn; and new ones where others were in memory.
  func testManyGraphs() throws {
    let x = try Tensor(variable: [1.0], [1])
    var roots = try (0..<700).map { try x + Double($0) }
    for round in 0..<5 {
      try x.write([Double(round)])
      for (i, root) in roots.enumerated() {
        XCTAssertEqual(try root.values(Double.self), [Double(i + round)])
      }
    }
    for round in 0..<5 {
      roots = try (0..<100).map { try $0 % 2 == 0 ? x * Double($0) : exp(x) }
      for step in 0..<4 {
        let number = Double(round + step)
        try x.write([number])
        for (i, root) in roots.enumerated() {
          let want = i % 2 == 0 ? number * Double(i) : Foundation.exp(number)
          XCTAssertEqual(try root.values(Double.self)[0], want, accuracy: 1e-12 * want)
        }
      }
    }
  }

  /// Nothing is left of a run that failed.
  func testAfterAFailure() throws {
    let (w, at) = try (
      Tensor(parameter: [1.0, 2.0, 4.0], [3]), Tensor(variable: [Int64(0)], [1])
    )
    let loss = try sum(gather(w * w, at: at, axis: 0))
    for step in 0..<9 {
      let index = step % 3 == 2 ? 7 : step % 3
      try at.write([Int64(index)])
      w.zeroGrad()
      if index == 7 {
        assertThrows(.index) { try loss.backward() }
        XCTAssertFalse(w.leaf!.hasGradient)
        continue
      }
      try loss.backward()
      let element = [1.0, 2.0][index]
      XCTAssertEqual(try loss.item(), element * element)
      var slopes = [0.0, 0, 0]
      slopes[index] = 2 * element
      XCTAssertEqual(try w.grad!.values(Double.self), slopes)
    }
  }
}
