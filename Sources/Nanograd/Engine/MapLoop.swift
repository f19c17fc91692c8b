//  A map as it is run: its program over tiles that stay in the first-level cache.

internal import CMoves
import NanogradKernelTable

final class MapLoop<T: FloatElement>: StepLoop {
  private let operations: [TileOperation<T>]
  private let sources: [TileSource]
  /// Where rows are reduced to, and what reductions of nothing are. Not one list of pairs: the language would look
  /// up their type at every call.
  private let targets: [Int]
  private let starts: [T]
  /// Inputs and stored results, which come first among the sources; registers follow.
  private let memorySources: Int
  private let inputs: Int
  private let firstReduction: Int
  /// Elements of a row where tiles are whole rows, which are reduced each, else nil.
  private let rowLength: Int?
  /// The axes, with those merged that lie in order for every source; the innermost last.
  private let dimensions: [Int]
  /// Indices of the first axis to a row.
  private let rowFactor: Int
  private let tile: Int
  /// Whether results are so large that no cache would keep them.
  private let isStreaming: Bool
  /// Whether other cores have read what results are written over, and it has to be taken from them first.
  private let takesOver: Bool
  /// The same for cores that share a cache, if it is not the same for them.
  private let near: MapLoop?
  /// Elements from one register to the next. They begin at different places of a page: a load from the place where
  /// another register was just stored to, modulo 4 KiB, has to wait for the store.
  private let registerStride: Int

  /// What the inner loops read of `sources` and `operations`, where reading costs no reference counting.
  private let steps: UnsafeMutablePointer<Int>
  private let strides: UnsafeMutablePointer<Int>
  private let program: UnsafeMutablePointer<Unmanaged<TileOperation<T>>>
  private let length: Int

  deinit {
    steps.deallocate()
    strides.deallocate()
    program.deallocate()
  }

  /// Of the results, all threads will read those `shared` next: they go past the caches where cores have none in
  /// common. `isNear`: where they have.
  init(_ map: Map, shared: Set<Int> = [], isNear: Bool = false) {
    let isForAll = map.instructions.contains { $0.isStored && shared.contains($0.output) }
    var direct = map
    direct.copies = []
    near =
      !isNear && (isForAll || !map.copies.isEmpty)
      ? MapLoop(direct, shared: shared, isNear: true) : nil
    let memory =
      map.inputs.map { ($0.buffer, $0.offset, $0.strides) }
      + map.instructions.filter(\.isStored).map { instruction in
        let strides = map.shape.strides
        return (instruction.output, 0, (0..<map.shape.rank).map { strides[$0] })
      }
      + map.copies.map { copy in
        let strides = map.shape.strides
        return (copy.target, 0, (0..<map.shape.rank).map { strides[$0] })
      }
      + map.reductions.map { reduction in
        (reduction.target, 0, (0..<map.shape.rank).map { $0 == 0 ? 1 : 0 })
      }
    memorySources = memory.count
    inputs = map.inputs.count
    firstReduction = memory.count - map.reductions.count
    isStreaming =
      map.shape.size * MemoryLayout<T>.size >= 32 << 20
      && map.instructions.contains(where: \.isStored)
    takesOver = isNear && isForAll && !isStreaming
    targets = map.reductions.map(\.target)
    starts = map.reductions.map { T.kernels.reduce($0.code)(UnsafePointer(bitPattern: 64)!, 0) }
    // Rows that are reduced lie apart, for what they are reduced to. Short ones share a tile nevertheless, where
    // nothing else keeps them apart.
    var merged = MapLoop.merge(map.shape, memory[..<firstReduction].map { $0.2 })
    let row = Swift.max(map.shape.size / Swift.max(map.shape.rank > 0 ? map.shape[0] : 1, 1), 1)
    if !map.reductions.isEmpty && merged.dimensions.count == 1 && row <= 512 {
      rowLength = row
      merged.strides += map.reductions.map { _ in [0] }
    } else {
      rowLength = nil
      merged = MapLoop.merge(map.shape, memory.map { $0.2 })
    }
    dimensions = merged.dimensions
    // Of no elements there is no row, whatever the first axis is.
    rowFactor = map.shape.size > 0 ? merged.rowFactor : 0
    // All tiles that are of use at one time stay within a first-level cache of 32 KiB, beside what is asked for
    // ahead.
    let room = 20 * 1024 / (map.mostTiles * MemoryLayout<T>.size)
    // Of what is taken from other cores, no more than a core can wait for.
    let most = Swift.min(
      Swift.max(room & ~63, 128), takesOver ? 1024 / MemoryLayout<T>.size : 2048)
    tile = rowLength.map { Swift.max(most / $0, 1) * $0 } ?? most
    registerStride = tile + 5 * 64 / MemoryLayout<T>.size
    let program = TileProgram<T>(
      map,
      sources: zip(memory, merged.strides).map { entry, strides in
        TileSource(
          buffer: entry.0, offset: entry.1, step: strides[strides.count - 1],
          strides: Array(strides.dropLast()))
      }, rowLength: row, ahead: isStreaming ? tile : 0,
      streams: { [isStreaming] in isStreaming || !isNear && shared.contains($0.output) })
    (operations, sources) = (program.operations, program.sources)
    steps = .allocate(capacity: sources.count + 1)
    for (i, source) in sources.enumerated() { steps[i] = source.step }
    let outer = dimensions.count - 1
    strides = .allocate(capacity: memory.count * outer + 1)
    for i in 0..<memory.count {
      for axis in 0..<outer { strides[i * outer + axis] = sources[i].strides[axis] }
    }
    length = operations.count
    self.program = .allocate(capacity: length + 1)
    for (i, operation) in operations.enumerated() {
      (self.program + i).initialize(to: Unmanaged.passUnretained(operation))
    }
    super.init(
      cost: Double(map.shape.size) * (0.3 + map.nanoseconds) + 20,
      scratch: (program.registers * registerStride + 64) * MemoryLayout<T>.size)
  }

