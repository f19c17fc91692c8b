//  Parts of a whole, before a graph is lowered. What is sliced out of a concatenation is one of its parts,
//  and a sum of parts that were padded with zeros (the gradient of what was sliced) is a concatenation.
//  So weights of several gates in one tensor, or steps of a sequence, cost no copies on the way, and what
//  stands between two sums of products keeps them apart no more.

/// A graph with its equal nodes merged and its parts joined. Nodes are in topological order.
struct Joined {
  private(set) var nodes: [Tensor] = []
  private(set) var operands: [[Int]] = []
  private(set) var isInput: [Bool] = []
  private(set) var results: [Int] = []
  /// The number that a node had before; -1 for a new one.
  private(set) var origins: [Int] = []
  /// The sums over rows, by what they are of.
  private var sumsOfRows: [Int: Int] = [:]

  init(nodes old: [Tensor], same: [Int], operands: [[Int]], isInput: [Bool], results: [Int]) throws
  {
    var uses = Array(repeating: 0, count: old.count)
    for result in results { uses[same[result]] += 1 }
    for i in old.indices where same[i] == i {
      for operand in operands[i] { uses[same[operand]] += 1 }
    }
    let sums = PlacedSums(
      nodes: old, same: same, operands: operands, isInput: isInput, uses: uses)
    let rowSums = RowSums(
      nodes: old, same: same, operands: operands, isInput: isInput, uses: uses)
    var numbers = Array(repeating: 0, count: old.count)
    for i in old.indices {
      if same[i] != i {
        numbers[i] = numbers[same[i]]
      } else if !isInput[i], let equal = equal(old[i], operands[i].map { numbers[same[$0]] }) {
        numbers[i] = equal
      } else if !isInput[i], let parts = sums.parts(of: i) {
        numbers[i] = try concatenation(old[i], parts, numbers)
      } else if !isInput[i], let terms = rowSums.terms(of: i) {
        let products = terms.products.map { operands[$0].map { numbers[same[$0]] } }
        numbers[i] = try sumOfRows(old[i], products, terms.rest.map { numbers[$0] })
      } else if !isInput[i], old[i].op == .sum, old[i].rank == 2, isSumOfRows(old[i]) {
        numbers[i] = try sumOfRows(of: numbers[same[operands[i][0]]])
      } else if !isInput[i], old[i].op == .slice,
        let part = part(old[i], of: numbers[same[operands[i][0]]])
      {
        numbers[i] = part
      } else {
        numbers[i] = append(
          old[i], operands[i].map { numbers[same[$0]] }, isInput: isInput[i], origin: i)
      }
    }
    self.results = results.map { numbers[same[$0]] }
  }

  private mutating func append(
    _ node: Tensor, _ list: [Int], isInput: Bool = false, origin: Int = -1
  ) -> Int {
    nodes.append(node)
    operands.append(list)
    self.isInput.append(isInput)
    origins.append(origin)
    return nodes.count - 1
  }

  /// What has the same value and shape as a node that only names, or reshapes there and back.
  private func equal(_ node: Tensor, _ list: [Int]) -> Int? {
    switch node.op {
    case .named, .stopGradient: return list[0]
    case .reshape:
      var source = list[0]
      while nodes[source].op == .reshape, !isInput[source] { source = operands[source][0] }
      return nodes[source].shape == node.shape ? source : nil
    default: return nil
    }
  }

  /// The part of a concatenation that a slice of it selects, if it is just one and the whole of it.
  private func part(_ slice: Tensor, of source: Int) -> Int? {
    guard nodes[source].op == .concatenate, !isInput[source] else { return nil }
    let axis = nodes[source].attributes.axis
    let window = slice.attributes.window
    var start = 0
    for part in operands[source] {
      if start == window.start[axis], nodes[part].shape == slice.shape,
        (0..<slice.rank).allSatisfy({
          (window.step[$0] == 1 || slice.shape[$0] <= 1) && ($0 == axis || window.start[$0] == 0)
        })
      {
        return part
      }
      start += nodes[part].shape[axis]
    }
    return nil
  }

  /// The parts side by side: those of the same place are added, and zeros go where there is none.
  private mutating func concatenation(_ whole: Tensor, _ parts: PlacedSums.Parts, _ numbers: [Int])
    throws -> Int
  {
    var list: [Int] = []
    var end = 0
    func zeros(_ count: Int) throws -> Tensor {
      try full(whole.dtype, Array(whole.shape.replacing(parts.axis, with: count)), 0)
    }
    for part in parts.list {
      if part.start > end { list.append(try appendZeros(zeros(part.start - end))) }
      let sum = try total(part.terms.map { numbers[$0] })
      list.append(sum)
      end = part.start + nodes[sum].shape[parts.axis]
    }
    let missing = whole.shape[parts.axis] - end
    if missing > 0 { list.append(try appendZeros(zeros(missing))) }
    return append(
      try Tensor(
        .concatenate, .many(list.map { nodes[$0] }), .axis(parts.axis), requested: whole.shape),
      list)
  }

