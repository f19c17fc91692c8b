//  What numerics does not force to be primitive: plain functions of primitives, without derivatives
//  of their own.

// MARK: Leaves and constants

extension Tensor {
  /// A leaf without gradient that holds zeros until it is written.
  public convenience init(variable dtype: DType, _ dimensions: [Int], tag: String? = nil) throws {
    try self.init(leaf: Leaf(tag: tag), dtype: dtype, shape: Shape(dimensions))
  }

  /// A leaf whose gradient is accumulated, holding zeros until it is written; float32 or float64.
  public convenience init(parameter dtype: DType, _ dimensions: [Int], tag: String? = nil) throws {
    try dtype.requireGradient(in: "parameter")
    try self.init(
      leaf: Leaf(tag: tag, isParameter: true), dtype: dtype, shape: Shape(dimensions),
      isParameter: true)
  }
}

/// A tensor full of one number.
public func full(_ dtype: DType, _ dimensions: [Int], _ value: Double) throws -> Tensor {
  try broadcastTo(Tensor(constant: value, dtype), Shape(dimensions))
}

/// The same in another tensor's dtype and shape.
func full(_ value: Double, like a: Tensor) throws -> Tensor {
  try broadcastTo(a.number(value), a.shape)
}

/// Gives a composite its name in drawings.
private func named(
  _ body: Tensor, _ notation: String, _ arguments: Operands, isOpaque: Bool = true
) throws -> Tensor {
  try Tensor(.named, .one(body), .label(Label(notation, arguments, isOpaque: isOpaque)))
}

// MARK: Elementwise

/// 1/a. Gradient: -g·y².
public func reciprocal(_ a: Tensor) throws -> Tensor { try 1 / a }
/// 1 where a ≠ b, else 0.
public func notEqual(_ a: Tensor, _ b: Tensor) throws -> Tensor { try 1 - equal(a, b) }
/// 1 where a > b, else 0.
public func greater(_ a: Tensor, _ b: Tensor) throws -> Tensor { try less(b, a) }
/// 1 where a ≥ b, else 0.
public func greaterEqual(_ a: Tensor, _ b: Tensor) throws -> Tensor { try lessEqual(b, a) }

/// a limited to [low, high]. Gradient: g where low ≤ a ≤ high, else 0.
public func clamp(_ a: Tensor, _ low: Double, _ high: Double) throws -> Tensor {
  try require(
    low <= high, .argument, "bounds \(low) and \(high), expected the lower first", in: "clamp")
  let (bottom, top) = try (a.number(low), a.number(high))
  let limited = try select(less(a, bottom), bottom, select(less(top, a), top, a))
  return try named(limited, "clamp($0, \(number(low)), \(number(high)))", .one(a))
}

// MARK: Reductions

/// The mean over axes (all for nil); NaN of no elements. Gradient: g/n, repeated.
public func mean(_ a: Tensor, axes: [Int]? = nil, keep: Bool = false) throws -> Tensor {
  try mean(a, Axes(axes, of: a.shape), keep: keep, times: 1, "mean($0)")
}

/// -mean(a), of all elements: in one node, of which a loss has but a few.
private func negatedMean(_ a: Tensor) throws -> Tensor {
  try mean(a, Axes(nil, of: a.shape), keep: false, times: -1, "-mean($0)")
}

private func mean(
  _ a: Tensor, _ axes: Axes, keep: Bool, times sign: Double, _ notation: String
) throws -> Tensor {
  let sums = try reduction(.sum, a, axes, keep: keep)
  // Of no elements: 0/0 where a result exists at all.
  let count = (0..<a.rank).reduce(1) { axes.contains($1) ? $0 * a.shape[$1] : $0 }
  return try named(sums / (sign * Double(count)), notation, .one(a))
}

