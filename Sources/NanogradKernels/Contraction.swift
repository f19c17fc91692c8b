//  Sums of matrix products with packed right operands: the inner part of a contraction, one panel of
//  C wide. An element is one chain of multiply-adds, over the products in order.

internal import CMoves
import NanogradKernelTable

/// The kernel of `ScalarKernels.contract`.
func contraction<V: Lanes>(_: V.Type) -> ScalarKernels<V.Scalar>.Contract {
  { rows, columns, terms, count, c, strideC, accumulate in
    let width = (columns &+ V.count &- 1) / V.count
    // Tiles ask for the panel that comes next, each from where its share of it begins.
    let share = max(V.count / TileShape.count(rows), 1)
    var panel = ContractedPanel(
      terms: terms, count: count, row: 0, height: 0, c: c, strideC: strideC, accumulate: accumulate,
      ahead: 0)
    TileShape.forEach(rows) { row, height in
      panel.row = row
      panel.height = height
      if accumulate {
        // What the next tile adds to: the one below, or the first of the panel to the right.
        let end = row &+ height
        let next = end < rows ? c + end &* strideC : c + columns
        for r in 0..<height { ngp_prefetch_near(next + r &* strideC) }
      }
      withWholeTile(
        V.self, c + row &* strideC, strideC, height: height, width: width, columns: columns,
        adds: accumulate
      ) {
        panel.c = $0
        panel.strideC = $1
        panel.run(V.self, height: height, width: width)
      }
      panel.ahead &+= share
    }
  }
}

/// Copies rows of A tile by tile, each column after column: the kernel of `ScalarKernels.packRows`. A few
/// columns at a time, so that lines of memory which several tiles share are still at hand.
func packRows<V: Lanes>(
  _: V.Type, _ a: UnsafePointer<V.Scalar>, _ rowStride: Int, _ columnStride: Int, _ rows: Int,
  _ depth: Int, _ packed: UnsafeMutablePointer<V.Scalar>
) {
  if columnStride == 1 && rowStride != 1 {
    TileShape.forEach(rows) { row, height in
      transpose(
        a + row &* rowStride, rowStride, height, depth,
        packed + row &* depth, height)
    }
    return
  }
  for first in stride(from: 0, to: depth, by: 16) {
    let end = min(first &+ 16, depth)
    TileShape.forEach(rows) { row, height in
      let source = a + row &* rowStride
      let target = packed + row &* depth
      var p = first
      // Eight of each column, of which the next ones write over what is too much: as far as it stays
      // within the tile.
      let spare = height < 4 ? 7 : 1
      let whole = rowStride == 1 && columnStride >= 8 ? min(end, depth &- spare) : first
      while p < whole {
        let eight = UnsafeRawPointer(source + p &* columnStride).loadUnaligned(
          as: SIMD8<V.Scalar>.self)
        UnsafeMutableRawPointer(target + p &* height).storeBytes(
          of: eight, as: SIMD8<V.Scalar>.self)
        p &+= 1
      }
      while p < end {
        for r in 0..<height {
          target[p &* height &+ r] = source[r &* rowStride &+ p &* columnStride]
        }
        p &+= 1
      }
    }
  }
}

/// The kernel of `ScalarKernels.pack`.
func packing<V: Lanes>(_: V.Type) -> ScalarKernels<V.Scalar>.Pack {
  { b, rowStride, columnStride, depth, columns, packed in
    let stride = (columns &+ V.count &- 1) / V.count &* V.count
    if rowStride == 1 && columnStride != 1 {
      transposePadded(b, columnStride, columns, depth, packed, stride)
    } else if columnStride == 1 && columns == V.count {
      for p in 0..<depth { V.load(b + p &* rowStride).store(packed + p &* V.count) }
    } else if columnStride == 1 {
      for p in 0..<depth {
        let (source, target) = (b + p &* rowStride, packed + p &* stride)
        var j = 0
        while j &+ V.count <= columns {
          V.load(source + j).store(target + j)
          j &+= V.count
        }
        if j < columns { V.load(source + j, first: columns &- j).store(target + j) }
      }
    } else {
      for p in 0..<depth {
        for j in 0..<columns {
          packed[p &* stride &+ j] = b[p &* rowStride &+ j &* columnStride]
        }
        for j in columns..<stride { packed[p &* stride &+ j] = 0 }
      }
    }
  }
}

/// A tile of C with the products that it is the sum of.
private struct ContractedPanel<Scalar> {
  let terms: UnsafePointer<ContractionTerm<Scalar>>
  let count: Int
  /// The tile's first row, in A.
  var row: Int
  var height: Int
  var c: UnsafeMutablePointer<Scalar>
  var strideC: Int
  let accumulate: Bool
  /// Of the next panel's rows, the part that is left to earlier tiles to ask for; a vector's length is all.
  var ahead: Int

  @inline(__always)
  func run<T: Tile>(_: T.Type) where T.Row.Element.Scalar == Scalar {
    if !accumulate {
      // What will be written waits in the store buffer for its line, and all stores behind it.
      for r in 0..<T.height { T.Row.prefetchNear(c + r &* strideC) }
    }
    var tile = accumulate ? T.load(c, strideC) : T.zero
    for t in 0..<count {
      let term = terms[t]
      #if NANOGRAD_AVX512
        let panelStride = term.panelStride
      #else
        let panelStride = T.Row.count
      #endif
      let next = term.next + term.depth &* ahead / T.Row.Element.count &* panelStride
      @inline(__always)
      func add(_ a: UnsafePointer<Scalar>, _ rowStride: Int, _ columnStride: Int) {
        tile.add(
          term.depth, a, rowStride, columnStride, times: term.panel, panelStride,
          askingFor: next)
      }
      #if NANOGRAD_AVX512
        // With constants the compiler reads more of A ahead than there are registers.
        let rowStride = term.isPacked ? 1 : term.rowStride
        let start = row &* (term.isPacked ? term.depth : rowStride)
        add(term.a + start, rowStride, term.isPacked ? height : term.columnStride)
      #else
        if term.isPacked {
          add(term.a + row &* term.depth, 1, T.height)
        } else if term.columnStride == 1 {
          add(term.a + row &* term.rowStride, term.rowStride, 1)
        } else {
          add(term.a + row, 1, term.columnStride)
        }
      #endif
    }
    tile.store(c, strideC, accumulate: false)
  }

  @inline(__always)
  func run<R: TileRow>(_: R.Type, height: Int) where R.Element.Scalar == Scalar {
    switch height {
    case 1: run(Rows1<R>.self)
    case 2: run(Rows2<R>.self)
    #if !(NANOGRAD_BASELINE && arch(x86_64))
      case 3: run(Rows3<R>.self)
      case 4: run(Rows4<R>.self)
      case 5: run(Rows5<R>.self)
      case 6: run(Rows6<R>.self)
      #if NANOGRAD_AVX512
        case 7: run(Rows7<R>.self)
        case 8: run(Rows8<R>.self)
      #endif
    #endif
    default: break
    }
  }

  @inline(never)
  func run<V: Lanes>(_: V.Type, height: Int, width: Int) where V.Scalar == Scalar {
    #if NANOGRAD_AVX512
      switch width {
      case 1: run(Single<V>.self, height: height)
      case 2: run(Wider<Single<V>>.self, height: height)
      default: run(Wider<Wider<Single<V>>>.self, height: height)
      }
    #else
      run(Single<V>.self, height: height)
    #endif
  }
}
