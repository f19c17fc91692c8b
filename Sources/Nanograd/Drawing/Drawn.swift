//  A graph as drawings show it.

/// The tensors and edges that `Walk` finds, numbered, each edge once.
struct Drawn {
  /// Consumers before their operands; the root is number 0.
  let tensors: [Tensor]
  private(set) var operands: [[Int]]
  private(set) var consumers: [[Int]]

  private let claim: Reserve.Claim

  init(_ root: Tensor) throws {
    let all = try order([root])
    claim = try Reserve.Claim(toDraw: all.count)
    var walk = Walk()
    for tensor in all.reversed() { walk.visit(tensor) }
    tensors = walk.nodes
    operands = Array(repeating: [], count: tensors.count)
    consumers = operands
    var numbers = TensorMap<Int>()
    for (i, tensor) in tensors.enumerated() { numbers[tensor] = i }
    for (consumer, operand) in walk.edges {
      // The edges of one consumer stand together, so that a second one finds it the last.
      guard let i = numbers[consumer], let j = numbers[operand], consumers[j].last != i else {
        continue
      }
      operands[i].append(j)
      consumers[j].append(i)
    }
  }
}
