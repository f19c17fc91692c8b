//  Products with one or few columns or rows. However few elements they have, each is the same chain as
//  in any other product.

extension Product {
  /// C is a short row: several blocks of k at once, because a chain by itself waits for each of its
  /// multiply-adds. The blocks are added in order, as everywhere.
  @inline(__always)
  func runShortRow() {
    guard n > 0 else { return }
    let depth = Blocking.depth
    for p in stride(from: 0, to: k, by: 4 &* depth) { runFourBlocks(p) }
  }

  /// Rows of B from which so many scalars may be read.
  @inline(__always)
  private func rows(readable count: Int) -> Int {
    let room = (k &- 1) &* rowStrideB &+ n &- count
    return room < 0 ? 0 : rowStrideB > 0 ? min(room / rowStrideB &+ 1, k) : 0
  }

  private func runFourBlocks(_ p: Int) {
    let depth = Blocking.depth
    let whole = rows(readable: V.count)
    var sums = (V.zero, V.zero, V.zero, V.zero)
    let together = max(min(depth, whole &- p &- 3 &* depth), 0)
    for i in p..<p &+ together {
      sums.0 = term(i, sums.0)
      sums.1 = term(i &+ depth, sums.1)
      sums.2 = term(i &+ 2 &* depth, sums.2)
      sums.3 = term(i &+ 3 &* depth, sums.3)
    }
    for block in 0..<4 where p &+ block &* depth < k {
      var sum = block == 0 ? sums.0 : block == 1 ? sums.1 : block == 2 ? sums.2 : sums.3
      let start = p &+ block &* depth
      for i in start &+ together..<max(min(start &+ depth, k), start &+ together) {
        sum = i < whole ? term(i, sum) : lastTerm(i, sum)
      }
      let all = accumulate || start > 0 ? V.load(c, first: n) + sum : sum
      all.store(c, first: n)
    }
  }

  @inline(__always)
  private func term(_ i: Int, _ sum: V) -> V {
    sum.adding(V(repeating: a[i &* columnStrideA]), times: V.load(b + i &* rowStrideB))
  }

  @inline(__always)
  private func lastTerm(_ i: Int, _ sum: V) -> V {
    sum.adding(
      V(repeating: a[i &* columnStrideA]), times: V.load(b + i &* rowStrideB, first: n))
  }
}
