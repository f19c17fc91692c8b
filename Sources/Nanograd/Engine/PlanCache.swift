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
    get throws {
      guard !isPlain else { return nil }
      return try knownRecipe()?.plan ?? plan(for: Structure(self))
    }
  }

  func plan(for structure: Structure) throws -> Plan? {
    if let recipe = PlanCache.find(structure) {
      note(recipe)
      return recipe.plan
    }
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

/// The plans used last, by structure, and the walks over graphs that stay, by root.
struct PlanCache {
  static let shared = Guarded(PlanCache())
  private static let capacity = 256
  /// The most memory that cached plans keep for their intermediates, the newest plan's aside.
  private static let memory = 256 << 20

  private var recipes: [Structure: Recipe] = [:]
  /// The lists of what is behind graphs' roots. A root that ends takes its list out.
  private var walks: [ObjectIdentifier: NodeList] = [:]
  private var clock: UInt64 = 0

  /// Empties the cache. The plans go after its lock is let go.
  static func removeAll() {
    let all = shared.withLock { cache in
      defer { (cache.recipes, cache.walks) = ([:], [:]) }
      return (cache.recipes, cache.walks)
    }
    withExtendedLifetime(all) {}
  }

  static func find(_ structure: Structure) -> Recipe? {
    shared.withLock { cache in
      let recipe = cache.recipes[structure]
      if let recipe { cache.touch(recipe) }
      return recipe
    }
  }

  static func insert(_ recipe: Recipe, _ structure: Structure) {
    shared.withLock { cache in
      cache.touch(recipe)
      cache.recipes[structure] = recipe
      var kept = cache.recipes.values.reduce(0) { $0 + $1.plan.memory }
      while cache.recipes.count > 1, cache.recipes.count > capacity || kept > memory,
        let oldest = cache.recipes.min(by: { $0.value.used < $1.value.used })
      {
        kept -= oldest.value.plan.memory
        cache.recipes[oldest.key] = nil
        cache.walks = cache.walks.filter { $0.value.recipe !== oldest.value }
      }
    }
  }

  private mutating func touch(_ recipe: Recipe) {
    clock += 1
    recipe.used = clock
  }

  // MARK: Graphs that stay

  /// The list of what a root depends on, if there is one.
  static func walk(from root: Tensor) -> NodeList? {
    guard root.hasWalk else { return nil }
    return shared.withLock { cache in
      let list = cache.walks[ObjectIdentifier(root)]
      if let recipe = list?.recipe { cache.touch(recipe) }
      return list
    }
  }

  /// Keeps a list, and what it was run by, if known.
  static func keep(_ list: NodeList, from root: Tensor) {
    root.hasWalk = true
    let old = shared.withLock { cache in
      var old: [ObjectIdentifier: NodeList] = [:]
      if cache.walks.count >= capacity { swap(&old, &cache.walks) }
      old[ObjectIdentifier(root)] = cache.walks.updateValue(list, forKey: ObjectIdentifier(root))
      return old
    }
    withExtendedLifetime(old) {}
  }

  /// Notes what a list was run by, and what that depends on besides.
  static func note(_ recipe: Recipe, _ marks: [Bool], for list: NodeList) {
    shared.withLock { _ in (list.recipe, list.marks) = (recipe, marks) }
  }

  static func removeWalk(from root: Tensor) {
    let list = shared.withLock { $0.walks.removeValue(forKey: ObjectIdentifier(root)) }
    withExtendedLifetime(list) {}
  }
}
