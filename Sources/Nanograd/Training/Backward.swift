//  From a loss to accumulated gradients.

extension Tensor {
  /// Computes this loss (one element) and its gradient for every Parameter it depends on, in one pass, and
  /// adds each gradient to what the Parameter has accumulated. On failure nothing is added.
  /// `evaluating`: other tensors, of any shape and dtype, whose values are computed in the same pass and kept as
  /// by `evaluate`, such as the accuracy of the loss's logits; no gradient comes from them.
  public func backward(evaluating others: [Tensor] = []) throws {
    guard size == 1 else {
      throw NanogradError(
        .shape, "a loss of shape \(shape), expected one element; sum or mean gives one",
        function: "backward")
    }
    guard dtype.isFloat else {
      throw NanogradError(
        .dtype, "a loss of \(dtype), expected float32 or float64", function: "backward")
    }
    let derivation = try Derivation(from: self, beside: others)
    let leaves = derivation.leaves
    let sums = [Tensor?](count: leaves.count) {
      leaves[$0].leaf?.hasGradient == true ? leaves[$0].grad : nil
    }
    let totals = try derivation.values(from: full(1, like: self), beside: sums) {
      nodes, seeds, targets in
      var back = Back(from: seeds)
      for node in nodes.reversed() { try back.visit(node) }
      return targets.map { $0.isParameter || $0.leaf == nil ? back.gradient(of: $0) : nil }
    }
    for i in leaves.indices {
      guard let total = totals[totals.startIndex + i] else { continue }
      leaves[i].grad?.leaf?.replace(total)
      leaves[i].leaf?.hasGradient = true
    }
    derivation.keepRoots()
  }
}
