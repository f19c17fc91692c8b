//  Two instructions of a map in one loop: what the first one gives need not go through memory.

import NanogradKernelTable

extension Map {
  /// The same map, in which instructions take along the arithmetic before them, if nobody else reads what that
  /// gives.
  func paired() -> Map {
    var uses = [Int](repeating: 0, count: instructions.count)
    for instruction in instructions {
      for case .result(let r) in instruction.operands { uses[r] += 1 }
    }
    for reduction in reductions { uses[reduction.instruction] += 1 }
    var result = self
    result.instructions = []
    // The place of each instruction in the result; one that is taken along has none.
    var places = [Int](repeating: -1, count: instructions.count)
    var first: Instruction?
    for (i, instruction) in instructions.enumerated() {
      var next = instruction
      next.operands = instruction.operands.map {
        if case .result(let r) = $0 { .result(places[r]) } else { $0 }
      }
      if let (before, code) = first.flatMap({ before in pair(i - 1).map { (before, $0) } }) {
        next = Instruction(
          kind: .pair(code),
          operands: before.operands + [next.operands[code.isResultFirst ? 1 : 0]],
          output: next.output, isStored: next.isStored)
        first = nil
      } else if uses[i] == 1, pair(i) != nil {
        first = next
        continue
      }
      places[i] = result.instructions.count
      result.instructions.append(next)
    }
    result.reductions = reductions.map {
      Reduction(instruction: places[$0.instruction], code: $0.code, target: $0.target)
    }
    return result
  }

  /// What an instruction and the next are together, if they can be one.
  private func pair(_ i: Int) -> PairCode? {
    guard i + 1 < instructions.count, !instructions[i].isStored,
      case .binary(let code) = instructions[i].kind, let first = PairCode.Operation(code),
      PairCode.Operation.arithmetic.contains(first),
      case .binary(let code) = instructions[i + 1].kind, let second = PairCode.Operation(code)
    else { return nil }
    for (o, operand) in instructions[i + 1].operands.enumerated() {
      if case .result(i) = operand { return PairCode(first, second, isResultFirst: o == 0) }
    }
    return nil
  }
}
