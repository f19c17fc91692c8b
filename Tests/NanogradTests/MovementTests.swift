import XCTest

@testable import Nanograd

final class MovementTests: XCTestCase {
  /// For `OperatorTests`, which sees to it that every operator is here.
  static func examples(of op: Operator, _ dtype: DType) throws -> [Example] {
    switch op {
    case .permute:
      let table: [([Int], [Int])] = [
        ([], []), ([5], [0]), ([3, 4], [1, 0]), ([3, 4], [0, 1]), ([17, 33], [-1, -2]),
        ([2, 3, 4], [2, 0, 1]), ([2, 3, 4], [1, 2, 0]), ([2, 0, 4], [2, 0, 1]),
        ([2, 1, 2, 1, 2, 1, 2, 3], [7, 6, 5, 4, 3, 2, 1, 0]), ([2, 3, 4, 5], [0, 2, 1, 3]),
      ]
      return try each(table, dtype) { x, dense, axes in
        let axes = axes.map { $0 < 0 ? $0 + axes.count : $0 }
        let inverse = axes.indices.map { axes.firstIndex(of: $0)! }
        return (
          try permute(x, axes),
          Dense(axes.map { dense.shape[$0] }) { i in dense[inverse.map { i[$0] }] }
        )
      }
    case .reshape:
      let table: [([Int], [Int])] = [
        ([], []), ([], [1, 1]), ([6], [2, 3]), ([2, 3], [3, 2]), ([2, 3, 4], [-1]),
        ([2, 3, 4], [4, -1]),
        ([0, 3], [7, 0]), ([2, 0], [-1, 5]), ([1, 1], []), ([16], [2, 2, 2, 2, 1, 1, 1, 1]),
      ]
      return try each(table, dtype) { x, dense, shape in
        let known = shape.filter { $0 >= 0 }.reduce(1, *)
        return (
          try reshape(x, shape),
          Dense(shape.map { $0 < 0 ? dense.values.count / known : $0 }, dense.values)
        )
      }
    case .broadcast:
      let table: [([Int], [Int])] = [
        ([], [3]), ([], [0]), ([1], [2, 35]), ([3], [2, 3]), ([3, 1], [3, 4]),
        ([1, 3], [2, 4, 3]),
        ([1, 4, 1], [2, 2, 4, 3]), ([1], [0, 2]), ([0], [3, 0]),
      ]
      return try each(table, dtype) { x, dense, shape in
        (try broadcastTo(x, shape), Dense(shape) { dense[$0] })
      }
    case .slice:
      // axis, start, stop, step
      let table: [([Int], [Int])] = [
        ([10], [0, 2, 7, 1]), ([10], [0, 9, 0, -3]), ([37], [0, 1, 37, 2]),
        ([4, 5], [1, 1, 3, 1]),
        ([4, 5], [0, 3, 0, -1]), ([4, 5], [0, 2, 2, 1]), ([2, 3, 4], [-2, 0, 3, 2]),
        ([3, 0], [0, 0, 2, 1]), ([5, 1], [0, 4, 5, 1]),
      ]
      return try each(table, dtype) { x, dense, how in
        let axis = how[0] < 0 ? how[0] + dense.shape.count : how[0]
        let picked = Array(stride(from: how[1], to: how[2], by: how[3]))
        return (
          try slice(x, axis: how[0], how[1], how[2], step: how[3]),
          Dense(replacing(dense.shape, axis, picked.count)) {
            dense[replacing($0, axis, picked[$0[axis]])]
          }
        )
      }
    case .place:
      // before and after, axis by axis
      let table: [([Int], [Int])] = [
        ([3], [2, 1]), ([3], [0, 0]), ([2, 3], [1, 0, 0, 2]), ([0], [2, 2]),
        ([0, 2], [1, 1, 1, 1]),
        ([2, 1, 3], [0, 1, 2, 3, 1, 0]), ([], []),
      ]
      let padded = try each(table, dtype) { x, dense, widths in
        let before = dense.shape.indices.map { widths[2 * $0] }
        let after = dense.shape.indices.map { widths[2 * $0 + 1] }
        return (try pad(x, before: before, after: after), surround(dense, before, after, 0))
      }
      // The derivative of a slice with a step places with that step.
      let x = Dense.random([3], -3...3, dtype)
      let window = Window(
        start: .init { $0 == 0 ? 5 : 0 }, step: .init { $0 == 0 ? -2 : 1 })
      let backwards = Example(
        tensor: try placed(.leaf(x, dtype), window, in: Shape([7])),
        want: Dense([7], [0, x.values[2], 0, x.values[1], 0, x.values[0], 0]))
      return padded + [backwards]
    case .concatenate:
      let table: [([[Int]], Int)] = [
        ([[3]], 0), ([[3], [0], [2]], 0), ([[2, 3], [2, 1], [2, 33]], 1), ([[2, 3], [1, 3]], -2),
        ([[2, 1, 3], [2, 4, 3]], 1), ([[0, 2], [0, 3]], 1), ([[2, 0], [3, 0]], 0),
        (Array(repeating: [2], count: 40), 0),
      ]
      return try table.flatMap { shapes, axis in
        try (0..<3).map { form in
          let parts = try shapes.enumerated().map { i, shape in
            try sources(shape, dtype, -3...3, seed: UInt64(i + 1))[(form + i) % 3]
          }
          let axis = axis < 0 ? axis + shapes[0].count : axis
          let from = parts.indices.flatMap { part in (0..<shapes[part][axis]).map { (part, $0) } }
          return Example(
            tensor: try concatenate(parts.map(\.tensor), axis: axis),
            want: Dense(replacing(shapes[0], axis, from.count)) { index in
              let (part, at) = from[index[axis]]
              return parts[part].dense[replacing(index, axis, at)]
            })
        }
      }
    case .gather, .scatterAdd: return try selections(op, dtype)
    default: return []
    }
  }

