import XCTest

@testable import Nanograd

final class ReductionTests: XCTestCase {
  /// For `OperatorTests`, which sees to it that every operator is here.
  static func examples(of op: Operator, _ dtype: DType) throws -> [Example] {
    var result: [Example] = []
    for shape in [
      [], [1], [37], [1027], [3, 4], [33, 65], [2, 1, 3], [3, 4, 5], [0, 3], [3, 0, 2],
      [2, 2, 2, 3],
    ] {
      for (form, x) in try sources(shape, dtype, -3...3).enumerated() {
        for list in subsets(shape.count) where op != .argmax || list.count == 1 {
          // Of no elements only the sum exists.
          if op != .sum && list.contains(where: { shape[$0] == 0 }) { continue }
          let keep = (form + list.count) % 2 == 0
          let axes: [Int]? = list.count == shape.count && form == 1 ? nil : list
          let tensor =
            switch op {
            case .sum: try sum(x.tensor, axes: axes, keep: keep)
            case .max: try max(x.tensor, axes: axes, keep: keep)
            case .min: try min(x.tensor, axes: axes, keep: keep)
            default: try argmax(x.tensor, axis: list[0] - (form == 2 ? shape.count : 0), keep: keep)
            }
          let want = reduce(x.dense, list, keep: keep) { elements in
            switch op {
            case .sum: elements.reduce(0, +)
            case .max: elements.max()!
            case .min: elements.min()!
            default: Double(elements.firstIndex(of: elements.max()!)!)
            }
          }
          // Each of n additions may round, and terms cancel.
          let count = list.reduce(1) { $0 * shape[$1] }
          result.append(
            Example(
              tensor: tensor, want: want, tolerance: op == .sum ? Double(count) : 0, scale: 3))
        }
      }
    }
    return result
  }

