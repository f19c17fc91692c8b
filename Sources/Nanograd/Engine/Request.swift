//  What is to be computed, as a list: the walk over a graph that planning and running begin with.

/// What is to be computed, in topological order, with numbers in place of tensors. The numbers are valid
/// until another request looks at the same graph.
final class Request {
  private let roots: [Tensor]
  let nodes: NodeList
  /// Whether nodes that have a value keep what they were computed from: what is derived from a graph
  /// depends on all of it.
  let isWhole: Bool
  private let border: TensorMap<Recipe.Source>?
  /// Whether the list is kept by the root, which has been computed before.
  private var isKept: Bool
  /// Memory for the graph itself, for all that is done with this list. Most graphs need no more than is there.
  private var claim: Reserve.Claim?

  var count: Int { nodes.entries.count }
  /// The nodes that are asked for and have to be computed; of a whole graph, all that are asked for, one by one.
  var results: [Int] { nodes.results.all.map { Int($0) } }
  func node(_ i: Int) -> Tensor { nodes.entries[i].tensor.takeUnretainedValue() }

  /// Whether a node has a value already: a leaf, most numbers, and what was computed before and still holds.
  func isInput(_ i: Int) -> Bool { nodes.entries[i].isInput }

  /// The youngest change below a node.
  func version(_ i: Int) -> UInt64 { nodes.entries[i].version }

  /// The numbers of a node's operands; none for an input.
  func operands(_ i: Int) -> UnsafeBufferPointer<Int32> { nodes.operands(i) }

  /// Those of all nodes, one after the other.
  var operandNumbers: UnsafeBufferPointer<Int32> { nodes.operandNumbers.all }

  /// What the roots depend on, as far as the border, if there is one: tensors that bring their values, as
  /// others then do not.
  init(_ roots: [Tensor], isWhole: Bool = false, border: TensorMap<Recipe.Source>? = nil) throws {
    self.roots = roots
    self.isWhole = isWhole
    self.border = border
    isKept = border == nil && roots.count == 1 && roots[0].memo.value != nil
    if isKept, let list = PlanCache.walk(from: roots[0]), !list.isInUse, list.isWhole == isWhole,
      list.renew()
    {
      nodes = list
      nodes.isInUse = true
      if count > 255 { try claimMemory(for: count) }
      return
    }
    nodes = NodeList.take()
    nodes.isWhole = isWhole
    try visit()
    var isResult = roots.count > 1 ? [Bool](repeating: false, count: count) : []
    for root in roots {
      let i = Int(number(root) ?? 0)
      guard isWhole || !isInput(i) && (isResult.isEmpty || !isResult[i]) else { continue }
      if !isResult.isEmpty { isResult[i] = true }
      nodes.results.append(Int32(i))
    }
    // Nodes behind one that has a value are not needed. Rarely is there one but for leaves.
    if !isWhole, nodes.results.count > 0,
      (0..<count).contains(where: { isInput($0) && !operands($0).isEmpty })
    {
      keepNeeded()
      // What is left does not tell when those values change.
      isKept = false
    }
  }

  deinit {
    if nodes.isInUse {
      nodes.isInUse = false
    } else if isKept, nodes.isSmall, count > 0, !isInput(count - 1) {
      PlanCache.keep(nodes, from: roots[0])
    } else {
      NodeList.give(nodes)
    }
  }

  /// Numbers everything that the roots depend on, depth first, operands before consumers.
  private func visit() throws {
    for root in roots where number(root) == nil {
      if isEnd(root) {
        append(root)
        continue
      }
      nodes.path.append(.init(tensor: .passUnretained(root), next: 0))
      while let step = nodes.path.last {
        let (tensor, next) = (step.tensor, step.next)
        let seen = count + nodes.path.count
        if seen & 255 == 0, seen > 0 { try claimMemory(for: seen) }
        tensor._withUnsafeGuaranteedRef { tensor in
          guard next < tensor.operands.count else {
            append(tensor)
            nodes.path.removeLast()
            if nodes.path.count > 8 { NodeList.prefetch(nodes.path[nodes.path.count - 8].tensor) }
            return
          }
          nodes.path[nodes.path.count - 1].next += 1
          let unmanaged = tensor.operands.unmanaged(next)
          unmanaged._withUnsafeGuaranteedRef { operand in
            guard number(operand) == nil else { return }
            if operand.operands.count == 0 || isEnd(operand) {
              append(operand)
            } else {
              nodes.path.append(.init(tensor: unmanaged, next: 0))
              NodeList.prefetch(beyond: unmanaged, from: step.tensor)
            }
          }
        }
      }
    }
  }

  private func claimMemory(for tensors: Int) throws {
    let claim = self.claim ?? Reserve.Claim()
    self.claim = claim
    try claim.grow(toCompute: tensors)
  }

  /// The number of a tensor that has one.
  func number(_ tensor: Tensor) -> Int32? {
    if tensor.leaf != nil { return nodes.leaves[tensor] }
    let number = tensor.number
    return number < count
      && nodes.entries[Int(number)].tensor.toOpaque()
        == Unmanaged.passUnretained(tensor).toOpaque()
      ? number : nil
  }

  /// Whether nothing behind a tensor matters. What has no elements may be computed from what has many: a
  /// softmax over none of 2^31 columns, from the largest of each.
  private func isEnd(_ tensor: Tensor) -> Bool {
    !isWhole && tensor.size == 0 || border?[tensor] != nil
  }

