//  What a plan depends on: everything about a graph but the values of its leaves, as words that can be
//  compared.

/// The structure of a graph, with a hash that is made once, word by word.
struct Structure: Hashable, @unchecked Sendable {
  // Written to by nobody any more.
  private let words: Words
  private let digest: UInt64
  /// What else is to be told apart.
  private var marks: [Bool] = []

  init(_ request: Request) {
    words = request.structure()
    digest = Structure.digest(words.list.all)
  }

  /// Four sums side by side, because every step of one waits for a multiplication.
  private static func digest(_ words: UnsafeBufferPointer<UInt64>) -> UInt64 {
    func step(_ sum: UInt64, _ word: UInt64) -> UInt64 {
      let product = (sum ^ word) &* 0x9E37_79B9_7F4A_7C15
      return product ^ product >> 29
    }
    var (a, b, c, d): (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
    var i = 0
    while i + 4 <= words.count {
      a = step(a, words[i])
      b = step(b, words[i + 1])
      c = step(c, words[i + 2])
      d = step(d, words[i + 3])
      i += 4
    }
    while i < words.count {
      a = step(a, words[i])
      i += 1
    }
    return step(step(step(a, b), c), d)
  }

  func marked(_ marks: [Bool]) -> Structure {
    var result = self
    result.marks = marks
    return result
  }

  static func == (a: Structure, b: Structure) -> Bool {
    a.digest == b.digest && a.marks == b.marks && a.words.list.hasSameBytes(as: b.words.list)
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(digest)
    hasher.combine(marks.count)
  }
}

extension Request {
  fileprivate func structure() -> Words {
    let words = nodes.noWords()
    for i in 0..<count {
      nodes.prefetch(i + 8)
      append(node: i, to: words)
    }
    for result in nodes.results.all { words.list.append(UInt64(result)) }
    // What is derived from a graph is not the graph.
    if isWhole { words.list.append(.max) }
    return words
  }

  /// What a node is, and its operands, as numbers or what `name` makes of them.
  private func append(node i: Int, to words: Words, name: (Int32) -> Int = { Int($0) }) {
    let operands = operands(i)
    // A word for the node, one for each dimension, an exponent, two for each axis of a window.
    words.list.append(atMost: 2 + 3 * Shape.maximalRank + operands.count) { end in
      nodes.entries[i].tensor._withUnsafeGuaranteedRef {
        write($0, isInput: isInput(i), operands: operands.count, &end)
      }
      for operand in operands { write(UInt64(name(operand)), &end) }
    }
  }

  @inline(__always)
  private func write(_ word: UInt64, _ end: inout UnsafeMutablePointer<UInt64>) {
    end.initialize(to: word)
    end += 1
  }

  @inline(__always)
  private func write(
    _ node: Tensor, isInput: Bool, operands: Int, _ end: inout UnsafeMutablePointer<UInt64>
  ) {
    let kind = isInput && !isWhole ? Operator.variable : node.op
    let rank = node.rank
    write(
      UInt64(kind.rawValue) | UInt64(node.dtype.rawValue) << 8 | UInt64(rank) << 16
        | UInt64(operands) << 24 | (isInput ? 1 << 63 : 0)
        | (isWhole && node.leadsToParameter ? 1 << 62 : 0), &end)
    for axis in 0..<rank { write(UInt64(node.shape[axis]), &end) }
    guard !isInput || isWhole else { return }
    // An exponent decides which derivative a power has.
    if isWhole, node.op == .power, let exponent = node[1].constant {
      write(exponent.bitPattern, &end)
    }
    switch node.attributes {
    case .none, .label: break
    case .number(let number): if !isInput { write(number.bitPattern, &end) }
    case .axes(let axes): write(UInt64(axes.bits), &end)
    case .axis(let axis): write(UInt64(axis), &end)
    case .order(let order):
      var packed: UInt64 = 0
      for axis in 0..<8 { packed |= UInt64(order[axis]) << UInt64(8 * axis) }
      write(packed, &end)
    case .window(let window):
      for axis in 0..<rank {
        write(UInt64(bitPattern: Int64(window.start[axis])), &end)
        write(UInt64(bitPattern: Int64(window.step[axis])), &end)
      }
    }
  }

  /// For each node the first that computes the same, itself if none.
  func sameNodes() -> [Int] {
    var same = Array(0..<count)
    var known: [[UInt64]: Int] = [:]
    let key = Words()
    for i in 0..<count where !isInput(i) {
      key.list.removeAll()
      append(node: i, to: key) { [same] in same[Int($0)] }
      let words = Array(key.list.all)
      if let first = known[words] { same[i] = first } else { known[words] = i }
    }
    return same
  }
}
