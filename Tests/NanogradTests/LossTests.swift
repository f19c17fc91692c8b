//  Losses against their formulas, and their gradients against the ones that are documented.

import XCTest

@testable import Nanograd

final class LossTests: XCTestCase {
  private let epsilon = 1e-12

  /// Value and gradient of a scalar loss of one tensor.
  private func assertLoss(
    _ y: Dense, _ dtype: DType, value: Double, gradient: Dense, tolerance: Double = 32,
    line: UInt = #line, _ loss: (Tensor) throws -> Tensor
  ) throws {
    let leaf = try Tensor.leaf(y, dtype, isParameter: true)
    let result = try loss(leaf)
    let error = tolerance * dtype.epsilon
    try assertEqual(result, Dense([], [value]), tolerance: error, scale: 1, "value", line: line)
    try assertEqual(
      gradients(of: result, withRespectTo: [leaf])[0], gradient, tolerance: error, scale: 1,
      "gradient", line: line)
    try result.backward()
    try assertEqual(leaf.grad!, gradient, tolerance: error, scale: 1, "grad", line: line)
  }

  private func average(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }

  func testSquaredError() throws {
    for dtype in [DType.float32, .float64] {
      for shape in [[], [1], [7], [3, 5]] {
        let (y, t) = (
          Dense.random(shape, -2...2, dtype), Dense.random(shape, -2...2, dtype, seed: 2)
        )
        let n = Double(y.values.count)
        try assertLoss(
          y, dtype, value: average(zip(y.values, t.values).map { ($1 - $0) * ($1 - $0) }),
          gradient: Dense(shape) { 2 * (y[$0] - t[$0]) / n }
        ) { try squaredError($0, .leaf(t, dtype)) }
      }
    }
  }

  func testBinaryCrossEntropy() throws {
    for dtype in [DType.float32, .float64] {
      let (y, t) = (
        Dense.random([4, 3], 0.1...0.9, dtype), Dense.random([4, 3], 0...1, dtype, seed: 2)
      )
      let e = epsilon
      let value = average(
        zip(y.values, t.values).map {
          -($1 * log($0 + e) + (1 - $1) * log(1 - $0 + e))
        })
      try assertLoss(
        y, dtype, value: value,
        gradient: Dense([4, 3]) { ((1 - t[$0]) / (1 - y[$0] + e) - t[$0] / (y[$0] + e)) / 12 }
      ) { try binaryCrossEntropy($0, .leaf(t, dtype)) }
    }
    // Certain and wrong: finite, by ε.
    let wrong = try binaryCrossEntropy(vector([0]), vector([1]))
    try assertEqual(wrong, Dense([], [-log(1e-12)]), tolerance: 1e-12)
    try assertEqual(
      binaryCrossEntropy(vector([0, 1]), vector([0, 1])), Dense([], [0]), tolerance: 1e-11, scale: 1
    )
  }

  func testBinaryCrossEntropyOfLogits() throws {
    try onBothEngines {
      let logits = [0, 0, 0.5, -0.5, 3, -3, 30, -30, 1e4, -1e4, 1e4, -1e4]
      let targets = [0, 1, 1, 0, 0.25, 1, 1, 0, 1, 1, 0, 0.5]
      for dtype in [DType.float32, .float64] {
        for (z, t) in zip(logits, targets) {
          let value = max(z, 0) - z * t + log1p(exp(-abs(z)))
          try assertLoss(
            Dense([1], [z]), dtype, value: value, gradient: Dense([1], [1 / (1 + exp(-z)) - t])
          ) { try binaryCrossEntropy(logits: $0, .leaf(Dense([1], [t]), dtype)) }
        }
        let (z, t) = (
          Dense.random([3, 2], -2...2, dtype), Dense.random([3, 2], 0...1, dtype, seed: 2)
        )
        let y = z.map { 1 / (1 + exp(-$0)) }
        try assertLoss(
          z, dtype,
          value: average(zip(y.values, t.values).map { -($1 * log($0) + (1 - $1) * log(1 - $0)) }),
          gradient: Dense([3, 2]) { (y[$0] - t[$0]) / 6 }
        ) { try binaryCrossEntropy(logits: $0, .leaf(t, dtype)) }
      }
    }
  }

  func testCrossEntropy() throws {
    for dtype in [DType.float32, .float64] {
      for shape in [[3], [4, 3], [2, 2, 3]] {
        let rows = Double(shape.dropLast().reduce(1, *))
        let y = Dense.random(shape, 0.1...0.9, dtype)
        let t = Dense.random(shape, 0...1, dtype, seed: 2)
        let value = -zip(y.values, t.values).reduce(0) { $0 + $1.1 * log($1.0 + epsilon) } / rows
        try assertLoss(
          y, dtype, value: value, gradient: Dense(shape) { -t[$0] / (y[$0] + epsilon) / rows }
        ) { try crossEntropy($0, .leaf(t, dtype)) }
      }
    }
  }

