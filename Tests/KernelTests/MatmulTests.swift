//  Matrix products against three plain loops, and the promise that cutting C changes no bit.

import NanogradKernelTable
import XCTest

/// Element (i, j) is at `i * row + j * column` from `origin`.
struct Layout {
  var row: Int
  var column: Int
  var origin = 0
  var count: Int

  static func contiguous(_ rows: Int, _ columns: Int) -> Layout {
    Layout(row: columns, column: 1, count: rows * columns)
  }
  static func padded(_ rows: Int, _ columns: Int) -> Layout {
    Layout(row: columns + 3, column: 1, count: max(0, rows * (columns + 3) - 3))
  }
  static func transposed(_ rows: Int, _ columns: Int) -> Layout {
    Layout(row: 1, column: rows, count: rows * columns)
  }
  static func spread(_ rows: Int, _ columns: Int) -> Layout {
    Layout(row: 2 * columns + 1, column: 2, count: rows * (2 * columns + 1))
  }
  /// The same row for all rows.
  static func repeated(_ rows: Int, _ columns: Int) -> Layout {
    Layout(row: 0, column: 1, count: columns)
  }
  static func reversed(_ rows: Int, _ columns: Int) -> Layout {
    let count = rows * columns
    return Layout(row: -columns, column: -1, origin: max(count - 1, 0), count: count)
  }

  static let all = [contiguous, padded, transposed, spread, repeated, reversed]
}

/// Memory for products, aligned as they ask.
final class Workspace<S: KernelScalar> {
  let pointer: UnsafeMutablePointer<S>
  private let raw: UnsafeMutableRawPointer
  private let bytes: Int

  init(_ kernels: ScalarKernels<S>) {
    bytes = kernels.matmulWorkspace * MemoryLayout<S>.stride
    raw = .allocate(byteCount: bytes + 64, alignment: 64)
    // NaN, so that a use of what was not packed shows.
    raw.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes + 64)
    pointer = raw.assumingMemoryBound(to: S.self)
  }

  var isIntact: Bool {
    (bytes..<(bytes + 64)).allSatisfy { raw.load(fromByteOffset: $0, as: UInt8.self) == 0xFF }
  }

  deinit { raw.deallocate() }
}

/// C as the contract defines it, within a bound on the rounding errors.
private func check<S: KernelScalar>(
  _ table: KernelTable, _ m: Int, _ n: Int, _ k: Int, _ layoutA: Layout, _ layoutB: Layout,
  _ workspace: Workspace<S>, _ sampler: inout Sampler, gap: Int = 2
) {
  let a = Fenced<S>(sampler.values(layoutA.count))
  let b = Fenced<S>(sampler.values(layoutB.count))
  let strideC = n + gap
  let start: [S] = sampler.values(max(0, m * strideC - gap))
  for accumulate in [false, true] {
    let c = Guarded(start)
    S.kernels(table).matmul(
      m, n, k, a.const + layoutA.origin, layoutA.row, layoutA.column, b.const + layoutB.origin,
      layoutB.row, layoutB.column, c.pointer, strideC, accumulate, workspace.pointer)
    let name = "\(table.name) \(S.self) \(m) × \(n) × \(k) \(layoutA) \(layoutB)"
    XCTAssert(c.isIntact && workspace.isIntact, name)
    for i in 0..<m {
      for j in 0..<strideC where i * strideC + j < c.count {
        let before = start[i * strideC + j].asDouble
        let value = c.pointer[i * strideC + j].asDouble
        if j >= n {
          XCTAssertEqual(value, before, name)
          continue
        }
        var (exact, size) = (accumulate ? before : 0, accumulate ? abs(before) : 0)
        for p in 0..<k {
          let x = a.const[layoutA.origin + i * layoutA.row + p * layoutA.column].asDouble
          let y = b.const[layoutB.origin + p * layoutB.row + j * layoutB.column].asDouble
          exact += x * y
          size += abs(x * y)
        }
        let bound = Double(k + 2) * S.ulpOfOne.asDouble * size
        if !(abs(value - exact) <= bound) {
          XCTFail("\(name) at \(i), \(j): \(value), not \(exact)")
          return
        }
      }
    }
  }
}

private func checkSizes<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  var sampler = Sampler(21)
  let workspace = Workspace(S.kernels(table))
  let lanes = 64 / MemoryLayout<S>.size
  for m in 0...9 {
    for n in 0...(2 * lanes + 1) {
      let k = Int(sampler.next() % 9)
      check(table, m, n, k, .contiguous(m, k), .contiguous(k, n), workspace, &sampler)
    }
  }
  for layoutA in Layout.all {
    for layoutB in Layout.all {
      for (m, n, k) in [
        (3, 5, 7), (1, 19, 4), (13, 1, 300), (5, 1, 2000), (1, 7, 1300), (1, 83, 300),
        (27, 67, 9), (33, 70, 300), (50, 20, 33), (32, 10, 40), (96, 3, 300),
      ] {
        check(table, m, n, k, layoutA(m, k), layoutB(k, n), workspace, &sampler)
      }
    }
  }
  // Many columns of C, A's columns side by side: near each other, and apart by a large power of 2.
  for apart in [130, 1024] {
    let layoutA = Layout(row: 1, column: apart, count: 19 * apart + 130)
    check(table, 130, 100, 20, layoutA, .transposed(20, 100), workspace, &sampler)
  }
  // Rows of B that are powers of 2 apart, or nearly, and share few places of a cache.
  for (m, n, k) in [(13, 1024, 40), (30, 1024, 9), (31, 768, 260), (40, 1050, 5)] {
    check(table, m, n, k, .contiguous(m, k), .contiguous(k, n), workspace, &sampler)
    check(
      table, m, n, k, .transposed(m, k), Layout(row: 1024, column: 1, count: k * 1024 + n),
      workspace, &sampler)
  }
  // Across the borders of blocks, where accumulation starts and packing begins again.
  for (m, n, k) in [(2, 17, 255), (7, 33, 256), (9, 49, 257), (200, 65, 513), (17, 1601, 3)] {
    check(table, m, n, k, .contiguous(m, k), .contiguous(k, n), workspace, &sampler)
    check(table, m, n, k, .transposed(m, k), .transposed(k, n), workspace, &sampler)
  }
}

