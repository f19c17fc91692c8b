//  Gradients as graphs: seeds, targets, higher orders, ties, accumulation.

import XCTest

@testable import Nanograd

final class GradientGraphTests: XCTestCase {
  func testHigherOrders() throws {
    let x = try scalar(0.7, isParameter: true)
    var y = try power(x, 5)
    for (factor, exponent) in [(5.0, 4.0), (20, 3), (60, 2), (120, 1), (120, 0), (0, 0)] {
      y = try gradients(of: y, withRespectTo: [x])[0]
      try assertEqual(y, Dense([], [factor * pow(0.7, exponent)]), tolerance: 1e-14)
    }
    y = try sin(x)
    for want in [cos(0.7), -sin(0.7), -cos(0.7), sin(0.7)] {
      y = try gradients(of: y, withRespectTo: [x])[0]
      try assertEqual(y, Dense([], [want]), tolerance: 1e-15)
    }
  }

  func testSeedsAndTargets() throws {
    try onBothEngines {
      let (a, b) = try (vector([1, 2, 3]), vector([4, 5, 6], isParameter: true))
      let (c, unused) = try (a * b, vector([7]))
      let y = try c * c
      let seed = try vector([1, 0, -1])
      let result = try gradients(of: y, withRespectTo: [a, b, c, y, unused, a], seed: seed)
      for (gradient, want) in zip(
        result,
        [
          [32, 0, -216], [8, 0, -108], [8, 0, -36], [1, 0, -1], [0], [32, 0, -216],
        ] as [[Double]])
      {
        try assertEqual(gradient, Dense([want.count], want))
      }
      // Ones where no seed is given; a seed may be differentiated through as well.
      try assertEqual(gradients(of: a, withRespectTo: [a])[0], Dense([3], [1, 1, 1]))
      let s = try vector([2, 2, 2])
      let g = try gradients(of: y, withRespectTo: [b], seed: s)[0]
      try assertEqual(gradients(of: g, withRespectTo: [s])[0], Dense([3], [8, 40, 108]))
    }
  }

  func testWhatCarriesNoGradient() throws {
    try onBothEngines {
      let x = try vector([1, 2], isParameter: true)
      let integers = try Tensor(variable: [Int64(1), 0], [2])
      for y in try [
        sign(x), stopGradient(x), equal(x, x), less(x, x * 2), lessEqual(x, x),
        cast(cast(x, to: .int32), to: .float64),
        cast(argmax(x, axis: 0, keep: true), to: .float64), full(.float64, [2], 3),
        oneHot(integers, depth: 2, .float64),
      ] {
        XCTAssertFalse(y.leadsToParameter, "\(y.op)")
        XCTAssertTrue(
          try gradients(of: y, withRespectTo: [x])[0].dense().values == [0, 0], "\(y.op)")
      }
      // Integers get zeros, as what y does not depend on does, from every operator that reads them.
      for y in try [
        gather(x, at: integers, axis: 0), cast(integers, to: .float64),
        oneHot(integers, depth: 2, .float64),
      ] {
        let gradient = try gradients(of: y, withRespectTo: [integers])[0]
        XCTAssertEqual(gradient.dtype, .int64)
        try assertEqual(gradient, Dense([2], [0, 0]), "\(y.op)")
      }
      // stopGradient hides one of two factors.
      try assertEqual(
        gradients(of: x * stopGradient(x), withRespectTo: [x])[0], Dense([2], [1, 2]))
    }
  }

  func testGradientsKeepTheirDType() throws {
    let x = try Tensor(parameter: [Float(1), 2], [2])
    let y = try sum(cast(x * x, to: .float64))
    let g = try gradients(of: y, withRespectTo: [x])[0]
    XCTAssertEqual(g.dtype, .float32)
    try assertEqual(g, Dense([2], [2, 4]))
    try y.backward()
    XCTAssertEqual(x.grad?.dtype, .float32)
    try assertEqual(x.grad!, Dense([2], [2, 4]))
  }

