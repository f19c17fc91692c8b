//  The plain evaluator: one node at a time, no fusion. Short enough to trust by reading.

/// Computes tensors in one pass and keeps their values until a leaf below them changes. On failure
/// nothing is changed.
public func evaluate(_ tensors: [Tensor]) throws {
  let now = Leaf.now
  let roots = tensors.filter { $0.leaf == nil && $0.memo.clock != now }
  guard !roots.isEmpty else { return }

  let nodes = order(roots)
  var index = TensorMap<Int>()
  for (i, node) in nodes.enumerated() { index[node] = i }

  // A node's version is the youngest change below it; a value of that version still holds.
  var versions = [UInt64](repeating: 0, count: nodes.count)
  var values = [Value?](repeating: nil, count: nodes.count)
  for (i, node) in nodes.enumerated() {
    versions[i] = node.leaf?.version ?? 0
    for operand in node.operandList { versions[i] = Swift.max(versions[i], versions[index[operand]!]) }
    if let value = node.memo.value, node.memo.version == versions[i] { values[i] = value }
  }

  // How often each node is still to be read; nodes behind one that holds a value are not needed.
  var uses = [Int](repeating: 0, count: nodes.count)
  for root in roots { uses[index[root]!] += 1 }
  for (i, node) in nodes.enumerated().reversed() where uses[i] > 0 && values[i] == nil {
    for operand in node.operandList { uses[index[operand]!] += 1 }
  }

  for (i, node) in nodes.enumerated() where uses[i] > 0 && values[i] == nil {
    let operands = node.operandList.map { index[$0]! }
    do {
      values[i] = try node.compute(operands.map { values[$0]! })
    } catch let error as NanogradError {
      throw error.found(by: node.op.definition.name)
    }
    for operand in operands {
      uses[operand] -= 1
      if uses[operand] == 0 { values[operand] = nil }
    }
  }

  for root in roots {
    let i = index[root]!
    root.memo = Memo(value: values[i], version: versions[i], clock: now)
  }
}

extension Tensor {
  /// The value, computed if needed.
  func evaluated() throws -> Value {
    if let leaf { return try leaf.value ?? zeroed() }
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
