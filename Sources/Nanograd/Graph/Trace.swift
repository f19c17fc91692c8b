//  Visiting a graph. Nothing here recurses: the depth of a graph is bounded by memory alone.

/// Something done at each tensor of a graph.
public protocol Visitor { mutating func visit(_ tensor: Tensor) throws }

/// Visits every tensor that `root` depends on once, itself first, and each before its operands.
public func trace(_ root: Tensor, _ visitor: inout some Visitor) throws {
  for tensor in try order([root]).reversed() { try visitor.visit(tensor) }
}

/// All tensors that the roots depend on, depth first, each once and after its operands. Unmanaged
/// on the way: at 50 ns a node, counting references would be most of the work. The claim is for the
/// list, and what is derived from it.
func order(_ roots: [Tensor], _ claim: Reserve.Claim = Reserve.Claim()) throws -> [Tensor] {
  var result: [Tensor] = []
  var seen = TensorMap<Bool>()
  var path: [(tensor: Unmanaged<Tensor>, next: Int)] = []
  for root in roots where seen[root] == nil {
    seen[root] = true
    path.append((.passUnretained(root), 0))
    while let (tensor, next) = path.last {
      try claim.grow(toWalk: seen.count)
      tensor._withUnsafeGuaranteedRef { tensor in
        if next < tensor.operands.count {
          path[path.count - 1].next += 1
          let operand = tensor.operands.unmanaged(next)
          if operand._withUnsafeGuaranteedRef({ seen.insert($0, true) }) {
            path.append((operand, 0))
          }
        } else {
          result.append(tensor)
          path.removeLast()
        }
      }
    }
  }
  return result
}

/// Sets the accumulated gradient of each Parameter to zero.
public struct Zero: Visitor {
  public init() {}
  public func visit(_ tensor: Tensor) { tensor.zeroGrad() }
}

/// The nodes of a graph and its (consumer, operand) pairs, as drawings show them: operands in
/// reverse, a composite's arguments in place of its inside, constants only within their consumer's
/// notation.
public struct Walk: Visitor {
  public private(set) var nodes: [Tensor] = []
  public private(set) var edges: [(consumer: Tensor, operand: Tensor)] = []
  private var shown = TensorMap<Bool>()

  public init() {}

  public mutating func visit(_ tensor: Tensor) {
    // Consumers come first, so what no drawn consumer points to is inside an opaque composite.
    guard nodes.isEmpty || shown[tensor] != nil else { return }
    nodes.append(tensor)
    let label = tensor.attributes.label
    let drawn = label.flatMap { $0.isOpaque ? $0.arguments : nil } ?? tensor.operands.list
    for operand in drawn.reversed() where operand.leaf != nil || operand.operands.count > 0 {
      shown[operand] = true
      edges.append((tensor, operand))
    }
  }
}
