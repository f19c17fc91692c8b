//  How accurate the elementary functions are, in units of the last place. Single precision is tested
//  on every 997th bit pattern; NANOGRAD_EXHAUSTIVE=1 tests all 2^32 (some minutes).

import Glibc
import NanogradKernelTable
import XCTest

#if !hasFeature(Embedded)
  import Dispatch
#endif

private struct Bound {
  var code: UnaryCode
  var ulps: Double
  var exact: @Sendable (Double) -> Double
}

private let bounds = [
  Bound(code: .exp, ulps: 2) { exp($0) },
  Bound(code: .log, ulps: 2) { log($0) },
  Bound(code: .tanh, ulps: 2) { tanh($0) },
  Bound(code: .sigmoid, ulps: 2) { $0 >= 0 ? 1 / (1 + exp(-$0)) : exp($0) / (1 + exp($0)) },
  Bound(code: .expm1, ulps: 4) { expm1($0) },
  Bound(code: .log1p, ulps: 4) { log1p($0) },
  Bound(code: .sin, ulps: 4) { sin($0) },
  Bound(code: .cos, ulps: 4) { cos($0) },
]

/// `ulps` for the billions of values of an exhaustive test.
@inline(__always)
private func fastUlps(_ value: Float, _ exact: Double) -> Double {
  let exponent = (exact.bitPattern >> 52) & 0x7FF
  // Values that a normal or subnormal single is close to; the unit is a power of two.
  guard exponent < 1023 + 127, value.isFinite else { return ulps(value, exact) }
  let inverseUnit = Double(bitPattern: (2046 - max(exponent, 1023 - 126) + 23) << 52)
  return abs(Double(value) - exact) * inverseUnit
}

/// The largest error of a function over some bit patterns, for each table.
private func largestErrors(
  _ bound: Bound, _ patterns: some Sequence<UInt32>
) -> [(ulps: Double, at: Float)] {
  var worst = [(ulps: Double, at: Float)](repeating: (0, 0), count: tables.count)
  var x = [Float]()
  var exact = [Double]()
  var y = [Float](repeating: 0, count: 4096)
  func flush() {
    for (t, table) in tables.enumerated() {
      table.float32.unary(bound.code)(x, &y, x.count)
      for i in 0..<x.count {
        let error = fastUlps(y[i], exact[i])
        if !(error <= worst[t].ulps) { worst[t] = (error, x[i]) }
      }
    }
    x.removeAll(keepingCapacity: true)
    exact.removeAll(keepingCapacity: true)
  }
  for pattern in patterns {
    x.append(Float(bitPattern: pattern))
    exact.append(bound.exact(Double(x.last!)))
    if x.count == y.count { flush() }
  }
  flush()
  return worst
}

final class AccuracyTests: XCTestCase {
  func testSinglePrecision() {
    for bound in bounds {
      let worst = largestErrors(bound, stride(from: UInt32(0), through: .max, by: 997))
      for (table, worst) in zip(tables, worst) {
        print("  \(table.name) \(bound.code): \(worst.ulps) ulp at \(worst.at)")
        XCTAssertLessThanOrEqual(worst.ulps, bound.ulps, "\(table.name) \(bound.code)(\(worst.at))")
      }
    }
  }