/// ln Σ eᵃ over axes (all for nil), without overflow. Gradient: g·softmax(a).
public func logSumExp(_ a: Tensor, axes: [Int]? = nil, keep: Bool = false) throws -> Tensor {
  let set = try Axes(axes, of: a.shape)
  let largest = try stopGradient(reduction(.max, a, set, keep: true))
  // An infinite largest is not subtracted: ∞ - ∞ would be NaN.
  let zero = try a.number(0)
  let shift = try select(equal(largest - largest, zero), largest, zero)
  let kept = try shift + log(reduction(.sum, exp(a - shift), set, keep: true))
  let result = try keep ? kept : reshape(kept, to: set.reduce(a.shape, keep: false))
  return try named(result, "logsumexp($0)", .one(a))
}

/// eᵃ / Σ eᵃ along an axis, without overflow. Gradient: y·(g - Σ g·y).
public func softmax(_ a: Tensor, axis: Int) throws -> Tensor {
  let set = try Axes([axis], of: a.shape)
  let e = try exp(belowLargest(a, set))
  return try named(e / reduction(.sum, e, set, keep: true), "softmax($0)", .one(a))
}

/// a - ln Σ eᵃ along an axis, without overflow. Gradient: g - softmax(a)·Σ g.
public func logSoftmax(_ a: Tensor, axis: Int) throws -> Tensor {
  let set = try Axes([axis], of: a.shape)
  let s = try belowLargest(a, set)
  return try named(s - log(reduction(.sum, exp(s), set, keep: true)), "log_softmax($0)", .one(a))
}

/// a less its largest over axes, so that its exponentials do not overflow.
private func belowLargest(_ a: Tensor, _ axes: Axes) throws -> Tensor {
  a.size == 0 ? a : try a - stopGradient(reduction(.max, a, axes, keep: true))
}

// MARK: Selections

/// Picks whole slices: a's axis is replaced by the axes of `indices`, as in an embedding. Indices
/// are checked on evaluation. Gradient: g, added at the indices.
public func indexSelect(_ a: Tensor, at indices: Tensor, axis: Int) throws -> Tensor {
  let axis = try a.shape.axis(axis)
  let flat = try Shape(rank: a.rank) { $0 == axis ? indices.size : 1 }
  let picked = try gather(a, at: reshape(indices, to: flat), axis: axis)
  return try reshape(picked, Array(a.shape[..<axis]) + indices.shape + a.shape[(axis + 1)...])
}

/// A new last axis of `depth`: 1 at the index, 0 elsewhere.
public func oneHot(_ indices: Tensor, depth: Int, _ dtype: DType) throws -> Tensor {
  try cast(matches(indices, depth: depth), to: dtype)
}

/// The same, in the dtype of the indices.
private func matches(_ indices: Tensor, depth: Int) throws -> Tensor {
  try indices.dtype.requireIndices(in: "one_hot")
  try require(
    depth >= 0 && depth <= Int(Int32.max), .argument,
    "depth \(depth), expected 0 to \(Int32.max)", in: "one_hot")
  return try equal(expandDims(indices, axis: -1), Tensor(iota: depth, indices.dtype))
}

// MARK: Losses

/// Keeps the logarithm of a probability of 0 finite, as in the Python original.
private let epsilon = 1e-12

/// mean((t - y)²). Gradient in y: 2(y - t)/n.
public func squaredError(_ y: Tensor, _ t: Tensor) throws -> Tensor {
  try requireEqual(y, t, "squared_error")
  return try named(
    item(mean(power(t - y, 2), keep: true)), "($0 - $1)^2", .two(y, t), isOpaque: false)
}

/// mean(-(t·ln(y + ε) + (1 - t)·ln(1 - y + ε))), ε = 1e-12, for probabilities y.
public func binaryCrossEntropy(_ y: Tensor, _ t: Tensor) throws -> Tensor {
  try requireEqual(y, t, "binary_cross_entropy")
  let (one, small) = try (y.number(1), y.number(epsilon))
  let likelihood = try t * log(y + small) + (one - t) * log(one - y + small)
  return try crossEntropy(negatedMean(likelihood), y, t)
}

