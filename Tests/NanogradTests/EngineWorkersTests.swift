//  Threads: the same bits for any number of them, and every way of using them at once.

import Glibc
import Synchronization
import XCTest

@testable import Nanograd

final class EngineWorkersTests: EngineTestCase {
  // MARK: The same bits

  /// Some time steps of a GRU and its gradients: 256 units, 32 rows.
  private static func gru() throws -> [Tensor] {
    func weight(_ shape: [Int], _ seed: UInt64) throws -> Tensor {
      try .leaf(.random(shape, -0.1...0.1, .float32, seed: seed), .float32, isParameter: true)
    }
    let (wz, wr, wh) = try (weight([112, 256], 1), weight([112, 256], 2), weight([112, 256], 3))
    let (uz, ur, uh) = try (weight([256, 256], 4), weight([256, 256], 5), weight([256, 256], 6))
    let (bz, br, bh) = try (weight([256], 7), weight([256], 8), weight([256], 9))
    var h = try Tensor(variable: .float32, [32, 256])
    for t in 0..<3 {
      let x = try Tensor.leaf(.random([32, 112], -1...1, .float32, seed: 20 + UInt64(t)), .float32)
      let z = try sigmoid(matmul(x, wz) + matmul(h, uz) + bz)
      let r = try sigmoid(matmul(x, wr) + matmul(h, ur) + br)
      let n = try tanh(matmul(x, wh) + matmul(r * h, uh) + bh)
      h = try (1 - z) * h + z * n
    }
    let weights = [wz, wr, wh, uz, ur, uh, bz, br, bh]
    let loss = try mean(h * h)
    var norm = try Tensor(constant: 0, .float32)
    let slopes = try gradients(of: loss, withRespectTo: weights)
    for slope in slopes { norm = try norm + sum(slope * slope) }
    let rate = try 0.1 / sqrt(norm)
    return try [loss, h, norm] + slopes + zip(weights, slopes).map { try $0 - rate * $1 }
  }

  /// Maps and reductions along every axis, large enough to be split.
  private static func reductions(_ dtype: DType) throws -> [Tensor] {
    let x = try Tensor.leaf(.random([130, 1_030], -2...2, dtype), dtype)
    let y = try Tensor.leaf(.random([1_030], -2...2, dtype, seed: 2), dtype)
    let z = try tanh(x * y) + sin(transpose(reshape(x, [1_030, 130])))
    return try [
      z, sum(z), sum(z, axes: [0]), sum(z, axes: [1]), max(z, axes: [0]), mean(exp(z)),
      softmax(z, axis: 1), softmax(z, axis: 0), logSumExp(z), matmul(z, y), matmul(transpose(z), x),
      sum(reshape(z, [13, 10, 1_030]), axes: [1]),
      matmul(reshape(z, [13, 10, 1_030]), transpose(x)),
    ] + gradients(of: sum(z * z), withRespectTo: [x, y])
  }

  /// Asserts that a graph gives the same bits for any number of threads, whether they have a cache in common, and
  /// from run to run.
  private func assertSameBits(_ roots: [Tensor], _ name: String) throws {
    try setNumberOfThreads(1)
    let want = try planned(roots).values.map(\.bytes)
    for (threads, isFar) in [(1, true), (2, false), (3, true), (7, false), (2, true), (7, true)] {
      try setNumberOfThreads(threads)
      Distance.isFar.store(isFar, ordering: .relaxed)
      for (i, (x, y)) in try zip(planned(roots).values, want).enumerated() where x.bytes != y {
        return XCTFail(
          "\(name): root \(i), \(x.root.op) of \(x.root.shape), on \(threads) threads, far: \(isFar)"
        )
      }
    }
    Distance.isFar.store(false, ordering: .relaxed)
  }

  func testSameBitsForAnyNumberOfThreads() throws {
    let gru = try EngineWorkersTests.gru()
    try assertSameBits(gru, "GRU")
    XCTAssertNil(
      difference(try planned(gru).values, try plain(gru), tolerance: 1e-4), "against plain")
    for dtype in [DType.float32, .float64] {
      let roots = try EngineWorkersTests.reductions(dtype)
      try assertSameBits(roots, "reductions of \(dtype)")
      XCTAssertNil(
        difference(
          try planned(roots).values, try plain(roots), tolerance: dtype == .float32 ? 1e-4 : 1e-12))
    }
  }

