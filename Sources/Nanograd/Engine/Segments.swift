//  In what order steps run, and where threads have to wait for each other. Within a chain, row i of
//  every step needs only row i of the steps before it: a thread takes some rows through the whole
//  chain, and waits for nobody. A recurrent network is one chain forward and backward. In a chain of one
//  row the steps simply follow each other, whatever they read.

/// Steps over the same rows, or a single step that is a loop of its own.
struct Chain {
  /// How many rows, for chains; nil for a single step.
  let rows: Int?
  var steps: [Step]
}

/// Chains that do not need each other. Threads wait for each other at the end of each segment.
typealias Segment = [Chain]

/// Orders steps into segments; nil if some steps wait for each other in a circle, which grouping can
/// bring about.
func segments(_ steps: [Step], _ buffers: [Buffer]) -> [Segment]? {
  var arrangement = Arrangement(steps, buffers)
  return arrangement.run()
}

/// Cuts chains into those of their steps that have nothing to do with each other: whoever is done with one takes the
/// next, whatever rows they are cut into. Small ones stay together.
func separated(_ segments: [Segment], _ buffers: [Buffer]) -> [Segment] {
  let owner = buffers.owners
  return segments.map { $0.flatMap { $0.separated(buffers, owner) } }
}

extension Chain {
  /// Bytes that a chain reads and writes, below which it is not worth a task of its own.
  private static var leastBytes: Double { 65536 }

  fileprivate func separated(_ buffers: [Buffer], _ owner: [Int]) -> [Chain] {
    guard steps.count > 1 else { return [self] }
    // The earliest step that each has to do with, through buffers that one of them writes.
    var origin = Array(steps.indices)
    func first(_ s: Int) -> Int {
      var s = s
      while origin[s] != s {
        origin[s] = origin[origin[s]]
        s = origin[s]
      }
      return s
    }
    let written = Set(steps.flatMap(\.writes).map { owner[$0] })
    var user: [Int: Int] = [:]
    // Views may be read so often that no integer holds the sum.
    var bytes: [Double] = []
    for (s, step) in steps.enumerated() {
      let touched = step.writes + step.reads.map(\.buffer)
      bytes.append(touched.reduce(0) { $0 + Double(buffers[$1].bytes) })
      for b in touched.map({ owner[$0] }) where written.contains(b) {
        let (one, other) = (first(user[b] ?? s), first(s))
        origin[Swift.max(one, other)] = Swift.min(one, other)
        user[b] = origin[s]
      }
    }
    let origins = steps.indices.map(first)
    for (s, origin) in origins.enumerated() where origin != s { bytes[origin] += bytes[s] }
    var chains: [Chain] = []
    var place: [Int: Int] = [:]
    var open: (chain: Int, bytes: Double)?
    for (step, origin) in zip(steps, origins) {
      if place[origin] == nil {
        let isSmall = bytes[origin] < Chain.leastBytes
        if isSmall, let last = open, last.bytes < Chain.leastBytes {
          place[origin] = last.chain
          open = (last.chain, last.bytes + bytes[origin])
        } else {
          place[origin] = chains.count
          if isSmall { open = (chains.count, bytes[origin]) }
          chains.append(Chain(rows: rows, steps: []))
        }
      }
      chains[place[origin]!].steps.append(step)
    }
    return chains
  }
}

/// Steps on their way to segments.
private struct Arrangement {
  private let steps: [Step]
  /// The step that writes each buffer, -1 if none does.
  private var producer: [Int]
  /// What lazy steps work on; nil for others.
  private let sources: [Int?]
  /// How many reads of each step wait for steps that have not been placed, and who waits for whom.
  private var waiting: [Int]
  private var readers: [[Int]]
  /// The segment that each step was placed in, or -1.
  private var place: [Int]
  private var result: [Segment] = []
  /// The segment that is being filled, and its chains by their rows.
  private var chains: [Chain] = []
  private var chainOfRows: [Int: Int] = [:]

  init(_ steps: [Step], _ buffers: [Buffer]) {
    self.steps = steps
    producer = Array(repeating: -1, count: buffers.count)
    for (s, step) in steps.enumerated() { for target in step.writes { producer[target] = s } }
    sources = lazySources(steps, buffers, producer)
    waiting = Array(repeating: 0, count: steps.count)
    readers = Array(repeating: [], count: steps.count)
    place = Array(repeating: -1, count: steps.count)
    for (s, step) in steps.enumerated() where !isLazy(s) {
      for p in step.reads.map({ producer[$0.buffer] }) where p >= 0 {
        // Whoever reads what a lazy step writes waits for what that one works on.
        let awaited = sources[p].map { producer[$0] } ?? p
        guard awaited >= 0 else { continue }
        waiting[s] += 1
        readers[awaited].append(s)
      }
    }
  }

  private func isLazy(_ s: Int) -> Bool { s >= 0 && sources[s] != nil }

