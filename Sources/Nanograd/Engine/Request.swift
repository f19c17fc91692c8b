//  What is to be computed, as a list: the walk over a graph that planning and running begin with.

/// What is to be computed, in topological order, with numbers in place of tensors. The numbers are valid
/// until another request looks at the same graph.
struct Request {
  /// The roots keep them alive.
  private var list: [Unmanaged<Tensor>] = []
  private let roots: [Tensor]
  /// The operands of node i are `operandNumbers[firstOperand[i] ..< firstOperand[i + 1]]`.
  private var firstOperand: [Int32] = [0]
  private(set) var operandNumbers: [Int32] = []
  /// For each node, the youngest change below it.
  private(set) var versions: [UInt64] = []
  /// Nodes that have a value already: leaves, most numbers, and what was computed before and still holds.
  private(set) var isInput: [Bool] = []
  /// The nodes that are asked for and have to be computed.
  private(set) var results: [Int] = []
  /// The numbers of leaves. Leaves may be shared with graphs on other threads, so theirs are kept apart.
  private var leaves = TensorMap<Int32>()
  /// Whether nodes that have a value keep what they were computed from: what is derived from a graph
  /// depends on all of it.
  let isWhole: Bool
  private let border: TensorMap<Recipe.Source>?
  /// Memory for the graph itself, for all that is done with this list. Most graphs need no more than is there.
  private var claim: Reserve.Claim?

  /// The numbers of a node's operands; none for an input.
  func operands(_ i: Int) -> ArraySlice<Int32> {
    operandNumbers[Int(firstOperand[i])..<Int(firstOperand[i + 1])]
  }

  var count: Int { list.count }
  func node(_ i: Int) -> Tensor { list[i].takeUnretainedValue() }

  /// What the roots depend on, as far as the border, if there is one: tensors that bring their values, as
  /// others then do not.
  init(_ roots: [Tensor], isWhole: Bool = false, border: TensorMap<Recipe.Source>? = nil) throws {
    self.roots = roots
    self.isWhole = isWhole
    self.border = border
    let capacity = 64
    list.reserveCapacity(capacity)
    firstOperand.reserveCapacity(capacity)
    operandNumbers.reserveCapacity(2 * capacity)
    versions.reserveCapacity(capacity)
    isInput.reserveCapacity(capacity)
    try visit()
    var isResult = [Bool](repeating: false, count: count)
    for i in roots.map({ Int($0.memo.number) }) where !isInput[i] && !isResult[i] {
      isResult[i] = true
      results.append(i)
    }
    // Nodes behind one that has a value are not needed. Rarely is there one but for leaves.
    if !isWhole, !results.isEmpty,
      (0..<count).contains(where: { isInput[$0] && !operands($0).isEmpty })
    {
      keepNeeded()
    }
  }

  /// Numbers everything that the roots depend on, depth first, operands before consumers.
  private mutating func visit() throws {
    var path: [(tensor: Unmanaged<Tensor>, next: Int)] = []
    path.reserveCapacity(64)
    for root in roots where number(root) == nil {
      if isEnd(root) {
        append(root)
        continue
      }
      path.append((.passUnretained(root), 0))
      while let (tensor, next) = path.last {
        let seen = list.count + path.count
        if seen & 255 == 0, seen > 0 { try claimMemory(for: seen) }
        tensor._withUnsafeGuaranteedRef { tensor in
          guard next < tensor.operands.count else {
            append(tensor)
            path.removeLast()
            return
          }
          path[path.count - 1].next += 1
          let unmanaged = tensor.operands.unmanaged(next)
          unmanaged._withUnsafeGuaranteedRef { operand in
            guard number(operand) == nil else { return }
            if operand.operands.count == 0 || isEnd(operand) {
              append(operand)
            } else {
              path.append((unmanaged, 0))
            }
          }
        }
      }
    }
  }

  private mutating func claimMemory(for tensors: Int) throws {
    let claim = self.claim ?? Reserve.Claim()
    self.claim = claim
    try claim.grow(toCompute: tensors)
  }

  /// The number of a tensor that has one.
  func number(_ tensor: Tensor) -> Int32? {
    if tensor.leaf != nil { return leaves[tensor] }
    let number = tensor.memo.number
    return number < list.count
      && list[Int(number)].toOpaque() == Unmanaged.passUnretained(tensor).toOpaque()
      ? number : nil
  }

