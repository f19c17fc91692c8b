import XCTest

@testable import Nanograd

final class ScheduleTests: XCTestCase {
  func testFormulas() throws {
    let linear = try Schedule.linear(steps: 4, from: 1, to: 3)
    XCTAssertEqual((0...5).map { linear.rate(at: $0) }, [1, 1.5, 2, 2.5, 3, 3])
    let cosine = try Schedule.cosine(steps: 4, from: 1, to: 0)
    for (t, expected) in [1, (2 + 2.0.squareRoot()) / 4, 0.5, (2 - 2.0.squareRoot()) / 4, 0, 0]
      .enumerated()
    {
      XCTAssertEqual(cosine.rate(at: t), expected, accuracy: 1e-15)
    }
    let exponential = try Schedule.exponential(steps: 3, from: -8, to: -1)
    for (t, expected) in [-8.0, -4, -2, -1, -1].enumerated() {
      XCTAssertEqual(exponential.rate(at: t), expected, accuracy: 1e-14)
    }
    let step = try Schedule.step(interval: 2, from: 8, factor: 0.5)
    XCTAssertEqual((0...7).map { step.rate(at: $0) }, [8, 8, 4, 4, 2, 2, 1, 1])
    XCTAssertEqual(try Schedule.constant(0.3).rate(at: 1000), 0.3)
    let (whole, real): (Schedule, Schedule) = (2, 0.25)
    XCTAssertEqual([whole.rate(at: 0), real.rate(at: 9)], [2, 0.25])
  }

  func testEndsAreExact() throws {
    // Numbers for which the formulas round at the ends.
    for (from, to) in [(0.1, 0.7), (1e-2, 1e-5), (3e300, 1e280), (-0.3, -1e-9)] {
      for steps in [1, 3, 7, 1_000_003, Int.max] {
        for schedule in [
          try Schedule.linear(steps: steps, from: from, to: to),
          try Schedule.cosine(steps: steps, from: from, to: to),
          try Schedule.exponential(steps: steps, from: from, to: to),
        ] {
          XCTAssertEqual(schedule.steps, steps)
          XCTAssertEqual(schedule.rate(at: 0), from)
          XCTAssertEqual(schedule.rate(at: steps), to)
          XCTAssertEqual(schedule.rate(at: Int.max), to)
          let middle = schedule.rate(at: steps / 2)
          XCTAssert(middle >= min(from, to) && middle <= max(from, to))
        }
      }
    }
    XCTAssertEqual(try Schedule.step(interval: 1, from: 1, factor: 0.5).rate(at: Int.max), 0)
  }

  func testChains() throws {
    let warmUp = try Schedule.linear(steps: 2, from: 0, to: 1)
    let level = try Schedule.constant(5, steps: 3)
    let fall = try Schedule.linear(steps: 2, from: 9, to: 7)
    let chain = try warmUp + level + fall
    XCTAssertEqual((0...9).map { chain.rate(at: $0) }, [0, 0.5, 5, 5, 5, 9, 8, 7, 7, 7])
    XCTAssertEqual(chain.steps, 7)
    // A chain as the second behaves as its parts do, one after the other.
    let nested = try warmUp + (level + fall)
    XCTAssertEqual((0...9).map { nested.rate(at: $0) }, (0...9).map { chain.rate(at: $0) })
    XCTAssertNil(try (warmUp + 0.5).steps)
    // Chained with itself.
    let twice = try warmUp + warmUp
    XCTAssertEqual((0...4).map { twice.rate(at: $0) }, [0, 0.5, 0, 0.5, 1])
    XCTAssertEqual(code { _ = try (warmUp + 0.5) + warmUp }, .argument)
    // More steps than can be counted are no end.
    let endless = try Schedule.constant(1, steps: .max) + Schedule.constant(2, steps: .max)
    XCTAssertNil(endless.steps)
    XCTAssertEqual(endless.rate(at: .max - 1), 1)
    XCTAssertEqual(endless.rate(at: .max), 2)
  }

  func testLongChainsNeedNoStack() {
    onSmallStack {
      do {
        let one = try Schedule.constant(1, steps: 1)
        let last = try Schedule.linear(steps: 1, from: 2, to: 3)
        var (left, right) = (one, last)
        for _ in 1..<100_000 {
          left = try left + one
          right = try one + right
        }
        left = try left + last
        for (t, expected) in [(0, 1.0), (98_000, 1), (99_998, 1), (100_001, 3)] {
          XCTAssertEqual(left.rate(at: t), expected)
          XCTAssertEqual(right.rate(at: t), expected)
        }
        XCTAssertEqual(left.rate(at: 100_000), 2)
        XCTAssertEqual(right.rate(at: 99_999), 2)
      } catch {
        XCTFail("\(error)")
      }
    }
  }

  func testRefusals() {
    let refused: [(String, () throws -> Schedule)] = [
      ("no step", { try .linear(steps: 0, from: 1, to: 0) }),
      ("negative steps", { try .cosine(steps: -1, from: 1, to: 0) }),
      ("negative constant", { try .constant(1, steps: -1) }),
      ("NaN", { try .constant(.nan) }),
      ("infinite", { try .linear(steps: 1, from: .infinity, to: 0) }),
      ("infinite difference", { try .linear(steps: 1, from: 1e308, to: -1e308) }),
      ("two signs", { try .exponential(steps: 1, from: 1, to: -1) }),
      ("to 0", { try .exponential(steps: 1, from: 1, to: 0) }),
      ("from 0", { try .exponential(steps: 1, from: 0, to: 1) }),
      ("no interval", { try .step(interval: 0, from: 1, factor: 0.5) }),
      ("NaN factor", { try .step(interval: 1, from: 1, factor: .nan) }),
    ]
    for (name, make) in refused { XCTAssertEqual(code { _ = try make() }, .argument, name) }
  }
}
