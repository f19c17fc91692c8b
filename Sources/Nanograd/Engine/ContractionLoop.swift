//  A contraction as it is run.

internal import CMoves
import NanogradKernelTable

/// Products by panels of B, packed or where it is, cut for the caches: a stretch of the depth of some panels stays
/// in the second level while all rows pass it, one panel of it in the first. Since an element of C adds up its
/// products in order, no cut changes a bit.
final class ContractionLoop<T: FloatElement>: StepLoop {
  /// A product, without anything that is counted when it is read.
  private struct Term {
    let a: Int
    let offsetA: Int
    let rowStrideA: Int
    let columnStrideA: Int
    let b: Int
    let offsetB: Int
    let rowStrideB: Int
    let columnStrideB: Int
    let depth: Int
    /// Whether A has to be packed to be read fast.
    let packsRows: Bool
    /// Whether all columns of A are the same, as those of a state that is the same for a whole batch: they are
    /// multiplied with the sum of B's rows.
    let sumsRows: Bool
    /// Whether B is packed, panel after panel.
    let isPacked: Bool
  }

  private struct Block {
    let target: Int
    let accumulates: Bool
    let terms: Range<Int>
    /// Whether all rows of its A's are the same, as of a state that a network begins with, and so the rows
    /// of their products: one is computed.
    let isUniform: Bool
  }

  /// Some products of a block, whole, or a part of one product's depth. The same for all blocks.
  private struct Stretch {
    let terms: Range<Int>
    let start: Int
    let depth: Int
  }

  // Constants of an object: what is read from a table is counted each time.
  private let addition = T.kernels.binary(.add)
  private let contract = T.kernels.contract
  private let packRows = T.kernels.packRows
  private let kernels = T.kernels
  private let allRows: Range<Int>
  private let columns: Int
  /// Of how many columns a row of the loop is, where that is cut by columns.
  private let columnsAtOnce: Int?
  private let blocks: [Block]
  private let terms: [Term]
  private let hasPanels: Bool
  /// Panels that share the second-level cache, with half as much of A.
  private let panelsTogether: Int
  /// Rows of A that are taken through them.
  private let chunk: Int

  init(_ contraction: Contraction, columnsAtOnce: Int?) {
    allRows = 0..<contraction.rows
    columns = contraction.columns
    self.columnsAtOnce = columnsAtOnce
    var blocks: [Block] = []
    var terms: [Term] = []
    for block in contraction.blocks {
      let first = terms.count
      for product in block.products {
        terms.append(
          Term(
            a: product.a.buffer, offsetA: product.a.offset, rowStrideA: product.a.strides[0],
            columnStrideA: product.a.strides[1], b: product.packed ?? product.b.buffer,
            offsetB: product.packed == nil ? product.b.offset : 0,
            rowStrideB: product.b.strides[0], columnStrideB: product.b.strides[1],
            depth: product.depth,
            packsRows: !product.a.isReadInPlace(T.self),
            sumsRows: product.a.strides[0] == 1 && product.a.strides[1] == 0 && product.depth > 1,
            isPacked: product.packed != nil))
      }
      blocks.append(
        Block(
          target: block.target, accumulates: block.accumulates, terms: first..<terms.count,
          isUniform: contraction.rows > 1
            && terms[first...].allSatisfy { $0.rowStrideA == 0 } && contraction.hasPanels))
    }
    self.blocks = blocks
    self.terms = terms
    hasPanels = contraction.hasPanels
    // Packing rows takes longer than fetching panels once for each chunk.
    panelsTogether =
      terms.contains { $0.packsRows }
      ? Int.max
      : Swift.max(T.kernels.cacheBlock / (Contraction.stretchDepth * T.kernels.panelWidth), 1)
    let chunk = T.kernels.cacheBlock / (2 * Contraction.stretchDepth)
    self.chunk = chunk
    // Of views there may be so many that no integer holds the sum of their depths.
    let depth = terms.reduce(0) { $0 + Double($1.depth) }
    // Few columns leave most of a vector empty.
    let one =
      (columns == 1 ? 0.05 : columns < 8 ? 0.1 : 0.02) * Double(MemoryLayout<T>.size / 4)
    let cost = 50 + one * Double(contraction.rows) * Double(contraction.columns) * depth
    let elements =
      contraction.hasPanels
      ? chunk * Contraction.stretchDepth
        + (Swift.min(terms.count, Contraction.stretchDepth) + 1) * T.kernels.panelWidth
      : T.kernels.matmulWorkspace
    super.init(cost: cost, scratch: elements * MemoryLayout<T>.size)
  }

