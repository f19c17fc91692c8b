//  What is derived from a graph, such as its gradients, is a graph too. It is built for the first graph of
//  a structure; from then on the plan made of it is enough.

/// Carries tensors that stand for some of a graph's nodes back to what these depend on: gives a tensor over
/// the graph for each target that it reaches. `nodes` are in topological order.
typealias Carry = (
  _ nodes: [Tensor], _ seeds: [(of: Tensor, is: Tensor)], _ targets: [Tensor]
) throws -> [Tensor?]

/// A plan, and where the values it needs come from in any graph of the structure that it was made for.
final class Recipe: @unchecked Sendable {
  enum Source {
    /// A node of the graph.
    case node(Int)
    /// A value that is given besides.
    case given(Int)
    /// A number, or something without elements.
    case number(Tensor)
  }

  private enum Output {
    /// A result of the plan.
    case result(Int)
    /// Nothing to compute.
    case source(Source)
  }

  let plan: Plan
  /// When it was used last. The cache's, behind its lock.
  var used: UInt64 = 0
  /// For each input of the plan.
  private let sources: [Source]
  /// For each tensor, nil where there is none.
  private let outputs: [Output?]

  /// A plan for just what was asked for.
  init(_ plan: Plan) {
    self.plan = plan
    sources = []
    outputs = []
  }

  /// A plan for some tensors whose leaves are at known places; nil if none can be made, or they depend on
  /// anything else. `isBorder`: what is at a known place is not looked behind.
  init?(_ tensors: [Tensor?], places: TensorMap<Source>, isBorder: Bool) throws {
    func source(_ tensor: Tensor) -> Source? {
      if let place = places[tensor] { return place }
      if tensor.constant != nil { return .number(tensor) }
      // What has no elements is the same for every graph, and the recipe is not to hold on to this one.
      return tensor.size == 0
        ? .number(Tensor(leaf: Leaf(tag: ""), dtype: tensor.dtype, shape: tensor.shape)) : nil
    }
    let roots = tensors.compactMap { $0 }.filter { $0.leaf == nil }
    let request = try Request(roots, border: isBorder ? places : nil)
    guard !request.isPlain, let plan = try request.newPlan() else { return nil }
    sources = plan.inputs.compactMap { source(request.node($0)) }
    var results = TensorMap<Int>()
    for (i, node) in request.results.enumerated() { results[request.node(node)] = i }
    let outputs = tensors.map { tensor -> Output? in
      guard let tensor else { return nil }
      return results[tensor].map { .result($0) } ?? source(tensor).map { .source($0) }
    }
    guard sources.count == plan.inputs.count,
      zip(outputs, tensors).allSatisfy({ ($0 == nil) == ($1 == nil) })
    else { return nil }
    self.outputs = outputs
    self.plan = plan
  }

  /// The values of the tensors.
  func run(_ node: (Int) throws -> Value, given: [Value?]) throws -> [Value?] {
    func value(_ source: Source) throws -> Value {
      switch source {
      case .node(let i): return try node(i)
      case .number(let number): return try number.evaluated()
      case .given(let i):
        guard let value = given[i] else { throw NanogradError(.state, "nothing is given") }
        return value
      }
    }
    let results = try plan.run { try value(sources[$0]) }
    return try [Value?](count: outputs.count) {
      switch outputs[$0] {
      case .result(let i): results[i]
      case .source(let source): try value(source)
      case nil: nil
      }
    }
  }
}

/// A graph from whose first root something is derived for each of its leaves, while all roots are computed.
struct Derivation {
  private let roots: [Tensor]
  private let request: Request
  /// The time on the clock of all leaves at which this began.
  private let start = Leaf.now
  /// The leaves, in the order in which they were found.
  let leaves: [Tensor]

  init(from root: Tensor, beside others: [Tensor]) throws {
    // Of what has no elements nothing is computed, nor what is behind it.
    roots = others.isEmpty ? [root] : [root] + others.filter { $0.size > 0 }
    request = try Request(roots, isWhole: true)
    let numbers = request.leafNumbers
    leaves = [Tensor](count: numbers.count) { [request] in request.node(Int(numbers[$0])) }
  }

  /// Computes the roots, which keep their values, and what `carry` brings from a seed at the first to each leaf,
  /// added to what stands beside the leaf, if something does. What it brings must depend on nothing but the
  /// graph's structure, because it is called only where that is new, and so is the seed made.
  func values(
    from seed: @autoclosure () throws -> Tensor, beside: [Tensor?], _ carry: Carry
  ) throws -> ArraySlice<Value?> {
    // What is beside one leaf and is another of the graph would be two things at once.
    let isApart = beside.allSatisfy { $0.map { request.number($0) == nil } ?? true }
    if isApart, !Evaluation.isPlain.load(ordering: .relaxed) {
      let given = try [Value?](count: beside.count) { try beside[$0]?.evaluated() }
      if request.isLong {
        let stretches = Stretches(request, results: request.results)
        // From a leaf nothing is carried through any stretch.
        if roots[0].leaf == nil, let values = try stretches.carriedBack(seed(), given, carry) {
          return kept(values)
        }
      } else if let values = try planned(seed, beside, given, carry) {
        return kept(values)
      }
    }
    let derived = try derived(seed(), beside, carry)
    try evaluate(roots + derived.compactMap { $0 })
    return try derived.map { try $0?.evaluated() }[...]
  }

  private func planned(
    _ seed: () throws -> Tensor, _ beside: [Tensor?], _ given: [Value?], _ carry: Carry
  ) throws -> [Value?]? {
    if let recipe = request.knownRecipe(beside: given) {
      return try recipe.run(request.value, given: given)
    }
    let structure = Structure(request).marked(given.map { $0 != nil })
    if let recipe = PlanCache.find(structure) {
      request.note(recipe, beside: given)
      return try recipe.run(request.value, given: given)
    }
    var places = TensorMap<Recipe.Source>()
    for i in 0..<request.count { places[request.node(i)] = .node(i) }
    for (i, tensor) in beside.enumerated() { if let tensor { places[tensor] = .given(i) } }
    let tensors = try roots + derived(seed(), beside, carry)
    guard let recipe = try Recipe(tensors, places: places, isBorder: false) else { return nil }
    let values = try recipe.run(request.value, given: given)
    PlanCache.insert(recipe, structure)
    return values
  }

  private func derived(
    _ seed: Tensor, _ beside: [Tensor?], _ carry: Carry
  ) throws -> [Tensor?] {
    let shares = try carry((0..<request.count).map(request.node), [(roots[0], seed)], leaves)
    return try zip(shares, beside).map { share, sum in
      try share.map { share in try sum.map { try $0 + share } ?? share }
    }
  }

  /// Takes the roots' values off the list.
  private func kept(_ values: [Value?]) -> ArraySlice<Value?> {
    for k in roots.indices {
      let i = Int(request.nodes.results[k])
      if !request.isInput(i), let value = values[k] { request.keep(value, for: i) }
    }
    return values[roots.count...]
  }

  /// Notes that the roots' values still hold after the leaves' gradients have changed, once each or not at all, if
  /// nothing else has and the roots do not depend on them.
  func keepRoots() {
    let now = Leaf.now
    var changes: UInt64 = 0
    for leaf in leaves {
      guard let gradient = leaf.leaf?.gradient else { continue }
      guard request.number(gradient) == nil else { return }
      if let version = gradient.leaf?.version, version > start { changes += 1 }
    }
    guard now == start + changes else { return }
    for root in roots where root.leaf == nil { root.memo.clock = now }
  }
}