/// A column or a row without gaps, within a bound and to the same bits as where it is a part of a wide product.
private func checkNarrow<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  var sampler = Sampler(23)
  let kernels = S.kernels(table)
  let workspace = Workspace(kernels)
  var sizes: [(m: Int, n: Int, k: Int)] = []
  for k in 1...9 { sizes += [1, 2, 7, 8, 15, 16, 17, 40].map { ($0, 1, k) } }
  for k in [255, 1023, 1024, 1791, 1792, 1793, 1794, 1800, 2000, 2047, 2048, 2049, 4100] {
    sizes += [2, 3, 4, 5, 7, 8, 9, 15].flatMap { [(1, $0, k), ($0, 1, k)] }
  }
  for (m, n, k) in sizes {
    for layoutA in [Layout.contiguous, Layout.transposed, Layout.padded] {
      for layoutB in [Layout.contiguous, Layout.padded] {
        let (la, lb) = (layoutA(m, k), layoutB(k, n))
        check(table, m, n, k, la, lb, workspace, &sampler, gap: 0)
        let a: [S] = sampler.values(la.count)
        let b: [S] = sampler.values(lb.count)
        // Beside forty columns more, and below forty rows.
        var (high, wide) = (
          [S](repeating: 0, count: (m + 40) * k), [S](repeating: 0, count: k * (n + 40))
        )
        for p in 0..<k {
          for i in 0..<m { high[(40 + i) * k + p] = a[i * la.row + p * la.column] }
          for j in 0..<n { wide[p * (n + 40) + 40 + j] = b[p * lb.row + j * lb.column] }
        }
        var (c, all) = (
          [S](repeating: 0, count: m * n), [S](repeating: 0, count: (m + 40) * (n + 40))
        )
        kernels.matmul(
          m, n, k, a, la.row, la.column, b, lb.row, lb.column, &c, n, false, workspace.pointer)
        kernels.matmul(
          m + 40, n + 40, k, high, k, 1, wide, n + 40, 1, &all, n + 40, false, workspace.pointer)
        let part = (0..<m * n).map { all[(40 + $0 / n) * (n + 40) + 40 + $0 % n] }
        XCTAssert(same(c, part), "\(table.name) \(S.self) \(m) × \(n) × \(k) \(la) \(lb)")
      }
    }
  }
}

/// Any cut of C, any layout of A and B, gives the same bits.
private func checkSplitting<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  var sampler = Sampler(22)
  let kernels = S.kernels(table)
  let workspace = Workspace(kernels)
  for (m, n, k) in [(40, 70, 300), (65, 9, 520), (200, 1560, 20)] {
    let a: [S] = sampler.values(m * k)
    let b: [S] = sampler.values(k * n)
    var aT = a
    var bT = b
    kernels.transpose(a, k, m, k, &aT)
    kernels.transpose(b, n, k, n, &bT)
    var whole = [S](repeating: 0, count: m * n)
    kernels.matmul(m, n, k, a, k, 1, b, n, 1, &whole, n, false, workspace.pointer)
    for trial in 0..<20 {
      var cut = [S](repeating: 0, count: m * n)
      let rows = trial == 0 ? 1 : 1 + Int(sampler.next() % UInt64(m))
      let columns = trial <= 1 ? 1 : 1 + Int(sampler.next() % UInt64(n))
      if rows * columns * 200 < m * n { continue }
      cut.withUnsafeMutableBufferPointer { cut in
        for i in stride(from: 0, to: m, by: rows) {
          for j in stride(from: 0, to: n, by: columns) {
            let swapped = sampler.next()
            let (pa, ra, ca) = swapped & 1 == 0 ? (a, k, 1) : (aT, 1, m)
            let (pb, rb, cb) = swapped & 2 == 0 ? (b, n, 1) : (bT, 1, k)
            pa.withUnsafeBufferPointer { pa in
              pb.withUnsafeBufferPointer { pb in
                kernels.matmul(
                  min(rows, m - i), min(columns, n - j), k, pa.baseAddress! + i * ra, ra, ca,
                  pb.baseAddress! + j * cb, rb, cb, cut.baseAddress! + (i * n + j), n, false,
                  workspace.pointer)
              }
            }
          }
        }
      }
      XCTAssert(same(cut, whole), "\(table.name) \(m) × \(n) × \(k) cut by \(rows) × \(columns)")
    }
  }
}

final class MatmulTests: XCTestCase {
  func testSizes() { forEach({ checkSizes($0, Float.self) }, { checkSizes($0, Double.self) }) }
  func testNarrow() {
    forEach({ checkNarrow($0, Float.self) }, { checkNarrow($0, Double.self) })
  }
  func testSplitting() {
    forEach({ checkSplitting($0, Float.self) }, { checkSplitting($0, Double.self) })
  }
}
