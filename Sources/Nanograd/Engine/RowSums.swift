//  The sum over the rows of a product A·B is the sum over the rows of A, times B: a product with one row. The
//  gradient of a state that is the same for a whole batch is such a sum.

/// Finds sums over rows of what is, or begins as, a sum of products.
struct RowSums {
  /// The terms of a sum: products, which are computed with one row each, and the rest.
  struct Terms {
    var products: [Int] = []
    var rest: [Int] = []
  }

  /// For narrower results there is nothing to gain.
  private static let leastColumns = 16

  private let nodes: [Tensor]
  private let same: [Int]
  private let operands: [[Int]]
  private let isInput: [Bool]
  private let uses: [Int]

  init(nodes: [Tensor], same: [Int], operands: [[Int]], isInput: [Bool], uses: [Int]) {
    (self.nodes, self.same, self.operands) = (nodes, same, operands)
    (self.isInput, self.uses) = (isInput, uses)
  }

  /// What a sum over rows is the sum of, if products are among it that nobody else needs.
  func terms(of sum: Int) -> Terms? {
    guard nodes[sum].op == .sum, isSumOfRows(nodes[sum]) else { return nil }
    let whole = same[operands[sum][0]]
    guard nodes[whole].dtype.isFloat, nodes[whole].size > 0,
      nodes[whole].shape[1] >= RowSums.leastColumns
    else { return nil }
    var terms = Terms()
    var pending = [whole]
    while let i = pending.popLast() {
      let isOnlyHere = uses[i] == 1 && !isInput[i] && nodes[i].shape == nodes[whole].shape
      if isOnlyHere, nodes[i].op == .add {
        for operand in operands[i].reversed() { pending.append(same[operand]) }
      } else if isOnlyHere, nodes[i].op == .matmul, nodes[i][0].rank == 2, nodes[i][1].rank == 2 {
        terms.products.append(i)
      } else {
        terms.rest.append(i)
      }
    }
    return terms.products.isEmpty ? nil : terms
  }
}

/// Whether a reduction of a matrix leaves one row of several.
func isSumOfRows(_ node: Tensor) -> Bool {
  let axes = node.attributes.axes
  return node[0].rank == 2 && node[0].shape[0] > 1 && axes.contains(0) && !axes.contains(1)
}