  private func append(_ tensor: Tensor) {
    var version = tensor.leaf?.version ?? 0
    let isEnd = isEnd(tensor)
    for i in 0..<(isEnd ? 0 : tensor.operands.count) {
      let operand =
        tensor.operands.unmanaged(i)._withUnsafeGuaranteedRef { number($0) } ?? 0
      version = Swift.max(version, nodes.entries[Int(operand)].version)
      nodes.operandNumbers.append(operand)
    }
    if tensor.leaf == nil {
      tensor.number = Int32(count)
    } else {
      nodes.leaves[tensor] = Int32(count)
      nodes.leafNumbers.append(Int32(count))
    }
    nodes.append(
      tensor, version: version,
      isInput: border == nil
        ? tensor.isInput(version: version, isWhole: isWhole)
        : tensor.leaf != nil || tensor.isAnyNumber || isEnd)
  }

  /// A stretch of another request. What it takes from before is input here, and so is no value that an
  /// operator inside happens to have. `origin` gets the number of each of its nodes in the other; `numbers`
  /// has a place for each of the other's, -1 before and after.
  init(
    _ stretch: Range<Int>, of all: Request, results: [Int], origin: inout [Int],
    numbers: inout [Int32]
  ) {
    roots = all.roots
    isWhole = true
    border = nil
    isKept = false
    nodes = NodeList.take()
    for i in stretch where all.isComputed(i) {
      let start = nodes.operandNumbers.count
      for operand in all.operands(i) {
        let place = Int(operand)
        if numbers[place] < 0 {
          numbers[place] = Int32(count)
          origin.append(place)
          // It has no operands: those so far are of the node that is listed next.
          nodes.append(all.nodes.entries[place], isInput: true, lastOperand: start)
        }
        nodes.operandNumbers.append(numbers[place])
      }
      numbers[i] = Int32(count)
      origin.append(i)
      nodes.append(all.nodes.entries[i], isInput: false)
    }
    for i in results { nodes.results.append(numbers[i]) }
    for i in origin { numbers[i] = -1 }
  }

  /// Whether a node has to be computed in a stretch: neither leaf nor number, nor known beforehand and
  /// therefore without operands here.
  func isComputed(_ i: Int) -> Bool { !isInput(i) || !operands(i).isEmpty }

  /// Leaves out what is only behind nodes that have a value.
  private func keepNeeded() {
    var needed = [Bool](repeating: false, count: count)
    for i in nodes.results.all { needed[Int(i)] = true }
    for i in (0..<count).reversed() where needed[i] && !isInput(i) {
      for operand in operands(i) { needed[Int(operand)] = true }
    }
    let all = nodes.emptied()
    var place = [Int32](repeating: 0, count: all.entries.count)
    for i in all.entries.indices where needed[i] {
      place[i] = Int32(count)
      if !all.entries[i].isInput {
        for operand in all.operands(i) { nodes.operandNumbers.append(place[Int(operand)]) }
      }
      nodes.append(all.entries[i], isInput: all.entries[i].isInput)
    }
    for k in nodes.results.indices { nodes.results[k] = place[Int(nodes.results[k])] }
  }

  /// What the list was run by last, if it is kept and values are beside the same leaves as then.
  func knownRecipe(beside given: [Value?] = []) -> Recipe? {
    guard let recipe = nodes.recipe, nodes.marks.count == given.count,
      given.indices.allSatisfy({ nodes.marks[$0] == (given[$0] != nil) })
    else { return nil }
    return recipe
  }

  /// Notes it, if the list is kept.
  func note(_ recipe: Recipe, beside given: [Value?] = []) {
    if isKept { PlanCache.note(recipe, given.map { $0 != nil }, for: nodes) }
  }

  /// The numbers of the leaves, in order. A stretch does not know which of its inputs are leaves.
  var leafNumbers: UnsafeBufferPointer<Int32> { nodes.leafNumbers.all }

  /// The value that an input brings.
  func value(_ i: Int) throws -> Value {
    try nodes.entries[i].tensor._withUnsafeGuaranteedRef { node in
      if let leaf = node.leaf { return try leaf.value ?? node.zeroed() }
      if let value = node.memo.value { return value }
      guard node.size > 0 else { return try node.zeroed() }
      let number = try node.compute([])
      if isKept { node.memo.value = number }
      return number
    }
  }

  /// Lets a node keep its value until a leaf below it changes.
  func keep(_ value: Value, for i: Int) {
    nodes.entries[i].tensor._withUnsafeGuaranteedRef {
      $0.memo.value = value
      $0.memo.version = version(i)
    }
  }
}

extension Tensor {
  /// Whether this has a value already, if `version` is the youngest change below it: a value of that version
  /// still holds.
  func isInput(version: UInt64, isWhole: Bool) -> Bool {
    leaf != nil || isAnyNumber || (!isWhole && size == 0)
      || (memo.value != nil && memo.version == version)
  }

  /// Whether this is a number that a plan need not know: a rate that changes from step to step is no
  /// reason for another plan. The few below it can make use of.
  fileprivate var isAnyNumber: Bool {
    guard let number = constant else { return false }
    return ![-1, 0, 1].contains(number)
  }
}
