//  A graph that stays: planned once, run at every step.

/// A graph that is run many times over, whatever its leaves hold, and whose values may go to leaves of it.
final class Program {
  private let roots: [Tensor]
  private let inputs: [Tensor]
  /// The number of each root among the plan's results.
  private let results: [Int]
  /// For each result, the leaf that it can be written to in place.
  private var targets: [Leaf?]
  private let plan: Plan?
  /// How to write what all threads read, if there is any.
  private var trial: Trial?

  /// Plans for tensors that are no leaves, and the leaves that are to have their values, if any.
  init(_ roots: [Tensor], for leaves: [Tensor]) throws {
    self.roots = roots
    let request = try Request(roots)
    var places = TensorMap<Int>()
    for (i, node) in request.results.enumerated() { places[request.node(node)] = i }
    results = roots.compactMap { places[$0] }
    // Every thread reads the weights; an optimizer's means are one thread's each.
    let forAll = zip(results, leaves)
      .filter { $1.isParameter && $1.bytes >= Distance.leastBytes }.map { $0.0 }
    plan = try request.isPlain ? nil : request.newPlan(forAll: Set(forAll))
    inputs = plan?.inputs.map(request.node) ?? []
    trial = forAll.isEmpty ? nil : Trial()
    targets = request.results.map { _ in nil }
    for (result, leaf) in zip(results, leaves.map(\.leaf)) {
      guard let plan, let leaf, let input = inputs.firstIndex(where: { $0.leaf === leaf }),
        plan.canReplace(input: input, byResult: result)
      else { continue }
      targets[result] = leaf
    }
  }

  /// The values of the roots, which do not keep them. What replaces a leaf's value may be in its memory
  /// already; on failure nothing is.
  func run() throws -> [Value] {
    guard let plan, results.count == roots.count else { return try computed() }
    Workers.endAll()
    let memory = [Value?](count: targets.count) { targets[$0]?.valueToOverwrite() }
    // Where cores share no cache, it is better that each writes its own part of the weights.
    let waits = Distance.isFar.load(ordering: .relaxed) || trial?.isTrying == true
    let start = trial == nil ? 0 : nanoseconds()
    let values = try plan.run(
      { try inputs[$0].evaluated() }, into: memory, isFar: trial?.isFar, waits: waits)
    if trial != nil { trial?.add(nanoseconds() - start) }
    return [Value](count: results.count) { values[results[$0]] }
  }

  private func computed() throws -> [Value] {
    defer { for root in roots { root.memo = Memo() } }
    try evaluate(roots)
    return try roots.map { try $0.evaluated() }
  }
}
