//  Products of a matrix and a vector. An element of one is the sum of as many chains as a vector has lanes, each for
//  one in so many numbers of the depth, which are added half upon half: a single chain would wait for each of its
//  multiply-adds. Chains in order, as in any other product, are up to eight numbers, and what lies across the vectors
//  of a matrix that has many rows.

internal import CMoves
import NanogradKernelTable

/// `y = A·x`, or `y += A·x`.
private struct MatrixVector<V: Lanes> {
  typealias Scalar = V.Scalar

  /// Numbers whose chains are added before the next ones begin, which limits the error.
  static var mostDepth: Int { 256 &* V.count }
  /// Rows whose chains are kept at one time where they lie across the vectors.
  private static var mostRows: Int { 16 &* V.count }

  var rows: Int
  var depth: Int
  var a: UnsafePointer<Scalar>
  var rowStride: Int
  var columnStride: Int
  var x: UnsafePointer<Scalar>
  var y: UnsafeMutablePointer<Scalar>
  var accumulate: Bool

  func run<E: Accumulator>(_: E.Type, _ workspace: UnsafeMutablePointer<Scalar>)
  where E.Scalar == Scalar {
    switch depth {
    case 1: runShort(One.self, E.self)
    case 2: runShort(Two.self, E.self)
    case 3: runShort(Three.self, E.self)
    case 4: runShort(Four.self, E.self)
    case 5: runShort(Five.self, E.self)
    case 6: runShort(Six.self, E.self)
    case 7: runShort(Seven.self, E.self)
    case 8: runShort(Eight.self, E.self)
    default:
      if columnStride == 1 {
        runRows()
      } else if rowStride != 1 {
        runGatheredRows(workspace)
      } else if rows <= columnStride && columnStride <= 8 {
        runDenseColumns(E.self, workspace)
      } else if columnStride.magnitude < 8 &* V.count {
        runColumns(workspace)
      } else {
        let product = Product<V>(
          m: 1, n: rows, k: depth, a: x, rowStrideA: 0, columnStrideA: 1, b: a,
          rowStrideB: columnStride, columnStrideB: 1, c: y, strideC: rows, accumulate: accumulate)
        rows < V.count ? product.runShortRow() : product.runLongRow()
      }
    }
  }

  // MARK: Up to eight numbers

  private func runShort<L: Length, E: Accumulator>(_: L.Type, _: E.Type) where E.Scalar == Scalar {
    var i = 0
    let factors = Chain<V, L>(x)
    if rowStride == 1 && columnStride != 1 {
      while i &+ V.count <= rows {
        put(factors.sum { V.load(a + (i &+ $0 &* columnStride)) }, i)
        i &+= V.count
      }
    } else if columnStride == 1 && L.value >= 4 {
      // A vector of rows at once, turned into columns on the way: number by number, the multiply-adds would be all
      // that the processor can do.
      #if NANOGRAD_AVX512
        while L.value > 4 && L.value < 8 && rowStride == L.value && i &+ V.count <= rows {
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
          put(sum, i)
          i &+= V.count
        }
      #endif
      while i &+ V.count <= rows {
        let row = a + i &* rowStride
        let first = V.columns(row, rowStride)
        let last = V.columns(row + (L.value &- 4), rowStride)
        let sum = factors.sum { p in
          if p < 4 { return p == 0 ? first.0 : p == 1 ? first.1 : p == 2 ? first.2 : first.3 }
          let q = p &- (L.value &- 4)
          return q == 0 ? last.0 : q == 1 ? last.1 : q == 2 ? last.2 : last.3
        }
        put(sum, i)
        i &+= V.count
      }
    }
    let single = Chain<E, L>(x)
    while i < rows {
      let row = a + i &* rowStride
      let sum = single.sum { E.load(row + $0 &* columnStride) }
      (accumulate ? E.load(y + i) + sum : sum).store(y + i)
      i &+= 1
    }
  }

  @inline(__always)
  private func put(_ sum: V, _ i: Int) { (accumulate ? V.load(y + i) + sum : sum).store(y + i) }

  // MARK: Numbers of a row side by side

