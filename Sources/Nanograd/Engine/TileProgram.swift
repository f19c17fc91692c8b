//  What a map's instructions are as operations over tiles: functions one by one, what is simple in chains.

import NanogradKernelTable

/// Where a tile comes from or goes to.
struct TileSource {
  /// The buffer; nil for a register.
  let buffer: Int?
  /// The offset of the view, or the number of the register.
  let offset: Int
  /// Elements from one to the next within a tile, 0 or 1 but for what has to be collected.
  let step: Int
  /// Strides of the outer axes.
  let strides: [Int]
}

struct TileProgram<T: FloatElement> {
  private(set) var operations: [TileOperation<T>] = []
  /// Those it was begun with, and the registers.
  private(set) var sources: [TileSource]
  /// How many registers there are, each a tile.
  private(set) var registers = 0

  private let map: Map
  /// The instruction that reads a result last, or -1.
  private let lastUses: [Int]
  /// The source that has a result, if any has.
  private var places: [Int?]
  private var free: [Int] = []
  /// The registers of inputs that were collected.
  private var collected: [Int: Int] = [:]
  /// What is not yet an operation, the map's instructions in it, and the one whose result it ends with.
  private var chain: [ChainInstruction] = []
  private var chained: [Int] = []
  private var held: Int?
  /// How far from here the inputs' elements are that are asked for; 0 if that has been done.
  private var ahead: Int

  /// The sources are the map's inputs, stored results, copies and reductions, in that order. Results that `streams`
  /// go past the caches. What is `ahead` elements away in the inputs is asked for, if that is not 0.
  init(
    _ map: Map, sources: [TileSource], rowLength: Int, ahead: Int,
    streams: (Map.Instruction) -> Bool
  ) {
    self.map = map
    self.sources = sources
    self.ahead = ahead
    var lastUses = [Int](repeating: -1, count: map.instructions.count)
    for (i, instruction) in map.instructions.enumerated() {
      for case .result(let r) in instruction.operands { lastUses[r] = i }
    }
    self.lastUses = lastUses
    places = [Int?](repeating: nil, count: map.instructions.count)
    let firstReduction = sources.count - map.reductions.count
    let firstCopy = firstReduction - map.copies.count
    var stored = map.inputs.count
    for (i, instruction) in map.instructions.enumerated() {
      let isSquare = isOnlySummedSquare(i)
      let isStreamed = instruction.isStored && streams(instruction)
      let direct = instruction.isStored && !isStreamed ? stored : nil
      if isSquare {
        endChain()
        places[i] = source(instruction.operands[0])
      } else if !extendChain(i) {
        append(i, to: direct)
      } else if let direct {
        chain.append(ChainInstruction(.store, source: direct))
        places[i] = direct
      }
      if instruction.isStored {
        if isStreamed {
          hold(i)
          askAhead()
          chain.append(ChainInstruction(.stream, source: stored))
        }
        for (c, copy) in map.copies.enumerated() where copy.output == instruction.output {
          hold(i)
          chain.append(ChainInstruction(.stream, source: firstCopy + c))
        }
        stored += 1
      }
      for (r, reduction) in map.reductions.enumerated() where reduction.instruction == i {
        spill()
        endChain()
        operations.append(
          ReduceOperation(
            reduction.code, ofSquares: isSquare, a: places[i] ?? 0, y: firstReduction + r,
            rowLength: rowLength))
      }
      for r in Set(instruction.results) where lastUses[r] == i { release(r) }
      if lastUses[i] < 0 && !isSquare { release(i) }
    }
    endChain()
  }

  /// Squares that are only summed are squared as they are summed.
  private func isOnlySummedSquare(_ i: Int) -> Bool {
    let instruction = map.instructions[i]
    guard instruction.kind == .binary(.multiply), !instruction.isStored, lastUses[i] < 0,
      map.reductions.allSatisfy({ $0.instruction != i || $0.code == .sum })
    else { return false }
    switch (instruction.operands[0], instruction.operands[1]) {
    case (.result(let a), .result(let b)): return a == b
    case (.input(let a), .input(let b)): return a == b && sources[a].step == 1
    default: return false
    }
  }

  /// Has the chain ask for the inputs' memory, if no other has done so.
  private mutating func askAhead() {
    guard ahead > 0 else { return }
    for n in map.inputs.indices where sources[n].step == 1 {
      chain.append(ChainInstruction(.prefetch, source: n, distance: ahead))
    }
    ahead = 0
  }