  #if !hasFeature(Embedded)
    func testSinglePrecisionExhaustively() throws {
      guard getenv("NANOGRAD_EXHAUSTIVE") != nil else {
        throw XCTSkip("set NANOGRAD_EXHAUSTIVE=1 to test all 2^32 values")
      }
      for bound in bounds {
        let results = Results()
        let chunks = 64
        DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
          let size = (UInt64(1) << 32) / UInt64(chunks)
          let first = UInt64(chunk) * size
          let patterns = (first..<(first + size)).lazy.map { UInt32($0) }
          results.add(largestErrors(bound, patterns))
        }
        for (table, worst) in zip(tables, results.worst) {
          print("  \(table.name) \(bound.code): \(worst.ulps) ulp at \(worst.at), of all 2^32")
          XCTAssertLessThanOrEqual(
            worst.ulps, bound.ulps, "\(table.name) \(bound.code)(\(worst.at))")
        }
      }
    }
  #endif

  func testExactValues() {
    let cases: [(UnaryCode, Double, Double)] = [
      (.exp, 0, 1), (.exp, -0.0, 1), (.exp, -.infinity, 0), (.exp, .infinity, .infinity),
      (.log, 1, 0), (.log, 0, -.infinity), (.log, -0.0, -.infinity), (.log, .infinity, .infinity),
      (.log, -1, .nan), (.log, -.infinity, .nan), (.log1p, 0, 0), (.log1p, -0.0, -0.0),
      (.log1p, -1, -.infinity), (.log1p, .infinity, .infinity), (.log1p, -2, .nan),
      (.expm1, 0, 0), (.expm1, -0.0, -0.0), (.expm1, -.infinity, -1),
      (.expm1, .infinity, .infinity), (.tanh, 0, 0), (.tanh, -0.0, -0.0), (.tanh, .infinity, 1),
      (.tanh, -.infinity, -1), (.sigmoid, 0, 0.5), (.sigmoid, .infinity, 1),
      (.sigmoid, -.infinity, 0), (.sin, 0, 0), (.sin, -0.0, -0.0), (.cos, 0, 1),
      (.sin, .infinity, .nan), (.cos, -.infinity, .nan), (.sqrt, -0.0, -0.0), (.sqrt, -1, .nan),
      (.relu, -0.0, 0), (.relu, .nan, .nan), (.sign, -0.0, -0.0), (.sign, .nan, .nan),
      (.reciprocal, -0.0, -.infinity), (.negate, 0, -0.0), (.absolute, -0.0, 0),
    ]
    for table in tables {
      for (code, x, expected) in cases {
        var y32: Float = -77
        var y64: Double = -77
        withUnsafePointer(to: Float(x)) { table.float32.unary(code)($0, &y32, 1) }
        withUnsafePointer(to: x) { table.float64.unary(code)($0, &y64, 1) }
        XCTAssert(same(y32, Float(expected)), "\(table.name) \(code)(\(x)) = \(y32)")
        XCTAssert(same(y64, expected), "\(table.name) \(code)(\(x)) = \(y64)")
      }
      for code in [UnaryCode.exp, .log, .log1p, .expm1, .sin, .cos, .tanh, .sigmoid, .sqrt] {
        var y32: Float = 0
        var y64: Double = 0
        withUnsafePointer(to: Float.nan) { table.float32.unary(code)($0, &y32, 1) }
        withUnsafePointer(to: Double.nan) { table.float64.unary(code)($0, &y64, 1) }
        XCTAssert(y32.isNaN && y64.isNaN, "\(table.name) \(code)(NaN)")
      }
    }
  }

  /// Double precision beside the C library, which is itself within one unit.
  func testDoublePrecision() {
    var sampler = Sampler(31)
    var x = [Double]()
    let count = 100_000
    // Kind by kind: vectors of ordinary numbers take another way than those with others among them.
    for _ in 0..<count { x.append(Double(bitPattern: sampler.next())) }
    for scale in [1.0, 0.01, 30, 708] { x += sampler.values(count, scale: scale) }
    x += sampler.values(count, scale: 0.001).map { 1 + $0 }
    // Near multiples of π / 2, where sine or cosine vanish.
    for _ in 0..<count { x.append(Double(sampler.next() % (1 << 19)) * (Double.pi / 2)) }
    x += sampler.values(count, scale: 0x1p-900).map { abs($0) }
    var y = x
    for bound in bounds {
      for table in tables {
        table.float64.unary(bound.code)(x, &y, x.count)
        var worst = (ulps: 0.0, at: 0.0)
        for i in 0..<x.count {
          let error = ulps(y[i], bound.exact(x[i]))
          if !(error <= worst.ulps) { worst = (error, x[i]) }
        }
        print("  \(table.name) \(bound.code) in double: \(worst.ulps) units at \(worst.at)")
        XCTAssertLessThanOrEqual(worst.ulps, 4, "\(table.name) \(bound.code)(\(worst.at))")
      }
    }
  }
}

#if !hasFeature(Embedded)
  /// The largest errors that several threads found.
  private final class Results: @unchecked Sendable {
    private let lock = DispatchSemaphore(value: 1)
    private(set) var worst = [(ulps: Double, at: Float)](repeating: (0, 0), count: tables.count)

    func add(_ found: [(ulps: Double, at: Float)]) {
      lock.wait()
      for t in 0..<worst.count where !(found[t].ulps <= worst[t].ulps) { worst[t] = found[t] }
      lock.signal()
    }
  }
#endif
