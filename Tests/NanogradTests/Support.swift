//  What the tests of graphs share: dense arrays that references are computed on, leaves, comparisons.

import Synchronization
import XCTest

@testable import Nanograd

/// Runs a body with compiled plans, and with the plain evaluator that they are checked against.
func onBothEngines(_ body: () throws -> Void) rethrows {
  let before = Evaluation.isPlain.load(ordering: .relaxed)
  defer { Evaluation.isPlain.store(before, ordering: .relaxed) }
  for isPlain in [false, true] {
    Evaluation.isPlain.store(isPlain, ordering: .relaxed)
    try body()
  }
}

/// Elements in row-major order, all in Double: what references are computed on, index by index.
struct Dense: CustomStringConvertible {
  let shape: [Int]
  var values: [Double]

  init(_ shape: [Int], _ values: [Double]) {
    self.shape = shape
    self.values = values
  }

  /// Each element computed from its index.
  init(_ shape: [Int], _ element: ([Int]) -> Double) {
    self.init(shape, positions(shape).map(element))
  }

  /// Numbers from a range, the same in every run, exact in the dtype.
  static func random(
    _ shape: [Int], _ range: ClosedRange<Double> = -2...2, _ dtype: DType = .float64,
    seed: UInt64 = 1
  ) -> Dense {
    var generator = SplitMix(state: seed)
    return Dense(
      shape,
      positions(shape).map { _ in
        let x = Double.random(in: range, using: &generator)
        return dtype.isFloat ? (dtype == .float32 ? Double(Float(x)) : x) : x.rounded()
      })
  }

  /// The element at an index of any shape that this one broadcasts to.
  subscript(index: [Int]) -> Double {
    var offset = 0
    for (i, n) in zip(index.suffix(shape.count), shape) { offset = offset * n + (n == 1 ? 0 : i) }
    return values[offset]
  }

  func map(_ function: (Double) -> Double) -> Dense { Dense(shape, values.map(function)) }

  var description: String { "\(shape) \(values)" }
}

/// Steele, Lea and Flood's generator: the numbers of a test must not change from run to run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Every index of a shape, the last axis fastest.
func positions(_ shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { list, n in list.flatMap { index in (0..<n).map { index + [$0] } } }
}

/// The shape that two broadcast to, by NumPy's rule; the caller knows that they do.
func broadcast(_ a: [Int], _ b: [Int]) -> [Int] {
  let rank = max(a.count, b.count)
  func padded(_ s: [Int]) -> [Int] { Array(repeating: 1, count: rank - s.count) + s }
  return zip(padded(a), padded(b)).map { $0 == 1 ? $1 : $0 }
}

extension DType {
  /// The distance from 1 to the next number; 0 for integers, which are exact.
  var epsilon: Double {
    self == .float32 ? Double(Float.ulpOfOne) : self == .float64 ? Double.ulpOfOne : 0
  }
}

extension Tensor {
  /// A leaf with the given elements.
  static func leaf(
    _ x: Dense, _ dtype: DType = .float64, isParameter: Bool = false, tag: String? = nil
  ) throws -> Tensor {
    let leaf =
      try isParameter
      ? Tensor(parameter: dtype, x.shape, tag: tag) : Tensor(variable: dtype, x.shape, tag: tag)
    try leaf.fill(x.values)
    return leaf
  }

  /// Writes a leaf's elements, converted to its dtype.
  func fill(_ x: [Double]) throws {
    switch dtype {
    case .float32: try write(x.map { Float($0) })
    case .float64: try write(x)
    case .int32: try write(x.map { Int32($0) })
    case .int64: try write(x.map { Int64($0) })
    }
  }

  /// The value, as a reference is written.
  func dense() throws -> Dense {
    let numbers: [Double] =
      switch dtype {
      case .float32: try values(Float.self).map { Double($0) }
      case .float64: try values()
      case .int32: try values(Int32.self).map { Double($0) }
      case .int64: try values(Int64.self).map { Double($0) }
      }
    return Dense(Array(shape), numbers)
  }
}

/// A vector or scalar of float64.
func vector(_ x: [Double], isParameter: Bool = false, tag: String? = nil) throws -> Tensor {
  try .leaf(Dense([x.count], x), isParameter: isParameter, tag: tag)
}
func scalar(_ x: Double, isParameter: Bool = false, tag: String? = nil) throws -> Tensor {
  try .leaf(Dense([], [x]), isParameter: isParameter, tag: tag)
}

/// Asserts shape and elements. An error may be `tolerance` times the larger of the expected magnitude
/// and `scale`; infinities must be the same, and NaN where NaN is expected.
func assertEqual(
  _ tensor: Tensor, _ want: Dense, tolerance: Double = 0, scale: Double = 0,
  _ name: @autoclosure () -> String = "", file: StaticString = #filePath, line: UInt = #line
) throws {
  let got = try tensor.dense()
  guard got.shape == want.shape else {
    return XCTFail("\(name()): shape \(got.shape), expected \(want.shape)", file: file, line: line)
  }
  for (i, (x, y)) in zip(got.values, want.values).enumerated() {
    let close =
      x == y || (x.isNaN && y.isNaN)
      || (x.isFinite && y.isFinite && abs(x - y) <= tolerance * max(abs(y), scale))
    if !close {
      return XCTFail(
        "\(name()): element \(i) is \(x), expected \(y) (\(tensor.dtype) \(got.shape))", file: file,
        line: line)
    }
  }
}

/// Asserts that an expression throws an error of some code whose message holds all of some texts.
func assertThrows(
  _ code: NanogradError.Code, _ texts: String..., file: StaticString = #filePath,
  line: UInt = #line, _ expression: () throws -> Any?
) {
  XCTAssertThrowsError(try expression(), file: file, line: line) { error in
    guard let error = error as? NanogradError else {
      return XCTFail("\(error) is no NanogradError", file: file, line: line)
    }
    XCTAssertEqual(error.code, code, "\(error)", file: file, line: line)
    for text in texts where !error.description.contains(text) {
      XCTFail("\"\(error)\" does not mention \(text)", file: file, line: line)
    }
  }
}
