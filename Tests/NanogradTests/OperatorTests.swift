//  Every primitive against a naive reference. `examples` is a switch over all operators: one without
//  a reference does not compile, and one without an example fails.

import XCTest

@testable import Nanograd

/// A tensor and what its value must be.
struct Example {
  let tensor: Tensor
  let want: Dense
  /// In units of the dtype's epsilon.
  var tolerance = 0.0
  var scale = 0.0
}

/// Dimensions of 0 and 1, and lengths that end within a vector of 4, 8 and 16 elements.
let shapes: [[Int]] = [
  [], [0], [1], [7], [33], [1027], [2, 0, 3], [3, 1, 5], [5, 19], [1, 2, 1, 1, 1, 2, 1, 3],
]

let shapePairs: [([Int], [Int])] = [
  ([], []), ([5], []), ([], [37]), ([67], [1]), ([1027], [1027]), ([3, 4], [4]), ([3, 4], [3, 1]),
  ([3, 1], [1, 35]), ([2, 1, 3], [4, 1]), ([2, 3, 4, 1], [3, 1, 21]), ([0], [1]), ([2, 0], [1]),
  ([2, 0, 3], [3]), ([], [0]), ([1, 1, 1, 1, 1, 1, 1, 3], [3, 1]), ([2, 3, 5], [2, 3, 5]),
]

/// A tensor of some shape in each form an operand can have: a leaf, and movements that leave strides.
func sources(
  _ shape: [Int], _ dtype: DType, _ range: ClosedRange<Double>, seed: UInt64 = 1
) throws -> [(tensor: Tensor, dense: Dense)] {
  let x = Dense.random(shape, range, dtype, seed: seed)
  let plain = try Tensor.leaf(x, dtype)

  let turned = Dense.random(shape.reversed(), range, dtype, seed: seed + 1)
  let permuted = try permute(.leaf(turned, dtype), Array((0..<shape.count).reversed()))

  let wide = Dense.random(shape.map { 2 * $0 + 1 }, range, dtype, seed: seed + 2)
  var sliced = try Tensor.leaf(wide, dtype)
  for (axis, n) in shape.enumerated() {
    sliced = try slice(sliced, axis: axis, 2 * n - 1, n == 0 ? 0 : nil, step: -2)
  }
  return [
    (plain, x),
    (permuted, Dense(shape) { turned[$0.reversed()] }),
    (sliced, Dense(shape) { index in wide[zip(index, shape).map { 2 * $1 - 1 - 2 * $0 }] }),
  ]
}

final class OperatorTests: XCTestCase {
  /// What integers do not have.
  static let floatOnly: Set<Operator> = [
    .parameter, .exp, .log, .log1p, .expm1, .sqrt, .sin, .cos, .tanh, .sigmoid, .divide, .power,
    .matmul,
  ]

  func testEveryOperatorAgainstItsReference() throws {
    try onBothEngines {
      for op in Operator.allCases {
        for dtype in DType.allCases where dtype.isFloat || !Self.floatOnly.contains(op) {
          if op == .iota && dtype.isFloat { continue }
          let examples = try examples(of: op, dtype)
          XCTAssertFalse(examples.isEmpty, "\(op) of \(dtype) has no example")
          for example in examples {
            XCTAssertEqual(example.tensor.op, op)
            try assertEqual(
              example.tensor, example.want,
              tolerance: example.tolerance * example.tensor.dtype.epsilon, scale: example.scale,
              "\(op) of \(example.tensor.operands.list.map { "\($0.dtype) \($0.shape)" })")
          }
        }
      }
    }
  }

