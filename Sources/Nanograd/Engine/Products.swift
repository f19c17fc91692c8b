//  Sums with products among their terms become contractions: the products go to one accumulator, and the
//  rest is added.

extension Lowering {
  /// Marks the products, and the sums with products, that are computed as part of a larger sum.
  func absorbedTerms() -> [Bool] {
    // The rows of a product, or of a sum with products, as a matrix; 0 for other nodes. A vector is a row
    // or a column, and those do not go to one accumulator.
    var rows = [Int](repeating: 0, count: nodes.count)
    var absorbed = [Bool](repeating: false, count: nodes.count)
    for i in nodes.indices where uses[i] > 0 && same[i] == i && !isInput[i] {
      let node = nodes[i]
      if isContraction(i) { rows[i] = node[0].rank > 1 ? node[0].shape[node[0].rank - 2] : 1 }
      guard node.op == .add, node.dtype.isFloat, node.size > 0 else { continue }
      for o in operands[i].map({ same[$0] })
      where rows[o] > 0 && (rows[i] == 0 || rows[i] == rows[o]) && uses[o] == 1
        && nodes[o].shape == node.shape
      {
        absorbed[o] = true
        rows[i] = rows[o]
      }
    }
    return absorbed
  }

  /// Whether a node is a product of two matrices, leading axes of 1 aside.
  private func isContraction(_ i: Int) -> Bool {
    let node = nodes[i]
    guard node.op == .matmul, !isInput[i], node.size > 0 else { return false }
    let (a, b) = (node[0].shape, node[1].shape)
    return a[a.rank - 1] > 0 && b.dropLast(2).allSatisfy { $0 == 1 }
      && (a.rank <= 2 || a.dropLast(2).allSatisfy { $0 == 1 })
  }

  /// A sum with at least one product: the products go to one accumulator, the rest is added.
  mutating func sumOfProducts(_ i: Int) throws -> View? {
    let node = nodes[i]
    var products: [Int] = []
    var rest: [Int] = []
    var list = [i]
    while let term = list.popLast() {
      if term != i && !absorbed[term] {
        rest.append(term)
      } else if isContraction(term) {
        products.append(term)
      } else {
        for operand in operands[term].reversed() { list.append(same[operand]) }
      }
    }
    guard !products.isEmpty else { return nil }
    let (a, b) = (nodes[products[0]][0].shape, nodes[products[0]][1].shape)
    let rows = a.rank > 1 ? a[a.rank - 2] : 1
    let columns = b.rank > 1 ? b[b.rank - 1] : 1
    let matrix = try Shape([rows, columns])
    let target = buffer(.step, matrix, node.dtype)
    let contraction = Contraction(
      dtype: node.dtype, rows: rows, columns: columns,
      blocks: [
        .init(
          target: target, accumulates: false, products: try products.map { try product($0) })
      ])
    steps.append(
      Step(
        work: .contraction(contraction), rows: contraction.isLongRow ? nil : rows,
        reads: reads(of: contraction), writes: [target]))
    var sum = dense(target, node.shape)
    for term in rest {
      guard let view = views[term] else { continue }
      let next = buffer(.step, node)
      let inputs = [sum, broadcast(view, nodes[term].shape, to: node.shape)]
      appendMap(
        Map(
          shape: node.shape, dtype: node.dtype, inputs: inputs,
          instructions: [
            .init(kind: .binary(.add), operands: [.input(0), .input(1)], output: next)
          ]))
      sum = dense(next, node.shape)
    }
    return sum
  }

  /// The operands of a product as matrices.
  private func product(_ i: Int) throws -> Product {
    let (a, b) = (nodes[i][0].shape, nodes[i][1].shape)
    var left = operand(i, 0)
    var right = operand(i, 1)
    left.strides =
      a.rank > 1 ? [left.strides[a.rank - 2], left.strides[a.rank - 1]] : [0, left.strides[0]]
    right.strides =
      b.rank > 1 ? [right.strides[b.rank - 2], right.strides[b.rank - 1]] : [right.strides[0], 0]
    return Product(a: left, b: right, depth: a[a.rank - 1])
  }

  func reads(of contraction: Contraction) -> [Step.Read] {
    var reads: [Step.Read] = []
    for block in contraction.blocks {
      for product in block.products {
        if let shape = try? Shape([contraction.rows, product.depth]) {
          reads.append(read(product.a, shape, contraction.rows))
        }
        reads.append(Step.Read(buffer: product.packed ?? product.b.buffer, isAligned: false))
      }
    }
    return reads
  }
}
