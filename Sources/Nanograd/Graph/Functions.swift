//  The primitives as functions: each checks what its row in the table cannot, and makes a node.

// MARK: Elementwise

/// The difference from zero: y = -a.
public prefix func - (a: Tensor) throws -> Tensor { try Tensor(.negate, .one(a)) }
/// |a|. Gradient: g·sign(a).
public func abs(_ a: Tensor) throws -> Tensor { try Tensor(.absolute, .one(a)) }
/// -1, 0 or 1; NaN of NaN. Gradient: 0.
public func sign(_ a: Tensor) throws -> Tensor { try Tensor(.sign, .one(a)) }
/// eᵃ. Gradient: g·y.
public func exp(_ a: Tensor) throws -> Tensor { try Tensor(.exp, .one(a)) }
/// ln a. Gradient: g/a.
public func log(_ a: Tensor) throws -> Tensor { try Tensor(.log, .one(a)) }
/// ln(1 + a), accurate for small a. Gradient: g/(1 + a).
public func log1p(_ a: Tensor) throws -> Tensor { try Tensor(.log1p, .one(a)) }
/// eᵃ - 1, accurate for small a. Gradient: g·(y + 1).
public func expm1(_ a: Tensor) throws -> Tensor { try Tensor(.expm1, .one(a)) }
/// √a. Gradient: g/(2y).
public func sqrt(_ a: Tensor) throws -> Tensor { try Tensor(.sqrt, .one(a)) }
/// sin a, in radians. Gradient: g·cos a.
public func sin(_ a: Tensor) throws -> Tensor { try Tensor(.sin, .one(a)) }
/// cos a, in radians. Gradient: -g·sin a.
public func cos(_ a: Tensor) throws -> Tensor { try Tensor(.cos, .one(a)) }
/// Hyperbolic tangent. Gradient: g·(1 - y²).
public func tanh(_ a: Tensor) throws -> Tensor { try Tensor(.tanh, .one(a)) }
/// 1/(1 + e⁻ᵃ). Gradient: g·y·(1 - y).
public func sigmoid(_ a: Tensor) throws -> Tensor { try Tensor(.sigmoid, .one(a)) }
/// max(a, 0). Gradient: g where a > 0.
public func relu(_ a: Tensor) throws -> Tensor { try Tensor(.relu, .one(a)) }
/// The same value, through which no gradient passes.
public func stopGradient(_ a: Tensor) throws -> Tensor { try Tensor(.stopGradient, .one(a)) }
/// The same numbers in another dtype: rounded to nearest for floats, toward 0 and to the nearest
/// end of the range for integers (NaN gives 0). Gradient between float dtypes: g, cast back.
public func cast(_ a: Tensor, to dtype: DType) throws -> Tensor {
  a.dtype == dtype ? a : try Tensor(.cast, .one(a), dtype: dtype)
}

/// a + b, broadcast. Gradients: g, g.
public func + (a: Tensor, b: Tensor) throws -> Tensor { try Tensor(.add, .two(a, b)) }
/// a - b, broadcast. Gradients: g, -g.
public func - (a: Tensor, b: Tensor) throws -> Tensor { try Tensor(.subtract, .two(a, b)) }
/// a · b element by element, broadcast. Gradients: g·b, g·a.
public func * (a: Tensor, b: Tensor) throws -> Tensor { try Tensor(.multiply, .two(a, b)) }
/// a / b, broadcast. Gradients: g/b, -g·y/b.
public func / (a: Tensor, b: Tensor) throws -> Tensor { try Tensor(.divide, .two(a, b)) }
public func + (a: Tensor, b: Double) throws -> Tensor { try a + a.number(b) }
public func - (a: Tensor, b: Double) throws -> Tensor { try a - a.number(b) }
public func * (a: Tensor, b: Double) throws -> Tensor { try a * a.number(b) }
public func / (a: Tensor, b: Double) throws -> Tensor { try a / a.number(b) }
public func + (a: Double, b: Tensor) throws -> Tensor { try b.number(a) + b }
public func - (a: Double, b: Tensor) throws -> Tensor { try b.number(a) - b }
public func * (a: Double, b: Tensor) throws -> Tensor { try b.number(a) * b }
public func / (a: Double, b: Tensor) throws -> Tensor { try b.number(a) / b }

