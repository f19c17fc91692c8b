//  A contraction as it is run.

import NanogradKernelTable

/// Products of packed B's, cut for the caches: a stretch of the depth of some panels of B stays in the
/// second level while all rows pass it, one panel of it in the first. Since an element of C adds up its
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

  private struct Panel {
    let columns: Range<Int>
    /// Elements from one packed row to the next.
    let stride: Int
  }

  /// A part of a product's depth; the number of the product is the same in each block.
  private struct Piece {
    let term: Int
    let start: Int
    let depth: Int
  }

  /// The most depth of a stretch: a panel of it fills half of a first-level cache.
  private static var stretchDepth: Int { 256 }
  private let addition = T.kernels.binary(.add)
  private let columns: Int
  private let blocks: [Block]
  private let terms: [Term]
  private let stretches: [[Piece]]
  private let panels: [Panel]
  /// Panels that share the second-level cache, with a quarter as much of A.
  private let panelsTogether: Int
  /// Rows of A that are taken through them.
  private let chunk: Int
  let cost: Double
  let scratch: Int

  init(_ contraction: Contraction) {
    columns = contraction.columns
    var blocks: [Block] = []
    var terms: [Term] = []
    for block in contraction.blocks {
      let first = terms.count
      for product in block.products {
        terms.append(
          Term(
            a: product.a.buffer, offsetA: product.a.offset, rowStrideA: product.a.strides[0],
            columnStrideA: product.a.strides[1], b: product.packed ?? product.b.buffer,
            offsetB: product.b.offset, rowStrideB: product.b.strides[0],
            columnStrideB: product.b.strides[1], depth: product.depth,
            isPacked: product.packed != nil))
      }
      blocks.append(
        Block(
          target: block.target, accumulates: block.accumulates, terms: first..<terms.count,
          isUniform: contraction.rows > 1
            && terms[first...].allSatisfy { $0.rowStrideA == 0 && $0.isPacked }))
    }
    self.blocks = blocks
    self.terms = terms
    stretches = ContractionLoop.stretches(contraction.blocks[0].products.map(\.depth))
    let columns = columns
    panels = (0..<T.kernels.panelCount(columns)).map {
      let panel = T.kernels.panel($0, of: columns)
      return Panel(columns: panel, stride: T.kernels.panelStride(panel.count))
    }
    panelsTogether = Swift.max(
      T.kernels.cacheBlock / (ContractionLoop.stretchDepth * T.kernels.panelWidth), 1)
    let chunk = T.kernels.cacheBlock / (4 * ContractionLoop.stretchDepth)
    self.chunk = chunk
    let depth = terms.reduce(0) { $0 + $1.depth }
    cost = 50 + 2e-2 * Double(contraction.rows) * Double(contraction.columns) * Double(depth)
    let elements =
      terms.allSatisfy(\.isPacked)
      ? chunk * ContractionLoop.stretchDepth
      : T.kernels.matmulWorkspace
    scratch = elements * MemoryLayout<T>.size
  }

  /// Cuts products of some depths, one after the other, into stretches.
  private static func stretches(_ depths: [Int]) -> [[Piece]] {
    var result: [[Piece]] = [[]]
    var room = stretchDepth
    for (term, depth) in depths.enumerated() {
      // A product that fits into a stretch of its own is not cut.
      if depth > room, depth <= stretchDepth || room == 0 {
        result.append([])
        room = stretchDepth
      }
      var start = 0
      while start < depth {
        if room == 0 {
          result.append([])
          room = stretchDepth
        }
        let part = Swift.min(depth - start, room)
        result[result.count - 1].append(Piece(term: term, start: start, depth: part))
        start += part
        room -= part
      }
    }
    return result
  }

  @_specialize(where T == Float)
  @_specialize(where T == Double)
  func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    let workspace = scratch.assumingMemoryBound(to: T.self)
    for first in stride(from: 0, to: panels.count, by: panelsTogether) {
      let panels = first..<Swift.min(first + panelsTogether, panels.count)
      for s in stretches.indices {
        for block in blocks where terms[block.terms.lowerBound].isPacked {
          var row = rows.lowerBound
          while row < rows.upperBound {
            let end = Swift.min(row + chunk, rows.upperBound)
            runChunk(block, s, row..<end, panels, context, workspace)
            row = end
          }
        }
      }
    }
    for block in blocks where !terms[block.terms.lowerBound].isPacked {
      runDirectly(block, rows, context, workspace)
    }
  }

  private func runChunk(
    _ block: Block, _ stretch: Int, _ rows: Range<Int>, _ panels: Range<Int>, _ context: Context,
    _ workspace: UnsafeMutablePointer<T>
  ) {
    let pieces = stretches[stretch]
    withUnsafeTemporaryAllocation(of: ContractionTerm<T>.self, capacity: pieces.count) { list in
      let list = list.baseAddress!
      var packed = workspace
      for i in pieces.indices {
        let piece = pieces[i]
        let term = terms[block.terms.lowerBound + piece.term]
        let a =
          context.pointer(term.a, T.self) + term.offsetA + rows.lowerBound * term.rowStrideA
          + piece.start * term.columnStrideA
        let b = context.pointer(term.b, T.self)
        // The columns of a transposed A lie apart, often by a power of 2, which few sets of a cache hold.
        if term.columnStrideA != 1 && panels.count > 1 && !block.isUniform {
          T.kernels.packRows(
            a, term.rowStrideA, term.columnStrideA, rows.count, piece.depth, packed)
          (list + i).initialize(
            to: ContractionTerm(packedRows: packed, panel: b, depth: piece.depth))
          packed += rows.count * piece.depth
        } else {
          (list + i).initialize(
            to: ContractionTerm(
              a: a, rowStride: term.rowStrideA, columnStride: term.columnStrideA, panel: b,
              depth: piece.depth))
        }
      }
      let target = context.pointer(block.target, T.self) + rows.lowerBound * columns
      let accumulates = block.accumulates || stretch > 0
      for p in panels {
        let panel = self.panels[p]
        for i in pieces.indices {
          let term = terms[block.terms.lowerBound + pieces[i].term]
          let start =
            UnsafePointer(context.pointer(term.b, T.self)) + pieces[i].start * panel.stride
          list[i].panel = start + panel.columns.lowerBound * term.depth
          list[i].next = start + panel.columns.upperBound * term.depth
        }
        let first = panel.columns.lowerBound
        if block.isUniform {
          T.kernels.contract(
            1, panel.columns.count, list, pieces.count, workspace, panel.stride, false)
          repeatRow(
            workspace, panel.columns.count, target + first, rows.count, accumulates)
        } else {
          T.kernels.contract(
            rows.count, panel.columns.count, list, pieces.count, target + first, columns,
            accumulates)
        }
      }
    }
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
    _ block: Block, _ rows: Range<Int>, _ context: Context, _ workspace: UnsafeMutablePointer<T>
  ) {
    for t in block.terms {
      let term = terms[t]
      T.kernels.matmul(
        rows.count, columns, term.depth,
        context.pointer(term.a, T.self) + term.offsetA + rows.lowerBound * term.rowStrideA,
        term.rowStrideA, term.columnStrideA,
        context.pointer(term.b, T.self) + term.offsetB, term.rowStrideB, term.columnStrideB,
        context.pointer(block.target, T.self) + rows.lowerBound * columns, columns,
        block.accumulates || t > block.terms.lowerBound, workspace)
    }
  }
}
