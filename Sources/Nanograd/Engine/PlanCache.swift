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
  /// A graph of more nodes than this is run in stretches: a plan for it would take long to make.
  private static var mostNodes: Int { 20_000 }
  /// What is derived from a graph has several times its nodes.
  var isLong: Bool { count > (isWhole ? Request.mostNodes / 4 : Request.mostNodes) }

  /// Whether there is to be no plan.
  var isPlain: Bool { Evaluation.isPlain.load(ordering: .relaxed) || isLong }

  /// The plan for this structure, from the cache or new; nil if there is to be none.
  var plan: Plan? {
    get throws { isPlain ? nil : try plan(for: Structure(self)) }
  }

  func plan(for structure: Structure) throws -> Plan? {
    if let recipe = PlanCache.find(structure) { return recipe.plan }
    guard let plan = try newPlan() else { return nil }
    PlanCache.insert(Recipe(plan), structure)
    return plan
  }

  /// A new plan. That none can be made is no failure of the computation, but a lack of memory is: another
  /// evaluator would round differently. Of the results, all threads will read those `forAll`.
  func newPlan(forAll: Set<Int> = []) throws -> Plan? {
    for i in 0..<count where !isInput(i) { try node(i).requireEnd() }
    do {
      return try Plan(
        nodes: (0..<count).map(node), same: sameNodes(),
        operands: (0..<count).map { operands($0).map { Int($0) } },
        isInput: (0..<count).map(isInput),
        results: results, forAll: forAll)
    } catch let error as NanogradError where error.code == .memory {
      throw error
    } catch {
      return nil
    }
  }
}

/// The plans used last.
struct PlanCache {
  static let shared = Guarded(PlanCache())
  private static let capacity = 256
  /// The most memory that cached plans keep for their intermediates, the newest plan's aside.
  private static let memory = 256 << 20

  private final class Entry {
    let recipe: Recipe
    var used: UInt64

    init(_ recipe: Recipe, used: UInt64) {
      self.recipe = recipe
      self.used = used
    }
  }
  private var entries: [Structure: Entry] = [:]

  /// Empties the cache. The plans go after its lock is let go.
  static func removeAll() {
    let entries = shared.withLock { cache in
      defer { cache.entries = [:] }
      return cache.entries
    }
    withExtendedLifetime(entries) {}
  }

  private var clock: UInt64 = 0

  static func find(_ structure: Structure) -> Recipe? {
    shared.withLock { cache in
      cache.clock += 1
      guard let entry = cache.entries[structure] else { return nil }
      entry.used = cache.clock
      return entry.recipe
    }
  }

  static func insert(_ recipe: Recipe, _ structure: Structure) {
    shared.withLock { cache in
      cache.clock += 1
      cache.entries[structure] = Entry(recipe, used: cache.clock)
      var kept = cache.entries.values.reduce(0) { $0 + $1.recipe.plan.memory }
      while cache.entries.count > 1, cache.entries.count > capacity || kept > memory,
        let oldest = cache.entries.min(by: { $0.value.used < $1.value.used })
      {
        kept -= oldest.value.recipe.plan.memory
        cache.entries[oldest.key] = nil
      }
    }
  }
}