  func testCrossEntropyOfLogits() throws {
    try onBothEngines {
      for dtype in [DType.float32, .float64] {
        for shape in [[3], [4, 3], [2, 2, 3]] {
          let rows = Double(shape.dropLast().reduce(1, *))
          let z = Dense.random(shape, -2...2, dtype)
          let t = Dense.random(shape, 0...1, dtype, seed: 2)
          let totals = Dense(Array(shape.dropLast()) + [1]) { row in
            (0..<3).reduce(0) { $0 + exp(z[row.dropLast() + [$1]]) }
          }
          let weights = Dense(totals.shape) { row in
            (0..<3).reduce(0) { $0 + t[row.dropLast() + [$1]] }
          }
          let logs = Dense(shape) { z[$0] - log(totals[$0]) }
          try assertLoss(
            z, dtype, value: -zip(logs.values, t.values).reduce(0) { $0 + $1.0 * $1.1 } / rows,
            gradient: Dense(shape) { (exp(logs[$0]) * weights[$0] - t[$0]) / rows }
          ) { try crossEntropy(logits: $0, .leaf(t, dtype)) }
        }
        try assertLoss(
          Dense([2, 2], [1e4, -1e4, 1e4, -1e4]), dtype, value: 1e4,
          gradient: Dense([2, 2], [0, 0, 0.5, -0.5])
        ) { try crossEntropy(logits: $0, .leaf(Dense([2, 2], [1, 0, 0, 1]), dtype)) }
      }
    }
  }

  func testClassIndices() throws {
    try onBothEngines {
      for dtype in [DType.float32, .float64] {
        for type in [DType.int32, .int64] {
          let z = Dense.random([4, 3], 0.1...0.9, dtype)
          // The last two are no class.
          let indices = Dense([4], [2, 0, -1, 3])
          let hot = Dense([4, 3]) { indices[[$0[0]]] == Double($0[1]) ? 1 : 0 }
          let valid = Dense([4, 1], [1, 1, 0, 0])
          let totals = Dense([4, 1]) { row in (0..<3).reduce(0) { $0 + exp(z[[row[0], $1]]) } }
          let logs = Dense([4, 3]) { z[$0] - log(totals[$0]) }
          try assertLoss(
            z, dtype, value: -positions([4, 3]).reduce(0) { $0 + hot[$1] * logs[$1] } / 4,
            gradient: Dense([4, 3]) { (exp(logs[$0]) * valid[$0] - hot[$0]) / 4 }
          ) { try crossEntropy(logits: $0, indices: .leaf(indices, type)) }
          try assertLoss(
            z, dtype,
            value: -positions([4, 3]).reduce(0) { $0 + hot[$1] * log(z[$1] + epsilon) } / 4,
            gradient: Dense([4, 3]) { -hot[$0] / (z[$0] + epsilon) / 4 }
          ) { try crossEntropy($0, indices: .leaf(indices, type)) }
        }
        // One row, without an axis of rows; and an impossible class elsewhere does no harm.
        try assertLoss(
          Dense([2], [-.infinity, 0]), dtype, value: 0, gradient: Dense([2], [0, 0])
        ) { try crossEntropy(logits: $0, indices: .leaf(Dense([], [1]), .int32)) }
      }
    }
  }

  func testPenalties() throws {
    for dtype in [DType.float32, .float64] {
      for shape in [[], [5], [2, 3]] {
        let w = Dense.random(shape, -2...2, dtype)
        try assertLoss(
          w, dtype, value: w.values.reduce(0) { $0 + $1 * $1 }, gradient: w.map { 2 * $0 }
        ) { try ridge($0) }
        try assertLoss(
          w, dtype, value: w.values.reduce(0) { $0 + abs($1) }, gradient: w.map { $0 < 0 ? -1 : 1 }
        ) { try lasso($0) }
      }
    }
    try assertLoss(Dense([0], [Double]()), .float64, value: 0, gradient: Dense([0], [Double]())) {
      try ridge($0)
    }
  }

  /// A loss is a scalar, whatever it is of, and carries its name.
  func testLossesAreNamedScalars() throws {
    let (y, t) = try (
      Tensor.leaf(.random([2, 3], 0.1...0.9)), Tensor.leaf(.random([2, 3], 0...1))
    )
    let indices = try Tensor(variable: [Int32(0), 2], [2])
    for (loss, notation) in try [
      (squaredError(y, t), "($0 - $1)^2"), (binaryCrossEntropy(y, t), "CrossEntropy($0, $1)"),
      (binaryCrossEntropy(logits: y, t), "CrossEntropy($0, $1)"),
      (crossEntropy(y, t), "CrossEntropy($0, $1)"),
      (crossEntropy(logits: y, t), "CrossEntropy($0, $1)"),
      (crossEntropy(y, indices: indices), "CrossEntropy($0, $1)"),
      (crossEntropy(logits: y, indices: indices), "CrossEntropy($0, $1)"),
    ] {
      XCTAssertEqual(loss.op, .named)
      XCTAssertEqual(loss.shape, .scalar)
      XCTAssertEqual(loss.attributes.label?.notation, notation)
      XCTAssertTrue(loss.attributes.label?.arguments.first === y)
    }
  }
}
