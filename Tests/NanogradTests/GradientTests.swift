//  Gradients of first and second order against differences, for every primitive and composite.

import XCTest

@testable import Nanograd

/// A function and the operands at which it is differentiated.
struct Differentiable {
  let operands: [Dense]
  var step = 1e-3
  var tolerance = 1e-8
  let function: ([Tensor]) throws -> Tensor

  init(_ operands: [Dense], _ function: @escaping ([Tensor]) throws -> Tensor) {
    self.operands = operands
    self.function = function
  }

  /// Of one operand, of several shapes.
  static func unary(
    _ range: ClosedRange<Double>, _ function: @escaping (Tensor) throws -> Tensor
  ) -> [Differentiable] {
    [[], [3], [2, 2], [0]].map { shape in
      Differentiable([.random(shape, range)]) { try function($0[0]) }
    }
  }

  /// Of two operands that broadcast in every way.
  static func binary(
    _ a: ClosedRange<Double>, _ b: ClosedRange<Double>,
    _ function: @escaping (Tensor, Tensor) throws -> Tensor
  ) -> [Differentiable] {
    let pairs: [([Int], [Int])] = [
      ([], []), ([3], [3]), ([2, 3], [3]), ([3], [2, 3]), ([2, 1], [1, 3]), ([], [2, 2]),
      ([2, 2], []),
      ([1], [3]), ([2, 1, 2], [3, 1]), ([1, 1], [2]), ([0], [1]), ([2, 0], [2, 1]),
    ]
    return pairs.map { s, t in
      Differentiable([.random(s, a), .random(t, b, seed: 2)]) { try function($0[0], $0[1]) }
    }
  }

  /// Checks the first derivatives, and the derivatives of their graphs, for every operand.
  func check(_ name: String, file: StaticString = #filePath, line: UInt = #line) throws {
    let x = try operands.map { try Tensor.leaf($0, isParameter: true) }
    let loss = try weighted(function(x), seed: 31)
    let first = try gradients(of: loss, withRespectTo: x)
    try compare(loss, first, x, "\(name), first order", file, line)

    let total = try first.enumerated().map { try weighted($1, seed: UInt64(51 + $0)) }.reduce(
      scalar(0), +)
    let second = try gradients(of: total, withRespectTo: x)
    try compare(total, second, x, "\(name), second order", file, line)

    // One operand at a time, the others being variables.
    for (i, gradient) in first.enumerated() {
      let y = try operands.enumerated().map { try Tensor.leaf($1, isParameter: $0 == i) }
      try weighted(function(y), seed: 31).backward()
      try assertEqual(
        y[i].grad!, gradient.dense(), "\(name), operand \(i) alone", file: file, line: line)
    }
  }

  /// A scalar to which every element contributes differently.
  private func weighted(_ y: Tensor, seed: UInt64) throws -> Tensor {
    try sum(y * .leaf(.random(Array(y.shape), 0.5...2, seed: seed)))
  }

  /// Compares gradients with differences of fourth order, element by element.
  private func compare(
    _ y: Tensor, _ gradients: [Tensor], _ leaves: [Tensor], _ name: String, _ file: StaticString,
    _ line: UInt
  ) throws {
    for (operand, (gradient, leaf)) in zip(gradients, leaves).enumerated() {
      let (analytic, at) = (try gradient.dense(), try leaf.dense())
      XCTAssertEqual(analytic.shape, at.shape, name, file: file, line: line)
      for i in at.values.indices {
        func value(_ steps: Double) throws -> Double {
          var moved = at.values
          moved[i] += steps * step
          try leaf.fill(moved)
          return try y.item()
        }
        let near = try value(1) - value(-1)
        let far = try value(2) - value(-2)
        let quotient = (8 * near - far) / (12 * step)
        try leaf.fill(at.values)
        if !(abs(quotient - analytic.values[i]) <= tolerance * max(1, abs(quotient))) {
          return XCTFail(
            "\(name), operand \(operand) of \(operands.map(\.shape)), element \(i): "
              + "\(analytic.values[i]), by differences \(quotient)", file: file, line: line)
        }
      }
    }
  }
}

