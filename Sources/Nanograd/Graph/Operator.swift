//  Every primitive in one table. To add one, add a case and its row; the compiler insists on both.

/// A kind of node: three kinds of leaves, and the primitive operators.
public enum Operator: UInt8, CaseIterable, Sendable {
  // Leaves.
  case variable, parameter, constant, iota
  // Elementwise, one operand.
  case negate, absolute, sign, exp, log, log1p, expm1, sqrt, sin, cos, tanh, sigmoid, relu
  case cast, stopGradient, named
  // Elementwise, two or three operands.
  case add, subtract, multiply, divide, power, maximum, minimum, equal, less, lessEqual, select
  // Products and reductions.
  case matmul, sum, max, min, argmax
  // Movements of data.
  case permute, reshape, broadcast, slice, place, concatenate, gather, scatterAdd

  /// The primitive's row, read where it is: a copy would count references at every node.
  var definition: Definition { _read { yield Operator.table[Int(rawValue)] } }

  private static nonisolated(unsafe) let table = allCases.map(define)
}

private func define(_ op: Operator) -> Definition {
  switch op {
  case .variable, .parameter: Definition("\(op)").written { $0.leaf?.name ?? "" }
  case .constant: Definition("constant").written { number($0.constant ?? 0) }
  case .iota: Definition("iota").written { "0..<\($0.size)" }

  case .negate: Definition("negate", "(-$0)") { g, _, _ in try -g }
  case .absolute: Definition("abs", "|$0|") { g, y, _ in try g * sign(y[0]) }
  case .sign: Definition("sign")
  case .exp: Definition("exp", of: .floats) { g, y, _ in try g * y }
  case .log: Definition("log", of: .floats) { g, y, _ in try g / y[0] }
  case .log1p: Definition("log1p", of: .floats) { g, y, _ in try g / (1 + y[0]) }
  case .expm1: Definition("expm1", of: .floats) { g, y, _ in try g * (y + 1) }
  case .sqrt: Definition("sqrt", of: .floats) { g, y, _ in try g / (2 * y) }
  case .sin: Definition("sin", of: .floats) { g, y, _ in try g * cos(y[0]) }
  case .cos: Definition("cos", of: .floats) { g, y, _ in try -(g * sin(y[0])) }
  case .tanh: Definition("tanh", of: .floats) { g, y, _ in try g * (1 - y * y) }
  case .sigmoid: Definition("sigmoid", of: .floats) { g, y, _ in try g * (y * (1 - y)) }
  case .relu:
    Definition("relu") { g, y, _ in try select(greater(y[0], y.number(0)), g, g.number(0)) }
  case .cast:
    Definition("cast") { g, y, _ in try cast(g, to: y[0].dtype) }.written { "\($0.dtype)($0)" }
  case .stopGradient: Definition("stop_gradient", "stop($0)")
  case .named:
    // Its value is its operand's; it carries the name of a composite.
    Definition("named") { g, _, _ in g }.written { $0.attributes.label?.notation ?? "$0" }

  case .add: Definition("add", "($0 + $1)") { g, _, _ in g }
  case .subtract: Definition("subtract", "($0 - $1)") { g, _, i in i == 0 ? g : try -g }
  case .multiply: Definition("multiply", "($0 * $1)") { g, y, i in try g * y[1 - i] }
  case .divide:
    Definition("divide", "($0 / $1)", of: .floats) { g, y, i in
      try i == 0 ? g / y[1] : -(g * y / y[1])
    }
  case .power:
    Definition(
      "power", "($0^$1)", of: .floats,
      { g, y, _ in try g * powerSlope(y[0], y[1]) },
      { g, y, _ in
        // 0 where the base is not positive; the inner choice keeps the logarithm finite there,
        // which a second derivative needs.
        let positive = try greater(y[0], y.number(0))
        return try select(positive, g * y, y.number(0)) * log(select(positive, y[0], y.number(1)))
      })
  case .maximum: Definition("maximum", "max($0, $1)") { try $0 * share($1, $2, wins: greater) }
  case .minimum: Definition("minimum", "min($0, $1)") { try $0 * share($1, $2, wins: less) }
  case .equal: Definition("equal", "($0 == $1)")
  case .less: Definition("less", "($0 < $1)")
  case .lessEqual: Definition("less_equal", "($0 <= $1)")
  case .select:
    Definition(
      "where", "where($0, $1, $2)",
      { _, y, _ in try full(0, like: y[0]) },
      { g, y, _ in try select(y[0], g, g.number(0)) },
      { g, y, _ in try select(y[0], g.number(0), g) })

  case .matmul:
    Definition(
      "matmul", "($0 @ $1)", of: .floats, shape: .product,
      { g, y, _ in try y.undone(matmul(y.asProduct(g), transpose(y.matrix(1))), 0) },
      { g, y, _ in try y.undone(matmul(transpose(y.matrix(0)), y.asProduct(g)), 1) })
  case .sum:
    Definition("sum", "Σ$0") { g, y, _ in try broadcastTo(y.keepingAxes(g), y[0].shape) }
  case .max, .min:
    Definition("\(op)") { g, y, _ in
      let chosen = try equal(y[0], y.keepingAxes(y))
      let count = try reduction(.sum, chosen, y.attributes.axes, keep: true)
      return try y.keepingAxes(g) / count * chosen
    }
  case .argmax: Definition("argmax")

  case .permute:
    Definition("permute") { g, y, _ in try y.permutingBack(g) }
      .written { $0.isMatrixTranspose ? "$0.T" : "permute($0)" }
  case .reshape:
    Definition("reshape") { g, y, _ in try reshape(g, to: y[0].shape) }
      .written { $0.rank == 0 ? "($0)" : "reshape($0)" }
  case .broadcast: Definition("broadcast_to", "broadcast($0)") { g, _, _ in g }
  case .slice:
    Definition("slice") { g, y, _ in try placed(g, y.attributes.window, in: y[0].shape) }
      .written { "$0[\($0.windowText)]" }
  case .place:
    // The reverse of a slice: zeros, with the operand's elements at a window's positions.
    Definition("pad") { g, y, _ in try sliced(g, y.attributes.window, to: y[0].shape) }
  case .concatenate:
    Definition("concatenate", "concatenate($*)") { g, y, i in
      let axis = y.attributes.axis
      let start = (0..<i).reduce(0) { $0 + y[$1].shape[axis] }
      return try slice(g, axis: axis, start, start + y[i].shape[axis])
    }
  case .gather:
    Definition("gather", "gather($0, $1)", of: .indexed) { g, y, _ in
      try scatterAdd(g, y[1], axis: y.attributes.axis, into: y[0].shape)
    }
  case .scatterAdd:
    // The reverse of a gather: zeros, with the operand's elements added at the indices.
    Definition("scatter_add", "scatter($0, $1)", of: .indexed) { g, y, _ in
      try gather(g, at: y[1], axis: y.attributes.axis)
    }
  }
}

/// Which part of the gradient an operand of `maximum` or `minimum` gets: half of it where both are
/// equal.
private func share(
  _ y: Tensor, _ i: Int, wins: (Tensor, Tensor) throws -> Tensor
) throws -> Tensor {
  try wins(y[i], y[1 - i]) + 0.5 * equal(y[i], y[1 - i])
}

/// ∂(aᵇ)/∂a, without the 0·∞ that the general formula has at a = 0 for constant exponents.
private func powerSlope(_ a: Tensor, _ b: Tensor) throws -> Tensor {
  if let k = b.constant {
    return switch k {
    case 0: try full(0, like: a)
    case 1: try full(1, like: a)
    case 2: try 2 * a
    default: try k * power(a, k - 1)
    }
  }
  return try select(equal(b, b.number(0)), b.number(0), b * power(a, b - 1))
}
