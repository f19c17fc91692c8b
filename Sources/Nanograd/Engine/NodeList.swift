//  The memory of a walk over a graph, which the next walk takes over.

/// Nodes in topological order, each with the numbers of its operands.
final class NodeList {
  struct Entry {
    let tensor: Unmanaged<Tensor>
    /// The youngest change below it.
    let version: UInt64
    /// Where its operands' numbers end; they begin where those of the node before end.
    var lastOperand: Int32
    var isInput: Bool
  }

  fileprivate(set) var entries: [Entry] = []
  var operandNumbers: [Int32] = []
  /// The numbers of leaves. Leaves may be shared with graphs on other threads, so theirs are kept apart.
  var leaves = TensorMap<Int32>()
  /// Where the walk is.
  var path: [(tensor: Unmanaged<Tensor>, next: Int)] = []
  /// What a plan for the nodes depends on.
  var structure: [UInt64] = []

  private init() {}

  func operands(_ i: Int) -> ArraySlice<Int32> {
    operandNumbers[(i > 0 ? Int(entries[i - 1].lastOperand) : 0)..<Int(entries[i].lastOperand)]
  }

  /// Adds a node whose operands' numbers have been added.
  func append(_ tensor: Tensor, version: UInt64, isInput: Bool) {
    entries.append(
      Entry(
        tensor: .passUnretained(tensor), version: version, lastOperand: Int32(operandNumbers.count),
        isInput: isInput))
  }

  /// Adds a node of another list, whose operands' numbers have been added up to `lastOperand`, if not all.
  func append(_ entry: Entry, isInput: Bool, lastOperand: Int? = nil) {
    var entry = entry
    entry.lastOperand = Int32(lastOperand ?? operandNumbers.count)
    entry.isInput = isInput
    entries.append(entry)
  }

  /// Another list with the nodes that were in this one.
  func emptied() -> NodeList {
    let other = NodeList()
    swap(&entries, &other.entries)
    swap(&operandNumbers, &other.operandNumbers)
    return other
  }

  // MARK: The memory of the last walk

  private static let spare = AtomicReference<NodeList>()
  /// The most nodes of a list that is kept.
  private static let mostKept = 4096

  static func take() -> NodeList { spare.take() ?? NodeList() }

  static func give(_ list: NodeList) {
    guard list.entries.capacity <= mostKept, list.operandNumbers.capacity <= 2 * mostKept,
      list.structure.capacity <= 16 * mostKept
    else { return }
    list.entries.removeAll(keepingCapacity: true)
    list.operandNumbers.removeAll(keepingCapacity: true)
    list.path.removeAll(keepingCapacity: true)
    list.leaves.removeAll()
    spare.put(list)
  }
}