  /// Carries on the chain by an instruction, if it is simple enough for one.
  private mutating func extendChain(_ i: Int) -> Bool {
    let instruction = map.instructions[i]
    let results = instruction.results
    let code: (_ isReversed: Bool) -> ChainCode?
    switch instruction.kind {
    case .unary(let unary): code = { _ in ChainCode(unary) }
    case .binary(let binary): code = { ChainCode(binary, isReversed: $0) }
    case .select: return false
    }
    guard let inOrder = code(false), let reversed = code(true) else { return false }
    for case .input(let n) in instruction.operands where sources[n].step & ~1 != 0 { collect(n) }
    let isPlain = results.count < 2 || results[0] != results[1]
    let isSquare = !isPlain && inOrder == .multiply
    askAhead()
    if let held, lastUses[held] > i || results.contains(held) && !isPlain && !isSquare { spill() }
    if case .unary = instruction.kind {
      take(instruction.operands[0])
      if inOrder != .load { chain.append(ChainInstruction(inOrder)) }
    } else if isSquare {
      take(instruction.operands[0])
      chain.append(ChainInstruction(.square))
    } else if case .result(let r) = instruction.operands[1], r == held, isPlain {
      append(reversed, instruction.operands[0])
    } else {
      take(instruction.operands[0])
      append(inOrder, instruction.operands[1])
    }
    held = i
    chained.append(i)
    return true
  }

  /// Has an operand in the chain's registers.
  private mutating func take(_ operand: Map.Operand) {
    if case .result(let r) = operand, r == held { return }
    append(.load, operand)
  }

  private mutating func append(_ code: ChainCode, _ operand: Map.Operand) {
    let source = source(operand)
    chain.append(
      ChainInstruction(sources[source].step == 0 ? code.ofNumber : code, source: source))
  }

  /// Sees to it that the chain's registers have a result.
  private mutating func hold(_ i: Int) {
    if held == i { return }
    endChain()
    chain.append(ChainInstruction(.load, source: places[i] ?? 0))
    held = i
  }

  /// Keeps what the chain's registers have.
  private mutating func spill() {
    guard let held, places[held] == nil else { return }
    let register = newRegister()
    chain.append(ChainInstruction(.store, source: register))
    places[held] = register
  }

  private mutating func endChain() {
    if let held, lastUses[held] >= 0 { spill() }
    held = nil
    if chain.isEmpty { return }
    if let single { operations.append(single) } else { operations.append(ChainOperation(chain)) }
    chain = []
    chained = []
  }

  /// What the chain is if it only loads, computes and stores: a loop for just that is faster.
  private var single: TileOperation<T>? {
    guard chained.count == 1, chain.count == 3, chain[2].code == .store else { return nil }
    let instruction = map.instructions[chained[0]]
    let operands = instruction.operands.map(source)
    if operands.count == 1 && sources[operands[0]].step != 1 { return nil }
    return operation(instruction, operands, chain[2].source)
  }

  /// An instruction that is an operation of its own.
  private mutating func append(_ i: Int, to direct: Int?) {
    let instruction = map.instructions[i]
    endChain()
    for case .input(let n) in instruction.operands where sources[n].step != 1 {
      // Loops over one operand have no stride, not even 0.
      if sources[n].step != 0 || instruction.operands.count == 1 { collect(n) }
    }
    let target = direct ?? newRegister()
    places[i] = target
    operations.append(operation(instruction, instruction.operands.map(source), target))
  }

  private func operation(
    _ instruction: Map.Instruction, _ operands: [Int], _ target: Int
  ) -> TileOperation<T> {
    switch instruction.kind {
    case .unary(let code): UnaryOperation(code, a: operands[0], y: target)
    case .binary(let code): BinaryOperation(code, a: operands[0], b: operands[1], y: target)
    case .select: SelectOperation(a: operands[0], b: operands[1], c: operands[2], y: target)
    }
  }

  /// The source of an operand that is in memory.
  private func source(_ operand: Map.Operand) -> Int {
    switch operand {
    case .input(let n): collected[n] ?? n
    case .result(let r): places[r] ?? 0
    }
  }

  private mutating func collect(_ n: Int) {
    if collected[n] != nil { return }
    endChain()
    let register = newRegister()
    operations.append(CollectOperation(a: n, y: register))
    collected[n] = register
  }

  private mutating func newRegister() -> Int {
    if let register = free.popLast() { return register }
    sources.append(TileSource(buffer: nil, offset: registers, step: 1, strides: []))
    registers += 1
    return sources.count - 1
  }

  private mutating func release(_ r: Int) {
    if let place = places[r], sources[place].buffer == nil { free.append(place) }
  }
}

extension Map.Instruction {
  /// The results among its operands.
  fileprivate var results: [Int] {
    operands.compactMap { if case .result(let r) = $0 { r } else { nil } }
  }
}
