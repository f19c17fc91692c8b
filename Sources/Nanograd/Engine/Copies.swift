//  What a thread writes for others to read, as the states of some rows of a batch for a weight's gradient, it
//  reads itself before that. Where the cores have no cache in common, a line that another core has read is slow to
//  write again in the next run (see Distance.swift). There the others read a copy, which goes past the caches.

/// Gives the readers in later segments of what maps write row by row a buffer of their own, if they read more than
/// those rows; with the buffers that are copied, and each one's copy. It is the same memory where cores share a cache.
func withCopies(
  _ segments: [Segment], _ buffers: inout [Buffer]
) -> (segments: [Segment], copies: [(of: Int, is: Int)]) {
  // What maps of chains have written so far, and what of it others read for all their rows.
  var written: Set<Int> = []
  var wanted: Set<Int> = []
  for segment in segments {
    for step in segment.map(\.steps).joined() {
      wanted.formUnion(step.readForAll.filter(written.contains))
    }
    for chain in segment where (chain.rows ?? 1) > 1 {
      for case (let step, .map(let map)) in chain.steps.map({ ($0, $0.work) }) {
        let outputs = step.writes.filter { b in map.instructions.contains { $0.output == b } }
        written.formUnion(outputs.filter { buffers[$0].result == nil && buffers[$0].bytes >= 4096 })
      }
    }
  }
  // Of more no cache has much left in the next run.
  guard wanted.reduce(0, { $0 + buffers[$1].bytes }) <= 16 << 20 else { return (segments, []) }
  let originals = wanted.sorted()
  let copies = Dictionary(uniqueKeysWithValues: zip(originals, buffers.count...))
  buffers += originals.map { b in
    Buffer(
      source: .step, elementSize: buffers[b].elementSize, size: buffers[b].size,
      rows: buffers[b].rows)
  }
  let result = segments.map { segment in
    segment.map { chain in
      Chain(rows: chain.rows, steps: chain.steps.map { $0.withCopies(copies) })
    }
  }
  return (result, originals.map { ($0, copies[$0]!) })
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