  /// Merges axes that every source walks with one stride. The first axis keeps the rows.
  private static func merge(
    _ shape: Shape, _ strides: [[Int]]
  ) -> (dimensions: [Int], strides: [[Int]], rowFactor: Int) {
    var dimensions = [shape.rank > 0 ? shape[0] : 1]
    var merged = strides.map { [$0.first ?? 0] }
    var rowFactor = 1
    for axis in 1..<Swift.max(shape.rank, 1) where shape[axis] != 1 {
      let last = dimensions.count - 1
      let isRegular =
        dimensions[last] == 1
        || strides.indices.allSatisfy { merged[$0][last] == strides[$0][axis] * shape[axis] }
      if isRegular {
        dimensions[last] *= shape[axis]
        for s in strides.indices { merged[s][last] = strides[s][axis] }
        if last == 0 { rowFactor *= shape[axis] }
      } else {
        dimensions.append(shape[axis])
        for s in strides.indices { merged[s].append(strides[s][axis]) }
      }
    }
    return (dimensions, merged, rowFactor)
  }

  // What is called without its type being known is specialised on demand only.
  @_specialize(where T == Float)
  @_specialize(where T == Double)
  override func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    if let near, !context.isFar { return near.run(rows, context, scratch) }
    let first = rows.lowerBound * rowFactor..<rows.upperBound * rowFactor
    for i in targets.indices {
      (context.pointer(targets[i], T.self) + rows.lowerBound)
        .update(repeating: starts[i], count: rows.count)
    }
    guard !first.isEmpty else { return }
    defer { if isStreaming { ngp_stream_end() } }
    let count = sources.count
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<T>.self, capacity: 2 * count) {
      pointers in
      let base = pointers.baseAddress!
      let current = base + count
      let registerMemory = scratch.assumingMemoryBound(to: T.self)
      for s in 0..<count {
        let source = sources[s]
        if let buffer = source.buffer {
          base[s] = context.pointer(buffer, T.self) + source.offset
        } else {
          base[s] = registerMemory + source.offset * registerStride
          current[s] = base[s]
        }
      }
      let outer = dimensions.count - 1
      if outer == 0 {
        runTiles(first.lowerBound, first.count, base, current)
        return
      }
      withUnsafeTemporaryAllocation(of: Int.self, capacity: outer) { index in
        for axis in 0..<outer { index[axis] = 0 }
        index[0] = first.lowerBound
        move(base, 0, first.lowerBound)
        while true {
          runTiles(0, dimensions[outer], base, current)
          var axis = outer - 1
          while true {
            index[axis] += 1
            move(base, axis, 1)
            if index[axis] < (axis == 0 ? first.upperBound : dimensions[axis]) { break }
            if axis == 0 { return }
            move(base, axis, -dimensions[axis])
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
  }

  /// Moves every source along an outer axis.
  @inline(__always)
  private func move(
    _ base: UnsafeMutablePointer<UnsafeMutablePointer<T>>, _ axis: Int, _ distance: Int
  ) {
    let outer = dimensions.count - 1
    for s in 0..<memorySources { base[s] += strides[s * outer + axis] * distance }
  }

  /// Runs the program over a stretch of the innermost axis, tile by tile.
  @inline(__always)
  private func runTiles(
    _ start: Int, _ length: Int, _ base: UnsafeMutablePointer<UnsafeMutablePointer<T>>,
    _ current: UnsafeMutablePointer<UnsafeMutablePointer<T>>
  ) {
    var done = 0
    while done < length {
      var n = Swift.min(tile, length - done)
      // Later tiles of what goes past the caches begin with whole lines.
      if isStreaming && done == 0 && n == tile && rowLength == nil {
        n -= Int(bitPattern: base[inputs] + start) % 64 / MemoryLayout<T>.size
      }
      for s in 0..<memorySources { current[s] = base[s] + (start + done) * steps[s] }
      if let rowLength {
        let row = (start + done) / rowLength
        for s in firstReduction..<memorySources { current[s] = base[s] + row }
      }
      if takesOver { takeOver(done == 0 ? 0 : n, Swift.min(n + tile, length - done), current) }
      for i in 0..<self.length {
        program[i]._withUnsafeGuaranteedRef { $0.run(current, steps, n) }
      }
      done += n
    }
  }

  /// Asks for a part of the results' memory, one tile ahead.
  private func takeOver(
    _ start: Int, _ end: Int, _ current: UnsafeMutablePointer<UnsafeMutablePointer<T>>
  ) {
    for s in inputs..<firstReduction {
      for i in stride(from: start, to: end, by: 64 / MemoryLayout<T>.size) {
        ngp_prefetch_to_write(current[s] + i)
      }
    }
  }
}

extension Map {
  /// About what the operators take for each element, as measured on a processor with AVX2.
  fileprivate var nanoseconds: Double {
    let isWide = dtype == .float64
    return instructions.reduce(0) { sum, instruction in
      let one =
        switch instruction.kind {
        case .unary(.exp), .unary(.expm1), .unary(.log), .unary(.log1p), .unary(.tanh),
          .unary(.sigmoid):
          isWide ? 1.8 : 0.5
        case .unary(.sin), .unary(.cos): 1.5
        case .unary(.sqrt), .unary(.reciprocal), .binary(.divide): isWide ? 0.5 : 0.12
        case .binary(.power):
          // A number is rarely anything but 2, 3 or ½.
          isNumber(instruction.operands[1]) ? (isWide ? 0.5 : 0.12) : isWide ? 19 : 7.5
        default: isWide ? 0.12 : 0.06
        }
      return sum + one
    }
  }

  private func isNumber(_ operand: Operand) -> Bool {
    if case .input(let i) = operand { inputs[i].strides.allSatisfy { $0 == 0 } } else { false }
  }

  /// The most tiles of operands and results that are of use at one time.
  fileprivate var mostTiles: Int {
    // Where each input is used, from the first time to the last; results come after.
    var uses = [ClosedRange<Int>?](repeating: nil, count: inputs.count)
    for (i, instruction) in instructions.enumerated() {
      uses.append(i...i)
      for operand in instruction.operands {
        let source =
          switch operand {
          case .input(let n): n
          case .result(let r): inputs.count + r
          }
        uses[source] = (uses[source]?.lowerBound ?? i)...i
      }
    }
    var changes = [Int](repeating: 0, count: instructions.count + 1)
    for use in uses.compactMap({ $0 }) {
      changes[use.lowerBound] += 1
      changes[use.upperBound + 1] -= 1
    }
    var (now, most) = (0, 1)
    for change in changes {
      now += change
      most = Swift.max(most, now)
    }
    return most
  }
}