/// Away from zero, where a function may have a kink.
private func split(_ shape: [Int], seed: UInt64 = 1) -> Dense {
  Dense.random(shape, -2...2, seed: seed).map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 }
}

final class GradientTests: XCTestCase {
  func testEveryPrimitive() throws {
    try onBothEngines {
      for op in Operator.allCases {
        guard let cases = cases(of: op) else {
          XCTAssertTrue(op.definition.derivatives.isEmpty, "\(op) has a derivative without a test")
          continue
        }
        XCTAssertFalse(cases.isEmpty, "\(op)")
        XCTAssertFalse(op.definition.derivatives.isEmpty, "\(op)")
        for one in cases { try one.check("\(op)") }
      }
    }
  }

  /// Nil for what passes no gradient. A new operator has to be decided on here.
  private func cases(of op: Operator) -> [Differentiable]? {
    typealias D = Differentiable
    return switch op {
    case .variable, .parameter, .constant, .iota, .sign, .stopGradient, .equal, .less, .lessEqual,
      .argmax:
      nil
    case .negate: D.unary(-2...2) { try -$0 }
    case .absolute: [D([split([2, 3])]) { try abs($0[0]) }]
    case .exp: D.unary(-2...2) { try exp($0) }
    case .log: D.unary(0.3...3) { try log($0) }
    case .log1p: D.unary(-0.5...3) { try log1p($0) }
    case .expm1: D.unary(-2...2) { try expm1($0) }
    case .sqrt: D.unary(0.3...3) { try sqrt($0) }
    case .sin: D.unary(-4...4) { try sin($0) }
    case .cos: D.unary(-4...4) { try cos($0) }
    case .tanh: D.unary(-2...2) { try tanh($0) }
    case .sigmoid: D.unary(-4...4) { try sigmoid($0) }
    case .relu: [D([split([2, 3])]) { try relu($0[0]) }]
    case .cast: [casted()]
    case .named:
      D.unary(-2...2) {
        try Tensor(.named, .one(sin($0)), .label(Label("$0", .one($0), isOpaque: true)))
      }
    case .add: D.binary(-2...2, -2...2) { try $0 + $1 }
    case .subtract: D.binary(-2...2, -2...2) { try $0 - $1 }
    case .multiply: D.binary(-2...2, -2...2) { try $0 * $1 } + D.unary(-2...2) { try $0 * $0 }
    case .divide: D.binary(-2...2, 0.5...2) { try $0 / $1 }
    case .power: D.binary(0.5...2, -2...2) { try power($0, $1) } + powers()
    case .maximum: D.binary(-2...2, -2...2) { try maximum($0, $1) }
    case .minimum: D.binary(-2...2, -2...2) { try minimum($0, $1) }
    case .select:
      D.binary(-2...2, -2...2) { a, b in
        try select(.leaf(Dense([2, 1, 1, 1], [0, 1])), a * a, sin(b))
      } + D.binary(-2...2, -2...2) { try select(less($0, $1), $0 * $1, $1) }
    case .matmul: products()
    case .sum: reductions { try sum($0, axes: $1, keep: $2) }
    case .max: reductions { try max($0, axes: $1, keep: $2) }
    case .min: reductions { try min($0, axes: $1, keep: $2) }
    case .permute:
      [[1, 0, 2], [2, 0, 1], [0, 2, 1]].map { axes in
        D([.random([2, 3, 2])]) { try sin(permute($0[0], axes)) }
      }
    case .reshape: [D([.random([2, 3])]) { try sin(reshape($0[0], [3, -1, 1])) }]
    case .broadcast:
      [([], [2]), ([3], [2, 3]), ([2, 1], [2, 2]), ([1, 1], [2, 1, 3]), ([1], [0])].map {
        from, to in
        D([.random(from)]) { try broadcastTo($0[0] * $0[0], to) }
      }
    case .slice:
      [(1, 4, 1), (0, 5, 2), (4, 0, -3), (3, 3, 1)].map { start, stop, step in
        D([.random([2, 5])]) { try sin(slice($0[0], axis: 1, start, stop, step: step)) }
      }
    case .place: [D([.random([2, 3])]) { try sin(pad($0[0], before: [1, 0], after: [0, 2])) }]
    case .concatenate:
      [
        D([.random([2, 3]), .random([2, 1]), .random([2, 0])]) {
          try sin(concatenate($0, axis: 1))
        },
        D([.random([3])]) { try concatenate([$0[0], sin($0[0]), $0[0]], axis: 0) },
      ]
    case .gather:
      [
        D([.random([3, 2])]) {
          try sin(
            gather($0[0], at: .leaf(Dense([4, 2], [0, 2, 2, 2, 1, 0, 2, 2]), .int64), axis: 0))
        },
        D([.random([3, 2])]) {
          try sin(gather($0[0], at: .leaf(Dense([2, 1], [2, 2]), .int32), axis: 0))
        },
      ]
    case .scatterAdd:
      [
        D([.random([3, 2])]) {
          try sin(
            scatterAdd(
              $0[0], .leaf(Dense([3, 1], [3, 0, 3]), .int32), axis: 0, into: Shape([4, 2])))
        }
      ]
    }
  }

