//  What is derived from a graph, such as its gradients, is a graph too. It is built for the first graph of
//  a structure; from then on the plan made of it is enough.

/// A plan, and where the values it needs come from in any graph of the structure that it was made for.
final class Recipe: Sendable {
  enum Source {
    /// A node of the graph.
    case node(Int)
    /// The tensor that was given beside a leaf.
    case beside(Int)
    /// A number.
    case number(Tensor)
  }

  enum Output {
    /// A result of the plan.
    case result(Int)
    /// Nothing to compute.
    case source(Source)
  }

  let plan: Plan
  /// For each input of the plan.
  fileprivate let sources: [Source]
  /// The root, and what is derived for each leaf, nil where nothing is.
  fileprivate let outputs: [Output?]

  /// A plan for just what was asked for.
  init(_ plan: Plan) {
    self.plan = plan
    sources = []
    outputs = []
  }

  fileprivate init(_ plan: Plan, _ sources: [Source], _ outputs: [Output?]) {
    self.plan = plan
    self.sources = sources
    self.outputs = outputs
  }
}

/// A graph from which something is derived for each of its leaves.
struct Derivation {
  private let root: Tensor
  private let request: Request
  /// The time on the clock of all leaves at which this began.
  private let start = Leaf.now
  /// The leaves, in the order in which they were found.
  let leaves: [Tensor]

  init(from root: Tensor) {
    self.root = root
    request = Request([root], isWhole: true)
    leaves = request.leafNumbers.map(request.node)
  }

  /// Computes the root, which keeps its value, and what `derive` gives for each leaf: tensors over the
  /// root's graph and over what stands beside the leaves. It must depend on nothing but the graph's
  /// structure and what has something beside it, because it is called only where that is new.
  func values(beside: [Tensor?], _ derive: () throws -> [Tensor?]) throws -> [Value?] {
    // What is beside one leaf and is another of the graph would be two things at once.
    guard !request.isPlain, beside.allSatisfy({ $0.map { request.number($0) == nil } ?? true })
    else { return try computed(derive()) }
    let structure = Structure(request, marks: beside.map { $0 != nil })
    if let recipe = PlanCache.find(structure) { return try run(recipe, beside) }
    var places = TensorMap<Recipe.Source>()
    for i in 0..<request.count { places[request.node(i)] = .node(i) }
    for (i, tensor) in beside.enumerated() { if let tensor { places[tensor] = .beside(i) } }
    let derived = try derive()
    guard let recipe = recipe(derived, places) else { return try computed(derived) }
    let values = try run(recipe, beside)
    PlanCache.insert(recipe, structure)
    return values
  }

  /// Notes that the root's value still holds after these leaves have changed, once each or not at all, if
  /// nothing else has and the root does not depend on them.
  func keepRoot(despite changed: [Tensor]) {
    let now = Leaf.now
    let changes = changed.count { ($0.leaf?.version ?? 0) > start }
    if now == start + UInt64(changes), changed.allSatisfy({ request.number($0) == nil }) {
      root.memo.clock = now
    }
  }

  /// The same, without a plan of its own.
  private func computed(_ derived: [Tensor?]) throws -> [Value?] {
    try evaluate([root] + derived.compactMap { $0 })
    return try derived.map { try $0?.evaluated() }
  }

  /// A plan for what was derived; nil if there is none, or it depends on anything but the graph.
  private func recipe(_ derived: [Tensor?], _ places: TensorMap<Recipe.Source>) -> Recipe? {
    let tensors: [Tensor?] = [root] + derived
    let whole = Request(tensors.compactMap { $0 }.filter { $0.leaf == nil })
    guard !whole.isPlain, let plan = whole.newPlan() else { return nil }
    func source(_ tensor: Tensor) -> Recipe.Source? {
      places[tensor] ?? (tensor.constant != nil ? .number(tensor) : nil)
    }
    let sources = plan.inputs.compactMap { source(whole.node($0)) }
    var results = TensorMap<Int>()
    for (i, node) in whole.results.enumerated() { results[whole.node(node)] = i }
    var outputs: [Recipe.Output?] = []
    for tensor in tensors {
      guard let tensor else {
        outputs.append(nil)
        continue
      }
      if let i = results[tensor] {
        outputs.append(.result(i))
      } else {
        guard let source = source(tensor) else { return nil }
        outputs.append(.source(source))
      }
    }
    return sources.count == plan.inputs.count ? Recipe(plan, sources, outputs) : nil
  }

  private func run(_ recipe: Recipe, _ beside: [Tensor?]) throws -> [Value?] {
    func value(_ source: Recipe.Source) throws -> Value {
      switch source {
      case .node(let i): try request.value(i)
      case .beside(let i): try beside[i]?.evaluated() ?? leaves[i].zeroed()
      case .number(let number): try number.evaluated()
      }
    }
    let results = try recipe.plan.run(recipe.sources.map(value))
    let values = try recipe.outputs.map { output -> Value? in
      switch output {
      case .result(let i): results[i]
      case .source(let source): try value(source)
      case nil: nil
      }
    }
    if root.leaf == nil, let value = values.first {
      root.memo.value = value
      root.memo.version = request.versions[request.count - 1]
    }
    return Array(values.dropFirst())
  }
}

/// A graph that is run many times over, whatever its leaves hold, and whose values may go to leaves of it.
final class Program {
  private let roots: [Tensor]
  private let inputs: [Tensor]
  /// The number of each root among the plan's results.
  private let results: [Int]
  /// For each result, the leaf that it can be written to in place.
  private var targets: [Leaf?]
  private let plan: Plan?

  /// Plans for tensors that are no leaves, and the leaves that are to have their values, if any.
  init(_ roots: [Tensor], for leaves: [Leaf?]) {
    self.roots = roots
    let request = Request(roots)
    plan = request.isPlain ? nil : request.newPlan()
    inputs = plan?.inputs.map(request.node) ?? []
    var places = TensorMap<Int>()
    for (i, node) in request.results.enumerated() { places[request.node(node)] = i }
    results = roots.compactMap { places[$0] }
    targets = request.results.map { _ in nil }
    for (result, leaf) in zip(results, leaves) {
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
    // A leaf's memory is overwritten only if nobody else has it.
    let memory = targets.map { leaf -> Value? in
      guard let leaf, leaf.value != nil, isKnownUniquelyReferenced(&leaf.value) else { return nil }
      return leaf.value
    }
    let values = try plan.run(inputs.map { try $0.evaluated() }, into: memory)
    return results.map { values[$0] }
  }

  private func computed() throws -> [Value] {
    defer { for root in roots { root.memo = Memo() } }
    try evaluate(roots)
    return try roots.map { try $0.evaluated() }
  }
}