  /// Kinks: the documented choice at each.
  func testKinksAndTies() throws {
    try onBothEngines {
      let inf = Double.infinity
      func slope(
        _ x: [Double], _ want: [Double], line: UInt = #line, _ f: (Tensor) throws -> Tensor
      )
        throws
      {
        let leaf = try vector(x)
        try assertEqual(
          gradients(of: f(leaf), withRespectTo: [leaf])[0], Dense([want.count], want), line: line)
      }
      try slope([-1, 0, 2], [-1, 0, 1]) { try abs($0) }
      try slope([-1, 0, 2], [0, 0, 1]) { try relu($0) }
      try slope([-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]) { try clamp($0, -1, 1) }
      try slope([0, 1, 2], [0, 0.5, 1]) { try maximum($0, $0.number(1)) }
      try slope([0, 1, 2], [1, 0.5, 0]) { try minimum($0, $0.number(1)) }
      try slope([3, 1, 3, 3], [1.0 / 3, 0, 1.0 / 3, 1.0 / 3]) { try max($0) }
      try slope([1, 5, 1], [0.5, 0, 0.5]) { try min($0, keep: true) }
      try slope([inf, inf], [0.5, 0.5]) { try max($0) }
      try slope([0, 4], [inf, 0.25]) { try sqrt($0) }
      try slope([0, 0], [1, 1]) { try maximum($0, $0) }
      // Gradient of aᵇ in b: 0 where a ≤ 0, whatever the power is there.
      for (a, b) in [(0.0, 2.0), (0, 0), (-2, 3), (-2, 0.5), (0, -1), (-0.0, -2)] {
        try slope([b], [0]) { try power(vector([a]), $0) }
      }
      // A tensor's exponent has the slopes at 0 that a constant has.
      for (b, want) in [(0.0, 0.0), (1, 1), (2, 0), (3, 0)] {
        try slope([0], [want]) { try power($0, vector([b])) }
      }
    }
  }

  func testAccumulation() throws {
    try onBothEngines {
      let w = try vector([1, 2], isParameter: true, tag: "w")
      let (v, other) = try (vector([3, 4]), vector([5], isParameter: true))
      let grad = try XCTUnwrap(w.grad)
      try assertEqual(grad, Dense([2], [0, 0]))
      XCTAssertTrue(grad.isVariable && w.grad === grad)
      XCTAssertEqual(grad.tag, "∂w")
      XCTAssertNil(v.grad)

      let loss = try sum(w * v) + sum(w * w)
      for factor in [1.0, 2, 3] {
        try loss.backward()
        try assertEqual(grad, Dense([2], [5 * factor, 8 * factor]))
      }
      try assertEqual(other.grad!, Dense([1], [0]))
      try sum(other).backward()
      try assertEqual(other.grad!, Dense([1], [1]))
      w.zeroGrad()
      try assertEqual(grad, Dense([2], [0, 0]))
      try w.fill([0, 0])
      try loss.backward()
      try assertEqual(grad, Dense([2], [3, 4]))
      v.zeroGrad()
      loss.zeroGrad()
      try assertEqual(grad, Dense([2], [3, 4]))

      // The gradient takes part in graphs like any Variable.
      let norm = try sum(grad * grad)
      try assertEqual(norm, Dense([], [25]))
      try loss.backward()
      try assertEqual(norm, Dense([], [100]))
    }
  }

  func testLossesOfOneElement() throws {
    for shape in [[], [1], [1, 1]] {
      let w = try Tensor.leaf(Dense(shape, [2]), isParameter: true)
      try (w * w).backward()
      try assertEqual(w.grad!, Dense(shape, [4]))
      // A Parameter may be the loss itself, and a loss need have no Parameter.
      try w.backward()
      try assertEqual(w.grad!, Dense(shape, [5]))
      try Tensor.leaf(Dense(shape, [2])).backward()
    }
  }

  func testBackwardKeepsTheLoss() throws {
    let w = try vector([1, 2], isParameter: true)
    let loss = try ridge(w)
    try loss.backward()
    let value = try XCTUnwrap(loss.memo.value)
    XCTAssertEqual(try loss.item(), 5)
    XCTAssertTrue(loss.memo.value === value)
  }
}
