//  A graph of more nodes than a plan should have is cut into stretches, each with a plan of its own, that run
//  one after the other. A network over thousands of time steps repeats itself, and so do its stretches:
//  a few plans serve them all.

/// The stretches of a request, in order.
struct Stretches {
  private struct Part {
    let number: Int32
    let request: Request
    /// The number of each of its nodes in the whole.
    let origin: [Int]
    let structure: Structure
  }

  private let request: Request
  private let results: [Int]
  private var parts: [Part] = []
  /// The last part that reads each node.
  private var lastReader: [Int32]

  init(_ request: Request, results: [Int], length: Int = 4096) {
    self.request = request
    self.results = results
    lastReader = Array(repeating: -1, count: request.count)
    let cuts = stride(from: 0, to: request.count, by: length).map {
      $0..<Swift.min($0 + length, request.count)
    }
    for (p, nodes) in cuts.enumerated() {
      for i in nodes { for operand in request.operands(i) { lastReader[Int(operand)] = Int32(p) } }
    }
    for i in results { lastReader[i] = .max }
    for (p, nodes) in cuts.enumerated() {
      let outputs = nodes.filter { request.isComputed($0) && lastReader[$0] > p }
      var origin: [Int] = []
      let part = Request(nodes, of: request, results: outputs, origin: &origin)
      guard !part.results.isEmpty else { continue }
      parts.append(
        Part(number: Int32(p), request: part, origin: origin, structure: Structure(part)))
    }
  }

  /// The values of the results; nil if some stretch cannot be planned.
  func computed() throws -> [Value]? {
    guard let values = try run(keepsAll: false) else { return nil }
    return try results.map { try value($0, values) }
  }

  /// Runs all stretches. The result has what later stretches read, or just the results.
  private func run(keepsAll: Bool) throws -> [Value?]? {
    var values = [Value?](repeating: nil, count: request.count)
    for part in parts {
      guard let plan = try part.request.plan(for: part.structure) else { return nil }
      let computed = try plan.run(plan.inputs.map { try value(part.origin[$0], values) })
      for (i, value) in zip(part.request.results, computed) { values[part.origin[i]] = value }
      guard !keepsAll else { continue }
      for i in part.origin where lastReader[i] <= part.number { values[i] = nil }
    }
    return values
  }

  private func value(_ i: Int, _ values: [Value?]) throws -> Value {
    try values[i] ?? request.value(i)
  }

  /// The value of the last node, and what is carried back from a seed there to each leaf, added to what is
  /// given for the leaf. Of the nodes, only those between stretches keep their values until then; the rest is
  /// computed once more. Nil if some stretch cannot be planned.
  func carriedBack(_ seed: Tensor, _ given: [Value?], _ carry: Carry) throws -> [Value?]? {
    guard let values = try run(keepsAll: true) else { return nil }
    let leaves = request.leafNumbers
    var sums = [Value?](repeating: nil, count: request.count)
    var isReached = [Bool](repeating: false, count: request.count)
    for (leaf, value) in zip(leaves, given) { sums[leaf] = value }
    sums[request.count - 1] = try seed.evaluated()
    for part in parts.reversed() {
      let seeds = part.request.results.filter { sums[part.origin[$0]] != nil }
      guard !seeds.isEmpty else { continue }
      let targets = (0..<part.request.count).filter { part.request.isInput($0) }
      let marks = (part.request.results + targets).map { sums[part.origin[$0]] != nil }
      let structure = part.structure.marked(marks)
      let known = PlanCache.find(structure)
      guard let recipe = try known ?? self.recipe(part, seeds, targets, sums, carry) else {
        return nil
      }
      let totals = try recipe.run(
        { try value(part.origin[$0], values) },
        given: (seeds + targets).map { sums[part.origin[$0]] })
      if known == nil { PlanCache.insert(recipe, structure) }
      for i in seeds { sums[part.origin[i]] = nil }
      for (i, total) in zip(targets, totals) {
        guard let total else { continue }
        sums[part.origin[i]] = total
        isReached[part.origin[i]] = true
      }
    }
    return [values[request.count - 1]] + leaves.map { isReached[$0] ? sums[$0] : nil }
  }

  /// What is carried back through one stretch, from stand-ins for the seeds, and added to stand-ins for what
  /// others carried to the same targets.
  private func recipe(
    _ part: Part, _ seeds: [Int], _ targets: [Int], _ sums: [Value?], _ carry: Carry
  ) throws -> Recipe? {
    let nodes = part.request
    var places = TensorMap<Recipe.Source>()
    for i in targets { places[nodes.node(i)] = .node(i) }
    let given = (seeds + targets).map { i -> Tensor? in
      guard sums[part.origin[i]] != nil else { return nil }
      let node = nodes.node(i)
      return Tensor(leaf: Leaf(tag: ""), dtype: node.dtype, shape: node.shape)
    }
    for (k, tensor) in given.enumerated() { if let tensor { places[tensor] = .given(k) } }
    let starts = zip(seeds, given).compactMap { i, seed in seed.map { (of: nodes.node(i), is: $0) }
    }
    let inside = (0..<nodes.count).filter { !nodes.isInput($0) }.map(nodes.node)
    let shares = try carry(inside, starts, targets.map(nodes.node))
    let totals = try zip(shares, given.dropFirst(seeds.count)).map { share, sum in
      try share.map { share in try sum.map { try $0 + share } ?? share }
    }
    return try withExtendedLifetime(given) { try Recipe(totals, places: places, isBorder: true) }
  }
}