  private func casted() -> Differentiable {
    var result = Differentiable([.random([4])]) {
      try cast(sin(cast($0[0], to: .float32)), to: .float64)
    }
    result.step = 0.02
    result.tolerance = 1e-3
    return result
  }

  /// Constant exponents have slopes where the general formula has none.
  private func powers() -> [Differentiable] {
    [0.0, 1, 2, 3, 4].map { k in
      Differentiable([Dense([4], [-1.5, -0.0, 0, 2])]) { try power($0[0], k) }
    }
      + [-1.0, -2, 0.5, 1.5].map { k in
        Differentiable([.random([4], 0.5...2)]) { try power($0[0], k) }
      } + Differentiable.unary(0.5...2) { try power($0, $0) }
  }

  private func products() -> [Differentiable] {
    let pairs: [([Int], [Int])] = [
      ([2, 3], [3, 2]), ([3], [3]), ([2, 3], [3]), ([3], [3, 2]), ([2, 2, 3], [3, 2]),
      ([2, 3], [2, 3, 2]),
      ([2, 1, 2, 3], [2, 3, 1]), ([2, 2, 3], [3]), ([3], [2, 3, 2]), ([2, 1, 2], [1, 2, 2]),
      ([1, 1], [1, 1]),
      ([2, 0], [0, 3]), ([0, 2], [2, 2]),
    ]
    return pairs.map { s, t in
      Differentiable([.random(s), .random(t, seed: 2)]) { try matmul($0[0], $0[1]) }
    } + [Differentiable([.random([2, 2])]) { try matmul($0[0], transpose($0[0])) }]
  }

  private func reductions(
    _ function: @escaping (Tensor, [Int]?, Bool) throws -> Tensor
  ) -> [Differentiable] {
    let list: [([Int], [Int]?, Bool)] = [
      ([], nil, false), ([4], nil, false), ([4], [0], true), ([2, 3], [0], false),
      ([2, 3], [-1], true),
      ([2, 3], nil, true), ([2, 2, 3], [0, 2], false), ([2, 2, 3], [1], false),
      ([2, 3], [], false),
      ([0, 2], [1], false),
    ]
    return list.map { shape, axes, keep in
      // Far enough apart that no difference changes which is the largest.
      let x = Dense(shape, positions(shape).indices.map { Double($0 * 7 % 13) / 5 - 1.3 })
      return Differentiable([x]) { try function(sin($0[0]), axes, keep) }
    }
  }