  /// Gathers the elements along axes and reduces each list of them.
  private static func reduce(
    _ x: Dense, _ axes: [Int], keep: Bool, _ function: ([Double]) -> Double
  ) -> Dense {
    let kept = x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }
    let inner = positions(x.shape.indices.map { axes.contains($0) ? x.shape[$0] : 1 })
    let y = Dense(kept) { outer in function(inner.map { x[zip(outer, $0).map { $0 + $1 }] }) }
    return keep ? y : Dense(kept.indices.filter { !axes.contains($0) }.map { kept[$0] }, y.values)
  }

  private static func subsets(_ count: Int) -> [[Int]] {
    (0..<1 << count).map { bits in (0..<count).filter { bits & (1 << $0) != 0 } }
  }

  func testNaNAndInfinity() throws {
    try onBothEngines {
      for dtype in [DType.float32, .float64] {
        for n in [1, 3, 16, 17, 100] {
          for at in Set([0, n / 2, n - 1]) {
            for (axis, shape) in [(0, [n]), (0, [n, 1]), (1, [1, n]), (0, [n, 3])] {
              let x = Dense(shape) { $0[axis] == at ? .nan : 1 }
              let y = try Tensor.leaf(x, dtype)
              let rest = shape.indices.filter { $0 != axis }.map { shape[$0] }
              let nan = Dense(rest) { _ in .nan }
              try assertEqual(max(y, axes: [axis]), nan)
              try assertEqual(min(y, axes: [axis]), nan)
              try assertEqual(sum(y, axes: [axis]), nan)
              try assertEqual(argmax(y, axis: axis), Dense(rest) { _ in Double(at) })
            }
          }
        }
        let x = try Tensor.leaf(Dense([3], [-.infinity, 1, .infinity]), dtype)
        try assertEqual(max(x), Dense([], [.infinity]))
        try assertEqual(min(x), Dense([], [-.infinity]))
        try assertEqual(sum(x), Dense([], [.nan]))
        try assertEqual(
          max(.leaf(Dense([2], [-.infinity, -.infinity]), dtype)), Dense([], [-.infinity]))
      }
    }
  }

  func testArgmaxTakesTheFirst() throws {
    for dtype in DType.allCases {
      let x = try Tensor.leaf(Dense([2, 4], [1, 3, 3, 0, -1, -1, -2, -1]), dtype)
      XCTAssertEqual(try argmax(x, axis: 1).values(Int64.self), [1, 0])
      XCTAssertEqual(try argmax(x, axis: 0, keep: true).dense().shape, [1, 4])
    }
    try assertEqual(argmax(vector([1, .nan, 5, .nan]), axis: 0), Dense([], [1]))
  }

  func testMean() throws {
    let x = Dense.random([3, 4])
    for (axes, keep) in [([0], false), ([1], true), ([0, 1], false), ([0, 1], true)] {
      let want = Self.reduce(x, axes, keep: keep) { $0.reduce(0, +) / Double($0.count) }
      try assertEqual(mean(.leaf(x), axes: axes, keep: keep), want, tolerance: 1e-15, scale: 2)
    }
    try assertEqual(mean(.leaf(Dense([0], [Double]()))), Dense([], [.nan]))
    try assertEqual(mean(.leaf(Dense([2, 0], [Double]())), axes: [1]), Dense([2], [.nan, .nan]))
    try assertEqual(mean(.leaf(Dense([2, 0], [Double]())), axes: [0]), Dense([0], [Double]()))
  }

  func testSoftmaxAndLogSumExp() throws {
    try onBothEngines {
      for dtype in [DType.float32, .float64] {
        for (shape, axis) in [
          ([7], 0), ([3, 5], 1), ([3, 5], 0), ([2, 3, 4], -2), ([2, 1], 1), ([0, 3], 1),
          ([2, 0], 1),
        ] {
          for x in try sources(shape, dtype, -3...3) {
            let at = axis < 0 ? axis + shape.count : axis
            let (tolerance, dense) = (16 * dtype.epsilon, x.dense)
            let total = Self.reduce(dense, [at], keep: true) { $0.reduce(0) { $0 + exp($1) } }
            try assertEqual(
              softmax(x.tensor, axis: axis), Dense(shape) { exp(dense[$0]) / total[$0] },
              tolerance: tolerance)
            try assertEqual(
              logSoftmax(x.tensor, axis: axis), Dense(shape) { dense[$0] - log(total[$0]) },
              tolerance: tolerance, scale: 3)
            guard shape[at] > 0 else { continue }
            try assertEqual(
              logSumExp(x.tensor, axes: [axis], keep: true), total.map { log($0) },
              tolerance: tolerance, scale: 3)
          }
        }
        let x = Dense.random([3, 4], -3...3, dtype)
        let whole = x.values.reduce(0) { $0 + exp($1) }
        try assertEqual(
          logSumExp(.leaf(x, dtype)), Dense([], [log(whole)]), tolerance: 16 * dtype.epsilon)
      }
    }
  }

  func testExtremeLogits() throws {
    try onBothEngines {
      let inf = Double.infinity
      // x, softmax, log of it, log of the sum
      let table: [([Double], [Double], [Double], Double)] = [
        ([1e4, 0], [1, 0], [0, -1e4], 1e4), ([-1e4, 0], [0, 1], [-1e4, 0], 0),
        ([1e4, 1e4], [0.5, 0.5], [-log(2), -log(2)], 1e4 + log(2)),
        ([-1e4, -1e4], [0.5, 0.5], [-log(2), -log(2)], -1e4 + log(2)),
        ([-inf, 0], [0, 1], [-inf, 0], 0), ([-inf, 1e4, -inf], [0, 1, 0], [-inf, 0, -inf], 1e4),
        ([1e30, -1e30], [1, 0], [0, -2e30], 1e30),
      ]
      for dtype in [DType.float32, .float64] {
        for (x, y, logarithm, total) in table {
          let dense = Dense([x.count], x)
          let logits = try Tensor.leaf(dense, dtype, isParameter: true)
          let tolerance = 4 * dtype.epsilon
          try assertEqual(softmax(logits, axis: 0), Dense([x.count], y), tolerance: tolerance)
          try assertEqual(
            logSoftmax(logits, axis: 0), Dense([x.count], logarithm), tolerance: tolerance)
          try assertEqual(logSumExp(logits), Dense([], [total]), tolerance: tolerance)
          try assertEqual(
            gradients(of: logSumExp(logits), withRespectTo: [logits])[0], Dense([x.count], y),
            tolerance: tolerance)
          // Their sum is 1 whatever the logits are.
          try assertEqual(
            gradients(of: sum(softmax(logits, axis: 0)), withRespectTo: [logits])[0],
            Dense([x.count]) { _ in 0 })
        }
        let none = try Tensor.leaf(Dense([2], [-inf, -inf]), dtype)
        try assertEqual(logSumExp(none), Dense([], [-inf]))
        try assertEqual(logSumExp(.leaf(Dense([2], [inf, 0]), dtype)), Dense([], [inf]))
        try assertEqual(logSumExp(.leaf(Dense([2], [.nan, 0]), dtype)), Dense([], [.nan]))
      }
    }
  }
}
