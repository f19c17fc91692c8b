//  Products that are cut for the caches, and products of rows that are all the same.

import XCTest

@testable import Nanograd

final class EngineProductTests: EngineTestCase {
  private func random(_ shape: [Int], _ dtype: DType = .float64, seed: UInt64 = 1) throws -> Tensor
  {
    try Tensor.leaf(.random(shape, -1...1, dtype, seed: seed), dtype, isParameter: true)
  }

  /// Depths, columns and rows beyond what the caches are given at once, with either operand transposed, and
  /// several products in one sum.
  func testCutsOfDeepAndWideProducts() throws {
    for dtype in [DType.float32, .float64] {
      for (rows, depth, columns) in [(70, 600, 33), (5, 257, 40), (300, 256, 130), (200, 520, 530)]
      {
        let a = try random([rows, depth], dtype)
        let b = try random([depth, columns], dtype, seed: 2)
        let (c, d) = try (
          random([depth, rows], dtype, seed: 3), random([columns, depth], dtype, seed: 4)
        )
        let products = try [
          matmul(a, b), matmul(transpose(c), b), matmul(a, transpose(d)),
          matmul(transpose(c), transpose(d)) + matmul(a, b) + matmul(a * 2, b),
        ]
        let tolerance = dtype == .float32 ? 1e-4 : 1e-12
        try assertPlanIsPlain(products, tolerance: tolerance, "\(rows) × \(depth) × \(columns)")
      }
    }
  }

  /// A state that is one row for all, as a recurrent network begins with, and the gradients of it and of
  /// the weights that it meets: of first and second order.
  func testStatesThatAreOneRow() throws {
    for batch in [1, 2, 9, 40, 300] {
      for hidden in [1, 3, 16, 40, 130] where batch * hidden < 30_000 {
        let x = try random([batch, 7])
        let (w, u) = try (random([7, hidden], seed: 2), random([hidden, hidden], seed: 3))
        let h0 = try random([1, hidden], seed: 4)
        var h = try broadcastTo(h0, Shape([batch, hidden]))
        for t in 1...3 { h = try tanh(matmul(x * Double(t), w) + matmul(h, u)) * 0.5 + h }
        let loss = try sum(h * h)
        let first = try gradients(of: loss, withRespectTo: [w, u, h0])
        try assertPlanIsPlain([loss] + first, "\(batch) × \(hidden)")
        let again =
          try sum(first[0] * first[0]) + sum(first[1] * first[1]) + sum(first[2] * first[2])
        let second = try gradients(of: again, withRespectTo: [w, u, h0])
        try assertPlanIsPlain(first + second, "\(batch) × \(hidden), second order")
      }
    }
  }

  /// Sums over the rows of sums with products, among them such as others want, and further terms that
  /// broadcast.
  func testSumsOverTheRowsOfProducts() throws {
    let (a, b) = try (random([30, 20]), random([20, 25], seed: 2))
    let (c, d) = try (random([30, 25], seed: 3), random([25], seed: 4))
    let product = try matmul(a, b)
    try assertPlanIsPlain([sum(product, axes: [0])])
    try assertPlanIsPlain([sum(product + c + d, axes: [0], keep: true)])
    try assertPlanIsPlain([sum(matmul(a, b) + matmul(a * 2, b), axes: [0]), sum(a, axes: [0])])
    try assertPlanIsPlain([product, sum(product, axes: [0]), sum(product, axes: [1])])
    try assertPlanIsPlain([sum(matmul(transpose(b), transpose(a)) + transpose(c), axes: [0])])
    let row = try broadcastTo(slice(a, axis: 0, 2, 3), Shape([30, 20]))
    try assertPlanIsPlain([
      matmul(row, b), matmul(row, b) + matmul(a, b), sum(matmul(row, b) + c, axes: [0]),
      matmul(transpose(row), c),
    ])
  }

