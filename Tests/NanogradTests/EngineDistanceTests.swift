//  How weights and packed factors are written where the cores have no cache in common.

import XCTest

@testable import Nanograd

final class EngineDistanceTests: EngineTestCase {
  /// Both ways are tried, and the better one is kept to until both are tried again.
  func testTrial() {
    var trial = Trial()
    func runs(_ near: [Int], _ far: [Int]) -> [Bool] {
      let times = near + far + Array(repeating: 1, count: 64 - near.count - far.count)
      return times.map { time in
        defer { trial.add(time) }
        return trial.isFar
      }
    }
    let start = [false, false, false, true, true, true]
    // A run that others held up does not count.
    XCTAssertEqual(
      runs([300, 900, 290], [700, 110, 120]), start + Array(repeating: true, count: 58))
    XCTAssertTrue(Distance.isFar.load(ordering: .relaxed))
    XCTAssertEqual(
      runs([120, 100, 900], [90, 95, 99]), start + Array(repeating: false, count: 58))
    XCTAssertFalse(Distance.isFar.load(ordering: .relaxed))
  }

  /// Weights after some steps on a batch, two of them large enough to be of interest.
  private func trained(_ kind: Optimizer.Kind, _ dtype: DType) throws -> [[Double]] {
    func leaf(_ shape: [Int], _ seed: UInt64, isParameter: Bool = true) throws -> Tensor {
      try Tensor.leaf(
        .random(shape, -0.1...0.1, dtype, seed: seed), dtype, isParameter: isParameter)
    }
    let x = try leaf([32, 70], 1, isParameter: false)
    let weights = try [
      leaf([70, 256], 2), leaf([256, 272], 3), leaf([272, 70], 4), leaf([70], 5),
    ]
    let optimizer = Optimizer(kind, rate: 0.05)
    try optimizer.add(weights)
    try optimizer.setClipNorm(0.5)
    for _ in 0..<5 {
      let h = try tanh(matmul(x, weights[0]))
      let y = try matmul(tanh(matmul(h, weights[1])), weights[2]) + weights[3]
      let z = try matmul(tanh(matmul(tanh(matmul(y, weights[0])), weights[1])), weights[2])
      try mean(power(z - x, 2)).backward()
      try optimizer.step()
      optimizer.zeroGrad()
    }
    return try weights.map { try $0.doubles() }
  }

  func testSameBitsNearAndFar() throws {
    Distance.isFixed.store(true, ordering: .relaxed)
    for dtype in [DType.float32, .float64] {
      for kind in [Optimizer.Kind.sgd, .adam] {
        Distance.isFar.store(false, ordering: .relaxed)
        try setNumberOfThreads(1)
        let want = try trained(kind, dtype)
        XCTAssertTrue(want.joined().allSatisfy(\.isFinite))
        for threads in [1, 2, 5] {
          try setNumberOfThreads(threads)
          for isFar in [false, true] {
            Distance.isFar.store(isFar, ordering: .relaxed)
            XCTAssertTrue(
              try trained(kind, dtype) == want, "\(kind), \(dtype), \(threads) threads, \(isFar)")
          }
        }
      }
    }
  }
}

/// What a chain leaves for a weight's gradient.
final class EngineCopiesTests: EngineTestCase {
  /// A gradient of a weight reads copies of what the batch's rows left, and a plan describes the same steps as ever.
  func testCopies() throws {
    let x = try Tensor.leaf(.random([32, 64], seed: 1), isParameter: false)
    let w = try Tensor.leaf(.random([64, 64], seed: 2), isParameter: true)
    let h = try tanh(matmul(x, w))
    let loss = try sum(tanh(matmul(h, w)))
    let roots = try [loss] + gradients(of: loss, withRespectTo: [w])
    let plan = try XCTUnwrap(Request(roots).newPlan())
    var buffers = plan.buffers
    let (segments, copies) = withCopies(plan.parts, &buffers)
    XCTAssertFalse(copies.isEmpty)
    for (b, copy) in copies {
      XCTAssertEqual(buffers[copy].bytes, buffers[b].bytes)
      let steps = segments.joined().map(\.steps).joined()
      let writers = steps.filter { $0.writes.contains(copy) }
      XCTAssertEqual(writers.count, 1)
      XCTAssertTrue(
        writers.allSatisfy { $0.writes.contains(b) }, "the map that writes one writes the other")
      XCTAssertFalse(steps.allSatisfy { $0.reads.allSatisfy { $0.buffer != copy } })
      XCTAssertTrue(
        plan.parts.joined().map(\.steps).joined().allSatisfy { !$0.writes.contains(copy) })
    }
    try assertPlanIsPlain(roots)
  }
}