  /// Where the depth of a block's products is cut next. Worked out as it is needed: of views, which take no
  /// memory, a list of all stretches might be longer than any memory.
  private func stretch(after last: Stretch?) -> Stretch? {
    let end = blocks[0].terms.count
    var first = 0
    var start = 0
    if let last {
      start = last.start + last.depth
      first = last.terms.lowerBound
      if last.terms.count > 1 || start == terms[first].depth {
        (first, start) = (last.terms.upperBound, 0)
      }
    }
    guard first < end else { return nil }
    var depth = Swift.min(terms[first].depth - start, Contraction.stretchDepth)
    var next = first + 1
    while start == 0, next < end, depth + terms[next].depth <= Contraction.stretchDepth {
      depth += terms[next].depth
      next += 1
    }
    return Stretch(terms: first..<next, start: start, depth: depth)
  }

  @_specialize(where T == Float)
  @_specialize(where T == Double)
  override func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    let workspace = scratch.assumingMemoryBound(to: T.self)
    guard hasPanels else { return runDirectly(rows, context, workspace) }
    let all = columnsAtOnce == nil ? 0..<T.kernels.panelCount(columns) : rows
    let rows = columnsAtOnce == nil ? rows : allRows
    var first = all.lowerBound
    while first < all.upperBound {
      let panels = first..<first + Swift.min(panelsTogether, all.upperBound - first)
      first = panels.upperBound
      var next = stretch(after: nil)
      while let stretch = next {
        for block in blocks {
          var row = rows.lowerBound
          while row < rows.upperBound {
            let end = Swift.min(row + chunk, rows.upperBound)
            runChunk(block, stretch, row..<end, panels, context, workspace)
            row = end
          }
        }
        next = self.stretch(after: stretch)
      }
    }
  }

  private func runDirectly(
    _ rows: Range<Int>, _ context: Context, _ workspace: UnsafeMutablePointer<T>
  ) {
    if let columnsAtOnce {
      let start = rows.lowerBound * columnsAtOnce
      let end = Swift.min(rows.upperBound * columnsAtOnce, columns)
      for block in blocks { runDirectly(block, allRows, start..<end, context, workspace) }
    } else {
      for block in blocks { runDirectly(block, rows, 0..<columns, context, workspace) }
    }
  }

  private func runChunk(
    _ block: Block, _ stretch: Stretch, _ rows: Range<Int>, _ panels: Range<Int>,
    _ context: Context, _ workspace: UnsafeMutablePointer<T>
  ) {
    let first = block.terms.lowerBound + stretch.terms.lowerBound
    let count = stretch.terms.count
    withUnsafeTemporaryAllocation(of: ContractionTerm<T>.self, capacity: count) { list in
      let list = list.baseAddress!
      var packed = workspace
      // For each term the sum of B's rows, and a row of C.
      let rowsOfPanels = workspace + chunk * Contraction.stretchDepth
      for i in 0..<count {
        let term = terms[first + i]
        (list + i).initialize(
          to: ContractionTerm(
            a: context.pointer(term.a, T.self) + term.offsetA + rows.lowerBound * term.rowStrideA
              + stretch.start * term.columnStrideA,
            rowStride: term.rowStrideA, columnStride: term.columnStrideA,
            panel: context.pointer(term.b, T.self), panelStride: term.rowStrideB,
            depth: count == 1 ? stretch.depth : term.depth))
        guard term.packsRows else { continue }
        let height = block.isUniform ? 1 : rows.count
        packRows(
          list[i].a, term.rowStrideA, term.columnStrideA, height, list[i].depth, packed)
        list[i].a = UnsafePointer(packed)
        list[i].isPacked = true
        packed += height * list[i].depth
      }
      let target = context.pointer(block.target, T.self) + rows.lowerBound * columns
      let accumulates = block.accumulates || stretch.terms.lowerBound > 0 || stretch.start > 0
      for panel in panels {
        let panel = kernels.panel(panel, of: columns)
        let panelStride = kernels.panelStride(panel.count)
        for i in 0..<count {
          let term = terms[first + i]
          // From one column to the next panel's: packed, all of the panel's rows are between.
          let distance = term.isPacked ? term.depth : 1
          if term.isPacked { list[i].panelStride = panelStride }
          let b =
            context.pointer(term.b, T.self) + term.offsetB + stretch.start * list[i].panelStride
          list[i].panel = UnsafePointer(b + panel.lowerBound * distance)
          list[i].next = UnsafePointer(b + panel.upperBound * distance)
          if term.sumsRows {
            list[i].depth = count == 1 ? stretch.depth : term.depth
            sumRows(of: &list[i], panel.count, into: rowsOfPanels + i * panelStride)
          }
        }
        let c = target + panel.lowerBound
        if block.isUniform {
          for i in 0..<count where !terms[first + i].isPacked { ask(for: list[i], panel.count) }
          let row = rowsOfPanels + count * panelStride
          contract(1, panel.count, list, count, row, panelStride, false)
          repeatRow(row, panel.count, c, rows.count, accumulates)
        } else {
          contract(rows.count, panel.count, list, count, c, columns, accumulates)
        }
      }
    }
  }

  /// Asks for a panel of B: there is too little to compute with one row for that to happen meanwhile.
  private func ask(for term: ContractionTerm<T>, _ columns: Int) {
    for p in 0..<term.depth {
      for j in stride(from: 0, to: columns, by: 64 / MemoryLayout<T>.size) {
        ngp_prefetch(term.panel + (p * term.panelStride + j))
      }
    }
  }

  /// Puts the sum of B's rows in their place.
  private func sumRows(
    of term: inout ContractionTerm<T>, _ columns: Int, into sum: UnsafeMutablePointer<T>
  ) {
    let one: T = 1
    withUnsafePointer(to: one) {
      var ones = term
      ones.a = $0
      contract(1, columns, &ones, 1, sum, columns, false)
    }
    term.panel = UnsafePointer(sum)
    term.depth = 1
  }

  /// Writes or adds a row to many.
  private func repeatRow(
    _ row: UnsafeMutablePointer<T>, _ count: Int, _ target: UnsafeMutablePointer<T>, _ rows: Int,
    _ accumulates: Bool
  ) {
    for i in 0..<rows {
      let y = target + i * columns
      if accumulates { addition(y, 1, row, 1, y, count) } else { y.update(from: row, count: count) }
    }
  }

  private func runDirectly(
    _ block: Block, _ rows: Range<Int>, _ columns: Range<Int>, _ context: Context,
    _ workspace: UnsafeMutablePointer<T>
  ) {
    let start = rows.lowerBound * self.columns + columns.lowerBound
    let target = context.pointer(block.target, T.self) + start
    for t in block.terms {
      let term = terms[t]
      let a = UnsafePointer(
        context.pointer(term.a, T.self) + term.offsetA + rows.lowerBound * term.rowStrideA)
      let b = UnsafePointer(
        context.pointer(term.b, T.self) + term.offsetB + columns.lowerBound * term.columnStrideB)
      let accumulates = block.accumulates || t > block.terms.lowerBound
      // Which kernel it is may depend on the whole product alone, not on the part of a thread.
      if self.columns == 1 {
        kernels.matrixVector(
          rows.count, term.depth, a, term.rowStrideA, term.columnStrideA, b, term.rowStrideB,
          target, accumulates, workspace)
      } else if allRows.count == 1 {
        kernels.matrixVector(
          columns.count, term.depth, b, term.columnStrideB, term.rowStrideB, a, term.columnStrideA,
          target, accumulates, workspace)
      } else {
        kernels.matmul(
          rows.count, columns.count, term.depth, a, term.rowStrideA, term.columnStrideA,
          b, term.rowStrideB, term.columnStrideB, target, self.columns, accumulates, workspace)
      }
    }
  }
}