  /// Whether nothing behind a tensor matters. What has no elements may be computed from what has many: a
  /// softmax over none of 2^31 columns, from the largest of each.
  private func isEnd(_ tensor: Tensor) -> Bool {
    !isWhole && tensor.size == 0 || border?[tensor] != nil
  }

  private mutating func append(_ tensor: Tensor) {
    var version = tensor.leaf?.version ?? 0
    let isEnd = isEnd(tensor)
    for i in 0..<(isEnd ? 0 : tensor.operands.count) {
      let operand =
        tensor.operands.unmanaged(i)._withUnsafeGuaranteedRef { number($0) } ?? 0
      version = Swift.max(version, versions[Int(operand)])
      operandNumbers.append(operand)
    }
    if tensor.leaf == nil {
      tensor.memo.number = Int32(list.count)
    } else {
      leaves[tensor] = Int32(list.count)
    }
    list.append(.passUnretained(tensor))
    firstOperand.append(Int32(operandNumbers.count))
    versions.append(version)
    // A node's version is the youngest change below it; a value of that version still holds.
    isInput.append(
      tensor.leaf != nil || tensor.isAnyNumber || isEnd
        || (border == nil && tensor.memo.value != nil && tensor.memo.version == version))
  }

  /// A stretch of another request. What it takes from before is input here, and so is no value that an
  /// operator inside happens to have. `origin` has the number of each of its nodes in the other.
  init(_ stretch: Range<Int>, of all: Request, results: [Int], origin: inout [Int]) {
    roots = all.roots
    isWhole = true
    border = nil
    var inside = [Int32](repeating: 0, count: stretch.count)
    var outside: [Int: Int32] = [:]
    origin = []
    for i in stretch where all.isComputed(i) {
      for operand in all.operands(i).map({ Int($0) }) {
        if stretch.contains(operand), all.isComputed(operand) {
          operandNumbers.append(inside[operand - stretch.lowerBound])
          continue
        }
        if outside[operand] == nil {
          // It has no operands: those so far are of the node that is listed next.
          outside[operand] = Int32(list.count)
          origin.append(operand)
          list.append(all.list[operand])
          versions.append(all.versions[operand])
          isInput.append(true)
          firstOperand.append(firstOperand[list.count - 1])
        }
        operandNumbers.append(outside[operand] ?? 0)
      }
      inside[i - stretch.lowerBound] = Int32(list.count)
      origin.append(i)
      list.append(all.list[i])
      versions.append(all.versions[i])
      isInput.append(false)
      firstOperand.append(Int32(operandNumbers.count))
    }
    self.results = results.map { Int(inside[$0 - stretch.lowerBound]) }
  }

  /// Whether a node has to be computed in a stretch: neither leaf nor number, nor known beforehand and
  /// therefore without operands here.
  func isComputed(_ i: Int) -> Bool { !isInput[i] || !operands(i).isEmpty }

  /// Leaves out what is only behind nodes that have a value.
  private mutating func keepNeeded() {
    var needed = [Bool](repeating: false, count: count)
    for i in results { needed[i] = true }
    for i in (0..<count).reversed() where needed[i] && !isInput[i] {
      for operand in operands(i) { needed[Int(operand)] = true }
    }
    let all = self
    var place = [Int32](repeating: 0, count: count)
    list = []
    firstOperand = [0]
    operandNumbers = []
    versions = []
    isInput = []
    for i in 0..<all.count where needed[i] {
      place[i] = Int32(count)
      list.append(all.list[i])
      versions.append(all.versions[i])
      isInput.append(all.isInput[i])
      if !all.isInput[i] {
        for operand in all.operands(i) { operandNumbers.append(place[Int(operand)]) }
      }
      firstOperand.append(Int32(operandNumbers.count))
    }
    results = all.results.map { Int(place[$0]) }
  }

  /// The numbers of the leaves.
  var leafNumbers: [Int] { (0..<count).filter { node($0).leaf != nil } }

  /// The value that an input brings.
  func value(_ i: Int) throws -> Value {
    let node = node(i)
    if let leaf = node.leaf { return try leaf.value ?? node.zeroed() }
    return try node.memo.value ?? (node.size == 0 ? node.zeroed() : node.compute([]))
  }
}

extension Tensor {
  /// Whether this is a number that a plan need not know: a rate that changes from step to step is no
  /// reason for another plan. The few below it can make use of.
  fileprivate var isAnyNumber: Bool {
    guard let number = constant else { return false }
    return ![-1, 0, 1].contains(number)
  }
}
