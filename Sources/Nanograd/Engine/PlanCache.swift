//  Plans by the structure of the graphs they were made for: a graph that is rebuilt at every step finds
//  its plan again.

import Glibc
import Synchronization

/// Which evaluator runs: `plain`, one node at a time, or plans.
enum Evaluation {
  /// From `NANOGRAD_ENGINE`; tests set it.
  static let isPlain = Atomic<Bool>(
    getenv("NANOGRAD_ENGINE").map { String(cString: $0) == "plain" } ?? false)
}

extension Request {
  /// A graph of more nodes than this is run one node at a time: a plan for it would take long to make.
  private static var mostNodes: Int { 20_000 }

  /// The plan for this structure, from the cache or new; nil if the plain evaluator is to run. That a
  /// plan cannot be made is no failure of the computation.
  var plan: Plan? {
    guard !Evaluation.isPlain.load(ordering: .relaxed), count <= Request.mostNodes else {
      return nil
    }
    let key = structure()
    if let plan = PlanCache.shared.withLock({ $0.find(key) }) { return plan }
    guard
      let plan = try? Plan(
        nodes: (0..<count).map(node), same: sameNodes(),
        operands: (0..<count).map { operands($0).map { Int($0) } }, isInput: isInput,
        results: results)
    else { return nil }
    PlanCache.shared.withLock { $0.insert(plan, key) }
    return plan
  }

  /// Everything about the graph that a plan depends on.
  private func structure() -> [UInt64] {
    var key: [UInt64] = []
    key.reserveCapacity(count * 6 + results.count)
    for i in 0..<count {
      append(node: i, to: &key)
      for operand in operands(i) { key.append(UInt64(operand)) }
    }
    for result in results { key.append(UInt64(result)) }
    return key
  }

  /// What a node is, but for its operands.
  private func append(node i: Int, to key: inout [UInt64]) {
    let node = node(i)
    let kind = isInput[i] ? Operator.variable : node.op
    key.append(
      UInt64(kind.rawValue) | UInt64(node.dtype.rawValue) << 8 | UInt64(node.rank) << 16
        | UInt64(operands(i).count) << 24)
    for axis in 0..<node.rank { key.append(UInt64(node.shape[axis])) }
    guard !isInput[i] else { return }
    switch node.attributes {
    case .none, .label: break
    case .number(let number): key.append(number.bitPattern)
    case .axes(let axes): key.append(UInt64(axes.bits))
    case .axis(let axis): key.append(UInt64(axis))
    case .order(let order):
      var packed: UInt64 = 0
      for axis in 0..<8 { packed |= UInt64(order[axis]) << UInt64(8 * axis) }
      key.append(packed)
    case .window(let window):
      for axis in 0..<node.rank {
        key.append(UInt64(bitPattern: Int64(window.start[axis])))
        key.append(UInt64(bitPattern: Int64(window.step[axis])))
      }
    }
  }

  /// For each node the first that computes the same, itself if none.
  private func sameNodes() -> [Int] {
    var same = Array(0..<count)
    var known: [[UInt64]: Int] = [:]
    var key: [UInt64] = []
    for i in 0..<count where !isInput[i] {
      key.removeAll(keepingCapacity: true)
      append(node: i, to: &key)
      for operand in operands(i) { key.append(UInt64(same[Int(operand)])) }
      if let first = known[key] { same[i] = first } else { known[key] = i }
    }
    return same
  }
}

/// The plans used last.
private struct PlanCache: ~Copyable {
  static let shared = Mutex(PlanCache())
  private static let capacity = 64
  /// The most memory that cached plans keep for their intermediates, the newest plan's aside.
  private static let memory = 256 << 20

  private struct Entry {
    let plan: Plan
    var used: UInt64
  }
  private var entries: [Key: Entry] = [:]
  private var clock: UInt64 = 0

  /// A structure with a hash that is made once, word by word.
  private struct Key: Hashable {
    let words: [UInt64]
    let digest: UInt64

    init(_ words: [UInt64]) {
      self.words = words
      var digest: UInt64 = 0xCBF2_9CE4_8422_2325
      for word in words {
        digest = (digest ^ word) &* 0x9E37_79B9_7F4A_7C15
        digest ^= digest >> 29
      }
      self.digest = digest
    }

    func hash(into hasher: inout Hasher) { hasher.combine(digest) }
  }

  mutating func find(_ words: [UInt64]) -> Plan? {
    clock += 1
    let key = Key(words)
    guard let plan = entries[key]?.plan else { return nil }
    entries[key]?.used = clock
    return plan
  }

  mutating func insert(_ plan: Plan, _ words: [UInt64]) {
    clock += 1
    entries[Key(words)] = Entry(plan: plan, used: clock)
    var kept = entries.values.reduce(0) { $0 + $1.plan.memory }
    while entries.count > 1, entries.count > PlanCache.capacity || kept > PlanCache.memory,
      let oldest = entries.min(by: { $0.value.used < $1.value.used })
    {
      kept -= oldest.value.plan.memory
      entries[oldest.key] = nil
    }
  }
}