/// aᵇ. Gradients: g·b·aᵇ⁻¹, g·y·ln a (0 where a ≤ 0).
public func power(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.power, .two(a, b)) }
/// a to the power of a number. Gradient: g·k·aᵏ⁻¹.
public func power(_ a: Tensor, _ k: Double) throws -> Tensor { try power(a, a.number(k)) }
/// The larger, NaN if either is. Gradient: to the larger; half to each of equals.
public func maximum(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.maximum, .two(a, b)) }
/// The smaller, NaN if either is. Gradient: to the smaller; half to each of equals.
public func minimum(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.minimum, .two(a, b)) }
/// 1 where a = b, else 0, in the operands' dtype. No gradient, as for all comparisons.
public func equal(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.equal, .two(a, b)) }
/// 1 where a < b, else 0.
public func less(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.less, .two(a, b)) }
/// 1 where a ≤ b, else 0.
public func lessEqual(_ a: Tensor, _ b: Tensor) throws -> Tensor {
  try Tensor(.lessEqual, .two(a, b))
}
/// a where the condition is not 0, else b, broadcast. Gradients: g where chosen, else 0.
public func select(_ condition: Tensor, _ a: Tensor, _ b: Tensor) throws -> Tensor {
  let fits = condition.dtype == a.dtype
  let chooser = try fits ? condition : cast(notEqual(condition, condition.number(0)), to: a.dtype)
  return try Tensor(.select, .three(chooser, a, b), dtype: a.dtype)
}

extension Tensor {
  /// A number in this tensor's dtype.
  func number(_ value: Double) throws -> Tensor { try Tensor(constant: value, dtype) }
}

// MARK: Products and reductions

infix operator • : MultiplicationPrecedence
/// The matrix product, as `matmul`.
public func • (a: Tensor, b: Tensor) throws -> Tensor { try matmul(a, b) }

/// The matrix product: [m, k] with [k, n] gives [m, n]; leading axes are batches and broadcast; a
/// vector is a row on the left and a column on the right, whose axis is not in the result.
/// Gradients: g @ bᵀ, aᵀ @ g.
public func matmul(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor(.matmul, .two(a, b)) }

/// The sum over axes (all for nil), which go, or stay as 1. Gradient: g, repeated.
public func sum(_ a: Tensor, axes: [Int]? = nil, keep: Bool = false) throws -> Tensor {
  try reduction(.sum, a, Axes(axes, of: a.shape), keep: keep)
}
/// The largest over axes, NaN if any is. Gradient: g, split evenly among the largest.
public func max(_ a: Tensor, axes: [Int]? = nil, keep: Bool = false) throws -> Tensor {
  try reduction(.max, a, Axes(axes, of: a.shape), keep: keep)
}
/// The smallest over axes, NaN if any is. Gradient: g, split evenly among the smallest.
public func min(_ a: Tensor, axes: [Int]? = nil, keep: Bool = false) throws -> Tensor {
  try reduction(.min, a, Axes(axes, of: a.shape), keep: keep)
}
/// The index of the first of the largest along an axis (of NaN if there is one), as int64. No
/// gradient.
public func argmax(_ a: Tensor, axis: Int, keep: Bool = false) throws -> Tensor {
  try reduction(.argmax, a, Axes([axis], of: a.shape), keep: keep)
}

func reduction(_ op: Operator, _ a: Tensor, _ axes: Axes, keep: Bool) throws -> Tensor {
  for axis in 0..<a.rank where op != .sum && axes.contains(axis) {
    try require(
      a.shape[axis] > 0, .shape,
      "shape \(a.shape) has no element along axis \(axis), expected at least one",
      in: op.definition.name)
  }
  let shape = try axes.reduce(a.shape, keep: keep)
  let dtype = op == .argmax ? DType.int64 : a.dtype
  return try Tensor(op, .one(a), .axes(axes), dtype: dtype, requested: shape)
}
