//  A graph compiled to loops. It knows no leaf: their values are bound to it at every run.

internal import CMoves
import NanogradKernelTable

final class Plan: @unchecked Sendable {
  /// A chain of loops, to be run over rows cut into blocks.
  struct Run {
    let rows: Int
    let loops: StepLoops
    let cost: Double
    /// How many rows a block should have at least: every one reads all of a product's B, or even packs it. With 64,
    /// not 32, for a B that is packed already, panels came from the second-level cache half as often.
    let leastRows: Int
    /// Rows that are worth keeping together: whole register tiles of matrix products.
    let grain: Int
    /// Whether most of its time goes to products. They compute much with each byte that another thread left in its
    /// core's caches.
    let isDense: Bool

    /// Nanoseconds of work below which a second thread costs more than it brings.
    var leastCost: Double { isDense ? 4_000 : 12_000 }

    /// The number of blocks for some threads, and the rows of each; `all`: what all chains of the segment cost.
    func blocks(_ threads: Int, all: Double) -> (count: Int, rows: Int) {
      guard threads > 1, cost > leastCost, rows > grain else { return (1, rows) }
      // In all, several for each thread, so that none waits long for another that is slower.
      let share = (rows + threads - 1) / threads
      let pieces = Swift.min(Swift.max(Int((8 * cost / all).rounded(.up)), 1), 4)
      let wish = Swift.max((share + pieces - 1) / pieces, Swift.min(share, leastRows))
      let size = (wish + grain - 1) / grain * grain
      return ((rows + size - 1) / size, size)
    }
  }

  let buffers: [Buffer]
  private let offsets: [Int?]
  let arenaSize: Int
  private let scratchSize: Int
  /// More threads than this find nothing to do.
  private let mostTasks: Int
  private let segments: [[Run]]
  /// The steps, for descriptions.
  let parts: [Segment]
  /// The nodes whose values the plan needs.
  let inputs: [Int]
  /// Their buffers, those of what is computed, and those that are the same at every run.
  private let inputBuffers: [Int]
  private let results: [Int]
  private let constants: [(buffer: Int, value: Value)]
  private let continued: [(buffer: Int, by: Int)]
  private let copies: [(of: Int, is: Int)]
  /// The results that the last segment writes, and whether nothing in it can fail.
  private let lastResults: [Int]
  private let lastCannotFail: Bool
  /// Memory from the last run, for the next.
  private let spare = Spare()

  /// `forAll`: the results that all threads will read next.
  init(
    nodes: [Tensor], same: [Int], operands: [[Int]], isInput: [Bool], results: [Int],
    forAll: Set<Int> = []
  ) throws {
    let graph = try Joined(
      nodes: nodes, same: same, operands: operands, isInput: isInput, results: results)
    func lowered(grouping: Bool) throws -> (Lowering, [Segment])? {
      var lowering = Lowering(
        nodes: graph.nodes, same: Array(graph.nodes.indices), operands: graph.operands,
        isInput: graph.isInput, results: graph.results)
      try lowering.run()
      if grouping { try lowering.groupProducts() }
      try lowering.choosePanels()
      lowering.numberInputs(by: graph.origins)
      return Nanograd.segments(lowering.steps, lowering.buffers).map {
        (lowering, $0)
      }
    }
    guard var (lowering, parts) = try lowered(grouping: true) ?? lowered(grouping: false) else {
      throw NanogradError(.state, "steps wait for each other")
    }
    // What no machine can hold is left to the plain evaluator, which says so.
    guard lowering.buffers.reduce(0, { $0 + Double($1.bytes) }) < 0x1p48 else {
      throw NanogradError(.state, "intermediates of more than 2^48 bytes")
    }
    parts = fused(separated(parts, lowering.buffers), lowering.buffers)
    self.parts = parts
    let (segments, copies) = withCopies(parts, &lowering.buffers)
    buffers = lowering.buffers
    self.copies = copies
    (offsets, arenaSize) = placement(segments, buffers, copies)
    var results = Array(repeating: 0, count: results.count)
    for (b, buffer) in buffers.enumerated() {
      if let result = buffer.result { results[result] = b }
    }
    self.results = results
    let last = parts.last?.flatMap(\.steps) ?? []
    let written = Set(last.flatMap(\.writes))
    lastResults = results.indices.filter { written.contains(results[$0]) }
    lastCannotFail = !last.contains(where: \.canFail)
    var inputs: [(buffer: Int, node: Int)] = []
    var constants: [(Int, Value)] = []
    for (b, buffer) in buffers.enumerated() {
      switch buffer.source {
      case .input(let node): inputs.append((b, node))
      case .constant(let value): constants.append((b, value))
      case .step: break
      }
    }
    self.inputs = inputs.map(\.node)
    inputBuffers = inputs.map(\.buffer)
    self.constants = constants
    continued = lowering.buffers.enumerated().compactMap { b, buffer in
      buffer.continues.map { ($0, b) }
    }
    var runs: [[Run]] = []
    let shared = Set(forAll.map { [results] in results[$0] })
    for segment in segments {
      runs.append(try segment.map { try Plan.run(of: $0, lowering, shared) })
    }
    self.segments = runs
    mostTasks = runs.map { $0.reduce(0) { $0 + $1.blocks(1024, all: $1.cost).count } }.max() ?? 1
    scratchSize = runs.joined().flatMap(\.loops.list).map(\.scratch).max() ?? 0
  }

