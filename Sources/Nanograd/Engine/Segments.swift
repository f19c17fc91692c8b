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
  // A number that waits for no loop comes before all of them, or who reads it would have to wait for the
  // loops beside it: the gradient of a mean begins with one.
  var onlyNumbers = true
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
          || (step.rows != nil && step.rows == steps[p].rows
            && (read.isAligned || step.rows == 1))
      }
      guard canJoin, !onlyNumbers || step.isNumber else {
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
    onlyNumbers = false
    if !chains.isEmpty { result.append(chains) }
  }
  return placed == steps.count ? result : nil
}

extension Step {
  /// Whether it computes nothing but a number from others.
  fileprivate var isNumber: Bool {
    if case .map(let map) = work { map.shape.size == 1 } else { false }
  }
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