  /// Planning for views takes memory by the graph, not by their lengths.
  func testPlansForViewsLongerThanAnyMemory() throws {
    let x = try random([1, 1])
    let long = 1 << 40
    for (rows, depth, columns) in [
      (4, long, 4), (40, 3, long), (1, 3, long), (long, 3, 40), (2, long, 40),
    ] {
      let product = try matmul(broadcastTo(x, [rows, depth]), broadcastTo(x, [depth, columns]))
      XCTAssertFalse(try planDescription(of: [product]).isEmpty)
      XCTAssertFalse(try planDescription(of: [sum(product), product + product]).isEmpty)
    }
    // Deeper together than any integer, in one contraction.
    for (columns, depth) in [(1, 1 << 56), (16, 1 << 52)] {
      var total = try random([1, columns])
      for seed in 1...600 {
        let y = try random([1, 1], seed: UInt64(seed))
        total =
          try total + matmul(broadcastTo(y, [1, depth]), broadcastTo(x, [depth, columns]))
      }
      XCTAssertFalse(try planDescription(of: [total]).isEmpty)
    }
  }

  func testTheSameBitsForAnyNumberOfThreads() throws {
    let (x, w) = try (random([200, 300], .float32), random([300, 90], .float32, seed: 2))
    let h0 = try random([1, 90], .float32, seed: 3)
    let u = try random([90, 90], .float32, seed: 4)
    let h = try broadcastTo(h0, Shape([200, 90]))
    let loss = try sum(tanh(matmul(x, w) + matmul(h, u)))
    let roots = try [loss] + gradients(of: loss, withRespectTo: [w, u, h0])
    var first: [[UInt8]]?
    for threads in [1, 2, 3, 7] {
      try setNumberOfThreads(threads)
      let bytes = try planned(roots).values.map(\.bytes)
      if let first { XCTAssertEqual(bytes, first, "\(threads) threads") }
      first = first ?? bytes
    }
  }

  /// Products that threads share by columns: of a row, alone, in layers and in a recurrence, and of few rows or as many
  /// as columns, as they lie and transposed.
  func testTheSameBitsWhereThreadsShareColumns() throws {
    for dtype in [DType.float32, .float64] {
      var cases: [(name: String, root: Tensor)] = []
      for (rows, depth, columns) in [
        (1, 300, 1000), (1, 5, 70_001), (32, 256, 769), (96, 100, 200), (130, 60, 130),
      ] {
        let a = try random([rows, depth], dtype)
        let b = try random([depth, columns], dtype, seed: 2)
        let (c, d) = try (
          random([depth, rows], dtype, seed: 3), random([columns, depth], dtype, seed: 4)
        )
        let name = "\(rows) × \(depth) × \(columns)"
        cases += try [
          (name, matmul(a, b)), (name + " TN", matmul(transpose(c), b)),
          (name + " NT", matmul(a, transpose(d))),
          (name + " TT", matmul(transpose(c), transpose(d))),
          (name + " twice", matmul(a, b) + matmul(transpose(c), transpose(d))),
        ]
      }
      var h = try random([1, 520], dtype)
      for layer in 1...3 {
        let w = try random([520, 520], dtype, seed: UInt64(layer))
        h = try tanh(matmul(h, w) * 0.1 + random([520], dtype, seed: 9))
      }
      cases.append(("layers", h))
      // One matrix for all, which is packed: a panel is whose turn it is, whatever vectors it has.
      let u = try random([530, 530], dtype)
      var state = try random([1, 530], dtype, seed: 2)
      for _ in 1...4 { state = try tanh(matmul(state, u) * 0.1) }
      cases.append(("states", state))
      for (name, root) in cases {
        var first: [UInt8]?
        for threads in [1, 2, 3, 7, 64] {
          try setNumberOfThreads(threads)
          let bytes = try planned([root]).values.map(\.bytes)[0]
          if let first { XCTAssertEqual(bytes, first, "\(name), \(threads) threads") }
          first = first ?? bytes
        }
        try assertPlanIsPlain([root], tolerance: dtype == .float32 ? 1e-5 : 1e-12, name)
      }
    }
  }
}
