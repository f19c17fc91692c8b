//  Matrix products. A tile of C stays in registers over a block of k; B is packed into panels as wide
//  as the tile, A into panels as high, where that pays. However C is cut into tiles, each element is
//  the same chain of multiply-adds over each block of k, and the blocks are added in order.

import NanogradKernelTable

/// Sizes of blocks. A packed panel of B is to stay in the first-level cache, a packed block of A in
/// the second.
enum Blocking {
  static let depth = 256
  static let rows = 192
  static let columns = 1536
  /// Up to so many rows a product reads B where it is, if its rows are contiguous.
  static let rowsToReadDirectly = 12 * TileShape.height
  /// Up to so many it reads A where it is, if its rows or columns are contiguous.
  static let rowsOfAToReadDirectly = 256
  /// For up to so many the transposed product may be better, for so many of its rows at a time.
  static let rowsToTranspose = 96
  static let transposedColumns = 1024
  static let workspace = depth * (columns + rows)
}

/// The operands of one product.
struct Product<V: Lanes> {
  typealias Scalar = V.Scalar
  var m: Int
  var n: Int
  var k: Int
  var a: UnsafePointer<Scalar>
  var rowStrideA: Int
  var columnStrideA: Int
  var b: UnsafePointer<Scalar>
  var rowStrideB: Int
  var columnStrideB: Int
  var c: UnsafeMutablePointer<Scalar>
  var strideC: Int
  var accumulate: Bool

  /// C is a column: a chain per row, several rows at once, on scalars.
  @inline(__always)
  func runColumn<E: Accumulator>(_: E.Type) where E.Scalar == Scalar {
    for p in stride(from: 0, to: k, by: Blocking.depth) {
      for i in stride(from: 0, to: m, by: TileShape.height) {
        let tile = TileProduct(
          depth: min(Blocking.depth, k &- p), a: a + (i &* rowStrideA &+ p &* columnStrideA),
          rowStrideA: rowStrideA, columnStrideA: columnStrideA, b: b + p &* rowStrideB,
          rowStrideB: rowStrideB, c: c + i &* strideC, strideC: strideC,
          accumulate: accumulate || p > 0)
        tile.run(Single<E>.self, height: min(TileShape.height, m &- i))
      }
    }
  }

  /// C is a long row: four vectors of it at once, because a chain by itself waits for each of its
  /// multiply-adds.
  @inline(__always)
  func runLongRow() {
    for p in stride(from: 0, to: k, by: Blocking.depth) {
      let block = p..<min(p &+ Blocking.depth, k)
      let adds = accumulate || p > 0
      var j = 0
      while j &+ 4 &* V.count <= n {
        var sums = (V.zero, V.zero, V.zero, V.zero)
        var row = b + (p &* rowStrideB &+ j)
        for i in block {
          let factor = V(repeating: a[i &* columnStrideA])
          sums.0 = sums.0.adding(factor, times: V.load(row))
          sums.1 = sums.1.adding(factor, times: V.load(row + V.count))
          sums.2 = sums.2.adding(factor, times: V.load(row + 2 &* V.count))
          sums.3 = sums.3.adding(factor, times: V.load(row + 3 &* V.count))
          row += rowStrideB
        }
        put(sums.0, c + j, adds)
        put(sums.1, c + (j &+ V.count), adds)
        put(sums.2, c + (j &+ 2 &* V.count), adds)
        put(sums.3, c + (j &+ 3 &* V.count), adds)
        j &+= 4 &* V.count
      }
      while j < n {
        // The last vector overlaps the one before it, of which it leaves alone what is there already.
        let first = min(j, n &- V.count)
        var sum = V.zero
        for i in block {
          sum = sum.adding(
            V(repeating: a[i &* columnStrideA]), times: V.load(b + (i &* rowStrideB &+ first)))
        }
        for lane in j &- first..<V.count {
          c[first &+ lane] = adds ? c[first &+ lane] + sum[lane] : sum[lane]
        }
        j &+= V.count
      }
    }
  }

  @inline(__always)
  private func put(_ sum: V, _ c: UnsafeMutablePointer<Scalar>, _ adds: Bool) {
    (adds ? V.load(c) + sum : sum).store(c)
  }

