//  Asking for values: what is needed, what still holds, and who computes the rest.

import Glibc

/// Computes tensors in one pass and keeps their values until a leaf below them changes. On failure
/// nothing is changed.
public func evaluate(_ tensors: [Tensor]) throws {
  let now = Leaf.now
  func isKnown(_ tensor: Tensor) -> Bool { tensor.leaf != nil || tensor.memo.clock == now }
  let roots = tensors.contains(where: isKnown) ? tensors.filter { !isKnown($0) } : tensors
  guard !roots.isEmpty else { return }
  let request = try Request(roots)
  if request.nodes.results.count > 0 {
    let values = try request.run()
    for k in values.indices { request.keep(values[k], for: Int(request.nodes.results[k])) }
  }
  for root in roots { root.memo.clock = now }
}

extension Request {
  /// Computes the results: by a plan, in stretches, or one node at a time.
  fileprivate func run() throws -> [Value] {
    if let plan = try plan { return try plan.run { try value(plan.inputs[$0]) } }
    if isLong, !Evaluation.isPlain.load(ordering: .relaxed) {
      if let values = try Stretches(self, results: results).computed() { return values }
    }
    return try computed()
  }

  /// The plain evaluator: one node at a time, no fusion. Short enough to trust by reading.
  func computed() throws -> [Value] {
    var values = [Value?](repeating: nil, count: count)
    // How often each node is still to be read.
    var uses = [Int](repeating: 0, count: count)
    for i in operandNumbers { uses[Int(i)] += 1 }
    for i in results { uses[i] += 1 }
    for i in 0..<count {
      let node = node(i)
      if isInput(i) {
        values[i] = try value(i)
        continue
      }
      do {
        try node.requireEnd()
        values[i] = try node.compute(operands(i).compactMap { values[Int($0)] })
      } catch let error as NanogradError {
        throw error.found(by: node.op.definition.name)
      }
      for operand in operands(i) {
        uses[Int(operand)] -= 1
        if uses[Int(operand)] == 0 { values[Int(operand)] = nil }
      }
    }
    return results.compactMap { values[$0] }
  }
}

extension Tensor {
  /// Refuses what would run for months. Views take no memory, so that nothing else stops a product of two
  /// that are 2^58 long.
  func requireEnd() throws {
    let steps: Double
    switch op {
    case .matmul: steps = Double(size) * Double(self[0].shape.last ?? 1)
    case .sum, .max, .min, .argmax, .scatterAdd:
      steps = Double(operands.list.map(\.size).max() ?? 0)
    // As much work as elements, which are refused where there is no memory for them.
    default: return
    }
    try require(
      steps <= 0x1p56, .shape,
      "\(operands.list.map { "\($0.shape)" }.joined(separator: " and ")) take \(steps) additions, "
        + "expected at most 2^56", in: op.definition.name)
  }

  /// The value, computed if needed.
  func evaluated() throws -> Value {
    if let leaf { return try leaf.value ?? zeroed() }
    if constant != nil { return try compute([]) }
    if size == 0 { return try zeroed() }
    try evaluate([self])
    guard let value = memo.value else { throw NanogradError(.state, "has no value") }
    return value
  }

  /// Zeros in this tensor's shape.
  func zeroed() throws -> Value {
    let value = try Value(bytes: bytes)
    value.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return value
  }
}