  private func examples(of op: Operator, _ dtype: DType) throws -> [Example] {
    let all = -3.0...3.0
    return switch op {
    case .variable, .parameter:
      try shapes.map {
        let x = Dense.random($0, all, dtype)
        return Example(tensor: try .leaf(x, dtype, isParameter: op == .parameter), want: x)
      } + [
        Example(
          tensor: try op == .variable
            ? Tensor(variable: dtype, [2, 3]) : Tensor(parameter: dtype, [2, 3]),
          want: Dense([2, 3], Array(repeating: 0, count: 6)))
      ]
    case .constant: try [Example(tensor: Tensor(constant: -3, dtype), want: Dense([], [-3]))]
    case .iota:
      try [0, 1, 5, 1000].map { n in
        Example(tensor: try Tensor(iota: n, dtype), want: Dense([n]) { Double($0[0]) })
      }

    case .negate: try unary(dtype, { try -$0 }, -)
    case .absolute: try unary(dtype, { try abs($0) }, { abs($0) })
    case .sign:
      try unary(dtype, { try sign($0) }, { $0.isNaN || $0 == 0 ? $0 : $0 < 0 ? -1 : 1 })
    case .exp: try unary(dtype, { try exp($0) }, { exp($0) })
    case .log: try unary(dtype, { try log($0) }, { log($0) })
    case .log1p: try unary(dtype, { try log1p($0) }, { log1p($0) })
    case .expm1: try unary(dtype, { try expm1($0) }, { expm1($0) })
    case .sqrt: try unary(dtype, { try sqrt($0) }, { sqrt($0) })
    case .sin: try unary(dtype, { try sin($0) }, { sin($0) })
    case .cos: try unary(dtype, { try cos($0) }, { cos($0) })
    case .tanh: try unary(dtype, { try tanh($0) }, { tanh($0) })
    case .sigmoid: try unary(dtype, { try sigmoid($0) }, { 1 / (1 + exp(-$0)) })
    case .relu: try unary(dtype, { try relu($0) }, { $0 < 0 ? 0 : $0 })
    case .stopGradient: try unary(dtype, { try stopGradient($0) }, { $0 })
    case .named: try unary(dtype, { try named($0) }, { $0 })
    case .cast: try casts(dtype)

    case .add: try binary(dtype, { try $0 + $1 }, +)
    case .subtract: try binary(dtype, { try $0 - $1 }, -)
    case .multiply: try binary(dtype, { try $0 * $1 }, *)
    case .divide: try binary(dtype, { try $0 / $1 }, /)
    case .power: try binary(dtype, { try power($0, $1) }, { pow($0, $1) }, tolerance: 8)
    case .maximum:
      try binary(dtype, { try maximum($0, $1) }, { $0.isNaN || $1.isNaN ? .nan : max($0, $1) })
    case .minimum:
      try binary(dtype, { try minimum($0, $1) }, { $0.isNaN || $1.isNaN ? .nan : min($0, $1) })
    case .equal: try binary(dtype, { try equal($0, $1) }, { $0 == $1 ? 1 : 0 })
    case .less: try binary(dtype, { try less($0, $1) }, { $0 < $1 ? 1 : 0 })
    case .lessEqual: try binary(dtype, { try lessEqual($0, $1) }, { $0 <= $1 ? 1 : 0 })
    case .select: try selections(dtype)

    case .matmul: try products(dtype)
    case .sum, .max, .min, .argmax: try ReductionTests.examples(of: op, dtype)
    case .permute, .reshape, .broadcast, .slice, .place, .concatenate, .gather, .scatterAdd:
      try MovementTests.examples(of: op, dtype)
    }
  }

  /// Numbers at which functions change their ways, exact in the dtype; integers have no such.
  private func special(_ dtype: DType) -> Dense {
    let numbers: [Double] = [
      0, -0.0, .nan, .infinity, -.infinity, 1, -1, 0.5, -0.5, 2, 3, 1e-5, -1e-5, 1e-20, -1e-20, 20,
      -20, 87, -87, 100, -100, 1000, -1000, 1e9, 0.1, 1.5, -2, -3,
    ]
    let list = dtype.isFloat ? numbers : [0, 1, -1, 2, -2, 1000, -1000]
    return Dense([list.count], dtype == .float32 ? list.map { Double(Float($0)) } : list)
  }

  private func unary(
    _ dtype: DType, _ apply: (Tensor) throws -> Tensor, _ reference: (Double) -> Double
  ) throws -> [Example] {
    let (positive, both) = (1e-3...30.0, -9.0...9.0)
    var list: [(tensor: Tensor, dense: Dense)] = []
    for shape in shapes {
      list += try sources(shape, dtype, both) + sources(shape, dtype, positive)
    }
    let special = special(dtype)
    list.append((try .leaf(special, dtype), special))
    return try list.map { x in
      let want = x.dense.map(reference).map { dtype == .float32 ? Double(Float($0)) : $0 }
      return Example(tensor: try apply(x.tensor), want: want, tolerance: 4, scale: 1e-37)
    }
  }

