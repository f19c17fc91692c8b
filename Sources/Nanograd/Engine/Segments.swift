//  In what order steps run, and where threads have to wait for each other. Within a chain, row i of
//  every step needs only row i of the steps before it: a thread takes some rows through the whole
//  chain, and waits for nobody. A recurrent network is one chain forward and backward.

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
func segments(_ steps: [Step], bufferCount: Int) -> [Segment]? {
  var producer = [Int](repeating: -1, count: bufferCount)
  for (s, step) in steps.enumerated() { for target in step.writes { producer[target] = s } }
  // How many reads of each step wait for steps that have not been placed, and who waits for whom.
  var waiting = [Int](repeating: 0, count: steps.count)
  var readers = [[Int]](repeating: [], count: steps.count)
  for (s, step) in steps.enumerated() {
    for read in step.reads where producer[read.buffer] >= 0 {
      waiting[s] += 1
      readers[producer[read.buffer]].append(s)
    }
  }

  var result: [Segment] = []
  /// The segment that each step was placed in.
  var place = [Int](repeating: -1, count: steps.count)
  var ready = Heap()
  var later = steps.indices.filter { waiting[$0] == 0 }
  var placed = 0
  while !later.isEmpty {
    let current = result.count
    var chains: [Chain] = []
    var chainOfRows: [Int: Int] = [:]
    for s in later { ready.push(s) }
    later = []
    while let s = ready.pop() {
      let step = steps[s]
      let canJoin = step.reads.allSatisfy { read in
        let p = producer[read.buffer]
        return p < 0 || place[p] < current
          || (read.isAligned && step.rows != nil && step.rows == steps[p].rows)
      }
      guard canJoin else {
        later.append(s)
        continue
      }
      place[s] = current
      placed += 1
      if let rows = step.rows, let chain = chainOfRows[rows] {
        chains[chain].steps.append(step)
      } else {
        if let rows = step.rows { chainOfRows[rows] = chains.count }
        chains.append(Chain(rows: step.rows, steps: [step]))
      }
      for reader in readers[s] {
        waiting[reader] -= 1
        if waiting[reader] == 0 { ready.push(reader) }
      }
    }
    result.append(chains)
  }
  return placed == steps.count ? result : nil
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

/// Joins neighbouring maps of a chain over the same shape into one, so that what only they read of each
/// other need not be stored.
func fused(_ segments: [Segment], _ buffers: [Buffer]) -> [Segment] {
  // How many steps read each buffer.
  var readers = [Int](repeating: 0, count: buffers.count)
  for step in segments.joined().map(\.steps).joined() {
    for read in step.reads { readers[read.buffer] += 1 }
  }
  return segments.map { segment in
    segment.map { chain in
      var steps: [Step] = []
      for step in chain.steps {
        if case .map(let next) = step.work, let previous = steps.last,
          case .map(let map) = previous.work, let joined = map.followed(by: next)
        {
          steps[steps.count - 1].work = .map(joined.map)
          steps[steps.count - 1].reads += step.reads
          steps[steps.count - 1].writes += step.writes
          for buffer in joined.inner { readers[buffer] -= 1 }
        } else {
          steps.append(step)
        }
      }
      for s in steps.indices {
        guard case .map(var map) = steps[s].work else { continue }
        let inner = Set(map.instructions.map(\.output))
        for i in map.instructions.indices {
          let output = map.instructions[i].output
          map.instructions[i].isStored = readers[output] > 0 || buffers[output].result != nil
        }
        steps[s].work = .map(map)
        steps[s].reads.removeAll { inner.contains($0.buffer) }
        steps[s].writes = map.instructions.filter(\.isStored).map(\.output)
      }
      return Chain(rows: chain.rows, steps: steps)
    }
  }
}

extension Map {
  /// The most instructions of a map: beyond that, joining saves little.
  private static var mostInstructions: Int { 512 }

  /// This map and another one after it as one, and the buffers that it reads of this one; nil if it reads
  /// them in another order than they are written.
  fileprivate func followed(by next: Map) -> (map: Map, inner: [Int])? {
    guard next.shape == shape, next.dtype == dtype,
      instructions.count + next.instructions.count <= Map.mostInstructions
    else { return nil }
    let strides = shape.strides
    var joined = self
    var inner: [Int] = []
    var operands: [Operand] = []
    for view in next.inputs {
      if let i = instructions.firstIndex(where: { $0.output == view.buffer }) {
        let isInOrder =
          view.offset == 0
          && (0..<shape.rank).allSatisfy { shape[$0] == 1 || view.strides[$0] == strides[$0] }
        guard isInOrder else { return nil }
        operands.append(.result(i))
        inner.append(view.buffer)
      } else if let i = joined.inputs.firstIndex(of: view) {
        operands.append(.input(i))
      } else {
        joined.inputs.append(view)
        operands.append(.input(joined.inputs.count - 1))
      }
    }
    for instruction in next.instructions {
      var moved = instruction
      moved.operands = instruction.operands.map {
        switch $0 {
        case .input(let i): operands[i]
        case .result(let i): .result(i + instructions.count)
        }
      }
      joined.instructions.append(moved)
    }
    return (joined, inner)
  }
}
