//  What stands in the boxes of a picture.

import Glibc

extension Picture {
  /// The lines of each shown node. Values and gradients are computed in one pass.
  func texts(_ options: PictureOptions, of roots: [Tensor]) throws -> [Int: [String]] {
    let tensors = shown.map { nodes[$0].tensor }
    var gradients = TensorMap<Tensor>()
    if options.contains(.gradients), let root = roots.first {
      let targets = tensors.filter { $0.dtype.isFloat }
      let found = try Nanograd.gradients(of: root, withRespectTo: targets)
      for (target, gradient) in zip(targets, found) { gradients[target] = gradient }
    }
    try evaluate(
      (options.contains(.values) ? tensors : []) + tensors.compactMap { gradients[$0] })
    var texts: [Int: [String]] = [:]
    for i in shown {
      let tensor = nodes[i].tensor
      var lines = [options.contains(.expressions) ? tensor.notation(limit: 60) : tensor.symbol]
      if options.contains(.shapes) { lines.append("\(tensor.dtype) \(tensor.shape)") }
      if options.contains(.values) { lines.append(try tensor.summary()) }
      if let gradient = gradients[tensor] { lines.append("∂ \(try gradient.summary())") }
      texts[i] = lines
    }
    return texts
  }

  /// What is said of the nodes that are not shown.
  var omission: String { "… \(omitted) more left out" }
}

extension Tensor {
  /// The elements, or where there are more than four the least, the largest and the mean; the number
  /// of those that are no numbers, if there are any.
  fileprivate func summary() throws -> String {
    switch dtype {
    case .float32: try summary(Float.self)
    case .float64: try summary(Double.self)
    case .int32: try summary(Int32.self)
    case .int64: try summary(Int64.self)
    }
  }

  private func summary<T: Element>(_ type: T.Type) throws -> String {
    let value = try evaluated()
    let elements = UnsafeBufferPointer(start: value.elements(T.self), count: size)
    if size == 1 { return short(elements[0].asDouble) }
    if size <= 4 { return "[\(elements.map { short($0.asDouble) }.joined(separator: ", "))]" }
    var (least, largest, sum, missing) = (Double.infinity, -Double.infinity, 0.0, 0)
    for element in elements {
      let x = element.asDouble
      if x.isNaN {
        missing += 1
      } else {
        (least, largest, sum) = (Swift.min(least, x), Swift.max(largest, x), sum + x)
      }
    }
    if missing == size { return "\(missing) NaN" }
    return "\(short(least)) to \(short(largest)), mean \(short(sum / Double(size - missing)))"
      + (missing > 0 ? ", \(missing) NaN" : "")
  }
}

/// A number to four significant digits.
private func short(_ x: Double) -> String {
  guard x.isFinite, x != 0 else { return x == 0 ? "0" : x.isNaN ? "NaN" : x < 0 ? "-∞" : "∞" }
  let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
    _ = withVaList([x]) { vsnprintf(buffer.baseAddress, 32, "%.4g", $0) }
    return buffer.baseAddress.map { String(cString: $0) } ?? ""
  }
  return text
}
