//  Memory that two tensors could share by mistake: what was computed must not follow a leaf that is
//  written later, nor a leaf what is computed.

import XCTest

@testable import Nanograd

final class EngineAliasTests: EngineTestCase {
  private let numbers: [Double] = [1, -2, 3, 4, -5, 6]

  /// Every way to a root that is its leaf's elements: kept values stay as they were when the leaf is
  /// written, in place or not, and the roots follow.
  func testRootsThatAreTheirLeaf() throws {
    let x = try Tensor.leaf(Dense([2, 3], numbers), isParameter: true)
    let roots = try [
      reshape(x, [3, 2]), stopGradient(x), x * 1, x / 1, transpose(x), sum(x, axes: []),
      permute(reshape(x, [1, 6]), [1, 0]), slice(x, axis: 0, 0, 1), broadcastTo(x, [1, 2, 3]),
      sum(reshape(x, [2, 1, 3]), axes: [1]), squeeze(expandDims(x, axis: 0), axis: 0),
      gradients(of: sum(vector(numbers) * reshape(x, [6])), withRespectTo: [x])[0],
    ]
    try evaluate(roots)
    let kept = roots.compactMap(\.memo.value)
    XCTAssertEqual(kept.count, roots.count)
    let before = zip(roots, kept).map { Evaluated(root: $0, value: $1).bytes }
    for value in kept { XCTAssertFalse(value === x.leaf?.value) }

    try x.write(numbers.map { $0 * 10 })
    for (i, root) in roots.enumerated() {
      XCTAssertEqual(Evaluated(root: root, value: kept[i]).bytes, before[i], "root \(i)")
    }
    try assertEqual(roots[0], Dense([3, 2], numbers.map { $0 * 10 }))
    try assertEqual(roots[2], Dense([2, 3], numbers.map { $0 * 10 }))
    try assertEqual(roots[11], Dense([2, 3], numbers))
  }

  /// Two roots of the same elements have memory of their own.
  func testEqualRootsAreIndependent() throws {
    let x = try vector(numbers)
    let (y, z) = try (exp(x), exp(x))
    let w = try Tensor(parameter: .float64, [6])
    try evaluate([y, z])
    try w.assign(y)
    let old = try y.dense().values
    try w.write(numbers)
    try assertEqual(y, Dense([6], old))
    try assertEqual(z, Dense([6], old))
    try x.assign(y)
    try assertEqual(x, Dense([6], old))
    try x.assign(x + 1)
    try assertEqual(x, Dense([6], old.map { $0 + 1 }))
    try assertEqual(w, Dense([6], numbers))
  }

  /// The gradient of w in Σ w·x is x's elements.
  func testGradientThatIsALeafsValue() throws {
    let x = try vector(numbers)
    let w = try vector([0, 0, 0, 0, 0, 0], isParameter: true)
    try sum(w * x).backward()
    try assertEqual(w.grad!, Dense([6], numbers))
    try x.write([Double](repeating: 7, count: 6))
    try assertEqual(w.grad!, Dense([6], numbers))
    let optimizer = Optimizer(.sgd, rate: 0.5)
    try optimizer.add([w])
    try optimizer.step()
    try assertEqual(w, Dense([6], numbers.map { -0.5 * $0 }))
    try assertEqual(w.grad!, Dense([6], numbers))
    try assertEqual(x, Dense([6], [Double](repeating: 7, count: 6)))
  }

  /// In Σ u·v each Parameter is the other's gradient, and a step needs both as they were.
  func testParametersThatAreEachOthersGradient() throws {
    for kind in [Optimizer.Kind.sgd, .adam, .adamW] {
      Evaluation.isPlain.store(true, ordering: .relaxed)
      defer { Evaluation.isPlain.store(false, ordering: .relaxed) }
      let want = try trained(kind)
      Evaluation.isPlain.store(false, ordering: .relaxed)
      for (x, y) in zip(try trained(kind), want) {
        XCTAssertEqual(x, y, accuracy: 1e-13, "\(kind)")
      }
    }
  }

  /// Both Parameters after some steps.
  private func trained(_ kind: Optimizer.Kind) throws -> [Double] {
    let u = try vector(numbers, isParameter: true)
    let v = try vector(numbers.map { $0 * 0.25 + 1 }, isParameter: true)
    let optimizer = Optimizer(kind, rate: 0.1)
    if kind == .sgd { try optimizer.setMomentum(0.5) }
    try optimizer.add([u, v])
    let loss = try sum(u * v)
    for step in 0..<4 {
      optimizer.zeroGrad()
      try loss.backward()
      let before = try (u.dense(), v.dense())
      try optimizer.step()
      try assertEqual(u.grad!, before.1, "\(kind) step \(step)")
      try assertEqual(v.grad!, before.0, "\(kind) step \(step)")
    }
    return try u.dense().values + v.dense().values
  }

  /// A plan's memory serves its next run: what the last one returned must not be in it.
  func testARunDoesNotTouchWhatTheLastOneGave() throws {
    let x = try Tensor.leaf(.random([40, 50]))
    let y = try tanh(matmul(x, transpose(x)))
    let roots = try [y, sum(y, axes: [0]), transpose(y), y * 1, exp(y)]
    try evaluate(roots)
    let kept = roots.compactMap(\.memo.value)
    let before = zip(roots, kept).map { Evaluated(root: $0, value: $1).bytes }
    for seed in 2..<5 {
      try x.fill(Dense.random([40, 50], seed: UInt64(seed)).values)
      try evaluate(roots)
    }
    for (i, root) in roots.enumerated() {
      XCTAssertEqual(Evaluated(root: root, value: kept[i]).bytes, before[i], "root \(i)")
      XCTAssertNotEqual(try Evaluated(root: root, value: root.evaluated()).bytes, before[i])
    }
  }
}
