//  The memory of a walk over a graph, which the next walk takes over.

import Glibc

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

  /// A node on the way, and which of its operands comes next.
  struct Step {
    let tensor: Unmanaged<Tensor>
    var next: Int
  }

  fileprivate(set) var entries = Pile<Entry>()
  var operandNumbers = Pile<Int32>()
  /// The numbers of leaves. Leaves may be shared with graphs on other threads, so theirs are kept apart.
  var leaves = TensorMap<Int32>()
  /// Where the walk is.
  var path = Pile<Step>()
  /// What a plan for the nodes depends on; kept by whoever keeps the plan.
  private var words = Words()

  private init() {}

  /// The numbers of a node's operands, for as long as the list does not change.
  func operands(_ i: Int) -> UnsafeBufferPointer<Int32> {
    let first = i > 0 ? Int(entries[i - 1].lastOperand) : 0
    return operandNumbers.elements(first..<Int(entries[i].lastOperand))
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

  /// No words yet, in memory that nobody else reads.
  func noWords() -> Words {
    if isKnownUniquelyReferenced(&words) { words.list.removeAll() } else { words = Words() }
    return words
  }

  // MARK: The memory of the last walk

  private static let spare = AtomicReference<NodeList>()
  /// The most nodes of a list that is kept.
  private static let mostKept = 4096

  static func take() -> NodeList { spare.take() ?? NodeList() }

  static func give(_ list: NodeList) {
    guard list.entries.capacity <= mostKept, list.operandNumbers.capacity <= 2 * mostKept,
      list.path.capacity <= mostKept, list.words.list.capacity <= 16 * mostKept
    else { return }
    list.entries.removeAll()
    list.operandNumbers.removeAll()
    list.path.removeAll()
    list.leaves.removeAll()
    spare.put(list)
  }
}

/// Words that several may read.
final class Words {
  var list = Pile<UInt64>()
}

/// An array of elements without references. A walk adds several for each node; here that takes a comparison and
/// a store, without looking whether somebody else has the array.
struct Pile<Element: BitwiseCopyable>: ~Copyable {
  private var base = UnsafeMutablePointer<Element>.allocate(capacity: 16)
  private(set) var capacity = 16
  private(set) var count = 0

  deinit { base.deallocate() }

  var indices: Range<Int> { 0..<count }
  var last: Element? { count > 0 ? base[count - 1] : nil }

  subscript(i: Int) -> Element {
    get {
      precondition(i >= 0 && i < count)
      return base[i]
    }
    set {
      precondition(i >= 0 && i < count)
      base[i] = newValue
    }
  }

  /// Some of the elements, for as long as none is added or removed.
  func elements(_ range: Range<Int>) -> UnsafeBufferPointer<Element> {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return UnsafeBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  var all: UnsafeBufferPointer<Element> { elements(indices) }

  func hasSameBytes(as other: borrowing Self) -> Bool {
    count == other.count && memcmp(base, other.base, count * MemoryLayout<Element>.stride) == 0
  }

  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    (base + count).initialize(to: element)
    count += 1
  }

  mutating func removeLast() {
    precondition(count > 0)
    count -= 1
  }

  /// Keeps the memory.
  mutating func removeAll() { count = 0 }

  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: 2 * capacity)
    larger.moveInitialize(from: base, count: count)
    base.deallocate()
    base = larger
    capacity *= 2
  }
}
