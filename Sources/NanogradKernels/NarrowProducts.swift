//  Products with one or few columns or rows. However few elements they have, each is the same chain as
//  in any other product.

extension Product {
  /// C is a column and the rows of A are short and contiguous: a chain for each row, whose factors stay in
  /// registers.
  @inline(__always)
  func runColumnOfShortRows<E: Accumulator>(_: E.Type) where E.Scalar == Scalar {
    switch k {
    case 1: runRows(of: One.self, E.self)
    case 2: runRows(of: Two.self, E.self)
    case 3: runRows(of: Three.self, E.self)
    case 4: runRows(of: Four.self, E.self)
    case 5: runRows(of: Five.self, E.self)
    case 6: runRows(of: Six.self, E.self)
    case 7: runRows(of: Seven.self, E.self)
    default: runRows(of: Eight.self, E.self)
    }
  }

  private func runRows<L: Length, E: Accumulator>(of _: L.Type, _: E.Type)
  where E.Scalar == Scalar {
    var i = 0
    // A vector of rows at once, turned into columns on the way: number by number, the multiply-adds would
    // be all that the processor can do.
    if L.value >= 4 && strideC == 1 {
      let factors = Chain<V, L>(b, rowStrideB)
      #if NANOGRAD_AVX512
        while L.value > 4 && L.value < 8 && rowStrideA == L.value && i &+ V.count <= m {
          let rows = DenseRows<V, L>(a + i &* L.value)
          let columns = (
            rows.column(0), rows.column(1), rows.column(2), rows.column(3), rows.column(4),
            rows.column(5), rows.column(6)
          )
          let sum = factors.sum { p in
            if p < 4 {
              return p == 0 ? columns.0 : p == 1 ? columns.1 : p == 2 ? columns.2 : columns.3
            }
            return p == 4 ? columns.4 : p == 5 ? columns.5 : columns.6
          }
          (accumulate ? V.load(c + i) + sum : sum).store(c + i)
          i &+= V.count
        }
      #endif
      while i &+ V.count <= m {
        let row = a + i &* rowStrideA
        let first = V.columns(row, rowStrideA)
        let last = V.columns(row + (L.value &- 4), rowStrideA)
        let sum = factors.sum { p in
          if p < 4 { return p == 0 ? first.0 : p == 1 ? first.1 : p == 2 ? first.2 : first.3 }
          let q = p &- (L.value &- 4)
          return q == 0 ? last.0 : q == 1 ? last.1 : q == 2 ? last.2 : last.3
        }
        (accumulate ? V.load(c + i) + sum : sum).store(c + i)
        i &+= V.count
      }
    }
    let factors = Chain<E, L>(b, rowStrideB)
    while i < m {
      let (row, target) = (a + i &* rowStrideA, c + i &* strideC)
      let sum = factors.sum { E.load(row + $0) }
      (accumulate ? E.load(target) + sum : sum).store(target)
      i &+= 1
    }
  }

  /// C is a short row: several blocks of k at once, because a chain by itself waits for each of its
  /// multiply-adds. The blocks are added in order, as everywhere.
  @inline(__always)
  func runShortRow() {
    guard n > 0 else { return }
    let depth = Blocking.depth
    var p = 0
    if 2 &* n <= V.count && rowStrideB >= n && columnStrideA == 1 {
      // All but the last of the eight are read by half vectors to their ends.
      let most = min(rows(readable: V.count / 2), k &- 1)
      while p &+ 7 &* depth <= most {
        runEightBlocks(p)
        p &+= 8 &* depth
      }
    }
    while p < k {
      runFourBlocks(p)
      p &+= 4 &* depth
    }
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

  /// Half a vector has room for a row of C. The last block may be shorter. A is contiguous.
  private func runEightBlocks(_ p: Int) {
    let (depth, half) = (Blocking.depth, V.count / 2)
    let length = min(depth, k &- p &- 7 &* depth)
    let together = max(min(length, rows(readable: half) &- p &- 7 &* depth), 0)
    let zero = V.zeroHalf
    var sums = (zero, zero, zero, zero, zero, zero, zero, zero)
    for i in p..<p &+ together {
      sums.0 = halfTerm(i, sums.0)
      sums.1 = halfTerm(i &+ depth, sums.1)
      sums.2 = halfTerm(i &+ 2 &* depth, sums.2)
      sums.3 = halfTerm(i &+ 3 &* depth, sums.3)
      sums.4 = halfTerm(i &+ 4 &* depth, sums.4)
      sums.5 = halfTerm(i &+ 5 &* depth, sums.5)
      sums.6 = halfTerm(i &+ 6 &* depth, sums.6)
      sums.7 = halfTerm(i &+ 7 &* depth, sums.7)
    }
    // What is left of the last block, on its own; then the others without it.
    var last = V(half: sums.7)
    for i in together..<length { last = lastTerm(p &+ 7 &* depth &+ i, last) }
    for i in p &+ together..<p &+ depth {
      sums.0 = halfTerm(i, sums.0)
      sums.1 = halfTerm(i &+ depth, sums.1)
      sums.2 = halfTerm(i &+ 2 &* depth, sums.2)
      sums.3 = halfTerm(i &+ 3 &* depth, sums.3)
      sums.4 = halfTerm(i &+ 4 &* depth, sums.4)
      sums.5 = halfTerm(i &+ 5 &* depth, sums.5)
      sums.6 = halfTerm(i &+ 6 &* depth, sums.6)
    }
    add(V(half: sums.0), replacing: !accumulate && p == 0)
    add(V(half: sums.1))
    add(V(half: sums.2))
    add(V(half: sums.3))
    add(V(half: sums.4))
    add(V(half: sums.5))
    add(V(half: sums.6))
    add(last)
  }

  /// Adds the sums of a block to C.
  @inline(__always)
  private func add(_ sum: V, replacing: Bool = false) {
    for j in 0..<n { c[j] = replacing ? sum[j] : c[j] + sum[j] }
  }

  @inline(__always)
  private func term(_ i: Int, _ sum: V) -> V {
    sum.adding(V(repeating: a[i &* columnStrideA]), times: V.load(b + i &* rowStrideB))
  }

  @inline(__always)
  private func halfTerm(_ i: Int, _ sum: V.Half) -> V.Half {
    V.adding(a[i], times: b + i &* rowStrideB, to: sum)
  }

  @inline(__always)
  private func lastTerm(_ i: Int, _ sum: V) -> V {
    sum.adding(
      V(repeating: a[i &* columnStrideA]), times: V.load(b + i &* rowStrideB, first: n))
  }
}

/// A number that the compiler knows, so that what is beyond it is left out.
private protocol Length { static var value: Int { get } }
private enum One: Length { static var value: Int { 1 } }
private enum Two: Length { static var value: Int { 2 } }
private enum Three: Length { static var value: Int { 3 } }
private enum Four: Length { static var value: Int { 4 } }
private enum Five: Length { static var value: Int { 5 } }
private enum Six: Length { static var value: Int { 6 } }
private enum Seven: Length { static var value: Int { 7 } }
private enum Eight: Length { static var value: Int { 8 } }

#if NANOGRAD_AVX512
  /// As many rows as a vector has lanes, five to seven numbers each, without gaps. Any lanes of two vectors make a
  /// third in one instruction here, so that columns come from whole vectors faster than from parts of rows.
  private struct DenseRows<V: Lanes, L: Length> {
    private let vectors: (V, V, V, V, V, V, V)