  private func runRows() {
    let whole = depth / V.count &* V.count
    // Of what is less than a vector, x is filled up with zeros, and so is A, for whatever follows it may be no number.
    let rest = depth &- whole
    let last = V.load(x + whole, first: rest)
    var lanes = V.zero
    for lane in 0..<V.count { lanes[lane] = Scalar(lane) }
    let isThere = lanes .< V(repeating: Scalar(rest))
    // How far vectors may be read.
    let limit = a + ((rows &- 1) &* max(rowStride, 0) &+ depth &- V.count)
    @inline(__always)
    func end(of row: UnsafePointer<Scalar>) -> V {
      row + whole <= limit
        ? V.zero.replacing(with: V.load(row + whole), where: isThere)
        : V.load(row + whole, first: rest)
    }
    var i = 0
    while i &+ 4 <= rows {
      let row = a + i &* rowStride
      let (second, third, fourth) = (row + rowStride, row + 2 &* rowStride, row + 3 &* rowStride)
      var sums = (V.zero, V.zero, V.zero, V.zero)
      for p in Swift.stride(from: 0, to: whole, by: V.count) {
        let factor = V.load(x + p)
        sums.0 = sums.0.adding(factor, times: V.load(row + p))
        sums.1 = sums.1.adding(factor, times: V.load(second + p))
        sums.2 = sums.2.adding(factor, times: V.load(third + p))
        sums.3 = sums.3.adding(factor, times: V.load(fourth + p))
      }
      if rest > 0 {
        sums.0 = sums.0.adding(last, times: end(of: row))
        sums.1 = sums.1.adding(last, times: end(of: second))
        sums.2 = sums.2.adding(last, times: end(of: third))
        sums.3 = sums.3.adding(last, times: end(of: fourth))
      }
      put(total(sums.0), i)
      put(total(sums.1), i &+ 1)
      put(total(sums.2), i &+ 2)
      put(total(sums.3), i &+ 3)
      i &+= 4
    }
    while i < rows {
      let row = a + i &* rowStride
      var sum = V.zero
      for p in Swift.stride(from: 0, to: whole, by: V.count) {
        sum = sum.adding(V.load(x + p), times: V.load(row + p))
      }
      if rest > 0 { sum = sum.adding(last, times: end(of: row)) }
      put(total(sum), i)
      i &+= 1
    }
  }

  /// Row by row, with its numbers brought together.
  private func runGatheredRows(_ workspace: UnsafeMutablePointer<Scalar>) {
    for i in 0..<rows {
      for p in 0..<depth { workspace[p] = a[i &* rowStride &+ p &* columnStride] }
      var row = self
      (row.rows, row.a, row.columnStride, row.y) = (1, UnsafePointer(workspace), 1, y + i)
      row.runRows()
    }
  }

  /// The sum of the lanes, half upon half.
  @inline(__always)
  private func total(_ v: V) -> Scalar {
    var v = v
    if V.count > 8 { v = v + v.mixed(with: v) { $0 ^ 8 } }
    v = v + v.mixed(with: v) { $0 ^ 4 }
    v = v + v.mixed(with: v) { $0 ^ 2 }
    v = v + v.mixed(with: v) { $0 ^ 1 }
    return v[0]
  }

  @inline(__always)
  private func put(_ sum: Scalar, _ i: Int) { y[i] = accumulate ? y[i] + sum : sum }

  // MARK: Rows side by side

  /// Few of them, close to each other: vectors of A as they lie in memory, whichever rows their lanes belong to. Each
  /// lane is a chain.
  @inline(__always)
  private func runDenseColumns<E: Accumulator>(
    _: E.Type, _ workspace: UnsafeMutablePointer<Scalar>
  ) where E.Scalar == Scalar {
    switch columnStride {
    case 2: runDenseColumns(Two.self, E.self, workspace)
    case 3: runDenseColumns(Three.self, E.self, workspace)
    case 4: runDenseColumns(Four.self, E.self, workspace)
    case 5: runDenseColumns(Five.self, E.self, workspace)
    case 6: runDenseColumns(Six.self, E.self, workspace)
    case 7: runDenseColumns(Seven.self, E.self, workspace)
    case 8: runDenseColumns(Eight.self, E.self, workspace)
    default: runColumns(workspace)
    }
  }

  private func runDenseColumns<L: Length, E: Accumulator>(
    _: L.Type, _: E.Type, _ chains: UnsafeMutablePointer<Scalar>
  ) where E.Scalar == Scalar {
    let block = L.value &* V.count
    let blocks = ((depth &- 1) &* L.value &+ rows) / block
    let zero = V.zero
    var sums = (zero, zero, zero, zero, zero, zero, zero, zero)
    for i in 0..<blocks {
      let factors = V.load(x + i &* V.count)
      let start = a + i &* block
      @inline(__always)
      func add(_ v: Int, to sum: inout V) {
        guard v < L.value else { return }
        // Lanes that do not exist are asked for as well, by the compiler that leaves them out.
        let factor = factors.mixed(with: factors) {
          min((v &* V.count &+ $0) / L.value, V.count &- 1)
        }
        sum = sum.adding(factor, times: V.load(start + v &* V.count))
      }
      add(0, to: &sums.0)
      add(1, to: &sums.1)
      add(2, to: &sums.2)
      add(3, to: &sums.3)
      add(4, to: &sums.4)
      add(5, to: &sums.5)
      add(6, to: &sums.6)
      add(7, to: &sums.7)
    }
    sums.0.store(chains)
    sums.1.store(chains + V.count)
    sums.2.store(chains + 2 &* V.count)
    sums.3.store(chains + 3 &* V.count)
    sums.4.store(chains + 4 &* V.count)
    sums.5.store(chains + 5 &* V.count)
    sums.6.store(chains + 6 &* V.count)
    sums.7.store(chains + 7 &* V.count)
    for p in blocks &* V.count..<depth {
      let chain = chains + p % V.count &* L.value
      let factor = E(repeating: x[p])
      for i in 0..<rows {
        E.load(chain + i).adding(factor, times: E.load(a + (p &* L.value &+ i))).store(chain + i)
      }
    }
    var half = V.count / 2
    while half > 0 {
      for i in 0..<half &* L.value { chains[i] += chains[half &* L.value &+ i] }
      half /= 2
    }
    for i in 0..<rows { put(chains[i], i) }
  }

