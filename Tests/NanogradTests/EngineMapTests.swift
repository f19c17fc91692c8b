//  Maps as programs over tiles: what becomes a chain, and results that no cache would keep.

import XCTest

@testable import Nanograd

final class EngineMapTests: EngineTestCase {
  private func random(_ shape: [Int], _ dtype: DType = .float32, seed: UInt64) throws -> Tensor {
    try .leaf(.random(shape, -2...2, dtype, seed: seed), dtype)
  }

  /// A program for maps with `inputs` tiles that lie side by side, or the steps given.
  private func program(
    _ instructions: [Map.Instruction], steps: [Int], reductions: [Map.Reduction] = []
  ) throws -> TileProgram<Float> {
    let shape = try Shape([1000])
    let map = Map(
      shape: shape, dtype: .float32, inputs: steps.map { View(buffer: 0, strides: [$0]) },
      instructions: instructions, reductions: reductions)
    let stored = instructions.filter(\.isStored).count + reductions.count
    return TileProgram(
      map,
      sources: (steps + [Int](repeating: 1, count: stored)).map {
        TileSource(buffer: 0, offset: 0, step: $0, strides: [])
      }, rowLength: 1000, ahead: 0, streams: { _ in false })
  }

  private func kinds(_ program: TileProgram<Float>) -> [String] {
    program.operations.map {
      switch $0 {
      case is ChainOperation<Float>: "chain"
      case is UnaryOperation<Float>: "unary"
      case is BinaryOperation<Float>: "binary"
      case is SelectOperation<Float>: "select"
      case is CollectOperation<Float>: "collect"
      case is ReduceOperation<Float>: "reduce"
      default: "?"
      }
    }
  }

  private func step(
    _ kind: Map.Kind, _ operands: Map.Operand..., stored: Bool = false
  ) -> Map.Instruction {
    Map.Instruction(kind: kind, operands: operands, output: 1, isStored: stored)
  }

  func testWhatBecomesAChain() throws {
    // (x·2 - y)²: one chain, and nothing kept on the way.
    let chain = try program(
      [
        step(.binary(.multiply), .input(0), .input(1)),
        step(.binary(.subtract), .result(0), .input(2)),
        step(.binary(.multiply), .result(1), .result(1), stored: true),
      ], steps: [1, 0, 1])
    XCTAssertEqual(kinds(chain), ["chain"])
    XCTAssertEqual(chain.registers, 0)
    // What is used again later is kept.
    let kept = try program(
      [
        step(.binary(.add), .input(0), .input(1)),
        step(.unary(.negate), .result(0)),
        step(.binary(.divide), .result(1), .result(0), stored: true),
      ], steps: [1, 1])
    XCTAssertEqual(kinds(kept), ["chain"])
    XCTAssertEqual(kept.registers, 1)
    // A function is a loop of its own, and so is a single operator before or after it.
    let function = try program(
      [
        step(.binary(.add), .input(0), .input(1)),
        step(.unary(.exp), .result(0)),
        step(.binary(.less), .input(1), .result(1), stored: true),
      ], steps: [1, 0])
    XCTAssertEqual(kinds(function), ["binary", "unary", "binary"])
    // A choice, what lies apart, and one number for all of a function's elements.
    let choice = try program(
      [
        step(.unary(.sin), .input(1)),
        step(.select, .input(0), .result(0), .input(1), stored: true),
      ], steps: [7, 0])
    XCTAssertEqual(kinds(choice), ["collect", "unary", "collect", "select"])
    // Squares that are only summed are no instruction.
    let squares = try program(
      [
        step(.binary(.add), .input(0), .input(0)),
        step(.binary(.multiply), .result(0), .result(0)),
      ], steps: [1], reductions: [.init(instruction: 1, code: .sum, target: 2)])
    XCTAssertEqual(kinds(squares), ["binary", "reduce"])
  }

  /// Results of 32 MB and more go past the caches, by lines wherever they begin.
  func testResultsThatNoCacheWouldKeep() throws {
    for shape in [[5, 1_700_001], [70_007, 121]] {
      let x = try random(shape, seed: 1)
      let (row, column) = (try random([shape[1]], seed: 2), try random([shape[0], 1], seed: 3))
      let y = try (x * 0.5 + row) * (x - column)
      let z = try exp(y * -0.25)
      let roots = [y, z, try sum(z + x, axes: [1])]
      try setNumberOfThreads(1)
      let one = try planned(roots).values
      XCTAssertNil(difference(one, try plain(roots), tolerance: 1e-5), "\(shape)")
      try setNumberOfThreads(3)
      for (x, y) in zip(one, try planned(roots).values) {
        XCTAssertEqual(memcmp(x.value.pointer, y.value.pointer, x.value.bytes), 0, "\(shape)")
      }
    }
  }
}
