//  Contractions over packed panels against plain sums, and the promise that no cut changes a bit.

import NanogradKernelTable
import XCTest

/// C = Σ A·B (or C += …) by `pack` and `contract`, over the given cuts of the rows. A is read
/// transposed where `isTransposed`, B likewise; where `packsRows`, every A is packed; where `isInPlace`, no B is.
/// `depths` has one entry per product.
private func contracted<S: KernelScalar>(
  _ kernels: ScalarKernels<S>, rows: Int, columns: Int, depths: [Int], accumulate: Bool,
  isTransposed: Bool, packsRows: Bool = false, isInPlace: Bool = false, cut: Int
) -> (result: [S], exact: [Double], isIntact: Bool) {
  var random = SystemRandom(state: UInt64(rows * 31 + columns * 7 + depths.reduce(0, +)))
  let start = (0..<rows * columns).map { _ in S(random.next()) }
  let a = depths.map { depth in (0..<rows * depth).map { _ in S(random.next()) } }
  let b = depths.map { depth in (0..<depth * columns).map { _ in S(random.next()) } }
  var exact = start.map { accumulate ? $0.asDouble : 0 }
  for (t, depth) in depths.enumerated() {
    for i in 0..<rows {
      for j in 0..<columns {
        for p in 0..<depth {
          let x = a[t][isTransposed ? p * rows + i : i * depth + p]
          let y = b[t][isTransposed ? j * depth + p : p * columns + j]
          exact[i * columns + j] += x.asDouble * y.asDouble
        }
      }
    }
  }

  // Twice the room, whose second half has to stay as it is.
  var c = start + start
  var end = 0
  for panel in (0..<kernels.panelCount(columns)).map({ kernels.panel($0, of: columns) }) {
    precondition(panel.lowerBound == end && !panel.isEmpty, "panels leave gaps")
    end = panel.upperBound
    let first = panel.lowerBound
    let panelStride = kernels.panelStride(panel.count)
    let depth = depths.reduce(0, +)
    var panels = [S](repeating: .nan, count: depth * panelStride)
    var starts: [Int] = []
    for (t, depth) in depths.enumerated() {
      let start = depths[..<t].reduce(0, +)
      starts.append(start)
      b[t].withUnsafeBufferPointer { b in
        panels.withUnsafeMutableBufferPointer { panels in
          kernels.pack(
            b.baseAddress! + first * (isTransposed ? depth : 1), isTransposed ? 1 : columns,
            isTransposed ? depth : 1, depth, panel.count,
            panels.baseAddress! + start * panelStride)
        }
      }
    }
    for row in stride(from: 0, to: rows, by: cut) {
      let count = min(cut, rows - row)
      let panel0 = panels.withUnsafeBufferPointer { $0.baseAddress! }
      // Packed rows lie apart, with what must not be read or written between.
      var packed = depths.map { [S](repeating: .nan, count: count * $0 + 1) }
      var terms = depths.indices.map { t in
        ContractionTerm(
          a: a[t].withUnsafeBufferPointer { $0.baseAddress! }
            + row * (isTransposed ? 1 : depths[t]),
          rowStride: isTransposed ? 1 : depths[t], columnStride: isTransposed ? rows : 1,
          panel: isInPlace
            ? b[t].withUnsafeBufferPointer { $0.baseAddress! } + first
            : panel0 + starts[t] * panelStride,
          panelStride: isInPlace ? columns : panelStride, depth: depths[t])
      }
      if packsRows {
        for (t, term) in terms.enumerated() {
          kernels.packRows(
            term.a, term.rowStride, term.columnStride, count, term.depth, &packed[t])
          XCTAssert(
            packed[t].firstIndex { $0 != $0 } == count * term.depth, "left out, or one too many")
          terms[t].a = packed[t].withUnsafeBufferPointer { $0.baseAddress! }
          terms[t].isPacked = true
        }
      }
      withExtendedLifetime((a, b, panels, packed)) {
        c.withUnsafeMutableBufferPointer { c in
          kernels.contract(
            count, panel.count, terms, terms.count,
            c.baseAddress! + row * columns + first, columns, accumulate)
        }
      }
    }
  }
  return (Array(c[..<(rows * columns)]), exact, same(Array(c[(rows * columns)...]), start))
}

/// Small numbers in [-1, 1), the same at every run.
private struct SystemRandom {
  var state: UInt64

  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 40) / Double(1 << 23) - 1
  }
}

final class ContractionTests: XCTestCase {
  private func check<S: KernelScalar>(_: S.Type) {
    let shapes: [(Int, Int, [Int])] = [
      (1, 1, [1]), (8, 48, [16]), (7, 47, [3, 5]), (9, 49, [17]), (16, 256, [112, 256]),
      (33, 100, [32, 32, 32]), (5, 15, [7]), (6, 16, [8]), (13, 97, [1, 2, 3]),
    ]
    for (rows, columns, depths) in shapes {
      for accumulate in [false, true] {
        for isTransposed in [false, true] {
          var first: [S]?
          for table in tables {
            let whole = contracted(
              S.kernels(table), rows: rows, columns: columns, depths: depths,
              accumulate: accumulate, isTransposed: isTransposed, cut: rows)
            XCTAssertTrue(whole.isIntact, "\(table.name) \(rows)×\(columns) wrote beyond C")
            let bound = Double(depths.reduce(2, +)) * S.ulpOfOne.asDouble * 4
            for (x, y) in zip(whole.result, whole.exact) {
              XCTAssertEqual(x.asDouble, y, accuracy: bound, "\(table.name) \(rows)×\(columns)")
            }
            for cut in [1, 3, 8] {
              let parts = contracted(
                S.kernels(table), rows: rows, columns: columns, depths: depths,
                accumulate: accumulate, isTransposed: isTransposed, cut: cut)
              XCTAssertTrue(same(parts.result, whole.result), "\(table.name): rows cut at \(cut)")
            }
            let packed = contracted(
              S.kernels(table), rows: rows, columns: columns, depths: depths,
              accumulate: accumulate, isTransposed: isTransposed, packsRows: true, cut: 5)
            XCTAssertTrue(same(packed.result, whole.result), "\(table.name): packed rows")
            if S.kernels(table).readsInPlace, !isTransposed,
              S.kernels(table).panelStride(columns) == columns
            {
              let direct = contracted(
                S.kernels(table), rows: rows, columns: columns, depths: depths,
                accumulate: accumulate, isTransposed: false, isInPlace: true, cut: 5)
              XCTAssertTrue(same(direct.result, whole.result), "\(table.name): B where it is")
            }
            // Where multiply-adds are fused, every width gives the same bits.
            if table.name != "baseline" {
              if let first { XCTAssertTrue(same(first, whole.result), "\(rows)×\(columns)") }
              first = first ?? whole.result
            }
          }
        }
      }
    }
  }

  func testSingle() { check(Float.self) }
  func testDouble() { check(Double.self) }
}