  private static func run(
    of chain: Chain, _ lowering: Lowering, _ shared: Set<Int>
  ) throws -> Run {
    var rows = chain.rows ?? 1
    var (leastRows, grain) = (1, 1)
    var products = 0.0
    let loops: [StepLoop] = try chain.steps.map { step in
      switch step.work {
      case .map(let map):
        return map.dtype == .float32
          ? MapLoop<Float>(map, shared: shared) : MapLoop<Double>(map, shared: shared)
      case .contraction(let contraction):
        let width = chain.steps.count == 1 ? contraction.columnsAtOnce : nil
        if let width { rows = (contraction.columns + width - 1) / width } else { grain = 8 }
        leastRows = Swift.max(leastRows, contraction.hasPanels ? 64 : rows)
        let loop =
          contraction.dtype == .float32
          ? ContractionLoop<Float>(contraction, columnsAtOnce: width)
          : ContractionLoop<Double>(contraction, columnsAtOnce: width)
        products += loop.cost
        return loop
      case .pack(let factor, let dtype, let target):
        rows =
          dtype == .float32
          ? Float.kernels.panelCount(factor.columns) : Double.kernels.panelCount(factor.columns)
        return dtype == .float32
          ? PackLoop<Float>(factor, target: target) : PackLoop<Double>(factor, target: target)
      case .reduceRuns(let code, let source, let length, let runs, let dtype, let target):
        return dtype == .float32
          ? ReduceRunsLoop<Float>(
            code, source: source, length: length, runs: runs, rows: rows, target: target)
          : ReduceRunsLoop<Double>(
            code, source: source, length: length, runs: runs, rows: rows, target: target)
      case .reduceRows(let code, let source, let length, let columns, let dtype, let target):
        rows = (columns + ReduceRowsLoop<Float>.stretch - 1) / ReduceRowsLoop<Float>.stretch
        return dtype == .float32
          ? ReduceRowsLoop<Float>(
            code, source: source, length: length, columns: columns, target: target)
          : ReduceRowsLoop<Double>(
            code, source: source, length: length, columns: columns, target: target)
      case .general(let node, let sources, let target):
        return GeneralLoop(
          try lowering.nodes[node].prototype(),
          sources: sources.map { ($0, lowering.buffers[$0].bytes) }, target: target)
      }
    }
    let cost = loops.reduce(0) { $0 + $1.cost }
    return Run(
      rows: rows, loops: StepLoops(loops), cost: cost, leastRows: leastRows,
      grain: grain, isDense: products > cost / 2)
  }

  /// Bytes that the plan keeps between runs, for one thread.
  var memory: Int { arenaSize + scratchSize }

  /// Computes the results for the values of the inputs, numbered as in `inputs`, into given memory where there is
  /// some; with a profile, on this thread alone. `waits`: whether the last loop has to have ended.
  func run(
    _ value: (Int) throws -> Value, into given: [Value?] = [], isFar: Bool? = nil,
    waits: Bool = true, _ profile: inout Profile?
  ) throws -> [Value] {
    let context = try takeContext(profile == nil ? Swift.min(numberOfThreads, mostTasks) : 1)
    context.isFar = context.threads > 1 && (isFar ?? Distance.isFar.load(ordering: .relaxed))
    for i in inputBuffers.indices { context.bind(inputBuffers[i], keeping: try value(i)) }
    let computed = try [Value](count: results.count) { i in
      let b = results[i]
      let value = try (i < given.count ? given[i] : nil) ?? Value(bytes: buffers[b].bytes)
      context.bind(b, value.pointer)
      return value
    }
    for (b, other) in continued { context.bind(b, context.memory(other)) }
    for (b, copy) in copies {
      context.bind(copy, context.isFar ? context.place(offsets[copy]) : context.memory(b))
    }
    for s in segments.indices {
      if !waits, s == segments.count - 1, begin(context, computed) { return computed }
      if profile == nil { run(s, context) } else { profile?.run(s, segments[s], context) }
      try context.check()
    }
    put(consume context)
    return computed
  }

  func run(
    _ value: (Int) throws -> Value, into given: [Value?] = [], isFar: Bool? = nil,
    waits: Bool = true
  ) throws -> [Value] {
    var none: Profile?
    return try run(value, into: given, isFar: isFar, waits: waits, &none)
  }