  func testSameBitsOnLargeRandomGraphs() throws {
    for seed in 1...UInt64(150) {
      let graph = try RandomGraph(seed: seed, scale: .large)
      try graph.write(seed: seed)
      try assertSameBits(graph.roots, "seed \(seed)")
      if let text = difference(
        try planned(graph.roots).values, try plain(graph.roots),
        tolerance: graph.isSingle ? 1e-4 : 1e-11)
      {
        XCTFail("seed \(seed): \(text)")
      }
    }
  }

  // MARK: Loops

  /// Each task runs once, on a thread within the limit, also inside another loop.
  func testEveryTaskRunsOnce() throws {
    for threads in [1, 2, 7, 1, 3] {
      try setNumberOfThreads(threads)
      for count in [0, 1, 2, 5, 1_000] {
        let runs = Counters(count * 10)
        let strangers = Atomic<Int>(0)
        Workers.run(count) { i, thread in
          if thread < 0 || thread >= threads { strangers.wrappingAdd(1, ordering: .relaxed) }
          Workers.run(10) { j, inner in
            if inner != 0 { strangers.wrappingAdd(1, ordering: .relaxed) }
            runs.add(i * 10 + j)
          }
        }
        XCTAssertEqual(runs.values, Array(repeating: 1, count: count * 10))
        // Where the outer loop stays on one thread, the inner may use the others.
        if count > 1 && threads > 1 { XCTAssertEqual(strangers.load(ordering: .relaxed), 0) }
      }
    }
  }

  /// What is left to workers runs once, whoever ends it, and another loop comes after it.
  func testLoopsThatNobodyWaitsFor() throws {
    try setNumberOfThreads(3)
    let (runs, others) = (Counters(300), Counters(50))
    var (ends, begun) = (0, 0)
    for round in 1...200 {
      let loop = Workers.begin(
        shares: [0, 100, 150, 300], cost: .infinity, { i, _ in runs.add(i) },
        atEnd: { ends += 1 })
      if round % 3 == 0 { Workers.run(50) { i, _ in others.add(i) } }
      if let loop {
        begun += 1
        if round % 7 == 0 {
          _ = Workers.begin(shares: [0, 1, 2, 2], cost: .infinity, { _, _ in }, atEnd: {})
        }
        Workers.end(loop)
      } else {
        for i in 0..<300 { runs.add(i) }
      }
      XCTAssertEqual(ends, begun)
      XCTAssertEqual(runs.values, Array(repeating: round, count: 300))
    }
    XCTAssertGreaterThan(begun, 0)
    Workers.endAll()
    XCTAssertEqual(others.values, Array(repeating: 66, count: 50))
    // One task, or one thread, is no loop to be shared.
    XCTAssertNil(Workers.begin(shares: [0, 1, 1], cost: .infinity, { _, _ in }, atEnd: {}))
    XCTAssertNil(Workers.begin(shares: [0, 9], cost: .infinity, { _, _ in }, atEnd: {}))
  }

  /// Every row of every chain is in one task, there is a task for everybody who is called, and a row is the same
  /// thread's whatever else is in its segment.
  func testDivision() {
    func chain(_ rows: Int, _ cost: Double, least: Int = 1) -> Plan.Run {
      Plan.Run(
        rows: rows, loops: StepLoops([]), cost: cost, leastRows: least, grain: least > 1 ? 8 : 1,
        isDense: least > 1)
    }
    func owner(of row: Int, chain: Int, _ division: Division) -> Int? {
      let task = division.tasks.firstIndex { $0.chain == chain && $0.rows.contains(row) }
      return task.flatMap { task in division.shares.dropFirst().firstIndex { task < $0 } }
    }
    let products = [chain(256, 90_000, least: 64)]
    let maps = [chain(1, 100), chain(256, 50_000), chain(6, 13_000), chain(3, 9_000), chain(1, 50)]
    for threads in [2, 3, 4, 64] {
      for segment in [products, maps] {
        let division = Division(segment, threads: threads)
        XCTAssertEqual(division.shares.last, division.tasks.count)
        XCTAssertEqual(division.shares, division.shares.sorted())
        XCTAssertLessThanOrEqual(
          division.shares.count - 1, Swift.min(threads, division.tasks.count))
        for (c, run) in segment.enumerated() {
          let rows = division.tasks.filter { $0.chain == c }.flatMap { Array($0.rows) }
          XCTAssertEqual(rows.sorted(), Array(0..<run.rows), "chain \(c), \(threads) threads")
        }
      }
      guard threads == 2 || threads == 4 else { continue }
      let (a, b) = (Division(products, threads: threads), Division(maps, threads: threads))
      for row in [0, 60, 64, 127, 128, 191, 192, 255] {
        XCTAssertEqual(owner(of: row, chain: 0, a), owner(of: row, chain: 1, b), "row \(row)")
      }
    }
    XCTAssertTrue(Division([chain(256, 1_000)], threads: 8).tasks.isEmpty, "too little for two")
  }