  private static func selections(_ op: Operator, _ dtype: DType) throws -> [Example] {
    // The whole's shape, the axis, the indices' shape.
    let table: [([Int], Int, [Int])] = [
      ([5], 0, [7]), ([4, 3], 0, [2, 3]), ([4, 3], 1, [4, 5]), ([4, 3], 0, [6, 1]),
      ([4, 3], 1, [1, 2]),
      ([2, 3, 4], 1, [2, 5, 1]), ([3], 0, [0]), ([0], 0, [0]), ([2, 3, 4], 2, [1, 1, 1]),
      ([0, 3], 1, [0, 2]),
    ]
    return try table.flatMap { shape, axis, indexShape in
      try [DType.int32, .int64].map { type in
        let high = Double(max(shape[axis] - 1, 0))
        let indices = Dense.random(indexShape, 0...high, type, seed: 3)
        let at = try Tensor.leaf(indices, type)
        let part = replacing(shape, axis, indexShape[axis])
        if op == .gather {
          let x = try sources(shape, dtype, -3...3)[1]
          return Example(
            tensor: try gather(x.tensor, at: at, axis: axis),
            want: Dense(part) { x.dense[replacing($0, axis, Int(indices[$0]))] })
        }
        let x = try sources(part, dtype, -3...3)[1]
        var want = Dense(shape) { _ in 0 }
        let target = positions(shape)
        for index in positions(part) {
          let to = replacing(index, axis, Int(indices[index]))
          want.values[target.firstIndex(of: to)!] += x.dense[index]
        }
        return Example(
          tensor: try scatterAdd(x.tensor, at, axis: axis, into: Shape(shape)), want: want,
          tolerance: 8, scale: 3)
      }
    }
  }

  /// Rows of a table, each for every form of the operand.
  private static func each(
    _ table: [([Int], [Int])], _ dtype: DType,
    _ example: (Tensor, Dense, [Int]) throws -> (Tensor, Dense)
  ) throws -> [Example] {
    try table.flatMap { shape, how in
      try sources(shape, dtype, -3...3).map { x in
        let (tensor, want) = try example(x.tensor, x.dense, how)
        return Example(tensor: tensor, want: want)
      }
    }
  }

  private static func replacing(_ list: [Int], _ i: Int, _ value: Int) -> [Int] {
    var list = list
    list[i] = value
    return list
  }

  private static func surround(_ x: Dense, _ before: [Int], _ after: [Int], _ value: Double)
    -> Dense
  {
    Dense(x.shape.indices.map { before[$0] + x.shape[$0] + after[$0] }) { index in
      let inner = zip(index, before).map { $0 - $1 }
      return zip(inner, x.shape).allSatisfy { $0 >= 0 && $0 < $1 } ? x[inner] : value
    }
  }