  /// Whether a result can be written to where an input is: only the step that writes the one still reads
  /// the other then, element by element before it writes, and nothing that comes later can fail.
  func canReplace(input: Int, byResult result: Int) -> Bool {
    let (source, target) = (inputBuffers[input], results[result])
    guard buffers[source].bytes == buffers[target].bytes else { return false }
    var isWritten = false
    for segment in parts {
      let steps = segment.flatMap(\.steps)
      let readers = steps.filter { $0.reads.contains { $0.buffer == source } }
      if isWritten {
        guard readers.isEmpty, !steps.contains(where: \.canFail) else { return false }
      } else if let writer = steps.first(where: { $0.writes.contains(target) }) {
        guard case .map(let map) = writer.work, !steps.contains(where: \.canFail),
          readers.allSatisfy({ $0.writes.contains(target) }),
          map.readsInPlace(source, until: target)
        else { return false }
        isWritten = true
      }
    }
    return isWritten
  }

  private func run(_ number: Int, _ context: Context) {
    guard !context.divisions[number].tasks.isEmpty else {
      for i in segments[number].indices {
        segments[number][i].loops.run(
          0..<segments[number][i].rows, context, context.scratch.pointer)
      }
      if context.isFar { ngp_stream_end() }
      return
    }
    let (segment, division) = (segments[number], context.divisions[number])
    division.shares.withUnsafeBufferPointer { shares in
      Workers.run(shares: shares, cost: division.cost) {
        self.run(division.tasks[$0], of: segment, context, thread: $1)
      }
    }
  }

  private func run(
    _ task: Division.Task, of segment: [Run], _ context: Context, thread: Int
  ) {
    segment[task.chain].loops.run(
      task.rows, context, context.scratch.pointer + thread * scratchSize)
    if context.isFar { ngp_stream_end() }
  }

  /// Leaves the last segment to workers, if nothing in it can fail.
  private func begin(_ context: Context, _ computed: [Value]) -> Bool {
    let (segment, division) = (segments[segments.count - 1], context.divisions[segments.count - 1])
    guard !division.tasks.isEmpty, lastCannotFail else { return false }
    let loop = Workers.begin(
      shares: division.shares, cost: division.cost,
      { self.run(division.tasks[$0], of: segment, context, thread: $1) },
      atEnd: { withExtendedLifetime(computed) { self.put(context) } })
    guard let loop else { return false }
    for i in lastResults { computed[i].isWritten(by: loop) }
    return true
  }

  /// Keeps the memory for the next run, and nothing of what this one read.
  private func put(_ context: consuming Context) {
    context.dropValues()
    spare.put(consume context)
  }

  /// The memory of the last run, or new memory if that is in use or of another size.
  private func takeContext(_ threads: Int) throws -> Context {
    if let context = spare.take(), context.threads == threads { return context }
    let new = try Context(
      arena: arenaSize, scratch: scratchSize * threads, buffers: buffers.count,
      divisions: segments.map { Division($0, threads: threads) }, threads: threads)
    for (b, value) in constants { new.bind(b, value.pointer) }
    for (b, offset) in offsets.enumerated() {
      if let offset { new.bind(b, new.arena.pointer + offset) }
    }
    return new
  }
}

/// The tasks of a segment, some rows of a chain each, in the order of the threads that they are meant for; none where
/// one thread does better alone.
struct Division {
  typealias Task = (chain: Int, rows: Range<Int>)
  private(set) var tasks: [Task] = []
  /// Where each thread's tasks begin, and at last their number.
  private(set) var shares = [0]
  /// Nanoseconds that all take.
  let cost: Double

  /// The same rows of steps with as many of them are the same thread's in every segment: of weights, the gradients,
  /// the moments and the new weights, of a batch its states and their gradients.
  init(_ segment: [Plan.Run], threads: Int) {
    cost = segment.reduce(0) { $0 + $1.cost }
    let leastCost = segment.reduce(.infinity) { Swift.min($0, $1.leastCost) }
    guard threads > 1, cost >= leastCost else { return }
    let cuts = segment.map { [cost] in $0.blocks(threads, all: cost) }
    // Nobody is called for whom there is no task.
    let threads = Swift.min(threads, cuts.reduce(0) { $0 + $1.count })
    var lists = [[(Int, Range<Int>)]](repeating: [], count: threads)
    var next = 0
    for (c, run) in segment.enumerated() {
      let (count, size) = cuts[c]
      for block in 0..<count {
        let thread = count < threads ? (next + block) % threads : block * threads / count
        lists[thread].append((c, block * size..<Swift.min((block + 1) * size, run.rows)))
      }
      if count < threads { next += count }
    }
    for list in lists {
      tasks += list
      shares.append(tasks.count)
    }
  }
}

extension Tensor {
  /// This operator over leaves that hold nothing, so that keeping it keeps no graph.
  func prototype() throws -> Tensor {
    // Not a number's own node: the value that was computed for it would stay with it.
    if let constant { return try Tensor(constant: constant, dtype) }
    if operands.count == 0 { return try op == .iota ? Tensor(iota: size, dtype) : self }
    let stand = operands.list.map {
      Tensor(
        leaf: Leaf(tag: "", isParameter: false), dtype: $0.dtype, shape: $0.shape,
        isParameter: false)
    }
    return try Tensor(op, .many(stand), attributes, dtype: dtype, requested: shape)
  }
}
