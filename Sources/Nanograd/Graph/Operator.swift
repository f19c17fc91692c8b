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

  /// The primitive's row.
  var definition: Definition { Operator.table[Int(rawValue)] }

  private static nonisolated(unsafe) let table = allCases.map(define)

  private static func define(_ op: Operator) -> Definition {
    switch op {
    case .variable, .parameter:
      Definition(
        "\(op)", { $0.leaf?.name ?? "" }, .numbers, Application.asRequested, [])
    case .constant:
      Definition("constant", { number($0.constant ?? 0) }, .numbers, Application.asRequested, [])
    case .iota:
      Definition("iota", { "0..<\($0.size)" }, .numbers, Application.asRequested, [])

    case .negate:
      Definition("negate", "(-$0)", .numbers, Application.broadcast, { g, _, _ in try -g })
    case .absolute:
      Definition("abs", "|$0|", .numbers, Application.broadcast, { g, y, _ in
        try g * Nanograd.sign(y[0])
      })
    case .sign:
      Definition("sign", "sign($0)", .numbers)
    case .exp:
      Definition("exp", "exp($0)", .floats, Application.broadcast, { g, y, _ in try g * y })
    case .log:
      Definition("log", "log($0)", .floats, Application.broadcast, { g, y, _ in try g / y[0] })
    case .log1p:
      Definition("log1p", "log1p($0)", .floats, Application.broadcast, { g, y, _ in
        try g / (1 + y[0])
      })
    case .expm1:
      Definition("expm1", "expm1($0)", .floats, Application.broadcast, { g, y, _ in
        try g * (y + 1)
      })
    case .sqrt:
      Definition("sqrt", "sqrt($0)", .floats, Application.broadcast, { g, y, _ in
        try g / (2 * y)
      })
    case .sin:
      Definition("sin", "sin($0)", .floats, Application.broadcast, { g, y, _ in
        try g * Nanograd.cos(y[0])
      })
    case .cos:
      Definition("cos", "cos($0)", .floats, Application.broadcast, { g, y, _ in
        try -(g * Nanograd.sin(y[0]))
      })
    case .tanh:
      Definition("tanh", "tanh($0)", .floats, Application.broadcast, { g, y, _ in
        try g * (1 - y * y)
      })
    case .sigmoid:
      Definition("sigmoid", "sigmoid($0)", .floats, Application.broadcast, { g, y, _ in
        try g * (y * (1 - y))
      })
    case .relu:
      Definition("relu", "relu($0)", .numbers, Application.broadcast, { g, y, _ in
        try Nanograd.select(greater(y[0], y.number(0)), g, g.number(0))
      })
    case .cast:
      Definition(
        "cast", { "\($0.dtype)($0)" }, .numbers, Application.broadcast,
        [{ g, y, _ in try Nanograd.cast(g, to: y[0].dtype) }])
    case .stopGradient:
      Definition("stop_gradient", "stop($0)", .numbers)
    case .named:
      // Its value is its operand's; it carries the name of a composite.
      Definition(
        "named", { $0.attributes.label?.notation ?? "$0" }, .numbers, Application.broadcast,
        [{ g, _, _ in g }])

    case .add:
      Definition("add", "($0 + $1)", .numbers, Application.broadcast, { g, _, _ in g })
    case .subtract:
      Definition("subtract", "($0 - $1)", .numbers, Application.broadcast, { g, _, i in
        i == 0 ? g : try -g
      })
    case .multiply:
      Definition("multiply", "($0 * $1)", .numbers, Application.broadcast, { g, y, i in
        try g * y[1 - i]
      })
    case .divide:
      Definition("divide", "($0 / $1)", .floats, Application.broadcast, { g, y, i in
        try i == 0 ? g / y[1] : -(g * y / y[1])
      })
    case .power:
      Definition(
        "power", "($0^$1)", .floats, Application.broadcast,
        { g, y, _ in try g * powerSlope(y[0], y[1]) },
        { g, y, _ in
          // 0 where the base is not positive; the inner choice keeps the logarithm finite there,
          // which a second derivative needs.
          let positive = try greater(y[0], y.number(0))
          return try Nanograd.select(positive, g * y, y.number(0))
            * Nanograd.log(Nanograd.select(positive, y[0], y.number(1)))
        })
    case .maximum, .minimum:
      Definition(
        op == .maximum ? "maximum" : "minimum", op == .maximum ? "max($0, $1)" : "min($0, $1)",
        .numbers, Application.broadcast,
        { g, y, i in
          let (chosen, other) = (y[i], y[1 - i])
          let wins = try op == .maximum ? greater(chosen, other) : Nanograd.less(chosen, other)
          return try g * (wins + 0.5 * Nanograd.equal(chosen, other))
        })
    case .equal:
      Definition("equal", "($0 == $1)", .numbers)
    case .less:
      Definition("less", "($0 < $1)", .numbers)
    case .lessEqual:
      Definition("less_equal", "($0 <= $1)", .numbers)
    case .select:
      Definition(
        "where", "where($0, $1, $2)", .numbers, Application.broadcast,
        { g, y, _ in try zeros(y[0].dtype, y[0].shape) },
        { g, y, _ in try Nanograd.select(y[0], g, g.number(0)) },
        { g, y, _ in try Nanograd.select(y[0], g.number(0), g) })

    case .matmul:
      Definition(
        "matmul", "($0 @ $1)", .floats, Application.product,
        { g, y, _ in
          let b = try y[1].asMatrix(row: false)
          let product = try Nanograd.matmul(y.asProduct(g), transpose(b))
          return try product.undone(from: y[0], row: true)
        },
        { g, y, _ in
          let a = try y[0].asMatrix(row: true)
          let product = try Nanograd.matmul(transpose(a), y.asProduct(g))
          return try product.undone(from: y[1], row: false)
        })
    case .sum:
      Definition(
        "sum", "Σ$0", .numbers, Application.asRequested,
        { g, y, _ in try broadcastTo(y.keepingAxes(g), y[0].shape) })
    case .max, .min:
      Definition(
        "\(op)", "\(op)($0)", .numbers, Application.asRequested,
        { g, y, _ in
          let chosen = try Nanograd.equal(y[0], y.keepingAxes(y))
          let count = try Nanograd.reduction(.sum, chosen, y.attributes.axes, keep: true)
          return try y.keepingAxes(g) / count * chosen
        })
    case .argmax:
      Definition("argmax", "argmax($0)", .numbers, Application.asRequested)

    case .permute:
      Definition(
        "permute", { $0.isMatrixTranspose ? "$0.T" : "permute($0)" }, .numbers,
        Application.asRequested, [{ g, y, _ in try y.permutingBack(g) }])
    case .reshape:
      Definition(
        "reshape", { $0.rank == 0 ? "($0)" : "reshape($0)" }, .numbers, Application.asRequested,
        [{ g, y, _ in try Nanograd.reshape(g, to: y[0].shape) }])
    case .broadcast:
      Definition("broadcast_to", "broadcast($0)", .numbers, Application.asRequested, { g, _, _ in g })
    case .slice:
      Definition(
        "slice", { "$0[\($0.windowText)]" }, .numbers, Application.asRequested,
        [{ g, y, _ in try placed(g, y.attributes.window, in: y[0].shape) }])
    case .place:
      // The reverse of a slice: zeros, with the operand's elements at a window's positions.
      Definition(
        "pad", "pad($0)", .numbers, Application.asRequested,
        { g, y, _ in try sliced(g, y.attributes.window, to: y[0].shape) })
    case .concatenate:
      Definition(
        "concatenate", "concatenate($*)", .numbers, Application.asRequested,
        { g, y, i in
          let axis = y.attributes.axis
          let start = (0..<i).reduce(0) { $0 + y[$1].shape[axis] }
          return try Nanograd.slice(g, axis: axis, start, start + y[i].shape[axis])
        })
    case .gather:
      Definition(
        "gather", "gather($0, $1)", .indexed, Application.asRequested,
        { g, y, _ in try Nanograd.scatterAdd(g, y[1], axis: y.attributes.axis, into: y[0].shape) })
    case .scatterAdd:
      // The reverse of a gather: zeros, with the operand's elements added at the indices.
      Definition(
        "scatter_add", "scatter($0, $1)", .indexed, Application.asRequested,
        { g, y, _ in try Nanograd.gather(g, at: y[1], axis: y.attributes.axis) })
    }
  }
}

/// ∂(aᵇ)/∂a, without the 0·∞ that the general formula has at a = 0 for constant exponents.
private func powerSlope(_ a: Tensor, _ b: Tensor) throws -> Tensor {
  if let k = b.constant {
    return switch k {
    case 0: try zeros(a.dtype, a.shape)
    case 1: try ones(a.dtype, a.shape)
    case 2: try 2 * a
    default: try k * power(a, k - 1)
    }
  }
  return try select(equal(b, b.number(0)), b.number(0), b * power(a, b - 1))
}

/// A number as it is written in an expression.
func number(_ value: Double) -> String {
  let text = Int64(exactly: value).map { "\($0)" } ?? "\(value)"
  return value < 0 ? "(\(text))" : text
}