  /// All bounds and steps around the ends, against Python's rule told another way: the indices of a
  /// list that lie on the progression, walked one by one.
  func testSliceFollowsPython() throws {
    for n in 0...4 {
      let x = try Tensor.leaf(Dense([n]) { Double($0[0]) })
      let bounds: [Int?] = [nil, Int.min, Int.max] + (-6...6).map { $0 }
      for step in [-7, -2, -1, 1, 2, 7, Int.max, Int.min] {
        for start in bounds {
          for stop in bounds {
            let from = start.map { $0 < 0 ? $0 &+ n : $0 } ?? (step > 0 ? 0 : n - 1)
            let to = stop.map { $0 < 0 ? $0 &+ n : $0 } ?? (step > 0 ? n : -1)
            var want: [Double] = []
            var i = step > 0 ? max(from, 0) : min(from, n - 1)
            while step > 0 ? i < min(to, n) : i > max(to, -1) {
              want.append(Double(i))
              let (next, overflow) = i.addingReportingOverflow(step)
              if overflow { break }
              i = next
            }
            try assertEqual(
              slice(x, axis: 0, start, stop, step: step), Dense([want.count], want),
              "[\(String(describing: start)):\(String(describing: stop)):\(step)] of \(n)")
          }
        }
      }
    }
  }

  func testSelectAnIndex() throws {
    let x = Dense.random([3, 4])
    for (index, at) in [(0, 0), (2, 2), (-1, 2), (-3, 0)] {
      try assertEqual(select(.leaf(x), axis: 0, index: index), Dense([4]) { x[[at] + $0] })
      try assertEqual(
        select(.leaf(x), axis: -1, index: index),
        Dense([3]) { x[$0 + [index < 0 ? index + 4 : index]] })
    }
  }

  func testShapesOfViews() throws {
    let x = try Tensor.leaf(.random([2, 3]))
    XCTAssertEqual(
      try [-3, -2, -1, 0, 1, 2].map { Array(try expandDims(x, axis: $0).shape) },
      [
        [1, 2, 3], [2, 1, 3], [2, 3, 1], [1, 2, 3], [2, 1, 3], [2, 3, 1],
      ])
    XCTAssertEqual(Array(try squeeze(expandDims(x, axis: 1), axis: -2).shape), [2, 3])
    XCTAssertEqual(Array(try transpose(x).shape), [3, 2])
    let vector = try vector([1, 2])
    XCTAssertTrue(try transpose(vector) === vector)
    XCTAssertEqual(
      try item(vector.dense().values.count == 2 ? full(.float64, [1, 1], 4) : x).shape, .scalar)
    try assertEqual(
      transpose(.leaf(.random([2, 3, 4]))),
      Dense([2, 4, 3]) {
        Dense.random([2, 3, 4])[[$0[0], $0[2], $0[1]]]
      })
  }

  func testPadWithAValue() throws {
    for dtype in DType.allCases {
      for value in [0.0, 7, -1] {
        let x = Dense.random([2, 3], -3...3, dtype)
        try assertEqual(
          pad(.leaf(x, dtype), before: [1, 0], after: [2, 3], value: value),
          Self.surround(x, [1, 0], [2, 3], value))
      }
    }
    // What is surrounded stays as it is, whatever it holds.
    try assertEqual(
      pad(vector([.nan, .infinity, 0]), before: [1], after: [0], value: .infinity),
      Dense([4], [.infinity, .nan, .infinity, 0]))
  }

  func testStack() throws {
    let (a, b) = (Dense.random([2, 3], seed: 1), Dense.random([2, 3], seed: 2))
    for axis in 0...2 {
      var shape = [2, 3]
      shape.insert(2, at: axis)
      let want = Dense(shape) { index in
        var inner = index
        return inner.remove(at: axis) == 0 ? a[inner] : b[inner]
      }
      for axis in [axis, axis - 3] {
        try assertEqual(stack([.leaf(a), .leaf(b)], axis: axis), want)
      }
    }
  }

  func testIndexSelect() throws {
    let table = Dense.random([5, 3])
    for (shape, list) in [([], [4.0]), ([3], [0, 4, 0]), ([2, 2], [1, 2, 3, 0]), ([0], [])] {
      let indices = Dense(shape, list)
      try assertEqual(
        indexSelect(.leaf(table), at: .leaf(indices, .int32), axis: 0),
        Dense(shape + [3]) { table[[Int(indices[Array($0.dropLast())]), $0.last!]] })
    }
    let columns = Dense([2], [2, 0])
    try assertEqual(
      indexSelect(.leaf(table), at: .leaf(columns, .int64), axis: -1),
      Dense([5, 2]) { table[[$0[0], Int(columns[[$0[1]]])]] })
  }

  func testOneHot() throws {
    for type in [DType.int32, .int64] {
      for dtype in DType.allCases {
        let y = try oneHot(.leaf(Dense([2, 2], [0, 2, -1, 3]), type), depth: 3, dtype)
        XCTAssertEqual(y.dtype, dtype)
        try assertEqual(y, Dense([2, 2, 3], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      }
    }
    try assertEqual(
      oneHot(.leaf(Dense([2], [0, 1]), .int32), depth: 0, .float32), Dense([2, 0], []))
  }
}
