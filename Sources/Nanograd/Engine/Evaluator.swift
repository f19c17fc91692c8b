//  Asking for values: what is needed, what still holds, and who computes the rest.

import Glibc

/// Computes tensors in one pass and keeps their values until a leaf below them changes. On failure
/// nothing is changed.
public func evaluate(_ tensors: [Tensor]) throws {
  let now = Leaf.now
  let roots = tensors.filter { $0.leaf == nil && $0.memo.clock != now }
  guard !roots.isEmpty else { return }
  let request = Request(roots)
  let values = try request.plan?.run(request.value) ?? request.computed()
  for (root, value) in zip(request.roots, values) {
    root.tensor.memo = Memo(value: value, version: root.version, clock: now)
  }
  for (root, version) in request.unchanged {
    root.memo = Memo(value: root.memo.value, version: version, clock: now)
  }
}

/// What is to be computed, in topological order, with numbers in place of tensors.
struct Request {
  private(set) var nodes: [Tensor] = []
  private(set) var operands: [[Int]] = []
  /// Nodes that have a value already: leaves, and what was computed before and still holds.
  private(set) var isInput: [Bool] = []
  /// What is asked for and has to be computed, with the youngest change below it.
  private(set) var roots: [(tensor: Tensor, version: UInt64)] = []
  private(set) var results: [Int] = []
  /// What is asked for and still holds.
  private(set) var unchanged: [(tensor: Tensor, version: UInt64)] = []

  init(_ tensors: [Tensor]) {
    let all = order(tensors)
    var number = TensorMap<Int>()
    for (i, node) in all.enumerated() { number[node] = i }
    let below = all.map { node in (0..<node.operands.count).map { number[node[$0]] ?? 0 } }

    // A node's version is the youngest change below it; a value of that version still holds.
    var versions = [UInt64](repeating: 0, count: all.count)
    var holds = [Bool](repeating: false, count: all.count)
    for (i, node) in all.enumerated() {
      versions[i] = node.leaf?.version ?? 0
      for operand in below[i] { versions[i] = Swift.max(versions[i], versions[operand]) }
      holds[i] = node.leaf != nil || (node.memo.value != nil && node.memo.version == versions[i])
    }

    // Nodes behind one that has a value are not needed.
    var needed = [Bool](repeating: false, count: all.count)
    for tensor in tensors {
      let i = number[tensor] ?? 0
      if holds[i] {
        unchanged.append((tensor, versions[i]))
      } else if !needed[i] {
        needed[i] = true
        roots.append((tensor, versions[i]))
      }
    }
    for i in all.indices.reversed() where needed[i] && !holds[i] {
      for operand in below[i] { needed[operand] = true }
    }
    var place = [Int](repeating: 0, count: all.count)
    for (i, node) in all.enumerated() where needed[i] {
      place[i] = nodes.count
      nodes.append(node)
      isInput.append(holds[i])
      operands.append(holds[i] ? [] : below[i].map { place[$0] })
    }
    results = roots.map { place[number[$0.tensor] ?? 0] }
  }

  /// The value that an input brings.
  func value(_ i: Int) throws -> Value {
    try nodes[i].leaf.map { try $0.value ?? nodes[i].zeroed() } ?? nodes[i].memo.value
      ?? nodes[i].zeroed()
  }

  /// The plain evaluator: one node at a time, no fusion. Short enough to trust by reading.
  func computed() throws -> [Value] {
    var values = [Value?](repeating: nil, count: nodes.count)
    // How often each node is still to be read.
    var uses = [Int](repeating: 0, count: nodes.count)
    for i in operands.joined() + results { uses[i] += 1 }
    for (i, node) in nodes.enumerated() {
      if isInput[i] {
        values[i] = try value(i)
        continue
      }
      do {
        values[i] = try node.compute(operands[i].compactMap { values[$0] })
      } catch let error as NanogradError {
        throw error.found(by: node.op.definition.name)
      }
      for operand in operands[i] {
        uses[operand] -= 1
        if uses[operand] == 0 { values[operand] = nil }
      }
    }
    return results.compactMap { values[$0] }
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