  private func binary(
    _ dtype: DType, _ apply: (Tensor, Tensor) throws -> Tensor,
    _ reference: (Double, Double) -> Double, tolerance: Double = 1
  ) throws -> [Example] {
    var list: [(a: (tensor: Tensor, dense: Dense), b: (tensor: Tensor, dense: Dense))] = []
    for (s, t) in shapePairs {
      for (s, t) in [(s, t), (t, s)] {
        let (a, b) = try (sources(s, dtype, 0.1...3), sources(t, dtype, -3...3, seed: 9))
        list += (0..<4).map { (a[$0 % 3], b[($0 + $0 / 3) % 3]) }
        list += [(a[0], b[1]), (a[1], a[1])]
      }
    }
    // Each special number with each.
    let special = special(dtype)
    let column = Dense([special.values.count, 1], special.values)
    list.append(((try .leaf(column, dtype), column), (try .leaf(special, dtype), special)))
    return try list.map { a, b in
      let want = Dense(broadcast(a.dense.shape, b.dense.shape)) {
        let y = reference(a.dense[$0], b.dense[$0])
        return dtype == .float32 ? Double(Float(y)) : y
      }
      return Example(
        tensor: try apply(a.tensor, b.tensor), want: want, tolerance: tolerance, scale: 1e-37)
    }
  }

  private func selections(_ dtype: DType) throws -> [Example] {
    let triples: [([Int], [Int], [Int])] = [
      ([], [], []), ([35], [35], [35]), ([3, 1], [1, 21], []), ([21], [3, 1], [3, 21]),
      ([1], [0], []), ([2, 1, 3], [4, 1], [3]), ([], [5, 7], [7]), ([5, 7], [], []),
    ]
    return try triples.flatMap { c, a, b in
      try (0..<3).map { i in
        let c = try sources(c, dtype, -1...1)[i]
        let (a, b) = try (sources(a, dtype, -3...3, seed: 5)[0], sources(b, dtype, -3...3)[i])
        // Zeros among the conditions, for floats too.
        let some = try c.tensor * less(c.tensor, Tensor(constant: 0, dtype))
        let shape = broadcast(broadcast(c.dense.shape, a.dense.shape), b.dense.shape)
        return Example(
          tensor: try select(some, a.tensor, b.tensor),
          want: Dense(shape) { c.dense[$0] < 0 ? a.dense[$0] : b.dense[$0] })
      }
    }
  }

  func testConditionsOfAnyType() throws {
    for dtype in DType.allCases {
      let y = try select(.leaf(Dense([3], [0, 2, -1]), dtype), vector([1, 2, 3]), scalar(9))
      try assertEqual(y, Dense([3], [9, 2, 3]), "\(dtype)")
    }
    let small = try select(
      vector([0.25, .nan, -0.0]), Tensor(constant: 1, .int32), Tensor(constant: 0, .int32))
    try assertEqual(small, Dense([3], [1, 1, 0]))
  }

  private func casts(_ from: DType) throws -> [Example] {
    let numbers =
      from.isFloat
      ? [0, 0.5, -0.5, 1.75, -1.75, 2e9, -2e9, 3e9, -3e9, 1e19, -1e19, .infinity, -.infinity, .nan]
      : [0, 1, -1, 16_777_217, -16_777_217, 2_147_483_647, -2_147_483_648]
    let x = Dense([numbers.count], from == .float32 ? numbers.map { Double(Float($0)) } : numbers)
    return try DType.allCases.filter { $0 != from }.map { to in
      Example(
        tensor: try cast(.leaf(x, from), to: to),
        want: x.map { value in
          func clamped(_ low: Double, _ high: Double) -> Double {
            value.isNaN ? 0 : min(max(value.rounded(.towardZero), low), high)
          }
          return switch to {
          case .float32: Double(Float(value))
          case .float64: value
          case .int32: clamped(-2_147_483_648, 2_147_483_647)
          case .int64: clamped(-0x1p63, 0x1p63)
          }
        })
    }
  }

  private func products(_ dtype: DType) throws -> [Example] {
    let pairs: [([Int], [Int])] = [
      ([3], [3]), ([2, 3], [3]), ([3], [3, 2]), ([2, 3], [3, 4]), ([1, 1], [1, 1]),
      ([0, 3], [3, 2]),
      ([2, 0], [0, 3]), ([0], [0]), ([2, 3], [3, 0]), ([17, 33], [33, 19]), ([65, 7], [7, 130]),
      ([5, 2, 3], [3, 4]), ([2, 3], [5, 3, 4]), ([5, 1, 2, 3], [4, 3, 2]), ([4, 2, 3], [3]),
      ([3], [4, 3, 2]), ([0, 2, 3], [3, 4]), ([2, 1, 1, 3], [1, 3, 3, 2]), ([3, 300], [300, 2]),
    ]
    return try pairs.flatMap { s, t in
      try (0..<4).map { i in
        let a = try sources(s, dtype, -1...1)[i % 3]
        let b = try sources(t, dtype, -1...1, seed: 7)[(i + i / 3) % 3]
        return Example(
          tensor: try matmul(a.tensor, b.tensor), want: product(a.dense, b.dense),
          tolerance: 2 * Double(max(s.last!, 1)), scale: 1)
      }
    }
  }

