//  Where buffers live: one block of memory for all intermediates of a plan, in which what is no longer
//  needed makes room.

/// For each buffer its place in the arena in bytes, nil for what lives elsewhere; and the arena's size.
func placement(
  _ segments: [Segment], _ buffers: [Buffer], _ copies: [(of: Int, is: Int)]
) -> (offsets: [Int?], size: Int) {
  // A buffer that another continues lives in the other's memory.
  var owner = Array(buffers.indices)
  for (b, buffer) in buffers.enumerated() {
    if let continued = buffer.continues { owner[continued] = b }
  }

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

  var offsets = [Int?](repeating: nil, count: buffers.count)
  var blocks: [(buffers: [(buffer: Int, offset: Int)], size: Int, first: Int, last: Int)] = []
  var local = [Bool](repeating: false, count: buffers.count)
  for (s, segment) in segments.enumerated() {
    for chain in segment where chain.rows != nil {
      let block = localBlock(chain, s, first, last, owner, buffers)
      for entry in block.buffers { local[entry.buffer] = true }
      if block.size > 0 { blocks.append((block.buffers, block.size, s, s)) }
    }
  }
  for (b, buffer) in buffers.enumerated() where owner[b] == b && !local[b] && last[b] >= 0 {
    guard case .step = buffer.source, buffer.result == nil else { continue }
    blocks.append(([(b, 0)], rounded(buffer.bytes), first[b], last[b]))
  }

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

/// Places the buffers that only one chain uses, row by row: step after step, one takes the memory of
/// another of the same rows that is no longer read. Threads at other rows are never in the way.
private func localBlock(
  _ chain: Chain, _ segment: Int, _ first: [Int], _ last: [Int], _ owner: [Int], _ buffers: [Buffer]
) -> (buffers: [(buffer: Int, offset: Int)], size: Int) {
  var uses: [Int: Int] = [:]
  for step in chain.steps {
    for b in step.writes.map({ owner[$0] }) + step.reads.map({ owner[$0.buffer] }) {
      uses[b, default: 0] += 1
    }
  }
  var result: [(Int, Int)] = []
  var size = 0
  var free: [Int: [Int]] = [:]
  var place: [Int: Int] = [:]
  for step in chain.steps {
    for target in step.writes {
      let b = owner[target]
      let buffer = buffers[b]
      guard place[b] == nil, first[b] == segment, last[b] == segment, buffer.result == nil,
        buffer.rows == chain.rows
      else { continue }
      if let offset = free[buffer.bytes]?.popLast() {
        place[b] = offset
      } else {
        place[b] = size
        size += rounded(buffer.bytes)
      }
      result.append((b, place[b] ?? 0))
    }
    for b in step.writes.map({ owner[$0] }) + step.reads.map({ owner[$0.buffer] }) {
      uses[b, default: 0] -= 1
      if uses[b] == 0, let offset = place[b] { free[buffers[b].bytes, default: []].append(offset) }
    }
  }
  return (result, size)
}

/// Whole cache lines, and one more than a power of 2 of them would be: rows of neighbouring buffers then do
/// not all fall on the same few sets of the first-level cache.
private func rounded(_ bytes: Int) -> Int { (bytes + 127) & ~63 }
