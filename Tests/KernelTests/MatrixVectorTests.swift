//  Products of a matrix and a vector against two plain loops, and the promise that cutting y changes no bit.

import NanogradKernelTable
import XCTest

/// y as the contract defines it, within a bound on the rounding errors; nothing beside it is read or written.
private func check<S: KernelScalar>(
  _ table: KernelTable, _ rows: Int, _ depth: Int, _ layout: Layout, _ stride: Int,
  _ workspace: Workspace<S>, _ sampler: inout Sampler
) {
  let a = Fenced<S>(sampler.values(layout.count))
  let origin = stride < 0 ? -(depth - 1) * stride : 0
  let x = Fenced<S>(sampler.values(max(depth - 1, 0) * abs(stride) + 1))
  let start: [S] = sampler.values(rows)
  for accumulate in [false, true] {
    let y = Guarded(start)
    S.kernels(table).matrixVector(
      rows, depth, a.const + layout.origin, layout.row, layout.column, x.const + origin, stride,
      y.pointer, accumulate, workspace.pointer)
    let name = "\(table.name) \(S.self) \(rows) × \(depth) \(layout), x \(stride) apart"
    XCTAssert(y.isIntact && workspace.isIntact, name)
    for i in 0..<rows {
      let before = accumulate ? start[i].asDouble : 0
      var (exact, size) = (before, abs(before))
      for p in 0..<depth {
        let product =
          a.const[layout.origin + i * layout.row + p * layout.column].asDouble
          * x.const[origin + p * stride].asDouble
        exact += product
        size += abs(product)
      }
      let value = y.pointer[i].asDouble
      if !(abs(value - exact) <= Double(depth + 2) * S.ulpOfOne.asDouble * size) {
        return XCTFail("\(name) at \(i): \(value), not \(exact)")
      }
    }
  }
}

private func checkSizes<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  var sampler = Sampler(31)
  let workspace = Workspace(S.kernels(table))
  for layout in Layout.all {
    for stride in [1, 3, 0, -2] {
      for rows in [0, 1, 2, 4, 5, 8, 9, 17, 40] {
        for depth in [0, 1, 5, 8, 9, 16, 31, 100] {
          check(table, rows, depth, layout(rows, depth), stride, workspace, &sampler)
        }
      }
    }
    for (rows, depth) in [
      (1, 9000), (3, 2000), (7, 2049), (8, 4099), (9, 70), (127, 65), (128, 64), (129, 300),
      (300, 7),
      (2000, 5), (2001, 6), (33, 4097),
    ] {
      check(table, rows, depth, layout(rows, depth), 1, workspace, &sampler)
    }
  }
  // A few rows out of many that lie side by side: what is read beside them is nobody's.
  for apart in 2...12 {
    for rows in 1...apart {
      let layout = Layout(row: 1, column: apart, count: 199 * apart + rows)
      check(table, rows, 200, layout, 1, workspace, &sampler)
    }
  }
}

/// Beside numbers that are none, nothing but the vector's own numbers count.
private func checkNeighbours<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  let workspace = Workspace(kernels)
  for depth in [9, 20, 200] {
    for apart in [depth + 1, depth + 40] {
      // Rows apart, and columns apart.
      for (row, column, rows, count) in [(apart, 1, 6, 6 * apart), (1, apart, 6, depth * apart)] {
        var a = [S](repeating: S(-1).squareRoot(), count: count)
        for i in 0..<rows {
          for p in 0..<depth { a[i * row + p * column] = S(i + 1) }
        }
        let x = [S](repeating: 1, count: depth)
        var y = [S](repeating: 0, count: rows)
        kernels.matrixVector(
          rows, depth, a, row, column, x, 1, &y, false, workspace.pointer)
        XCTAssertEqual(y, (0..<rows).map { S(($0 + 1) * depth) }, "\(table.name) \(S.self)")
      }
    }
  }
}

/// Rows computed one by one, or some at a time, have the same bits.
private func checkSplitting<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  var sampler = Sampler(32)
  let kernels = S.kernels(table)
  let workspace = Workspace(kernels)
  for (rows, depth) in [(5, 2000), (8, 300), (30, 520), (60, 64), (300, 40), (301, 6), (9, 5000)] {
    for layout in Layout.all.map({ $0(rows, depth) }) {
      let a: [S] = sampler.values(layout.count)
      let x: [S] = sampler.values(depth)
      var whole = [S](repeating: 0, count: rows)
      a.withUnsafeBufferPointer { a in
        let a = a.baseAddress! + layout.origin
        kernels.matrixVector(
          rows, depth, a, layout.row, layout.column, x, 1, &whole, false, workspace.pointer)
        for some in [1, 2, 7, 16, 64] {
          var cut = [S](repeating: 0, count: rows)
          cut.withUnsafeMutableBufferPointer { cut in
            for i in stride(from: 0, to: rows, by: some) {
              kernels.matrixVector(
                min(some, rows - i), depth, a + i * layout.row, layout.row, layout.column, x, 1,
                cut.baseAddress! + i, false, workspace.pointer)
            }
          }
          XCTAssert(
            same(cut, whole), "\(table.name) \(S.self) \(rows) × \(depth) by \(some) \(layout)")
        }
      }
    }
  }
}

final class MatrixVectorTests: XCTestCase {
  func testSizes() { forEach({ checkSizes($0, Float.self) }, { checkSizes($0, Double.self) }) }
  func testNeighbours() {
    forEach({ checkNeighbours($0, Float.self) }, { checkNeighbours($0, Double.self) })
  }
  func testSplitting() {
    forEach({ checkSplitting($0, Float.self) }, { checkSplitting($0, Double.self) })
  }
}