  mutating func run() -> [Segment]? {
    var ready = Heap()
    var later = steps.indices.filter { waiting[$0] == 0 && !isLazy($0) }
    // A number that waits for no loop comes before all of them, or who reads it would have to wait for the
    // loops beside it: the gradient of a mean begins with one.
    var onlyNumbers = true
    while !later.isEmpty {
      for s in later { ready.push(s) }
      later = []
      while let s = ready.pop() {
        guard !onlyNumbers || steps[s].isNumber, add(s) else {
          later.append(s)
          continue
        }
        for reader in readers[s] {
          waiting[reader] -= 1
          if waiting[reader] == 0 { ready.push(reader) }
        }
      }
      onlyNumbers = false
      if !chains.isEmpty { result.append(chains) }
      (chains, chainOfRows) = ([], [:])
    }
    return place.contains(-1) ? nil : result
  }

  /// Adds a step to the segment, behind the lazy steps that it reads; false if it has to wait for the next
  /// segment.
  private mutating func add(_ s: Int) -> Bool {
    // Who reads a lazy step does so row by row, and can always follow it.
    let together = unplacedLazy(before: s) + [s]
    let isInTime = together.allSatisfy { s in
      steps[s].reads.allSatisfy { isLazy(producer[$0.buffer]) || canFollow(s, $0) }
    }
    guard isInTime else { return false }
    for s in together { put(s) }
    return true
  }

  /// The lazy steps without a place that a step reads, and those that they read, in order.
  private func unplacedLazy(before s: Int) -> [Int] {
    var list: [Int] = []
    var isListed: Set<Int> = []
    var (next, visited) = (s, 0)
    while true {
      for p in steps[next].reads.map({ producer[$0.buffer] })
      where isLazy(p) && place[p] < 0 && isListed.insert(p).inserted {
        list.append(p)
      }
      guard visited < list.count else { return list.sorted() }
      next = list[visited]
      visited += 1
    }
  }

  /// Whether a step in this segment may read what it reads: of an earlier segment, or row by row.
  private func canFollow(_ s: Int, _ read: Step.Read) -> Bool {
    let p = producer[read.buffer]
    if p < 0 { return true }
    guard place[p] == result.count else { return place[p] >= 0 }
    return steps[s].rows != nil && steps[s].rows == steps[p].rows
      && (read.isAligned || steps[s].rows == 1)
  }

  private mutating func put(_ s: Int) {
    place[s] = result.count
    if let rows = steps[s].rows, let chain = chainOfRows[rows] {
      chains[chain].steps.append(steps[s])
    } else {
      if let rows = steps[s].rows { chainOfRows[rows] = chains.count }
      chains.append(Chain(rows: steps[s].rows, steps: [steps[s]]))
    }
  }
}

extension Step {
  /// Whether it computes nothing but a number from others.
  fileprivate var isNumber: Bool {
    if case .map(let map) = work { map.shape.size == 1 } else { false }
  }
}

/// Maps that are not run before another map wants what they write, and for each the buffer that it works on. With
/// a single source they may become a part of who reads them, and need no memory: the derivative of a sigmoid could
/// be worked out with the sigmoid, but is wanted much later.
private func lazySources(_ steps: [Step], _ buffers: [Buffer], _ producer: [Int]) -> [Int?] {
  // How many read a buffer, and how many of them are maps that do so row by row.
  var readers = [(all: Int, maps: Int)](repeating: (0, 0), count: buffers.count)
  for step in steps {
    for read in step.reads {
      let p = producer[read.buffer]
      guard p >= 0 else { continue }
      readers[read.buffer].all += 1
      if case .map(let map) = step.work, map.shape.size == buffers[read.buffer].size,
        read.isAligned, step.rows == steps[p].rows
      {
        readers[read.buffer].maps += 1
      }
    }
  }
  var sources = [Int?](repeating: nil, count: steps.count)
  for (s, step) in steps.enumerated() {
    guard case .map(let map) = step.work, map.shape.size > 1,
      step.writes.allSatisfy({
        buffers[$0].result == nil && readers[$0].all > 0 && readers[$0].all == readers[$0].maps
      })
    else { continue }
    var source: Int?
    let isSingle = step.reads.allSatisfy { read in
      let p = producer[read.buffer]
      // Numbers are no source, if they need not be waited for.
      if p < 0, buffers[read.buffer].size == 1 { return true }
      let origin = p < 0 ? read.buffer : sources[p] ?? read.buffer
      defer { source = origin }
      return source == nil || source == origin
    }
    if isSingle, let source, buffers[source].size <= map.shape.size { sources[s] = source }
  }
  return sources
}

/// The smallest number first.
private struct Heap {
  private var items: [Int] = []

  mutating func push(_ item: Int) {
    items.append(item)
    var i = items.count - 1
    while i > 0, items[(i - 1) / 2] > items[i] {
      items.swapAt(i, (i - 1) / 2)
      i = (i - 1) / 2
    }
  }

  mutating func pop() -> Int? {
    guard let top = items.first, let last = items.popLast() else { return nil }
    guard !items.isEmpty else { return top }
    items[0] = last
    var i = 0
    while true {
      var smallest = i
      for child in [2 * i + 1, 2 * i + 2] where child < items.count {
        if items[child] < items[smallest] { smallest = child }
      }
      if smallest == i { return top }
      items.swapAt(i, smallest)
      i = smallest
    }
  }
}
