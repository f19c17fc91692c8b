//  Random graphs: products, recurrences, and int tensors.

@testable import Nanograd

extension RandomGraph {
  /// A factor with so many rows and columns: a leaf, one transposed, or part of a larger one.
  mutating func factor(_ rows: Int, _ columns: Int, batch: [Int] = []) throws -> Entry {
    let known = pool.filter { $0.shape == batch + [rows, columns] }
    if chance(40), let factor = known.randomElement(using: &random) { return factor }
    switch int(0, 3) {
    case 0:
      let x = try leaf(batch + [columns, rows])
      return add(try transpose(x.tensor), x.bound, true)
    case 1:
      let x = try leaf(batch + [rows + 2, columns + 1])
      let part = try slice(slice(x.tensor, axis: -2, 1, rows + 1), axis: -1, 0, columns)
      return add(part, x.bound, true)
    case 2:
      // Rows or columns in reverse.
      let x = try leaf(batch + [rows, columns])
      return add(try slice(x.tensor, axis: chance(50) ? -1 : -2, step: -1), x.bound, true)
    default: return try leaf(batch + [rows, columns])
    }
  }

  mutating func growProduct() throws {
    guard let x = any(where: { $0.tensor.rank > 0 && $0.tensor.rank < 4 }) else { return }
    let shape = x.shape
    let (n, k) = (length(), shape[shape.count - 1])
    let m = shape.count > 1 ? shape[shape.count - 2] : 1
    guard shape.dropLast(2).reduce(n * m, *) <= scale.mostElements else { return }
    let (y, depth): (Entry, Int)
    var isSwapped = false
    switch int(0, 5) {
    case 0: (y, depth) = (try leaf([k]), k)
    case 1 where shape.count < 3: (y, depth) = (try factor(k, n, batch: [int(1, 3)]), k)
    case 2 where shape.count == 3: (y, depth) = (try factor(k, n, batch: [shape[0]]), k)
    case 3:
      isSwapped = true
      let rows = shape.count > 1 ? m : k
      (y, depth) = (chance(30) ? try leaf([rows]) : try factor(n, rows), rows)
    default: (y, depth) = (try factor(k, n), k)
    }
    let product = try isSwapped ? matmul(y.tensor, x.tensor) : matmul(x.tensor, y.tensor)
    guard product.size <= scale.mostElements else { return }
    add(product, x.bound * y.bound * Double(Swift.max(depth, 1)), false)
  }

  /// Several products with weights in common, and other terms, in one sum.
  mutating func growSumOfProducts() throws {
    let (m, n) = (length(), length())
    guard m * n <= scale.mostElements else { return }
    var total: Tensor?
    var bound = 0.0
    let shared = try factor(length(), n)
    for _ in 0..<int(2, 4) {
      let y = chance(60) ? shared : try factor(length(), n)
      let x = try factor(m, y.shape[0])
      var term = try matmul(x.tensor, y.tensor)
      var size = x.bound * y.bound * Double(Swift.max(y.shape[0], 1))
      if chance(25) { (term, size) = (try tanh(term), 1) }
      if chance(25) {
        let bias = try leaf([chance(50) ? 1 : m, n])
        (term, size) = (try term + bias.tensor, size + bias.bound)
      }
      bound += size
      total = try total.map { chance(50) ? try $0 + term : try term + $0 } ?? term
    }
    if let total { add(total, bound, false) }
  }

  /// One recurrence, or two that share their weights and read each other.
  mutating func growRecurrence() throws {
    let (batch, width, inner) = (length(), Swift.min(length(), 64), length())
    let (w, u) = try (factor(inner, width).tensor, factor(width, width).tensor)
    let b = try leaf([width]).tensor
    let v = try factor(width, width).tensor
    // Bounds as for one product keep tanh away from where it is flat.
    let rate = 1 / Double(Swift.max(inner, width, 1))
    var h = try leaf([batch, width]).tensor
    var other = try leaf([batch, width]).tensor
    let isCircular = chance(40)
    for _ in 0..<int(2, 4) {
      if isCircular {
        // The one applies u and then v, the other v and then u.
        h = try tanh(matmul(tanh(matmul(h, u) * rate), v) * rate + b)
        other = try tanh(matmul(tanh(matmul(other, v) * rate), u) * rate + h * 0.5)
      } else {
        let x = try factor(batch, inner).tensor
        h = try tanh((matmul(x, w) + matmul(h, u) + b) * rate)
        if chance(30) { add(h, 1, false) }
      }
    }
    add(h, 1, false)
    add(other, 2, other.leaf != nil)
  }

  /// Through int tensors and back.
  mutating func growIntegers() throws {
    let shape = randomShape(rank: int(1, 3))
    let x = try index(shape, below: 50)
    var y = try -(x * x) + x
    if chance(50) {
      y = try slice(permute(y, Array(0..<shape.count).reversed()), axis: 0, step: -1)
    }
    if chance(50) { y = try maximum(y, Tensor(constant: -100, y.dtype)) }
    if chance(30), y.size > 0 { y = try y - max(y, axes: [-1], keep: true) }
    if chance(30) { y = try sum(y, axes: [0]) }
    if chance(30), y.rank > 0 { y = try y + Tensor(iota: y.shape[y.rank - 1], y.dtype) }
    if chance(30) { roots.append(y) }
    let exact = anyExact { $0.tensor.rank > 0 && $0.tensor.size > 0 }
    if exact.tensor.rank > 0, exact.tensor.size > 0, chance(50) {
      let best = try argmax(exact.tensor, axis: -1, keep: true)
      roots.append(best)
      add(try gather(exact.tensor, at: best, axis: -1), exact.bound, true)
      return
    }
    add(try sin(cast(y, to: dtype)), 1, true)
  }
}