  /// Whether the transposed product takes less time: B is transposed and has to serve few rows, or C has so few
  /// columns that its rows leave most of a vector empty.
  var isBetterTransposed: Bool {
    guard m <= Blocking.rowsToTranspose else { return false }
    func vectors(_ count: Int) -> Int { (count &+ V.count &- 1) / V.count }
    if rowStrideB == 1 && columnStrideB != 1 {
      // Its last vector of columns may be mostly empty, which with tiles of one vector takes longer than to pack B.
      let isFull = TileShape.width > 1 || m <= V.count || 5 &* m >= 4 &* V.count &* vectors(m)
      if 2 &* m >= V.count && isFull && (columnStrideA == 1 ? n >= 2 &* m : n >= m) { return true }
    }
    guard n < 2 &* V.count, rowStrideA == 1 || columnStrideA == 1 else { return false }
    let saved = m &* vectors(n) &- n &* vectors(m)
    // A is transposed where its rows are contiguous: in a third of the time of as many multiply-adds with vectors
    // of sixteen, in all of it with those of eight.
    return (V.count == 16 ? 3 : 1) &* saved > (columnStrideA == 1 ? m : 0)
  }

  /// B is read where it is as the left operand of the transposed product, whose right one is small. Each element
  /// is the same chain.
  func runTransposed(_ workspace: UnsafeMutablePointer<Scalar>) {
    let columns = Blocking.transposedColumns
    let panel = workspace + Blocking.depth &* Blocking.rowsToTranspose
    for j in stride(from: 0, to: n, by: columns) {
      let count = min(columns, n &- j)
      let target = c + j
      if accumulate { transpose(target, strideC, m, count, panel, m) }
      let product = Product(
        m: count, n: m, k: k, a: b + j &* columnStrideB, rowStrideA: columnStrideB,
        columnStrideA: rowStrideB, b: a, rowStrideB: columnStrideA, columnStrideB: rowStrideA,
        c: panel, strideC: m, accumulate: accumulate)
      product.run(workspace)
      transpose(panel, m, count, m, target, strideC)
    }
  }

  /// Whether B's rows lie so far apart, by a power of 2, that few of a panel fit in the first-level cache at one time,
  /// and enough tiles read it.
  private var isCrowded: Bool {
    let bytes = rowStrideB &* MemoryLayout<Scalar>.stride
    if bytes & 4095 == 0 { return m > 2 &* TileShape.height }
    // The second level has room for a small B.
    let isLarge = min(k, Blocking.depth) &* bytes >= 1 << 19
    return bytes & 1023 == 0 && isLarge && m >= 5 &* TileShape.height
  }

  func run(_ workspace: UnsafeMutablePointer<Scalar>) {
    let packedB = workspace
    let packedA = workspace + Blocking.depth &* Blocking.columns
    // The deeper, the less it matters that a tile waits for its first rows of B.
    let isFew =
      m <= (TileShape.packsOnTheWay && k >= 128 ? 2 : 1) &* Blocking.rowsToReadDirectly
    // Otherwise the first tile of each panel packs it.
    let readsB = columnStrideB == 1 && (isFew || TileShape.packsOnTheWay)
    let packsB = TileShape.packsOnTheWay && (!isFew || isCrowded)
    let readsA =
      (columnStrideA == 1
        || rowStrideA == 1 && isOnFewPages(columnStrideA, elementSize: MemoryLayout<Scalar>.stride))
      && (m <= Blocking.rowsOfAToReadDirectly || n <= Blocking.rowsToTranspose)
    let packsA =
      columnStrideA != 1 && rowStrideA != 1
      || !readsA && !(readsB && isFew) && n > 2 &* TileShape.width &* V.count
    for j in stride(from: 0, to: n, by: Blocking.columns) {
      let columns = min(Blocking.columns, n &- j)
      for p in stride(from: 0, to: k, by: Blocking.depth) {
        let depth = min(Blocking.depth, k &- p)
        let blockB = b + (p &* rowStrideB &+ j &* columnStrideB)
        forEachPanel(columns) { offset, width in
          let isWhole = offset &+ width &* V.count <= columns
          if readsB && isWhole { return }
          packB(
            blockB + offset &* columnStrideB, depth, min(width &* V.count, columns &- offset),
            width, packedB + offset &* depth)
        }
        for i in stride(from: 0, to: m, by: Blocking.rows) {
          let rows = min(Blocking.rows, m &- i)
          let blockA = a + (i &* rowStrideA &+ p &* columnStrideA)
          if packsA {
            packRows(V.self, blockA, rowStrideA, columnStrideA, rows, depth, packedA)
          }
          forEachPanel(columns) { offset, width in
            let isDirect = readsB && offset &+ width &* V.count <= columns
            let panel = packedB + offset &* depth
            var tile = TileProduct(
              depth: depth, a: blockA, rowStrideA: rowStrideA, columnStrideA: columnStrideA,
              b: panel, rowStrideB: width &* V.count, c: c, strideC: strideC,
              accumulate: accumulate || p > 0)
            if isDirect && (i == 0 || !packsB) {
              (tile.b, tile.rowStrideB) = (blockB + offset, rowStrideB)
            }
            TileShape.forEach(rows) { row, height in
              if packsA {
                tile.a = UnsafePointer(packedA + row &* depth)
                tile.rowStrideA = 1
                tile.columnStrideA = height
              } else {
                tile.a = blockA + row &* rowStrideA
              }
              #if !NANOGRAD_AVX512
                if row == 0 && i == 0 && isDirect && packsB {
                  (tile.c, tile.strideC) = (c + (j &+ offset), strideC)
                  tile.runPacking(V.self, height: height, to: panel)
                  (tile.b, tile.rowStrideB) = (UnsafePointer(panel), V.count)
                  return
                }
              #endif
              withWholeTile(
                V.self, c + ((i &+ row) &* strideC &+ j &+ offset), strideC, height: height,
                width: width, columns: columns &- offset, adds: tile.accumulate
              ) {
                tile.c = $0
                tile.strideC = $1
                tile.run(V.self, height: height, width: width)
              }
            }
          }
        }
      }
    }
  }

