//  From a loss to accumulated gradients.

extension Tensor {
  /// Computes this loss (one element) and its gradient for every Parameter it depends on, in one pass, and
  /// adds each gradient to what the Parameter has accumulated. On failure nothing is added.
  public func backward() throws {
    guard size == 1 else {
      throw NanogradError(
        .shape, "a loss of shape \(shape), expected one element; sum or mean gives one",
        function: "backward")
    }
    guard dtype.isFloat else {
      throw NanogradError(
        .dtype, "a loss of \(dtype), expected float32 or float64", function: "backward")
    }
    var back = Back()
    try trace(self, &back)
    let parameters = back.parameters
    let totals = try parameters.map { parameter in
      let share = back.gradient(of: parameter) ?? parameter
      guard parameter.leaf?.hasGradient == true, let sum = parameter.grad else { return share }
      return try sum + share
    }
    try evaluate([self] + totals)
    let values = try totals.map { try $0.evaluated() }
    for (parameter, value) in zip(parameters, values) {
      parameter.grad?.leaf?.replace(value)
      parameter.leaf?.hasGradient = true
    }
  }
}
