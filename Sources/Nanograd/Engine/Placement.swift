//  Where buffers live: one block of memory for all intermediates of a plan, in which what is no longer
//  needed makes room.

/// For each buffer its place in the arena in bytes, nil for what lives elsewhere; and the arena's size.
func placement(
  _ segments: [Segment], _ buffers: [Buffer], _ copies: [(of: Int, is: Int)]
) -> (offsets: [Int?], size: Int) {
  let owner = buffers.owners
  var first = [Int](repeating: .max, count: buffers.count)
  var last = [Int](repeating: -1, count: buffers.count)
  for (s, segment) in segments.enumerated() {
    for step in segment.map(\.steps).joined() {
      for b in step.writes.map({ owner[$0] }) + step.reads.map({ owner[$0.buffer] }) {
        first[b] = Swift.min(first[b], s)
        last[b] = Swift.max(last[b], s)
      }
    }
  }

  // Who reads a copy may have to do with what it is of.
  for (b, copy) in copies { last[owner[b]] = Swift.max(last[owner[b]], last[copy]) }

  var rows = Rows(buffers, owner, copies, first, last)
  for (s, segment) in segments.enumerated() { rows.place(segment, s) }
  var blocks = rows.blocks
  for (b, buffer) in buffers.enumerated() where owner[b] == b && !rows.isPlaced(b) && last[b] >= 0 {
    guard case .step = buffer.source, buffer.result == nil else { continue }
    blocks.append(([(b, 0)], rounded(buffer.bytes), first[b], last[b]))
  }

  var offsets = [Int?](repeating: nil, count: buffers.count)
  // The largest first, each at the lowest place that is free as long as it lives.
  var taken: [(offset: Int, size: Int, first: Int, last: Int)] = []
  var size = 0
  for block in blocks.sorted(by: { ($1.size, $0.first) < ($0.size, $1.first) }) {
    var offset = 0
    for other in taken where other.first <= block.last && block.first <= other.last {
      if offset + block.size > other.offset && offset < other.offset + other.size {
        offset = other.offset + other.size
      }
    }
    let entry = (offset, block.size, block.first, block.last)
    taken.insert(entry, at: taken.firstIndex { $0.offset > offset } ?? taken.count)
    size = Swift.max(size, offset + block.size)
    for (b, within) in block.buffers { offsets[b] = offset + within }
  }
  for b in buffers.indices where owner[b] != b { offsets[b] = offsets[owner[b]] }
  return (offsets, size)
}

extension [Buffer] {
  /// Whose memory each is in: a buffer that another continues lives in the other's.
  var owners: [Int] {
    var owners = [Int](indices)
    for (b, buffer) in enumerated() {
      if let continued = buffer.continues { owners[continued] = b }
    }
    return owners
  }
}

/// Buffers that chains write row by row: step after step, one takes the memory of another of the same rows that is no
/// longer read, and that is in this thread's caches. Threads at other rows are never in the way.
private struct Rows {
  /// Memory that buffers have one after the other, and from which segment to which.
  private struct Slot {
    var buffers: [Int]
    let bytes: Int
    /// The chain that needs it first.
    let chain: Int
    let first: Int
    var last: Int
  }

  private let buffers: [Buffer]
  private let owner: [Int]
  /// Whose memory a buffer may be in: a copy is in that of what it is of, where cores share a cache.
  private let home: [Int]
  private let first: [Int]
  private let last: [Int]
  private var slots: [Slot] = []
  /// For each buffer that has been placed, its slot.
  private var slot: [Int?]
  /// How many chains have been gone through.
  private var chains = 0

  init(
    _ buffers: [Buffer], _ owner: [Int], _ copies: [(of: Int, is: Int)], _ first: [Int],
    _ last: [Int]
  ) {
    (self.buffers, self.owner, self.first, self.last) = (buffers, owner, first, last)
    var home = owner
    for copy in copies { home[copy.is] = owner[copy.of] }
    self.home = home
    slot = Array(repeating: nil, count: buffers.count)
  }

  func isPlaced(_ buffer: Int) -> Bool { slot[buffer] != nil }

  /// Places what a segment writes, after all before it.
  mutating func place(_ segment: Segment, _ s: Int) {
    let uses = uses(by: segment.flatMap(\.steps))
    for chain in segment where chain.rows != nil {
      place(chain, s, uses)
      chains += 1
    }
  }

  private func uses(by steps: [Step]) -> [Int: Int] {
    var uses: [Int: Int] = [:]
    for b in steps.flatMap(touched) { uses[b, default: 0] += 1 }
    return uses
  }

  private func touched(by step: Step) -> [Int] { step.writes.map { home[$0] } + read(by: step) }
  private func read(by step: Step) -> [Int] { step.reads.map { home[$0.buffer] } }

