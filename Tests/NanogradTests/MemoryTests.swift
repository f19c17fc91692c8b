//  Memory for data: accounts, limits, and that a refusal changes nothing.

import XCTest

@testable import Nanograd

final class MemoryTests: XCTestCase {
  override func setUp() { releaseCaches() }
  override func tearDown() { XCTAssertNoThrow(try setMemoryLimit(nil)) }

  private func assertRefused(_ body: () throws -> Void, line: UInt = #line) {
    XCTAssertThrowsError(try body(), line: line) { error in
      XCTAssertEqual((error as? NanogradError)?.code, .memory, line: line)
    }
  }

  func testSizesThatNoMachineHas() {
    for bytes in [Int.max, .max - 62, .max - 63, 1 << 60, (1 << 56) + 1, 1 << 56, 1 << 50] {
      assertRefused { _ = try Value(bytes: bytes) }
      assertRefused { _ = try Value(bytes: bytes, for: .working) }
    }
  }

  func testAccounts() throws {
    let before = memoryUse
    var values: [Value] = []
    for (i, use) in [Memory.Use.values, .working, .plans, .handles].enumerated() {
      values.append(try Value(bytes: 10_000 * (i + 1), for: use))
    }
    var use = memoryUse
    XCTAssertEqual(use.values, before.values + 10_000)
    XCTAssertEqual(use.working, before.working + 20_000)
    XCTAssertEqual(use.plans, before.plans + 30_000)
    XCTAssertEqual(use.handles, before.handles + 40_000)
    XCTAssertEqual(use.total, before.total + 100_000)
    XCTAssertGreaterThanOrEqual(use.peak, use.total)
    values = []
    use = memoryUse
    // What is kept is whole cache lines.
    XCTAssertEqual(
      use.pool,
      before.pool
        + [10_000, 20_000, 30_000, 40_000].reduce(0) {
          $0 + ($1 + 63) / 64 * 64
        })
    releaseCaches()
    use = memoryUse
    XCTAssertEqual(use.pool, 0)
    XCTAssertEqual(use.values, before.values)
    XCTAssertEqual(use.working, before.working)
  }

  func testOldSizesMakeRoomForNewOnes() throws {
    let (old, new) = (FreeList.capacity / 4, FreeList.capacity / 8)
    var values = try (0..<4).map { _ in try Value(bytes: old) }
    values = []
    XCTAssertEqual(memoryUse.pool, FreeList.capacity)
    // A working set of new sizes, larger than what an old one is taken out for.
    for bytes in [new, new - 4096, new - 8192] { values.append(try Value(bytes: bytes)) }
    values = []
    let pool = memoryUse.pool
    XCTAssertLessThanOrEqual(pool, FreeList.capacity)
    XCTAssertGreaterThan(pool, FreeList.capacity - old)
    for bytes in [new, new - 4096, new - 8192] { values.append(try Value(bytes: bytes)) }
    XCTAssertEqual(memoryUse.pool, pool - 3 * new + 12_288, "all three were kept")
    values = []
    // What is larger than the whole pool goes back to the system.
    _ = try Value(bytes: FreeList.capacity + 4096)
    XCTAssertEqual(memoryUse.pool, pool)
  }

  func testSmallPiecesAreCountedToo() throws {
    let before = memoryUse
    let values = try (0..<1000).map { _ in try Value(bytes: 4) }
    XCTAssertEqual(memoryUse.values, before.values + 4000)
    XCTAssertEqual(memoryUse.total, before.total + 4000)
    withExtendedLifetime(values) {}
  }

  func testPlansGiveUpTheirMemory() throws {
    let x = try Tensor(variable: [Float](repeating: 0.5, count: 256 * 256), [256, 256])
    let y = try matmul(matmul(x, x), transpose(x))
    let expected = try y.values(Float.self)
    guard memoryUse.plans > 0 else {
      throw XCTSkip("the plain evaluator keeps nothing")
    }
    try setMemoryLimit(memoryUse.total - 1)
    XCTAssertLessThan(memoryUse.plans, 1024, "constants stay")
    XCTAssertEqual(memoryUse.pool, 0)
    try setMemoryLimit(nil)
    try x.write([Float](repeating: 0.5, count: 256 * 256))
    XCTAssertEqual(try y.values(Float.self), expected)
  }

  func testLimitsThatAreNone() {
    for bytes in [0, -1, Int.min] {
      XCTAssertThrowsError(try setMemoryLimit(bytes)) { error in
        XCTAssertEqual((error as? NanogradError)?.code, .argument)
        XCTAssertEqual((error as? NanogradError)?.function, "set_memory_limit")
      }
      XCTAssertNil(memoryUse.limit)
    }
  }

  /// From the least to just enough: each refusal leaves parameters, gradients and the optimizer's state as
  /// they were, and what comes after it is what always was.
  func testTrainingUnderEveryLimit() throws {
    struct Outcome: Equatable {
      var values: [[Float]] = []
      var loss = 0.0
    }
    func training(_ room: Int?) throws -> (outcome: Outcome, refusals: Int) {
      let w = try Tensor(parameter: (0..<1600).map { Float($0 % 7) - 3 }, [40, 40], tag: "w")
      let b = try Tensor(parameter: [Float](repeating: 0.1, count: 40), [40], tag: "b")
      let x = try Tensor(variable: (0..<2000).map { Float($0 % 11) / 10 }, [50, 40])
      let loss = try mean(squaredError(tanh(matmul(x, w) + b), relu(x)))
      let optimizer = Optimizer(.adam, rate: 0.01)
      try optimizer.setClipNorm(1)
      try optimizer.add([w, b])
      var refusals = 0
      func state() throws -> [[Float]] { try [w, b, w.grad!, b.grad!].map { try $0.values() } }
      func attempt(_ call: () throws -> Void) throws {
        releaseCaches()
        let before = try state()
        if let room { try setMemoryLimit(memoryUse.total + room) }
        do {
          try call()
          try setMemoryLimit(nil)
        } catch let error as NanogradError where error.code == .memory {
          try setMemoryLimit(nil)
          refusals += 1
          XCTAssertEqual(try state(), before)
          try call()
        }
      }
      for _ in 0..<2 {
        optimizer.zeroGrad()
        try attempt { try loss.backward() }
        try attempt { try loss.backward() }
        try attempt { try optimizer.step() }
      }
      XCTAssertEqual(optimizer.steps, 2)
      return (Outcome(values: try state(), loss: try loss.item()), refusals)
    }
    let (expected, none) = try training(nil)
    XCTAssertEqual(none, 0)
    var refused = 0
    var room = 1
    while true {
      let (outcome, refusals) = try training(room)
      XCTAssertEqual(outcome, expected, "\(room) bytes")
      refused += refusals
      if refusals == 0 { break }
      room = room * 5 / 4 + 1
      XCTAssertLessThan(room, 1 << 24, "some megabytes are enough")
    }
    XCTAssertGreaterThan(refused, 20)
  }

  func testReferences() {
    final class Object {
      nonisolated(unsafe) static var count = 0
      init() { Object.count += 1 }
      deinit { Object.count -= 1 }
    }
    do {
      let place = AtomicReference<Object>()
      XCTAssertNil(place.take())
      let first = Object()
      place.putFirst(first)
      place.putFirst(Object())
      XCTAssertEqual(Object.count, 1, "the second was not taken")
      XCTAssertTrue(place.take() === first)
      XCTAssertTrue(place.isEmpty)
      place.put(Object())
      place.put(first)
      XCTAssertEqual(Object.count, 1, "what was there is dropped")
    }
    XCTAssertEqual(Object.count, 0)
  }
}
