//  Neighbouring maps of a chain become one, so that what only they read of each other is never stored.

/// Joins neighbouring maps of each chain over the same shape.
func fused(_ segments: [Segment], _ buffers: [Buffer]) -> [Segment] {
  // How many steps read each buffer.
  var readers = [Int](repeating: 0, count: buffers.count)
  for step in segments.joined().map(\.steps).joined() {
    for read in step.reads { readers[read.buffer] += 1 }
  }
  return segments.map { segment in
    segment.map { chain in
      var steps: [Step] = []
      var open: Fusion?
      for step in chain.steps {
        if case .map(let map) = step.work {
          if open?.append(map, step) == true { continue }
          if let open { steps.append(open.step(&readers, buffers)) }
          open = Fusion(map, step)
        } else {
          if open?.appendReduction(step) == true { continue }
          if let open { steps.append(open.step(&readers, buffers)) }
          open = nil
          steps.append(step)
        }
      }
      if let open { steps.append(open.step(&readers, buffers)) }
      return Chain(rows: chain.rows, steps: steps)
    }
  }
}

/// A map that grows.
private struct Fusion {
  /// The most instructions of a map: beyond that, joining saves little.
  private static var mostInstructions: Int { 512 }

  private var map: Map
  private let rows: Int?
  private var reads: [Step.Read]
  /// Which instruction writes a buffer.
  private var writer: [Int: Int] = [:]
  private var inputs: [View: Int] = [:]
  /// Buffers of this map that it reads itself, once for each time.
  private var inner: [Int] = []

  init(_ map: Map, _ step: Step) {
    self.map = map
    rows = step.rows
    reads = step.reads
    for (i, instruction) in map.instructions.enumerated() { writer[instruction.output] = i }
    for (i, view) in map.inputs.enumerated() { inputs[view] = i }
  }

  /// Adds a map that comes next; false if it has another shape, or reads what this one writes in another
  /// order.
  mutating func append(_ next: Map, _ step: Step) -> Bool {
    let reduced = map.reductions.map(\.target)
    guard next.shape == map.shape, next.dtype == map.dtype,
      !next.inputs.contains(where: { reduced.contains($0.buffer) }),
      map.instructions.count + next.instructions.count <= Fusion.mostInstructions
    else { return false }
    let strides = map.shape.strides
    let isInOrder = next.inputs.allSatisfy { view in
      writer[view.buffer] == nil
        || (view.offset == 0
          && (0..<map.shape.rank).allSatisfy {
            map.shape[$0] == 1 || view.strides[$0] == strides[$0]
          })
    }
    guard isInOrder else { return false }
    let operands: [Map.Operand] = next.inputs.map { view in
      if let i = writer[view.buffer] {
        inner.append(view.buffer)
        return .result(i)
      }
      if let i = inputs[view] { return .input(i) }
      inputs[view] = map.inputs.count
      map.inputs.append(view)
      return .input(map.inputs.count - 1)
    }
    let first = map.instructions.count
    for var instruction in next.instructions {
      instruction.operands = instruction.operands.map {
        switch $0 {
        case .input(let i): operands[i]
        case .result(let i): .result(i + first)
        }
      }
      writer[instruction.output] = map.instructions.count
      map.instructions.append(instruction)
    }
    reads += step.reads
    return true
  }

  /// Adds a reduction of whole rows that this map writes; false if the step is anything else.
  mutating func appendReduction(_ step: Step) -> Bool {
    guard
      case .reduceRuns(let code, let source, let length, 1, map.dtype, let target) = step.work,
      length > 1, let i = writer[source], map.shape.rank > 1, step.rows == rows,
      map.shape[0] == rows,
      length * map.shape[0] == map.shape.size
    else { return false }
    map.reductions.append(Map.Reduction(instruction: i, code: code, target: target))
    inner.append(source)
    return true
  }

  /// The step that results: it stores what others read, or somebody asked for.
  func step(_ readers: inout [Int], _ buffers: [Buffer]) -> Step {
    for buffer in inner { readers[buffer] -= 1 }
    var map = map
    for i in map.instructions.indices {
      let output = map.instructions[i].output
      map.instructions[i].isStored = readers[output] > 0 || buffers[output].result != nil
    }
    return Step(
      work: .map(map), rows: rows, reads: reads.filter { writer[$0.buffer] == nil },
      writes: map.instructions.filter(\.isStored).map(\.output) + map.reductions.map(\.target))
  }
}
