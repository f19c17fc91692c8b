//  Gradients against quotients of differences.

/// The largest |gradient - quotient| / max(1, |gradient|, |quotient|) over every element w of every
/// Parameter that a loss of one element depends on, the quotient being the central difference (f(w
/// + h) - f(w - h)) / 2h with h = `step` · max(1, |w|); NaN if any is. Meant for float64 and a step
/// near 1e-5. Parameters are changed meanwhile and end as they were; accumulated gradients stay.
public func checkGradients(of loss: Tensor, step: Double = 1e-5) throws -> Double {
  guard loss.size == 1 else {
    throw NanogradError(
      .shape, "loss of shape \(loss.shape), expected one element", function: "check_gradients")
  }
  guard step > 0, step.isFinite else {
    throw NanogradError(
      .argument, "step \(step), expected a finite number above 0", function: "check_gradients")
  }
  let parameters = try order([loss]).filter(\.isParameter)
  let expected = try gradients(of: loss, withRespectTo: parameters)
  try evaluate(expected)
  var worst = 0.0
  for (parameter, gradient) in zip(parameters, expected) {
    let values = try gradient.evaluated()
    let error =
      try parameter.dtype == .float32
      ? largestError(loss, parameter, step, values.elements(Float.self))
      : largestError(loss, parameter, step, values.elements(Double.self))
    worst = worse(worst, error)
  }
  return worst
}

private func largestError<T: FloatElement>(
  _ loss: Tensor, _ parameter: Tensor, _ step: Double, _ gradient: UnsafeMutablePointer<T>
) throws -> Double {
  guard let leaf = parameter.leaf else { return 0 }
  let original = leaf.value
  defer { leaf.replace(original) }
  let values = try parameter.evaluated()

  /// The loss with one element moved, and where rounding put that element. The values are copied
  /// each time: others may hold on to what a computation has seen.
  func lossMoving(_ i: Int, by h: Double) throws -> (loss: Double, at: Double) {
    let moved = try Value(copying: values.pointer, bytes: parameter.bytes)
    let element = T.converting(values.elements(T.self)[i].asDouble + h)
    moved.elements(T.self)[i] = element
    leaf.replace(moved)
    return (try loss.item(), element.asDouble)
  }

  var worst = 0.0
  for i in 0..<parameter.size {
    let h = step * Swift.max(1, values.elements(T.self)[i].asDouble.magnitude)
    let (above, below) = try (lossMoving(i, by: h), lossMoving(i, by: -h))
    // The difference as it was rounded, which in float32 is not 2h.
    let quotient = (above.loss - below.loss) / (above.at - below.at)
    let slope = gradient[i].asDouble
    let scale = Swift.max(1, slope.magnitude, quotient.magnitude)
    worst = worse(worst, (slope - quotient).magnitude / scale)
  }
  return worst
}

/// The larger; NaN if either is.
private func worse(_ a: Double, _ b: Double) -> Double { a.isNaN || a > b ? a : b }