  /// Any number of them: a vector of rows for each chain.
  private func runColumns(_ chains: UnsafeMutablePointer<Scalar>) {
    for first in stride(from: 0, to: rows, by: MatrixVector.mostRows) {
      let count = min(MatrixVector.mostRows, rows &- first)
      runColumns(first, count, chains)
    }
  }

  private func runColumns(_ first: Int, _ count: Int, _ chains: UnsafeMutablePointer<Scalar>) {
    let width = (count &+ V.count &- 1) / V.count &* V.count
    let start = a + first
    for i in stride(from: 0, to: V.count &* width, by: V.count) { V.zero.store(chains + i) }
    // So many columns may be read by whole vectors, beyond the rows that are asked for.
    let room = (depth &- 1) &* columnStride &+ count &- width
    let whole =
      width == count
      ? depth : room < 0 || columnStride <= 0 ? 0 : min(room / columnStride &+ 1, depth)
    var p = 0
    // Four numbers of a chain at once, so that it is fetched and stored less often.
    while p &+ 4 &* V.count <= whole {
      for c in 0..<V.count {
        let (chain, column) = (chains + c &* width, start + (p &+ c) &* columnStride)
        let apart = V.count &* columnStride
        let factors = (
          V(repeating: x[p &+ c]), V(repeating: x[p &+ c &+ V.count]),
          V(repeating: x[p &+ c &+ 2 &* V.count]), V(repeating: x[p &+ c &+ 3 &* V.count])
        )
        for i in stride(from: 0, to: width, by: V.count) {
          V.load(chain + i)
            .adding(factors.0, times: V.load(column + i))
            .adding(factors.1, times: V.load(column + (apart &+ i)))
            .adding(factors.2, times: V.load(column + (2 &* apart &+ i)))
            .adding(factors.3, times: V.load(column + (3 &* apart &+ i)))
            .store(chain + i)
        }
      }
      p &+= 4 &* V.count
    }
    while p < depth {
      let (chain, column) = (chains + p % V.count &* width, start + p &* columnStride)
      let factor = V(repeating: x[p])
      for i in stride(from: 0, to: width, by: V.count) {
        let isWhole = p < whole || i &+ V.count <= count
        let rows = isWhole ? V.load(column + i) : V.load(column + i, first: count &- i)
        V.load(chain + i).adding(factor, times: rows).store(chain + i)
      }
      p &+= 1
    }
    var half = V.count / 2
    while half > 0 {
      for i in stride(from: 0, to: half &* width, by: V.count) {
        (V.load(chains + i) + V.load(chains + (half &* width &+ i))).store(chains + i)
      }
      half /= 2
    }
    for i in stride(from: 0, to: width, by: V.count) {
      let (sum, target) = (V.load(chains + i), y + (first &+ i))
      if i &+ V.count <= count {
        (accumulate ? V.load(target) + sum : sum).store(target)
      } else {
        let rest = count &- i
        (accumulate ? V.load(target, first: rest) + sum : sum).store(target, first: rest)
      }
    }
  }
}

/// The kernel of `ScalarKernels.matrixVector`; `E` is the scalar of `V`.
func matrixVector<V: Lanes, E: Accumulator>(_: V.Type, _: E.Type)
  -> ScalarKernels<V.Scalar>.MatrixVector where E.Scalar == V.Scalar
{
  { rows, depth, a, rowStride, columnStride, x, stride, y, accumulate, workspace in
    if depth <= 0 && !accumulate {
      for i in 0..<max(rows, 0) { y[i] = 0 }
    }
    let most = MatrixVector<V>.mostDepth
    for p in Swift.stride(from: 0, to: rows > 0 ? depth : 0, by: most) {
      var product = MatrixVector<V>(
        rows: rows, depth: min(most, depth &- p), a: a + p &* columnStride, rowStride: rowStride,
        columnStride: columnStride, x: x + p &* stride, y: y, accumulate: accumulate || p > 0)
      if stride != 1 {
        for i in 0..<product.depth { workspace[i] = product.x[i &* stride] }
        product.x = UnsafePointer(workspace)
      }
      product.run(E.self, workspace + most)
    }
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
  init(_ x: UnsafePointer<A.Scalar>) {
    @inline(__always)
    func factor(_ p: Int) -> A { A(repeating: x[p < L.value ? p : 0]) }
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
