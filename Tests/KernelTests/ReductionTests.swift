//  Reductions, and copies transposed or past the caches, against plain loops.

import NanogradKernelTable
import XCTest

private func checkReductions<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  var sampler = Sampler(11)
  let lengths = Array(0...70) + [255, 256, 257, 1023, 1024, 1025, 2048, 2049, 5000, 100_003]
  for count in lengths {
    let x: [S] = sampler.values(count)
    let input = Guarded(x, shift: count % 7)
    let sum = kernels.reduce(.sum)(input.const, count)
    let exact = x.reduce(0) { $0 + $1.asDouble }
    let size = x.reduce(0) { $0 + abs($1.asDouble) }
    // Blocks of at most 2 + 16 + log2(count / 1024) additions in a chain, lanes included.
    let bound = 40 * S.ulpOfOne.asDouble * size + 1e-300
    XCTAssert(abs(sum.asDouble - exact) <= bound, "\(table.name) sum of \(count)")
    let squares = x.map { $0 * $0 }
    XCTAssert(
      same(kernels.sumOfSquares(input.const, count), kernels.reduce(.sum)(squares, count)),
      "\(table.name) sum of \(count) squares")
    let max = kernels.reduce(.max)(input.const, count)
    let min = kernels.reduce(.min)(input.const, count)
    XCTAssert(same(max, x.max() ?? -.infinity), "\(table.name) max of \(count)")
    XCTAssert(same(min, x.min() ?? .infinity), "\(table.name) min of \(count)")
    // A NaN anywhere is found.
    if count > 0 {
      input.pointer[Int(sampler.next() % UInt64(count))] = .nan
      for kernel in ReductionCode.allCases.map(kernels.reduce) + [kernels.sumOfSquares] {
        XCTAssert(kernel(input.const, count).isNaN, "\(table.name) NaN among \(count)")
      }
    }
  }
}

/// Naive summation of so many equal values in single precision would be off by percents.
private func checkLongSum<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let count = 1 << 22
  let x = [S](repeating: S(0.1), count: count)
  let sum = S.kernels(table).reduce(.sum)(x, count).asDouble
  let exact = Double(count) * S(0.1).asDouble
  XCTAssert(abs(sum - exact) <= 8 * S.ulpOfOne.asDouble * exact, "\(table.name) \(sum)")
}

private func checkTranspose<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let sizes = Array(0...18) + [31, 33, 64]
  for rows in sizes {
    for columns in sizes {
      let stride = columns + rows % 3
      let x = (0..<(rows * stride)).map { S(Double($0)) }
      // The last row ends where the matrix ends.
      let input = Guarded(rows == 0 ? [] : Array(x.dropLast(stride - columns)))
      let output = Guarded<S>(count: rows * columns, shift: 3)
      S.kernels(table).transpose(input.const, stride, rows, columns, output.pointer)
      let expected = (0..<(rows * columns)).map {
        x[$0 % max(rows, 1) * stride + $0 / max(rows, 1)]
      }
      XCTAssert(
        output.isIntact && same(output.values, expected), "\(table.name) \(rows) × \(columns)")
    }
  }
}

private func checkStream<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  for count in Array(0...70) + [1000, 5003] {
    for shift in 0..<16 {
      let x = (0..<count).map { S(Double($0)) }
      let (input, output) = (Guarded(x, shift: count % 5), Guarded<S>(count: count, shift: shift))
      S.kernels(table).stream(input.const, output.pointer, count)
      XCTAssert(output.isIntact && same(output.values, x), "\(table.name) \(count) from \(shift)")
    }
  }
}

final class ReductionTests: XCTestCase {
  func testReductions() {
    forEach({ checkReductions($0, Float.self) }, { checkReductions($0, Double.self) })
  }
  func testLongSum() {
    forEach({ checkLongSum($0, Float.self) }, { checkLongSum($0, Double.self) })
  }
  func testStream() {
    forEach({ checkStream($0, Float.self) }, { checkStream($0, Double.self) })
  }
  func testTranspose() {
    forEach({ checkTranspose($0, Float.self) }, { checkTranspose($0, Double.self) })
  }
}