  func testEveryComposite() throws {
    try onBothEngines {
      typealias D = Differentiable
      let classes = try Tensor(variable: [Int32(2), 0], [2])
      var list: [(String, [D])] = [
        ("reciprocal", D.unary(0.5...2) { try reciprocal($0) }),
        ("clamp", [D([Dense([4], [-2, -0.5, 0.5, 2])]) { try clamp($0[0], -1, 1) }]),
        (
          "mean",
          reductions { try mean($0, axes: $1, keep: $2) }.filter { $0.operands[0].values.count > 0 }
        ),
        ("log_sum_exp", reductions { try logSumExp($0, axes: $1, keep: $2) }),
        (
          "softmax",
          [
            D([.random([2, 3])]) { try softmax($0[0], axis: 1) },
            D([.random([2, 3])]) { try softmax($0[0], axis: 0) },
          ]
        ),
        ("log_softmax", [D([.random([2, 3])]) { try logSoftmax($0[0], axis: -1) }]),
        (
          "index_select",
          [
            D([.random([3, 2])]) {
              try sin(indexSelect($0[0], at: .leaf(Dense([2, 2], [1, 2, 1, 1]), .int64), axis: 0))
            }
          ]
        ),
        ("pad", [D([.random([3])]) { try sin(pad($0[0], before: [1], after: [2], value: 2)) }]),
        (
          "stack",
          [
            D([.random([2]), .random([2], seed: 2)]) {
              try sin(stack([$0[0], $0[1], $0[0]], axis: 1))
            }
          ]
        ),
        ("select", [D([.random([2, 3])]) { try sin(select($0[0], axis: 1, index: -1)) }]),
        (
          "squeeze",
          [D([.random([2, 1])]) { try squeeze(expandDims(sin($0[0]), axis: 0), axis: 2) }]
        ),
        ("ridge", D.unary(-2...2) { try ridge($0) }),
        ("lasso", [D([split([3])]) { try lasso($0[0]) }]),
        (
          "cross_entropy_indices",
          [D([.random([2, 3], 0.2...0.8)]) { try crossEntropy($0[0], indices: classes) }]
        ),
        (
          "cross_entropy_logits_indices",
          [D([.random([2, 3])]) { try crossEntropy(logits: $0[0], indices: classes) }]
        ),
      ]
      let losses: [(String, (Tensor, Tensor) throws -> Tensor)] = [
        ("squared_error", { try squaredError($0, $1) }),
        ("binary_cross_entropy", { try binaryCrossEntropy($0, $1) }),
        ("binary_cross_entropy_logits", { try binaryCrossEntropy(logits: $0, $1) }),
        ("cross_entropy", { try crossEntropy($0, $1) }),
        ("cross_entropy_logits", { try crossEntropy(logits: $0, $1) }),
      ]
      for (name, loss) in losses {
        list.append(
          (
            name,
            [
              D([.random([2, 3], 0.2...0.8), .random([2, 3], 0.1...0.9, seed: 2)]) {
                try loss($0[0], $0[1])
              }
            ]
          ))
      }
      // Second-order derivatives at 0, where the parts of this loss have kinks and the whole has none.
      list.append(
        (
          "binary_cross_entropy_logits at 0",
          [
            D([Dense([2], [0, -0.0])]) {
              try binaryCrossEntropy(logits: $0[0], vector([1, 0.3]))
            }
          ]
        ))
      list.append(
        (
          "a recurrent network",
          [
            D([.random([2, 3]), .random([3, 3], seed: 2), .random([3], seed: 3)]) { x in
              var h = try Tensor.leaf(Dense([2, 3]) { _ in 0 })
              for _ in 0..<3 {
                let z = try sigmoid(x[0] + h • x[1] + x[2])
                h = try z * h + (1 - z) * tanh(h • transpose(x[1]) + x[0])
              }
              return h
            }
          ]
        ))
      for (name, cases) in list { for one in cases { try one.check(name) } }
    }
  }
}