  /// A sum over rows, of products and other terms: the products have one row each.
  private mutating func sumOfRows(_ sum: Tensor, _ products: [[Int]], _ rest: [Int]) throws -> Int {
    var rows: [Int] = []
    for operands in products {
      let row = try sumOfRows(of: operands[0])
      rows.append(append(try nodes[row] • nodes[operands[1]], [row, operands[1]]))
    }
    if !rest.isEmpty {
      var others = try total(rest)
      if nodes[others].shape != sum[0].shape {
        others = append(try broadcastTo(nodes[others], sum[0].shape), [others])
      }
      rows.append(try sumOfRows(of: others))
    }
    let row = try total(rows)
    return sum.rank == 2 ? row : append(try reshape(nodes[row], Array(sum.shape)), [row])
  }

  /// The sum over the rows of a matrix, as a matrix of one row.
  private mutating func sumOfRows(of matrix: Int) throws -> Int {
    if let known = sumsOfRows[matrix] { return known }
    let row = try sum(nodes[matrix], axes: [0], keep: true)
    sumsOfRows[matrix] = append(row, [matrix])
    return nodes.count - 1
  }

  private mutating func total(_ terms: [Int]) throws -> Int {
    try terms.dropFirst().reduce(terms[0]) { sum, term in
      append(try nodes[sum] + nodes[term], [sum, term])
    }
  }

  private mutating func appendZeros(_ zeros: Tensor) -> Int {
    zeros.op == .constant
      ? append(zeros, []) : append(zeros, [append(zeros[0], [])])
  }
}

/// Finds sums of nothing but padded parts.
private struct PlacedSums {
  /// What goes side by side along an axis.
  struct Parts {
    let axis: Int
    var list: [(start: Int, terms: [Int])]
  }

  let nodes: [Tensor]
  let same: [Int]
  let operands: [[Int]]
  /// Nodes that are a padded part, or a sum of such.
  private var isPlaced: [Bool]
  /// Those of them that are only a term of a larger sum.
  private var isTerm: [Bool]

  init(
    nodes: [Tensor], same: [Int], operands: [[Int]], isInput: [Bool], uses: [Int]
  ) {
    (self.nodes, self.same, self.operands) = (nodes, same, operands)
    isPlaced = nodes.indices.map { nodes[$0].op == .place && !isInput[$0] }
    isTerm = Array(repeating: false, count: nodes.count)
    guard isPlaced.contains(true) else { return }
    for i in nodes.indices where same[i] == i {
      guard nodes[i].op == .add, operands[i].count == 2 else { continue }
      isPlaced[i] = operands[i].allSatisfy {
        isPlaced[same[$0]] && nodes[$0].shape == nodes[i].shape
      }
    }
    for i in nodes.indices where same[i] == i && isPlaced[i] && nodes[i].op == .add {
      for operand in operands[i] where uses[same[operand]] == 1 { isTerm[same[operand]] = true }
    }
  }

  /// The parts that a sum consists of, if they lie side by side along one axis.
  func parts(of sum: Int) -> Parts? {
    guard isPlaced[sum], !isTerm[sum], nodes[sum].op == .add else { return nil }
    var places: [Int] = []
    var pending = [sum]
    while let i = pending.popLast() {
      if nodes[i].op == .place {
        places.append(i)
      } else if i == sum || isTerm[i] {
        for operand in operands[i].reversed() { pending.append(same[operand]) }
      } else {
        return nil  // A sum that others use too is better made once.
      }
    }
    let whole = nodes[sum].shape
    let axis = (0..<whole.rank).first { nodes[places[0]][0].shape[$0] != whole[$0] } ?? 0
    var parts = Parts(axis: axis, list: [])
    var number: [Int: Int] = [:]
    for place in places {
      let window = nodes[place].attributes.window
      let part = nodes[place][0].shape
      let fits = (0..<whole.rank).allSatisfy {
        window.step[$0] == 1 && ($0 == axis || (window.start[$0] == 0 && part[$0] == whole[$0]))
      }
      guard fits, part.size > 0 else { return nil }
      let term = same[operands[place][0]]
      if let known = number[window.start[axis]] {
        guard nodes[parts.list[known].terms[0]].shape == part else { return nil }
        parts.list[known].terms.append(term)
      } else {
        number[window.start[axis]] = parts.list.count
        parts.list.append((window.start[axis], [term]))
      }
    }
    parts.list.sort { $0.start < $1.start }
    var end = 0
    for part in parts.list {
      guard part.start >= end else { return nil }
      end = part.start + nodes[part.terms[0]].shape[axis]
    }
    return parts
  }
}

extension Lowering {
  /// Gives inputs the numbers that they have outside.
  mutating func numberInputs(by origins: [Int]) {
    for (b, buffer) in buffers.enumerated() {
      guard case .input(let i) = buffer.source else { continue }
      buffers[b] = Buffer(
        source: .input(origins[i]), elementSize: buffer.elementSize, size: buffer.size,
        rows: buffer.rows, continues: buffer.continues, result: buffer.result)
    }
  }
}
