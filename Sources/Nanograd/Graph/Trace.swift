//  Visiting a graph. Nothing here recurses: the depth of a graph is bounded by memory alone.

/// Something done at each tensor of a graph.
public protocol Visitor {
  mutating func visit(_ tensor: Tensor) throws
}

/// Visits every tensor that `root` depends on once, itself first, and each before its operands.
public func trace(_ root: Tensor, _ visitor: inout some Visitor) throws {
  for tensor in order([root]).reversed() { try visitor.visit(tensor) }
}

/// All tensors that the roots depend on, depth first, each once and after its operands.
func order(_ roots: [Tensor]) -> [Tensor] {
  var result: [Tensor] = []
  var seen = TensorMap<Bool>()
  var path: [(tensor: Tensor, next: Int)] = []
  for root in roots where seen[root] == nil {
    seen[root] = true
    path.append((root, 0))
    while let (tensor, next) = path.last {
      if next < tensor.operands.count {
        path[path.count - 1].next += 1
        let operand = tensor.operands[next]
        if seen[operand] == nil {
          seen[operand] = true
          path.append((operand, 0))
        }
      } else {
        result.append(tensor)
        path.removeLast()
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

/// The nodes of a graph and its (consumer, operand) pairs, as drawings show them: operands in reverse,
/// a composite's arguments in place of its inside, constants only within their consumer's notation.
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
    let drawn = label.flatMap { $0.isOpaque ? $0.arguments : nil } ?? tensor.operandList
    for operand in drawn.reversed() where operand.leaf != nil || operand.operands.count > 0 {
      shown[operand] = true
      edges.append((tensor, operand))
    }
  }
}

extension Tensor {
  /// The operands as a list.
  var operandList: [Tensor] { (0..<operands.count).map { operands[$0] } }
}

/// A dictionary from tensors, by identity: open addressing with linear probing, several times as fast as
/// the general one, which counts where a tensor costs 50 ns to make. It does not keep its tensors alive:
/// they belong to a graph that somebody holds.
struct TensorMap<Value> {
  private var keys: [UInt] = Array(repeating: 0, count: 16)
  private var values: [Value?] = Array(repeating: nil, count: 16)
  private(set) var count = 0

  subscript(key: Tensor) -> Value? {
    get { values[slot(of: UInt(bitPattern: ObjectIdentifier(key)))] }
    set {
      if count * 2 >= keys.count { grow() }
      let address = UInt(bitPattern: ObjectIdentifier(key))
      let slot = slot(of: address)
      if keys[slot] == 0 { count += 1 }
      keys[slot] = address
      values[slot] = newValue
    }
  }

  /// Where the key is, or where it would go: its address, spread by an odd multiplier (Knuth's
  /// multiplicative hashing), and on from there.
  private func slot(of address: UInt) -> Int {
    var i = Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) >> 32) & (keys.count - 1)
    while keys[i] != 0 && keys[i] != address { i = (i + 1) & (keys.count - 1) }
    return i
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = Array(repeating: 0, count: oldKeys.count * 2)
    values = Array(repeating: nil, count: keys.count)
    for (address, value) in zip(oldKeys, oldValues) where address != 0 {
      let slot = slot(of: address)
      keys[slot] = address
      values[slot] = value
    }
  }
}
