//  Recurrent cells and sequences: values against formulas written out here, derivatives against
//  differences. ctests/test_recurrent.c has ONNX's definition in plain C.

import XCTest

@testable import Nanograd

final class RecurrentTests: XCTestCase {
  private static let options: [(gates: Int, options: RecurrentOptions)] = [
    (1, []), (3, []), (3, .resetAfter), (3, .updateTakes), (4, []),
  ]

  /// Parameters for some gates: w, r, both biases, and a state of one row.
  private func weights(
    _ gates: Int, inputs: Int, hidden: Int, _ dtype: DType = .float64
  ) throws -> (weights: GateWeights, h: Tensor, list: [Tensor]) {
    let list = try [[inputs, gates * hidden], [hidden, gates * hidden]]
      .appending([[gates * hidden], [gates * hidden], [1, hidden]]).enumerated().map {
        try Tensor.leaf(
          .random($1, -1...1, dtype, seed: UInt64($0 + 3)), dtype, isParameter: true)
      }
    return (
      GateWeights(input: list[0], state: list[1], inputBias: list[2], stateBias: list[3]), list[4],
      list
    )
  }

  private func outputs(
    _ gates: Int, _ x: Tensor, _ h: Tensor, _ weights: GateWeights, _ options: RecurrentOptions
  ) throws -> Tensor {
    switch gates {
    case 1: try rnn(x, h, weights, options).outputs
    case 3: try gru(x, h, weights, options).outputs
    default: try lstm(x, h, h, weights, options).outputs
    }
  }

  func testDerivatives() throws {
    try onBothEngines {
      for (gates, options) in Self.options {
        let x = try Tensor.leaf(.random([3, 2, 3]), isParameter: true)
        let (weights, h, list) = try weights(gates, inputs: 3, hidden: 2)
        let y = try outputs(gates, x, h, weights, options)
        let loss = try sum(y * y * Tensor.leaf(.random([3, 2, 2], seed: 9)))
        XCTAssertLessThan(try checkGradients(of: loss), 1e-8)
        var along = try sum(loss)
        for (i, g) in try gradients(of: loss, withRespectTo: list + [x]).enumerated() {
          along = try along + sum(g * Tensor.leaf(.random(Array(g.shape), seed: UInt64(20 + i))))
        }
        XCTAssertLessThan(try checkGradients(of: along), 1e-7)
      }
    }
  }

  /// float32 against float64, values and gradients: the differences above need float64.
  func testBothDTypes() throws {
    try onBothEngines {
      for (gates, options) in Self.options {
        let results = try [DType.float64, .float32].map { dtype in
          let x = try Tensor.leaf(.random([4, 3, 2], -1...1, .float32), dtype, isParameter: true)
          let (_, _, exact) = try weights(gates, inputs: 2, hidden: 5, .float32)
          let list = try exact.map {
            try Tensor.leaf(cast($0, to: dtype), isParameter: true, tag: nil)
          }
          let weights = GateWeights(
            input: list[0], state: list[1], inputBias: list[2], stateBias: list[3])
          let y = try outputs(gates, x, list[4], weights, options)
          return try [y] + gradients(of: sum(y * y), withRespectTo: list + [x])
        }
        for (double, single) in zip(results[0], results[1]) {
          XCTAssertEqual(single.dtype, .float32)
          try assertEqual(single, double.dense(), tolerance: 1e-5, scale: 1)
        }
      }
    }
  }

  func testFormulaOfAGRU() throws {
    let (x, h, w, r) = (0.7, -0.4, [0.3, -0.8, 0.5], [0.9, 0.2, -0.6])
    let (wb, rb) = ([0.1, 0.2, 0.3], [-0.3, 0.4, 0.25])
    func sigmoid(_ a: Double) -> Double { 1 / (1 + exp(-a)) }
    let z = sigmoid(x * w[0] + h * r[0] + wb[0] + rb[0])
    let reset = sigmoid(x * w[1] + h * r[1] + wb[1] + rb[1])
    let before = tanh(x * w[2] + wb[2] + reset * h * r[2] + rb[2])
    let after = tanh(x * w[2] + wb[2] + reset * (h * r[2] + rb[2]))
    func row(_ a: [Double]) throws -> Tensor { try .leaf(Dense([1, a.count], a)) }
    let weights = try GateWeights(
      input: row(w), state: row(r), inputBias: vector(wb), stateBias: vector(rb))
    let cases: [(RecurrentOptions, Double)] = [
      ([], z * h + (1 - z) * before), (.resetAfter, z * h + (1 - z) * after),
      (.updateTakes, (1 - z) * h + z * before),
      ([.resetAfter, .updateTakes], (1 - z) * h + z * after),
    ]
    for (options, expected) in cases {
      let y = try gruCell(row([x]), row([h]), weights, options)
      try assertEqual(y, Dense([1, 1], [expected]), tolerance: 1e-15)
    }
  }

  func testErrorsNameTheFunction() throws {
    let (weights, h, _) = try weights(3, inputs: 3, hidden: 2)
    let x = try Tensor(variable: .float64, [4, 2, 3])
    assertThrows(.shape, "gru", "[4, 2, 3]", "[batch, 3]") { try gruCell(x, h, weights) }
    assertThrows(.shape, "lstm", "[2, 6]", "4 · hidden") { try lstm(x, nil, nil, weights) }
    assertThrows(.shape, "gru", "a first axis of 2") { try gru(x, h, weights, .bidirectional) }
    assertThrows(.dtype, "gru", "float32", "float64") {
      try gru(cast(x, to: .float32), h, weights)
    }
    assertThrows(.argument, "gru", "65537 steps") {
      try gru(Tensor(variable: .float64, [65_537, 0, 3]), nil, weights)
    }
  }
}

extension Array {
  fileprivate func appending(_ more: [Element]) -> [Element] { self + more }
}
