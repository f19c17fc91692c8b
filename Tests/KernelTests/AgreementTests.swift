//  Instruction sets with fused multiply-add compute the same bits, whatever their registers' width.

import NanogradKernelTable
import XCTest

private func checkAgreement<S: KernelScalar>(_ a: KernelTable, _ b: KernelTable, _: S.Type) {
  let (first, second) = (S.kernels(a), S.kernels(b))
  var sampler = Sampler(41)
  let count = 20_011
  let x: [S] = sampler.mixed(count)
  let y: [S] = sampler.mixed(count)
  var (u, v) = (x, x)
  // Vectors of nothing but ordinary numbers may take another way.
  let positive: [S] = sampler.values(count, scale: 80).map { abs($0) + S.leastNormalMagnitude }
  for code in UnaryCode.allCases {
    for numbers in [x, positive] {
      first.unary(code)(numbers, &u, count)
      second.unary(code)(numbers, &v, count)
      XCTAssert(same(u, v), "\(code)")
    }
  }
  for code in BinaryCode.allCases {
    for (strideX, strideY) in [(1, 1), (1, 0), (0, 1)] {
      first.binary(code)(x, strideX, y, strideY, &u, count)
      second.binary(code)(x, strideX, y, strideY, &v, count)
      XCTAssert(same(u, v), "\(code)")
    }
  }
  let plain: [S] = sampler.values(count)
  for code in ReductionCode.allCases {
    for length in Array(0...100) + [4000, count] {
      let sums = (
        first.reduce(code)(plain, length),
        second.reduce(code)(plain, length)
      )
      XCTAssert(same(sums.0, sums.1), "\(code) of \(length)")
    }
  }
  let words = max(first.matmulWorkspace, second.matmulWorkspace)
  let workspace = UnsafeMutableRawPointer.allocate(
    byteCount: words * MemoryLayout<S>.stride, alignment: 64
  ).assumingMemoryBound(to: S.self)
  defer { UnsafeMutableRawPointer(workspace).deallocate() }
  for (m, n, k) in [(1, 70, 300), (70, 1, 300), (33, 67, 600), (100, 10, 20), (50, 200, 90)] {
    let a: [S] = sampler.values(m * k)
    let b: [S] = sampler.values(k * n)
    for (row, column) in [(n, 1), (1, k)] {
      for accumulate in [false, true] {
        var (c, d) = (Array(plain.prefix(m * n)), Array(plain.prefix(m * n)))
        first.matmul(m, n, k, a, k, 1, b, row, column, &c, n, accumulate, workspace)
        second.matmul(m, n, k, a, k, 1, b, row, column, &d, n, accumulate, workspace)
        XCTAssert(same(c, d), "matmul \(m) × \(n) × \(k)")
      }
    }
  }
  for (rows, depth) in [(1, 5000), (5, 2000), (9, 400), (100, 300), (300, 5), (70, 8)] {
    let a: [S] = sampler.values(rows * depth)
    let x: [S] = sampler.values(depth)
    for (row, column) in [(depth, 1), (1, rows)] {
      var (y, z) = ([S](repeating: 0, count: rows), [S](repeating: 0, count: rows))
      first.matrixVector(rows, depth, a, row, column, x, 1, &y, false, workspace)
      second.matrixVector(rows, depth, a, row, column, x, 1, &z, false, workspace)
      XCTAssert(same(y, z), "\(rows) × \(depth) by a vector")
    }
  }
}

final class AgreementTests: XCTestCase {
  func testSameBits() throws {
    guard tables.count > 2 else { throw XCTSkip("needs two instruction sets with multiply-add") }
    checkAgreement(tables[1], tables[2], Float.self)
    checkAgreement(tables[1], tables[2], Double.self)
  }
}
