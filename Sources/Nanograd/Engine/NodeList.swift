//  The memory of a walk over a graph, which the next walk takes over.

internal import CMoves
import Glibc

/// Nodes in topological order, each with the numbers of its operands.
final class NodeList {
  struct Entry {
    let tensor: Unmanaged<Tensor>
    /// The youngest change below it.
    var version: UInt64
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
  /// The same, in order.
  var leafNumbers = Pile<Int32>()
  /// The nodes that are asked for and have to be computed.
  var results = Pile<Int32>()
  /// Where the walk is.
  var path = Pile<Step>()
  /// What a plan for the nodes depends on; kept by whoever keeps the plan.
  private var words = Words()

  private init() {}

  /// The numbers of a node's operands, for as long as the list does not change.
  func operands(_ i: Int) -> UnsafeBufferPointer<Int32> { operands(of: i..<i + 1) }

  /// Those of several nodes, at least one, one after the other.
  func operands(of nodes: Range<Int>) -> UnsafeBufferPointer<Int32> {
    let first = nodes.lowerBound > 0 ? Int(entries[nodes.lowerBound - 1].lastOperand) : 0
    return operandNumbers.elements(first..<Int(entries[nodes.upperBound - 1].lastOperand))
  }

  /// Asks for a node that is looked at soon, if there is one: a large graph is in no cache.
  @inline(__always)
  func prefetch(_ i: Int) {
    if i < entries.count { NodeList.prefetch(entries[i].tensor) }
  }

  @inline(__always)
  static func prefetch(_ tensor: Unmanaged<Tensor>) {
    ngp_prefetch_near(tensor.toOpaque())
    ngp_prefetch_near(tensor.toOpaque() + 64)
    ngp_prefetch_near(tensor.toOpaque() + 112)
  }

  /// On the way down there is no list yet. What was made node after node often lies so, as far apart each time.
  @inline(__always)
  static func prefetch(beyond operand: Unmanaged<Tensor>, from tensor: Unmanaged<Tensor>) {
    let distance = operand.toOpaque() - tensor.toOpaque()
    ngp_prefetch_near(
      UnsafeRawPointer(bitPattern: Int(bitPattern: operand.toOpaque()) &+ 8 &* distance))
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

  // MARK: The walk over a graph that stays

  /// Whether the list is of a whole graph.
  var isWhole = false
  /// Whether a request uses the list now.
  var isInUse = false
  /// What the list was run by last, and what that depends on besides. Written behind the lock of the cache, and
  /// there read by any thread.
  var recipe: Recipe?
  var marks: [Bool] = []

  /// Brings the list up to date if the same nodes as before have to be computed: a graph does not change, but which
  /// values still hold does.
  func renew() -> Bool {
    var start = 0
    for i in entries.indices {
      var entry = entries[i]
      let operands = operandNumbers.elements(start..<Int(entry.lastOperand))
      start += operands.count
      let isInput = entry.tensor._withUnsafeGuaranteedRef { tensor in
        entry.version = tensor.leaf?.version ?? 0
        for operand in operands {
          entry.version = Swift.max(entry.version, entries[Int(operand)].version)
        }
        return tensor.isInput(version: entry.version, isWhole: isWhole)
      }
      guard isInput == entry.isInput else { return false }
      entries[i] = entry
    }
    return true
  }

  // MARK: The memory of the last walk

  private static let spare = AtomicReference<NodeList>()
  /// The most nodes of a list that is kept: a stretch of a long graph and what it reads.
  private static let mostKept = 8192

  static func take() -> NodeList { spare.take() ?? NodeList() }

  /// Whether it takes little memory.
  var isSmall: Bool {
    entries.capacity <= NodeList.mostKept && operandNumbers.capacity <= 2 * NodeList.mostKept
      && path.capacity <= NodeList.mostKept && results.capacity <= NodeList.mostKept
      && words.list.capacity <= 16 * NodeList.mostKept
  }

  static func give(_ list: NodeList) {
    guard list.isSmall else { return }
    list.entries.removeAll()
    list.operandNumbers.removeAll()
    list.path.removeAll()
    list.leaves.removeAll()
    list.leafNumbers.removeAll()
    list.results.removeAll()
    list.recipe = nil
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
  private var base = memory(capacity: 16)
  private(set) var capacity = 16
  private(set) var count = 0

  deinit { free(base) }

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

  /// Adds at most `most` elements, which are written from a pointer on, and that moves past each.
  @inline(__always)
  mutating func append(atMost most: Int, _ body: (inout UnsafeMutablePointer<Element>) -> Void) {
    while count + most > capacity { grow() }
    var end = base + count
    body(&end)
    precondition(end - base <= capacity)
    count = end - base
  }

  mutating func removeLast() {
    precondition(count > 0)
    count -= 1
  }

  /// Keeps the memory.
  mutating func removeAll() { count = 0 }

  @inline(never)
  private mutating func grow() {
    // Where much is held, the system moves it without copying.
    if let larger = realloc(base, Pile.bytes(2 * capacity)) {
      base = larger.assumingMemoryBound(to: Element.self)
    } else {
      // Unlike realloc, malloc has a reserve.
      let larger = Pile.memory(capacity: 2 * capacity)
      larger.moveInitialize(from: base, count: count)
      free(base)
      base = larger
    }
    capacity *= 2
    // Touching a page for the first time takes long: large ones where the system has them.
    if Pile.bytes(capacity) >= 4 << 20 {
      let start = UnsafeMutableRawPointer(base).alignedUp(toMultipleOf: 4096)
      madvise(start, Pile.bytes(capacity) - 4096, MADV_HUGEPAGE)
    }
  }

  private static func bytes(_ capacity: Int) -> Int { capacity * MemoryLayout<Element>.stride }

  private static func memory(capacity: Int) -> UnsafeMutablePointer<Element> {
    malloc(bytes(capacity))!.assumingMemoryBound(to: Element.self)
  }
}
