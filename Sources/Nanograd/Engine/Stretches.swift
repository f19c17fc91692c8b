//  A graph of more nodes than a plan should have is cut into stretches, each with a plan of its own, that run
//  one after the other. A network over thousands of time steps repeats itself, and so do its stretches:
//  a few plans serve them all.

/// The stretches of a request, in order.
struct Stretches {
  /// What stretches of the same structure have in common.
  private final class Form {
    let request: Request
    let structure: Structure
    let inputs: [Int]

    init(_ request: Request, _ structure: Structure) {
      self.request = request
      self.structure = structure
      inputs = (0..<request.count).filter { request.isInput($0) }
    }
  }

  private struct Part {
    let number: Int32
    let form: Form
    /// The number of each of its nodes in the whole.
    let origin: [Int]
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
      for operand in request.nodes.operands(of: nodes) { lastReader[Int(operand)] = Int32(p) }
    }
    for i in results { lastReader[i] = .max }
    var forms: [Structure: Form] = [:]
    var numbers = [Int32](repeating: -1, count: request.count)
    for (p, nodes) in cuts.enumerated() {
      let outputs = nodes.filter { lastReader[$0] > p && request.isComputed($0) }
      guard !outputs.isEmpty else { continue }
      var origin: [Int] = []
      origin.reserveCapacity(nodes.count)
      let part = Request(nodes, of: request, results: outputs, origin: &origin, numbers: &numbers)
      let structure = Structure(part)
      let form = forms[structure] ?? Form(part, structure)
      forms[structure] = form
      parts.append(Part(number: Int32(p), form: form, origin: origin))
    }
  }

  /// The values of the results; nil if some stretch cannot be planned.
  func computed() throws -> [Value]? {
    guard let values = try run(keepsAll: false) else { return nil }
    return try results.map { try value($0, values) }
  }

  /// Runs all stretches. The result has what later stretches read, or just the results.
  private func run(keepsAll: Bool) throws -> [Int: Value]? {
    var values: [Int: Value] = [:]
    for part in parts {
      let (form, origin) = (part.form, part.origin)
      guard let plan = try form.request.plan(for: form.structure) else { return nil }
      let computed = try plan.run { try value(origin[plan.inputs[$0]], values) }
      for (i, value) in zip(form.request.results, computed) { values[origin[i]] = value }
      guard !keepsAll else { continue }
      for i in form.inputs where lastReader[origin[i]] <= part.number { values[origin[i]] = nil }
    }
    return values
  }

  private func value(_ i: Int, _ values: [Int: Value]) throws -> Value {
    try values[i] ?? request.value(i)
  }

  /// The values of the results, and what is carried back from a seed at the first to each leaf, added to what is
  /// given for the leaf. Of the nodes, only those between stretches keep their values until then; the rest is
  /// computed once more. Nil if some stretch cannot be planned.
  func carriedBack(_ seed: Tensor, _ given: [Value?], _ carry: Carry) throws -> [Value?]? {
    guard let values = try run(keepsAll: true) else { return nil }
    let leaves = request.leafNumbers.map { Int($0) }
    var sums: [Int: Value] = [:]
    var reached: Set<Int> = []
    for (leaf, value) in zip(leaves, given) { sums[leaf] = value }
    sums[results[0]] = try seed.evaluated()
    for part in parts.reversed() {
      let (form, origin) = (part.form, part.origin)
      let seeds = form.request.results.filter { sums[origin[$0]] != nil }
      guard !seeds.isEmpty else { continue }
      let beside = (seeds + form.inputs).map { sums[origin[$0]] }
      let marks = (form.request.results + form.inputs).map { sums[origin[$0]] != nil }
      let structure = form.structure.marked(marks)
      let known = PlanCache.find(structure)
      guard
        let recipe = try known
          ?? Stretches.recipe(form.request, seeds, form.inputs, beside, carry)
      else { return nil }
      let totals = try recipe.run({ try value(origin[$0], values) }, given: beside)
      if known == nil { PlanCache.insert(recipe, structure) }
      for i in seeds { sums[origin[i]] = nil }
      for (i, total) in zip(form.inputs, totals) {
        guard let total else { continue }
        sums[origin[i]] = total
        reached.insert(origin[i])
      }
    }
    return try results.map { try value($0, values) }
      + leaves.map { reached.contains($0) ? sums[$0] : nil }
  }

  /// What is carried back through one stretch, from stand-ins for the seeds, and added to stand-ins for what
  /// others carried to the same targets.
  private static func recipe(
    _ nodes: Request, _ seeds: [Int], _ targets: [Int], _ beside: [Value?], _ carry: Carry
  ) throws -> Recipe? {
    var places = TensorMap<Recipe.Source>()
    for i in targets { places[nodes.node(i)] = .node(i) }
    let given = zip(seeds + targets, beside).map { i, value -> Tensor? in
      guard value != nil else { return nil }
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