/// The same for logits z, without overflow: mean(max(z, 0) - z·t + ln(1 + e^-|z|)). Gradient in z:
/// (sigmoid(z) - t)/n.
public func binaryCrossEntropy(logits z: Tensor, _ t: Tensor) throws -> Tensor {
  try requireEqual(z, t, "binary_cross_entropy_logits")
  // relu and |z| have no slope at 0 but their sum here has one: the choice between the branches is
  // constant, and each branch is smooth.
  let zero = try z.number(0)
  let negative = try less(z, zero)
  let (positive, magnitude) = try (select(negative, zero, z), select(negative, -z, z))
  return try crossEntropy(mean(positive - z * t + log1p(exp(-magnitude))), z, t)
}

/// For probabilities y over the last axis and targets t of the same shape: -mean over rows of
/// Σ t·ln(y + ε), ε = 1e-12.
public func crossEntropy(_ y: Tensor, _ t: Tensor) throws -> Tensor {
  try requireClasses(y, like: t, "cross_entropy")
  return try crossEntropy(negatedMean(sum(t * log(y + epsilon), axes: [-1])), y, t)
}

/// The same for logits, without overflow. Gradient in z: (softmax(z)·Σt - t)/rows.
public func crossEntropy(logits z: Tensor, _ t: Tensor) throws -> Tensor {
  try requireClasses(z, like: t, "cross_entropy_logits")
  return try crossEntropy(negatedMean(sum(t * logSoftmax(z, axis: -1), axes: [-1])), z, t)
}

/// The same for probabilities, the targets being class indices. A row whose index is no class
/// contributes 0.
public func crossEntropy(_ y: Tensor, indices: Tensor) throws -> Tensor {
  try requireClasses(y, "cross_entropy_indices")
  return try crossEntropy(log(y + epsilon), at: indices, y, "cross_entropy_indices")
}

/// The same for logits, the targets being class indices. A row whose index is no class contributes
/// 0.
public func crossEntropy(logits z: Tensor, indices: Tensor) throws -> Tensor {
  try requireClasses(z, "cross_entropy_logits_indices")
  let logarithms = try logSoftmax(z, axis: -1)
  return try crossEntropy(logarithms, at: indices, z, "cross_entropy_logits_indices")
}

private func crossEntropy(
  _ logarithms: Tensor, at indices: Tensor, _ y: Tensor, _ function: String
) throws -> Tensor {
  let expected = try Shape(y.shape.dropLast())
  try require(
    indices.shape == expected, .shape,
    "indices of shape \(indices.shape) for shape \(y.shape), expected \(expected)", in: function)
  let chosen = try cast(matches(indices, depth: y.shape[y.rank - 1]), to: y.dtype)
  let picked = try select(chosen, logarithms, y.number(0))
  return try crossEntropy(negatedMean(sum(picked, axes: [-1])), y, indices)
}

private func crossEntropy(_ body: Tensor, _ y: Tensor, _ t: Tensor) throws -> Tensor {
  try named(body, "CrossEntropy($0, $1)", .two(y, t), isOpaque: false)
}

/// Σ w². Gradient: 2w.
public func ridge(_ w: Tensor) throws -> Tensor {
  let body = try item(sum(power(w, 2), keep: true))
  return try named(body, "($0)", .one(body), isOpaque: false)
}

/// Σ |w|. Gradient: sign(w).
public func lasso(_ w: Tensor) throws -> Tensor {
  let body = try item(sum(abs(w), keep: true))
  return try named(body, "($0)", .one(body), isOpaque: false)
}

private func requireEqual(_ y: Tensor, _ t: Tensor, _ function: String) throws {
  try y.dtype.requireFloat(in: function)
  try requireEqualShapes(y, t, in: function)
}

private func requireClasses(_ y: Tensor, like t: Tensor? = nil, _ function: String) throws {
  try y.dtype.requireFloat(in: function)
  try require(y.rank > 0, .shape, "a scalar, expected a last axis of classes", in: function)
  if let t { try requireEqualShapes(y, t, in: function) }
}
