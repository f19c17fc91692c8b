//  A map as it is run: its program over tiles that stay in the first-level cache.

internal import CMoves
import NanogradKernelTable

final class MapLoop<T: FloatElement>: StepLoop {
  /// Where a tile comes from or goes to.
  private struct Source {
    /// The buffer; nil for a register.
    let buffer: Int?
    /// The offset of the view, or the number of the register.
    let offset: Int
    /// Elements from one to the next within a tile, 0 or 1 but for sources of `collect`.
    let step: Int
    /// Strides of the outer axes.
    let strides: [Int]
  }

  private var operations: [TileOperation<T>] = []
  private var sources: [Source] = []
  /// Where rows are reduced to, and what a reduction of nothing is.
  private let reductions: [(target: Int, start: T)]
  /// Inputs and stored results, which come first among the sources; registers follow.
  private var memorySources: Int
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
    let map = map.paired()
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
    reductions = map.reductions.map {
      ($0.target, T.kernels.reduce($0.code)(UnsafePointer(bitPattern: 64)!, 0))
    }
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
    for (entry, strides) in zip(memory, merged.strides) {
      sources.append(
        Source(
          buffer: entry.0, offset: entry.1, step: strides[strides.count - 1],
          strides: Array(strides.dropLast())))
    }

    // Registers, given to results in order and taken back after their last use.
    var lastUse = [Int](repeating: -1, count: map.instructions.count)
    for (i, instruction) in map.instructions.enumerated() {
      for case .result(let r) in instruction.operands { lastUse[r] = i }
    }
    var registerCount = 0
    var free: [Int] = []
    var sourceOfResult = [Int](repeating: 0, count: map.instructions.count)
    var sourceOfRegister: [Int] = []
    var collected: [Int: Int] = [:]
    func register(_ sources: inout [Source]) -> Int {
      if let r = free.popLast() { return r }
      sources.append(Source(buffer: nil, offset: registerCount, step: 1, strides: []))
      sourceOfRegister.append(sources.count - 1)
      registerCount += 1
      return registerCount - 1
    }
    var stored = map.inputs.count
    var table = sources
    for (i, instruction) in map.instructions.enumerated() {
      var operands: [Int] = []
      for operand in instruction.operands {
        switch operand {
        case .result(let r): operands.append(sourceOfResult[r])
        case .input(let n):
          if let source = collected[n] {
            operands.append(source)
          } else if table[n].step == 1 || (table[n].step == 0 && instruction.operands.count > 1) {
            // Loops over one operand have no stride, not even 0.
            operands.append(n)
          } else {
            let source = sourceOfRegisterAfter(register(&table))
            operations.append(CollectOperation(a: n, y: source))
            collected[n] = source
            operands.append(source)
          }
        }
      }
      func sourceOfRegisterAfter(_ r: Int) -> Int { sourceOfRegister[r] }
      let streams = isStreaming || !isNear && shared.contains(instruction.output)
      let isDirect = instruction.isStored && !streams
      // Squares that are only summed are squared as they are summed.
      let isSquare =
        instruction.kind == .binary(.multiply) && operands[0] == operands[1]
        && table[operands[0]].step == 1 && !instruction.isStored && lastUse[i] < 0
        && map.reductions.allSatisfy { $0.instruction != i || $0.code == .sum }
      let target =
        isSquare ? operands[0] : isDirect ? stored : sourceOfRegister[register(&table)]
      sourceOfResult[i] = target
      let operation: TileOperation<T> =
        switch instruction.kind {
        case .unary(let code): UnaryOperation(code, a: operands[0], y: target)
        case .binary(let code):
          BinaryOperation(code, a: operands[0], b: operands[1], y: target)
        case .pair(let code):
          TernaryOperation(
            T.kernels.pair(code), a: operands[0], b: operands[1], c: operands[2], y: target)
        case .select:
          TernaryOperation(
            T.kernels.select, a: operands[0], b: operands[1], c: operands[2], y: target)
        }
      if !isSquare { operations.append(operation) }
      if instruction.isStored {
        if streams { operations.append(StreamOperation(a: target, y: stored)) }
        for (c, copy) in map.copies.enumerated() where copy.output == instruction.output {
          operations.append(StreamOperation(a: target, y: firstReduction - map.copies.count + c))
        }
        stored += 1
      }
      for (r, reduction) in map.reductions.enumerated() where reduction.instruction == i {
        operations.append(
          ReduceOperation(
            reduction.code, ofSquares: isSquare, a: target, y: firstReduction + r, rowLength: row))
      }
      for r in Set(
        instruction.operands.compactMap({ if case .result(let r) = $0 { r } else { nil } }))
      where lastUse[r] == i {
        if table[sourceOfResult[r]].buffer == nil {
          free.append(table[sourceOfResult[r]].offset)
        }
      }
      if !isDirect && !isSquare && lastUse[i] < 0 { free.append(table[target].offset) }
    }
    sources = table
    steps = .allocate(capacity: table.count + 1)
    for (i, source) in table.enumerated() { steps[i] = source.step }
    let outer = dimensions.count - 1
    strides = .allocate(capacity: memory.count * outer + 1)
    for i in 0..<memory.count {
      for axis in 0..<outer { strides[i * outer + axis] = table[i].strides[axis] }
    }
    length = operations.count
    program = .allocate(capacity: length + 1)
    for (i, operation) in operations.enumerated() {
      (program + i).initialize(to: Unmanaged.passUnretained(operation))
    }
    // All tiles that are of use at one time stay within a first-level cache of 32 KiB, beside what is asked for
    // ahead.
    let room = 20 * 1024 / (map.mostTiles * MemoryLayout<T>.size)
    // Of what is taken from other cores, no more than a core can wait for.
    let most = Swift.min(
      Swift.max(room & ~63, 128), takesOver ? 1024 / MemoryLayout<T>.size : 2048)
    tile = rowLength.map { Swift.max(most / $0, 1) * $0 } ?? most
    registerStride = tile + 5 * 64 / MemoryLayout<T>.size
    super.init(
      cost: Double(map.shape.size) * (0.3 + map.nanoseconds) + 20,
      scratch: (registerCount * registerStride + 64) * MemoryLayout<T>.size)
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
    for reduction in reductions {
      (context.pointer(reduction.target, T.self) + rows.lowerBound)
        .update(repeating: reduction.start, count: rows.count)
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
      let n = Swift.min(tile, length - done)
      for s in 0..<memorySources { current[s] = base[s] + (start + done) * steps[s] }
      if let rowLength {
        let row = (start + done) / rowLength
        for s in firstReduction..<memorySources { current[s] = base[s] + row }
      }
      if takesOver { takeOver(done == 0 ? 0 : n, Swift.min(n + tile, length - done), current) }
      // What the tile after the next will read.
      let wanted = isStreaming ? Swift.min(tile, Swift.max(length - done - 2 * n, 0)) : 0
      for i in 0..<self.length {
        if wanted > 0 { prefetch(i, of: wanted, after: 2 * n, current) }
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

  /// Asks for one operator's part of the tile after the next, so that memory is at work while the program is: what is
  /// asked for one tile ahead comes too late in part, and more lines at once than a core can wait for are not asked
  /// for at all.
  private func prefetch(
    _ part: Int, of wanted: Int, after n: Int,
    _ current: UnsafeMutablePointer<UnsafeMutablePointer<T>>
  ) {
    let line = 64 / MemoryLayout<T>.size
    let share = (wanted / line / length + 1) * line
    for s in 0..<inputs where steps[s] == 1 {
      for i in stride(from: part * share, to: Swift.min((part + 1) * share, wanted), by: line) {
        ngp_prefetch(current[s] + n + i)
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
