//  What a thread writes for others to read, as the states of some rows of a batch for a weight's gradient, it
//  reads itself before that. Where the cores have no cache in common, a line that another core has read is slow to
//  write again in the next run (see Distance.swift). There the others read a copy, which goes past the caches.

/// Gives the readers in later segments of what maps write row by row a buffer of their own, if they read more than
/// those rows; with the buffers that are copied, and each one's copy. It is the same memory where cores share a cache.
func withCopies(
  _ segments: [Segment], _ buffers: inout [Buffer]
) -> (segments: [Segment], copies: [(of: Int, is: Int)]) {
  // The segment in which a map of a chain writes each buffer that might be copied.
  var written: [Int: Int] = [:]
  var copies: [Int: Int] = [:]
  for (s, segment) in segments.enumerated() {
    for step in segment.map(\.steps).joined() {
      for b in step.readForAll where copies[b] == nil && written[b].map({ $0 < s }) == true {
        let buffer = buffers[b]
        copies[b] = buffers.count
        buffers.append(
          Buffer(
            source: .step, elementSize: buffer.elementSize, size: buffer.size, rows: buffer.rows))
      }
    }
    for chain in segment where chain.rows ?? 1 > 1 {
      for case (let step, .map(let map)) in chain.steps.map({ ($0, $0.work) }) {
        for b in step.writes where map.instructions.contains(where: { $0.output == b }) {
          if buffers[b].result == nil && buffers[b].bytes >= 4096 { written[b] = s }
        }
      }
    }
  }
  let result = segments.map { segment in
    segment.map { chain in
      Chain(rows: chain.rows, steps: chain.steps.map { $0.withCopies(copies) })
    }
  }
  return (result, copies.map { ($0, $1) }.sorted { $0.0 < $1.0 })
}

extension Step {
  /// Buffers of which each row of this step reads more than its own, as products and sums over rows do.
  fileprivate var readForAll: [Int] {
    switch work {
    case .contraction, .reduceRows, .pack: break
    default: return []
    }
    let aligned = Set(reads.filter(\.isAligned).map(\.buffer))
    return reads.map(\.buffer).filter { !aligned.contains($0) }
  }

  /// The same step, which writes the copies of what it writes, and reads copies where it reads for all.
  fileprivate func withCopies(_ copies: [Int: Int]) -> Step {
    var step = self
    if case .map(var map) = work {
      for output in writes {
        guard let copy = copies[output] else { continue }
        map.copies.append(Map.Copy(output: output, target: copy))
        step.writes.append(copy)
      }
      step.work = .map(map)
      return step
    }
    let copied = Set(readForAll.filter { copies[$0] != nil })
    guard !copied.isEmpty else { return self }
    func renamed(_ buffer: Int) -> Int { copied.contains(buffer) ? copies[buffer]! : buffer }
    switch work {
    case .contraction(var contraction):
      for b in contraction.blocks.indices {
        for p in contraction.blocks[b].products.indices {
          contraction.blocks[b].products[p].a.buffer = renamed(
            contraction.blocks[b].products[p].a.buffer)
          contraction.blocks[b].products[p].b.buffer = renamed(
            contraction.blocks[b].products[p].b.buffer)
        }
      }
      step.work = .contraction(contraction)
    case .reduceRows(let code, let source, let length, let columns, let dtype, let target):
      step.work = .reduceRows(
        code, source: renamed(source), length: length, columns: columns, dtype: dtype,
        target: target)
    case .pack(let factor, let dtype, let target):
      var view = factor.view
      view.buffer = renamed(view.buffer)
      step.work = .pack(
        Factor(view: view, depth: factor.depth, columns: factor.columns), dtype: dtype,
        target: target)
    default: break
    }
    step.reads = reads.map { Step.Read(buffer: renamed($0.buffer), isAligned: $0.isAligned) }
    return step
  }
}