    @inline(__always)
    init(_ p: UnsafePointer<V.Scalar>) {
      @inline(__always)
      func vector(_ j: Int) -> V { V.load(p + (j < L.value ? j &* V.count : 0)) }
      vectors = (
        vector(0), vector(1), vector(2), vector(3), vector(4), vector(5), vector(6)
      )
    }

    @inline(__always)
    func column(_ wish: Int) -> V {
      let c = wish < L.value ? wish : 0
      /// Where lane `i` comes from, counted from a vector on; lane `i` itself where it comes from neither that vector
      /// nor the next.
      @inline(__always)
      func place(_ i: Int, from vector: Int) -> Int {
        let place = L.value &* i &+ c &- vector &* V.count
        return place >= 0 && place < 2 &* V.count ? place : i
      }
      /// Whether lane `i` comes from before a vector.
      @inline(__always)
      func isBefore(_ i: Int, _ vector: Int) -> Bool { L.value &* i &+ c < vector &* V.count }
      let first = vectors.0.mixed(with: vectors.1) { place($0, from: 0) }
      let second = vectors.2.mixed(with: vectors.3) { place($0, from: 2) }
      let both = first.mixed(with: second) { isBefore($0, 2) ? $0 : V.count &+ $0 }
      if L.value == 5 {
        return both.mixed(with: vectors.4) {
          isBefore($0, 4) ? $0 : V.count &+ place($0, from: 4)
        }
      }
      let third = vectors.4.mixed(with: vectors.5) { place($0, from: 4) }
      let most = both.mixed(with: third) { isBefore($0, 4) ? $0 : V.count &+ $0 }
      return L.value == 6
        ? most
        : most.mixed(with: vectors.6) { isBefore($0, 6) ? $0 : V.count &+ place($0, from: 6) }
    }
  }
#endif

/// Up to eight factors, kept in registers.
private struct Chain<A: Accumulator, L: Length> {
  private let factors: (A, A, A, A, A, A, A, A)

  @inline(__always)
  init(_ b: UnsafePointer<A.Scalar>, _ stride: Int) {
    @inline(__always)
    func factor(_ p: Int) -> A { A(repeating: b[p < L.value ? p &* stride : 0]) }
    factors = (
      factor(0), factor(1), factor(2), factor(3), factor(4), factor(5), factor(6), factor(7)
    )
  }

  /// Σ element · factor, in order.
  @inline(__always)
  func sum(_ element: (Int) -> A) -> A {
    var sum = A(repeating: 0).adding(element(0), times: factors.0)
    if L.value > 1 { sum = sum.adding(element(1), times: factors.1) }
    if L.value > 2 { sum = sum.adding(element(2), times: factors.2) }
    if L.value > 3 { sum = sum.adding(element(3), times: factors.3) }
    if L.value > 4 { sum = sum.adding(element(4), times: factors.4) }
    if L.value > 5 { sum = sum.adding(element(5), times: factors.5) }
    if L.value > 6 { sum = sum.adding(element(6), times: factors.6) }
    if L.value > 7 { sum = sum.adding(element(7), times: factors.7) }
    return sum
  }
}
