//  The reverse trace: a gradient is a graph of the same operators as everything else.

/// Adds each tensor's share of the gradient to its operands', consumers first, and lists the
/// Parameters it meets. The first tensor visited is the root.
public struct Back: Visitor {
  /// The Parameters met, consumers first.
  public private(set) var parameters: [Tensor] = []
  private var gradients = TensorMap<Tensor>()
  /// Keeps the graph, and with it every tensor that a gradient is known of.
  private var root: Tensor?
  /// What the trace keeps to: tensors that lead to where gradients are wanted. Nil for Parameters.
  private let paths: TensorMap<Bool>?

  /// A trace to Parameters that starts with ones at the first tensor visited.
  public init() { paths = nil }

  /// A trace to Parameters that starts with a gradient for each of some tensors.
  init(from seeds: [(of: Tensor, is: Tensor)]) {
    for seed in seeds { gradients[seed.of] = seed.is }
    paths = nil
  }

  init(from root: Tensor, seed: Tensor?, paths: TensorMap<Bool>? = nil) throws {
    if let seed {
      try require(
        seed.shape == root.shape && seed.dtype == root.dtype,
        seed.dtype == root.dtype ? .shape : .dtype,
        "seed of \(seed.dtype) \(seed.shape) for \(root.dtype) \(root.shape), expected the same "
          + "shape and dtype", in: "gradients")
      gradients[root] = seed
    }
    self.paths = paths
  }

  /// The gradient of a tensor as traced so far; nil if none has reached it.
  public func gradient(of tensor: Tensor) -> Tensor? { gradients[tensor] }

  public mutating func visit(_ y: Tensor) throws {
    if root == nil { root = y }
    if gradients.count == 0 { gradients[y] = try full(1, like: y) }
    guard let g = gradients[y] else { return }
    if y.isParameter { parameters.append(y) }
    let rules = y.op.definition.derivatives
    guard !rules.isEmpty, y.dtype.isFloat else { return }
    for i in 0..<y.operands.count {
      let operand = y[i]
      guard leads(operand) else { continue }
      let share = try rules[rules.count == 1 ? 0 : i](g, y, i).summed(to: operand.shape)
      if !gradients.insert(operand, share), let sum = gradients[operand] {
        gradients[operand] = try sum + share
      }
    }
  }

  private func leads(_ tensor: Tensor) -> Bool {
    paths.map { $0[tensor] != nil } ?? tensor.leadsToParameter
  }
}

/// The gradients of Σ seed·y with respect to tensors of its graph, as graphs, which can be
/// differentiated again. A missing seed stands for ones; what y does not depend on gets zeros.
public func gradients(
  of y: Tensor, withRespectTo targets: [Tensor], seed: Tensor? = nil
) throws -> [Tensor] {
  try y.dtype.requireGradient(in: "gradients")
  var paths = TensorMap<Bool>()
  for target in targets where target.dtype.isFloat { paths[target] = true }
  let claim = Reserve.Claim()
  defer { withExtendedLifetime(claim) {} }
  let nodes = try order([y], claim)
  for node in nodes where node.carriesGradient {
    for i in 0..<node.operands.count where paths[node[i]] != nil { paths[node] = true }
  }
  var back = try Back(from: y, seed: seed, paths: paths)
  for node in nodes.reversed() { try back.visit(node) }
  return try targets.map { try back.gradient(of: $0) ?? full(0, like: $0) }
}

extension Tensor {
  /// A Parameter's accumulated gradient, as a Variable of its shape that goes on following what is
  /// accumulated; zeros if nothing has been. Nil for anything but a Parameter.
  public var grad: Tensor? {
    guard isParameter, let leaf else { return nil }
    if leaf.gradient == nil {
      leaf.gradient = Tensor(leaf: Leaf(tag: "∂\(leaf.name)"), dtype: dtype, shape: shape)
    }
    return leaf.gradient
  }

  /// Sets a Parameter's accumulated gradient to zero; of other tensors, nothing.
  public func zeroGrad() {
    guard let leaf, leaf.hasGradient else { return }
    leaf.hasGradient = false
    leaf.gradient?.leaf?.replace(nil)
  }

  /// Whether a gradient that reaches this tensor goes on to its operands.
  var carriesGradient: Bool { dtype.isFloat && !op.definition.derivatives.isEmpty }
}