  /// Cuts columns into panels of one to `TileShape.width` vectors.
  @inline(__always)
  private func forEachPanel(_ columns: Int, _ body: (_ offset: Int, _ width: Int) -> Void) {
    var vectors = (columns &+ V.count &- 1) / V.count
    var offset = 0
    while vectors > 0 {
      // Four are better cut 2 + 2 than 3 + 1.
      let width = vectors == 4 ? min(2, TileShape.width) : min(vectors, TileShape.width)
      body(offset, width)
      offset &+= width &* V.count
      vectors &-= width
    }
  }

  /// Copies a panel of B, row after row, with zeros where it is wider than the matrix.
  @inline(__always)
  private func packB(
    _ b: UnsafePointer<Scalar>, _ depth: Int, _ columns: Int, _ width: Int,
    _ packed: UnsafeMutablePointer<Scalar>
  ) {
    let panelWidth = width &* V.count
    if rowStrideB == 1 {
      transposePadded(b, columnStrideB, columns, depth, packed, panelWidth)
    } else if columnStrideB == 1 {
      var first = 0
      if columns == rowStrideB {
        // Narrow rows without gaps: a whole vector is as good as the part of it that is the row, as
        // far as the matrix reaches. The lanes beyond the row end in no element of C.
        while first &* columns &+ panelWidth <= depth &* columns {
          for v in 0..<width {
            V.load(b + (first &* columns &+ v &* V.count))
              .store(packed + (first &* panelWidth &+ v &* V.count))
          }
          first &+= 1
        }
      }
      for p in first..<depth {
        for v in 0..<width {
          let source = b + (p &* rowStrideB &+ v &* V.count)
          let isWhole = (v &+ 1) &* V.count <= columns
          let vector =
            isWhole ? V.load(source) : V.load(source, first: columns &- v &* V.count)
          vector.store(packed + (p &* panelWidth &+ v &* V.count))
        }
      }
    } else {
      for p in 0..<depth {
        for j in 0..<columns {
          packed[p &* panelWidth &+ j] = b[p &* rowStrideB &+ j &* columnStrideB]
        }
        for j in columns..<panelWidth { packed[p &* panelWidth &+ j] = 0 }
      }
    }
  }
}

/// The kernel of matrix products; `E` is the scalar of `V`.
func matmul<V: Lanes, E: Accumulator>(_: V.Type, _: E.Type) -> ScalarKernels<V.Scalar>.Matmul
where E.Scalar == V.Scalar {
  {
    m, n, k, a, rowStrideA, columnStrideA, b, rowStrideB, columnStrideB, c, strideC, accumulate,
    workspace in
    if k <= 0 {
      if !accumulate {
        for i in 0..<max(m, 0) {
          for j in 0..<max(n, 0) { c[i &* strideC &+ j] = 0 }
        }
      }
      return
    }
    let product = Product<V>(
      m: m, n: n, k: k, a: a, rowStrideA: rowStrideA, columnStrideA: columnStrideA, b: b,
      rowStrideB: rowStrideB, columnStrideB: columnStrideB, c: c, strideC: strideC,
      accumulate: accumulate)
    if n == 1 {
      product.runColumn(E.self)
    } else if m == 1 && columnStrideB == 1 {
      n < V.count ? product.runShortRow() : product.runLongRow()
    } else if product.isBetterTransposed {
      product.runTransposed(workspace)
    } else {
      product.run(workspace)
    }
  }
}