  private func product(_ a: Dense, _ b: Dense) -> Dense {
    let (rows, columns) = (a.shape.dropLast().last, b.shape.count > 1 ? b.shape.last : nil)
    let batch = broadcast(Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2)))
    let left = Dense(Array(a.shape.dropLast(2)) + [rows ?? 1, a.shape.last!], a.values)
    let right = Dense(Array(b.shape.dropLast(2)) + [a.shape.last!, columns ?? 1], b.values)
    return Dense(batch + [rows, columns].compactMap { $0 }) { index in
      let outer = Array(index.prefix(batch.count))
      let i = rows == nil ? 0 : index[batch.count]
      let j = columns == nil ? 0 : index.last!
      return (0..<a.shape.last!).reduce(0) { $0 + left[outer + [i, $1]] * right[outer + [$1, j]] }
    }
  }

  private func named(_ x: Tensor) throws -> Tensor {
    try Tensor(.named, .one(x), .label(Label("f($0)", .one(x), isOpaque: true)))
  }

  func testIntegersWrapAround() throws {
    try onBothEngines {
      let (low, high) = (
        try Tensor(variable: [Int32.min, .max], [2]), try Tensor(variable: [Int64.min, .max], [2])
      )
      XCTAssertEqual(try (-low).values(Int32.self), [.min, -.max])
      XCTAssertEqual(try (-high).values(Int64.self), [.min, -.max])
      XCTAssertEqual(try abs(low).values(Int32.self), [.min, .max])
      XCTAssertEqual(try (low + low).values(Int32.self), [0, -2])
      XCTAssertEqual(try (high - low.number64(1)).values(Int64.self), [.max, .max - 1])
      XCTAssertEqual(try (high * high).values(Int64.self), [0, 1])
      XCTAssertEqual(try sum(high).values(Int64.self), [-1])
      XCTAssertEqual(try sum(concatenate([high, high], axis: 0)).values(Int64.self), [-2])
      // int64 passes through no double.
      XCTAssertEqual(try max(high).values(Int64.self), [.max])
      XCTAssertEqual(try cast(high, to: .int32).values(Int32.self), [.min, .max])
    }
  }

  func testOperatorsWithNumbers() throws {
    let x = try vector([1, 2, 4])
    try assertEqual(x + 1, Dense([3], [2, 3, 5]))
    try assertEqual(x - 1, Dense([3], [0, 1, 3]))
    try assertEqual(x * 3, Dense([3], [3, 6, 12]))
    try assertEqual(x / 2, Dense([3], [0.5, 1, 2]))
    try assertEqual(1 + x, Dense([3], [2, 3, 5]))
    try assertEqual(1 - x, Dense([3], [0, -1, -3]))
    try assertEqual(3 * x, Dense([3], [3, 6, 12]))
    try assertEqual(4 / x, Dense([3], [4, 2, 1]))
    try assertEqual(power(x, 2), Dense([3], [1, 4, 16]))
    try assertEqual(reciprocal(x), Dense([3], [1, 0.5, 0.25]))
    try assertEqual(x • x, Dense([], [21]))
    try assertEqual(clamp(x, 1.5, 3), Dense([3], [1.5, 2, 3]))
    try assertEqual(clamp(vector([.nan, -.infinity]), 0, 1), Dense([2], [.nan, 0]))
    try assertEqual(full(.float32, [2, 2], 0.1), Dense([2, 2]) { _ in Double(Float(0.1)) })
    let (a, b) = try (vector([1, 2, 3, .nan]), vector([2, 2, 2, 2]))
    try assertEqual(notEqual(a, b), Dense([4], [1, 0, 1, 1]))
    try assertEqual(greater(a, b), Dense([4], [0, 0, 1, 0]))
    try assertEqual(greaterEqual(a, b), Dense([4], [0, 1, 1, 0]))
  }
}

extension Tensor {
  fileprivate func number64(_ x: Double) throws -> Tensor { try Tensor(constant: x, .int64) }
}