  /// `all`: how often the segment uses each buffer.
  private mutating func place(_ chain: Chain, _ s: Int, _ all: [Int: Int]) {
    var uses = uses(by: chain.steps)
    // What other chains use as well, and what came from before and is read across rows.
    var isShared = Set(uses.keys.filter { uses[$0] != all[$0] })
    for read in chain.steps.map(\.reads).joined()
    where !read.isAligned && first[home[read.buffer]] < s {
      isShared.insert(home[read.buffer])
    }
    /// Whether nobody needs a buffer but this chain, from here on.
    func endsHere(_ b: Int) -> Bool {
      slot[b] != nil && last[b] == s && buffers[b].rows == chain.rows && !isShared.contains(b)
    }
    var free: [Int: [Int]] = [:]
    for step in chain.steps {
      var reads: [Int: Int] = [:]
      for b in read(by: step) { reads[b, default: 0] += 1 }
      let ending = reads.keys.filter { endsHere($0) && uses[$0] == reads[$0] }
      var replaceable = Replaceable(ending, step, home)
      for target in step.writes {
        let b = owner[target]
        guard slot[b] == nil, first[b] == s, buffers[b].result == nil,
          buffers[b].rows == chain.rows, case .step = buffers[b].source
        else { continue }
        if let source = replaceable.take(buffers[b].bytes, by: target, buffers) {
          slot[b] = slot[source]
        } else {
          slot[b] = free[buffers[b].bytes]?.popLast() ?? newSlot(buffers[b].bytes, s)
        }
        slots[slot[b]!].buffers.append(b)
        slots[slot[b]!].last = Swift.max(slots[slot[b]!].last, last[b])
      }
      for b in touched(by: step) {
        uses[b, default: 0] -= 1
        if uses[b] == 0, endsHere(b), let number = slot[b], slots[number].buffers.last == b {
          free[buffers[b].bytes, default: []].append(number)
        }
      }
    }
  }

  private mutating func newSlot(_ bytes: Int, _ s: Int) -> Int {
    slots.append(Slot(buffers: [], bytes: bytes, chain: chains, first: s, last: s))
    return slots.count - 1
  }

  /// The memory of all that was placed; what only one chain uses lies together.
  var blocks: [(buffers: [(buffer: Int, offset: Int)], size: Int, first: Int, last: Int)] {
    var result: [(buffers: [(buffer: Int, offset: Int)], size: Int, first: Int, last: Int)] = []
    var local: [Int: Int] = [:]
    for slot in slots {
      let size = rounded(slot.bytes)
      if slot.first == slot.last, let block = local[slot.chain] {
        result[block].buffers += slot.buffers.map { ($0, result[block].size) }
        result[block].size += size
      } else {
        if slot.first == slot.last { local[slot.chain] = result.count }
        result.append((slot.buffers.map { ($0, 0) }, size, slot.first, slot.last))
      }
    }
    return result
  }
}

/// Buffers that a step reads for the last time, and can write to where they are: element by element, before it writes.
private struct Replaceable {
  /// What the step has not read yet, and the last instruction that does; the first of these at the end.
  private var waiting: [(buffer: Int, reader: Int)] = []
  /// What it has read, by size.
  private var free: [Int: [Int]] = [:]
  /// Which instruction writes each buffer.
  private var writers: [Int: Int] = [:]
  /// The instruction that was looked at last.
  private var reached = 0

  init(_ ending: [Int], _ step: Step, _ home: [Int]) {
    guard !ending.isEmpty, case .map(let map) = step.work else { return }
    let lastReaders = map.lastReaders
    var readers: [Int: Int] = [:]
    for read in step.reads {
      let b = home[read.buffer]
      readers[b] = Swift.max(readers[b] ?? -1, lastReaders[read.buffer] ?? -1)
    }
    waiting = ending.map { ($0, readers[$0] ?? .max) }.filter { $0.reader < .max }
      .sorted { ($1.reader, $1.buffer) < ($0.reader, $0.buffer) }
    for (k, instruction) in map.instructions.enumerated() { writers[instruction.output] = k }
  }

  /// One of so many bytes for what an instruction writes; none for what an earlier one writes than the last time.
  mutating func take(_ bytes: Int, by target: Int, _ buffers: [Buffer]) -> Int? {
    guard let writer = writers[target], writer >= reached else { return nil }
    reached = writer
    while let next = waiting.last, next.reader <= writer {
      free[buffers[next.buffer].bytes, default: []].append(next.buffer)
      waiting.removeLast()
    }
    return free[bytes]?.popLast()
  }
}

/// Whole cache lines, and one more than a power of 2 of them would be: rows of neighbouring buffers then do
/// not all fall on the same few sets of the first-level cache.
private func rounded(_ bytes: Int) -> Int { (bytes + 127) & ~63 }
