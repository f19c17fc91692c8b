import XCTest

@testable import Nanograd

final class RandomTests: XCTestCase {
  /// From the known answers that accompany the paper (Random123's `kat_vectors`).
  func testPhiloxKnownAnswers() {
    XCTAssertEqual(
      Random.philox(counter: [0, 0, 0, 0], key: [0, 0]),
      [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    XCTAssertEqual(
      Random.philox(counter: .init(repeating: .max), key: .init(repeating: .max)),
      [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    XCTAssertEqual(
      Random.philox(
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        key: [0xa409_3822, 0x299f_31d0]),
      [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  /// The numbers of a seed are part of the interface. These come from another implementation, in
  /// Python, whose `statistics.NormalDist` uses the same formula.
  func testNumbersAreTheSameEverywhere() throws {
    var random = Random(seed: 42)
    XCTAssertEqual(
      try Tensor.normal(.float64, [5], using: &random).values(),
      [
        -0.07882346885253179, -0.41011294279565147, -0.4480366278979277, -0.11476523741853367,
        0.4078702358053096,
      ])
    random = Random(seed: 42)
    XCTAssertEqual(
      try Tensor.uniform(.float64, [5], using: &random).values(),
      [
        0.4685865183391049, 0.34086154938517876, 0.32706338120338474, 0.4543156017348883,
        0.6583155272123093,
      ])
    random = Random(seed: 42)
    XCTAssertEqual(
      try Tensor.uniform(.float32, [5], using: &random).values(),
      [
        0.4685865044593811, 0.3408614993095398, 0.32706332206726074, 0.45431554317474365,
        0.6583154797554016,
      ] as [Float])
    random = Random(seed: 7)
    XCTAssertEqual(
      try Tensor.permutation(10, using: &random).values(Int64.self),
      [2, 3, 5, 1, 4, 8, 9, 6, 0, 7])
  }

  /// Quantiles computed with 40 digits.
  func testNormalQuantile() {
    for (p, expected) in [
      (0.5, 0), (0.3, -0.5244005127080408159695), (0.9, 1.281551565544600593487),
      (0.05, -1.644853626951472687952), (1e-3, -3.090232306167813535358),
      (1e-10, -6.3613409024040561991), (1e-16, -8.222082216130435615182),
      (0x1p-53, -8.209536151601386855631),
    ] {
      XCTAssertEqual(normalQuantile(p), expected, accuracy: 4 * abs(expected).ulp)
    }
    for x in [1e-300, 0x1p-53, 0.001, 0.49, 0.7071, 0.7072, 1, 1.41421, 1.41422, 2, 10, 1e300] {
      XCTAssertEqual(naturalLogarithm(x), log(x), accuracy: 2 * abs(log(x)).ulp)
    }
  }

  func testAFillTakesAWordForEachElement() throws {
    // 3 elements are 2 blocks, whatever they are.
    let fills: [(inout Random) throws -> Tensor] = [
      { try .normal(.float32, [3], using: &$0) }, { try .normal(.float64, [1, 3], using: &$0) },
      { try .uniform(.float32, [3], using: &$0) }, { try .uniform(.float64, [3, 1], using: &$0) },
      { try .bernoulli(.int64, [3], probability: 0.5, using: &$0) },
    ]
    for fill in fills {
      var random = Random(seed: 5)
      _ = try fill(&random)
      XCTAssertEqual(random, Random(seed: 5, counter: 2))
      // A copy goes on as the original does.
      var copy = random
      XCTAssertEqual(
        try Tensor.normal(.float64, [4], using: &random).values(Double.self),
        try Tensor.normal(.float64, [4], using: &copy).values())
    }
    var random = Random(seed: 5)
    _ = try Tensor.normal(.float32, [0], using: &random)
    XCTAssertEqual(random.counter, 0)
    // Across the first 32 bits of the counter.
    random = Random(seed: 5, counter: .max >> 32)
    let two = (random.next(), random.next())
    var second = Random(seed: 5, counter: 1 << 32)
    XCTAssertEqual(two.1, second.next())
    XCTAssertNotEqual(two.0, two.1)
    var (a, b) = (Random(seed: 1), Random(seed: 1 << 32 | 1))
    XCTAssertNotEqual(a.next(), b.next())
  }

  func testFloat32IsFloat64Rounded() throws {
    var (a, b) = (Random(seed: 9), Random(seed: 9))
    let wide = try Tensor.normal(.float64, [1000], mean: 2, deviation: 3, using: &a)
    let narrow = try Tensor.normal(.float32, [1000], mean: 2, deviation: 3, using: &b)
    XCTAssertEqual(try wide.values(Double.self).map { Float($0) }, try narrow.values())
  }

  func testDistributions() throws {
    let n = 200_000
    var random = Random(seed: 3)
    let normal = try Tensor.normal(.float64, [n], using: &random).values(Double.self)
    let uniform = try Tensor.uniform(.float32, [n], using: &random).values(Float.self)
    // Kolmogorov and Smirnov's statistic: beyond 2/√n once in 1,500 times, and the seed is fixed.
    let bound = 2 / Double(n).squareRoot()
    func distance(_ sample: [Double], _ distribution: (Double) -> Double) -> Double {
      sample.sorted().enumerated().reduce(0) {
        max($0, abs(distribution($1.element) - Double($1.offset) / Double(n)))
      }
    }
    XCTAssertLessThan(distance(normal) { erfc(-$0 / 2.0.squareRoot()) / 2 }, bound)
    XCTAssertLessThan(distance(uniform.map { Double($0) }) { $0 }, bound)
    // Neighbours, which share a block, have nothing to do with each other.
    let product = zip(normal, normal.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(n)
    XCTAssertLessThan(abs(product), 4 / Double(n).squareRoot())
    XCTAssertGreaterThan(normal.max()!, 4)
    for dtype in DType.allCases {
      let coin = try Tensor.bernoulli(dtype, [n], probability: 0.3, using: &random)
      let total = try sum(coin).item()
      XCTAssertEqual(total / Double(n), 0.3, accuracy: 0.005)
      XCTAssertEqual(try sum(coin * coin).item(), total, "zeros and ones")
      for (probability, expected) in [(0.0, 0.0), (1, Double(n))] {
        let sure = try Tensor.bernoulli(dtype, [n], probability: probability, using: &random)
        XCTAssertEqual(try sum(sure).item(), expected)
      }
    }
  }

  func testUniformKeepsItsBounds() throws {
    var random = Random(seed: 4)
    for (low, high) in [(1, 1 + 0x1p-22), (-3, 5), (1e30, 1.0000002e30), (2, 2), (-1e38, 3e38)] {
      let (first, end) = (Float(low), Float(high))
      for x in try Tensor.uniform(.float32, [1000], low: low, high: high, using: &random)
        .values(Float.self)
      {
        XCTAssert(x >= first && (x < end || first == end), "\(x) in [\(low), \(high))")
      }
    }
    for (low, high) in [(1, 1 + 0x1p-51), (-8e307, 8e307)] {
      for x in try Tensor.uniform(.float64, [1000], low: low, high: high, using: &random)
        .values(Double.self)
      {
        XCTAssert(x >= low && x < high, "\(x) in [\(low), \(high))")
      }
    }
  }

  func testPermutations() throws {
    var random = Random(seed: 6)
    XCTAssertEqual(try Tensor.permutation(0, using: &random).size, 0)
    XCTAssertEqual(try Tensor.permutation(1, using: &random).values(), [0 as Int64])
    let long = try Tensor.permutation(10_000, using: &random).values(Int64.self)
    XCTAssertEqual(long.sorted(), Array(0..<10_000))
    XCTAssertNotEqual(long, long.sorted())
    var counts: [[Int64]: Int] = [:]
    for _ in 0..<24_000 {
      counts[try Tensor.permutation(4, using: &random).values(), default: 0] += 1
    }
    XCTAssertEqual(counts.count, 24)
    let chiSquare = counts.values.reduce(0) { $0 + pow(Double($1) - 1000, 2) / 1000 }
    XCTAssertLessThan(chiSquare, 49.7, "23 degrees of freedom: beyond this once in 1,000 times")
  }

  func testRefusalsDrawNothing() {
    var random = Random(seed: 8)
    let refused: [(NanogradError.Code, (inout Random) throws -> Tensor)] = [
      (.dtype, { try .normal(.int32, [2], using: &$0) }),
      (.dtype, { try .uniform(.int64, [2], using: &$0) }),
      (.argument, { try .normal(.float32, [2], deviation: -1, using: &$0) }),
      (.argument, { try .normal(.float32, [2], mean: .nan, using: &$0) }),
      (.argument, { try .uniform(.float32, [2], low: 1, high: 0, using: &$0) }),
      (.argument, { try .uniform(.float32, [2], low: 0, high: 1e39, using: &$0) }),
      (.argument, { try .uniform(.float64, [2], low: -1e308, high: 1e308, using: &$0) }),
      (.argument, { try .uniform(.float64, [2], low: .nan, using: &$0) }),
      (.argument, { try .bernoulli(.int32, [2], probability: 1.5, using: &$0) }),
      (.argument, { try .bernoulli(.int32, [2], probability: .nan, using: &$0) }),
      (.argument, { try .permutation(-1, using: &$0) }),
      (.shape, { try .normal(.float32, [-1], using: &$0) }),
      (.shape, { try .permutation(.max, using: &$0) }),
      (.memory, { try .normal(.float32, [1 << 55], using: &$0) }),
      (.memory, { try .permutation(1 << 55, using: &$0) }),
    ]
    for (i, (expected, draw)) in refused.enumerated() {
      XCTAssertEqual(code { _ = try draw(&random) }, expected, "case \(i)")
    }
    XCTAssertEqual(random, Random(seed: 8))
  }
}