extension Contraction {
  /// How many columns are kept together where a loop of this alone is better cut by columns than by rows: each thread
  /// then packs, or fetches, a part of B and all of A. Nil where it is not. Of one row there is nothing else to cut.
  var columnsAtOnce: Int? {
    if hasPanels {
      let width = dtype == .float32 ? Float.kernels.panelWidth : Double.kernels.panelWidth
      return rows == 1 ? width : nil
    }
    if rows == 1 { return columns > 1 ? 64 : nil }
    // For tiles of several vectors it has not been measured. Of a transposed A, all is more to read.
    let isTransposed = blocks.contains { $0.products.contains { $0.a.strides[1] != 1 } }
    let least = Swift.max(isTransposed ? 2 * rows : rows, rows < 64 ? 512 : 0)
    return !dtype.hasWideTiles && columns >= least ? 64 / dtype.size : nil
  }
}

extension View {
  /// Whether a kernel reads an A where it is: its columns lie side by side, or are all the same, or its rows lie
  /// side by side.
  fileprivate func isReadInPlace<T: FloatElement>(_: T.Type) -> Bool {
    let (rows, columns) = (strides[0], strides[1])
    guard columns != 1, rows == 1 else { return columns == 1 }
    return columns == 0
      || T.kernels.readsInPlace && columns > 0
        && isOnFewPages(columns, elementSize: MemoryLayout<T>.size)
  }
}