  /// Eight threads with graphs of their own; the values are those of one thread.
  func testDifferentGraphsOnEightThreads() throws {
    try setNumberOfThreads(3)
    let want = try (0..<8).map { try EngineWorkersTests.bytes(of: UInt64($0 + 1)) }
    let wrong = Atomic<Int>(0)
    inParallel(8) { i in
      for round in 0..<40 {
        let graph = (i + round) % 8
        let got = try? EngineWorkersTests.bytes(of: UInt64(graph + 1))
        if got != want[graph] { wrong.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    XCTAssertEqual(wrong.load(ordering: .relaxed), 0)
  }

  private static func bytes(of seed: UInt64) throws -> [[UInt8]] {
    let graph = try RandomGraph(seed: seed, scale: .large)
    try graph.write(seed: seed)
    try evaluate(graph.roots)
    return try graph.roots.map { Evaluated(root: $0, value: try $0.evaluated()).bytes }
  }

  /// The limit may change at any moment, a run under way included.
  func testChangingTheNumberOfThreadsMeanwhile() throws {
    let roots = try EngineWorkersTests.reductions(.float32)
    let want = try planned(roots).values.map(\.bytes)
    let isDone = Atomic<Bool>(false)
    let wrong = Atomic<Int>(0)
    let box = Unchecked(roots)
    inParallel(2) { i in
      if i == 0 {
        var threads = 1
        while !isDone.load(ordering: .relaxed) {
          threads = threads % 7 + 1
          try? setNumberOfThreads(threads)
          sched_yield()
        }
      } else {
        for _ in 0..<60 where (try? planned(box.value).values.map(\.bytes)) != want {
          wrong.wrappingAdd(1, ordering: .relaxed)
        }
        isDone.store(true, ordering: .relaxed)
      }
    }
    XCTAssertEqual(wrong.load(ordering: .relaxed), 0)
  }

  // MARK: Fork

  /// A child has none of its parent's threads: it starts its own, and gets the same bits.
  func testAChildOfAForkEvaluates() throws {
    try setNumberOfThreads(3)
    let roots = try EngineWorkersTests.gru()
    let want = try planned(roots).values.map(\.bytes)
    for _ in 0..<3 {
      let child = fork()
      guard child >= 0 else { return XCTFail("no child: errno \(errno)") }
      if child == 0 {
        // A child that hangs is ended by the signal.
        alarm(60)
        guard threadsOfThisProcess() == 1 else { _exit(2) }
        guard (try? planned(roots).values.map(\.bytes)) == want else { _exit(3) }
        // The graph is large enough for work to be split: its threads are there.
        _exit(threadsOfThisProcess() > 1 ? 0 : 4)
      }
      var status: Int32 = 0
      while waitpid(child, &status, 0) < 0 && errno == EINTR {}
      XCTAssertEqual(status, 0, "wait status: the exit code is in the second byte")
    }
    XCTAssertEqual(try planned(roots).values.map(\.bytes), want)
  }

  // MARK: Helpers

  private func threadsOfThisProcess() -> Int {
    guard let directory = opendir("/proc/self/task") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
      if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 }
    }
    return count
  }

  private func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for i in 0..<count {
      group.enter()
      Thread.detachNewThread {
        body(i)
        group.leave()
      }
    }
    group.wait()
  }
}

/// Counts that several threads add to.
private final class Counters: @unchecked Sendable {
  private let memory: UnsafeMutablePointer<Atomic<Int>>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    memory = .allocate(capacity: max(count, 1))
    for i in 0..<count { (memory + i).initialize(to: Atomic(0)) }
  }

  deinit { memory.deallocate() }

  func add(_ i: Int) { memory[i].wrappingAdd(1, ordering: .relaxed) }
  var values: [Int] { (0..<count).map { memory[$0].load(ordering: .relaxed) } }
}

/// What only one thread at a time uses.
private struct Unchecked<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
