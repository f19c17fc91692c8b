//  Slices of concatenations, and sums of padded parts: the same values with and without copies.

import XCTest

@testable import Nanograd

final class EngineJoiningTests: XCTestCase {
  private let a = try! Tensor.leaf(.random([4, 6], seed: 1), isParameter: true)
  private let b = try! Tensor.leaf(.random([4, 3], seed: 2), isParameter: true)
  private let x = try! Tensor.leaf(.random([2, 4], seed: 3))

  /// The same graph by both engines, with all gradients.
  private func assertEngines(_ name: String, _ build: () throws -> Tensor, line: UInt = #line)
    throws
  {
    var expected: [Dense]?
    for isPlain in [true, false] {
      try onBothEngines {
        guard Evaluation.isPlain.load(ordering: .relaxed) == isPlain else { return }
        let y = try build()
        let all = try [y] + gradients(of: sum(y * y), withRespectTo: [a, b])
        try evaluate(all)
        let found = try all.map { try $0.dense() }
        for (i, result) in found.enumerated() where expected != nil {
          try assertEqual(
            all[i], expected?[i] ?? result, tolerance: 1e-12, scale: 1, "\(name), result \(i)",
            line: line)
        }
        expected = found
      }
    }
    XCTAssertNotNil(expected)
  }

  func testGraphs() throws {
    func part(_ t: Tensor, _ from: Int, _ to: Int, axis: Int = 1) throws -> Tensor {
      try slice(t, axis: axis, from, to)
    }
    try assertEngines("parts of a concatenation") {
      let joined = try concatenate([a, b, exp(b)], axis: 1)
      return try x • part(joined, 0, 6) * 2
        + concatenate(
          [x • part(joined, 6, 9), x • part(joined, 9, 12)], axis: 1)
    }
    try assertEngines("slices that are not just a part") {
      let joined = try concatenate([a, b], axis: 1)
      return try part(joined, 1, 7) * part(joined, 0, 6) + part(joined, 3, 9)
        + slice(joined, axis: 1, 5, nil, step: -1)
    }
    try assertEngines("an equal start on another axis") {
      let joined = try concatenate([a, b], axis: 1)
      return try part(part(joined, 0, 2, axis: 0), 0, 6)
    }
    try assertEngines("every part used several times") {
      try (0..<3).map { try (x • part(a, 2 * $0, 2 * $0 + 2)) * (x • part(a, 2 * $0, 2 * $0 + 2)) }
        .reduce(x • part(a, 0, 2)) { try $0 + $1 }
    }
    try assertEngines("gaps at both ends and between") {
      try part(a, 1, 2) * part(a, 4, 5) + part(a, 4, 5)
    }
    try assertEngines("parts that overlap") { try part(a, 0, 3) * part(a, 2, 5) }
    try assertEngines("parts along two axes") {
      try sum(part(a, 0, 2, axis: 0)) * part(a, 0, 3) + sum(part(a, 3, 6))
    }
    try assertEngines("a row for each step") {
      try (0..<4).map { try select(a, axis: 0, index: $0) }.reduce(sum(b)) {
        try tanh($0 + $1)
      }
    }
    try assertEngines("steps that are no slices") {
      try part(a, 0, 3) * slice(a, axis: 1, 1, nil, step: 2) + b
    }
    try assertEngines("a sum of parts that is used twice") {
      let padded =
        try pad(b, before: [0, 3], after: [0, 0]) + pad(b, before: [0, 0], after: [0, 3])
      return try (padded + pad(sum(b, axes: [1], keep: true), before: [0, 1], after: [0, 4]))
        * padded
    }
    try assertEngines("reshaped there and back") {
      try x • reshape(reshape(a, [2, 12]), [4, 6]) + x • stopGradient(a) + x • reshape(a, [4, 6])
    }
    try assertEngines("one result twice") {
      let joined = try concatenate([b, a], axis: 1)
      return try concatenate([part(joined, 0, 3), part(joined, 0, 3)], axis: 1)
    }
  }

  /// What the layout of weights must not cost: copies of them, or products of their own for each step.
  func testPlansOfRecurrentNetworks() throws {
    func works(_ cut: (GateWeights, Tensor) throws -> Tensor) throws -> String {
      let parts = try (0..<9).map {
        try Tensor.leaf(
          .random([$0 < 3 ? 5 : $0 < 6 ? 4 : 1, 4], seed: UInt64($0)), isParameter: true)
      }
      let weights = try GateWeights(
        input: concatenate(Array(parts[0..<3]), axis: 1),
        state: concatenate(Array(parts[3..<6]), axis: 1),
        inputBias: concatenate(Array(parts[6...]), axis: 1))
      let sequence = try Tensor(variable: .float64, [6, 2, 5])
      let h = try cut(weights, sequence)
      return try planDescription(of: gradients(of: sum(h * h), withRespectTo: parts))
    }
    let apart = try works { weights, x in
      try (0..<6).reduce(full(.float64, [2, 4], 0)) {
        try gruCell(select(x, axis: 0, index: $1), $0, weights)
      }
    }
    let whole = try works { try gru($1, nil, $0).last }
    for text in [apart, whole] {
      // One contraction over all steps for each of the weights, and nothing copied.
      XCTAssert(text.contains("[5, 4] over 2 + 2 + 2 + 2 + 2 + 2"), text)
      XCTAssert(!text.contains("operator by itself"), text)
    }
  }

  /// The sum over the rows of a product is a product with one row, if nobody wants the other rows.
  func testSumsOverRowsOfProducts() throws {
    let a = try Tensor.leaf(.random([5, 7], seed: 4), isParameter: true)
    let b = try Tensor.leaf(.random([7, 16], seed: 5), isParameter: true)
    let c = try Tensor.leaf(.random([5, 16], seed: 6), isParameter: true)
    let d = try Tensor.leaf(.random([7, 5], seed: 8), isParameter: true)
    let row = try Tensor.leaf(.random([1, 16], seed: 7), isParameter: true)
    func total(_ t: Tensor, keep: Bool = true) throws -> Tensor {
      try sum(t, axes: [0], keep: keep)
    }
    let graphs: [(name: String, isShort: Bool, build: () throws -> Tensor)] = [
      ("a product", true, { try total(a • b) }),
      ("a rank less", true, { try total(a • b, keep: false) }),
      ("two products and a sum", true, { try total(c * c + a • b + (c + (a * a) • b)) }),
      ("a row that is repeated", true, { try total(a • b + row) + total(a) • b }),
      ("transposed operands", true, { try total(transpose(d) • b, keep: false) }),
      (
        "a product that is wanted too", false,
        {
          let product = try a • b
          return try total(product) + sum(product * product)
        }
      ),
      (
        "a sum that is wanted too", false,
        {
          let sum = try a • b + c
          return try total(sum) * max(sum)
        }
      ),
      ("the other axis", false, { try sum(a • b, axes: [1], keep: true) }),
      ("all axes", false, { try sum(a • b) }),
      ("few columns", false, { try total(a • slice(b, axis: 1, 0, 3)) }),
      ("one row as it is", true, { try total(slice(a, axis: 0, 0, 1) • b) }),
      ("several matrices", false, { try total(reshape(c * c, [5, 1, 16]) • transpose(c)) }),
    ]
    for (name, isShort, build) in graphs {
      var found: [Dense] = []
      try onBothEngines { found.append(try build().dense()) }
      try assertEqual(build(), found[1], tolerance: 1e-12, scale: 1, name)
      let text = try planDescription(of: [build()])
      let hasRow = text.contains("contraction 1 × [1, ")
      XCTAssertEqual(hasRow && !text.contains("× [5, 16]"), isShort, "\(name)\n\(text)")
    }
  }
}
