//  A tensor as an expression.

extension Tensor: CustomStringConvertible {
  /// The expression, such as `((x @ w) + b)`. A text of more than a million bytes is cut with "…".
  public var notation: String { notation(limit: 1_000_000) }

  public var description: String { notation }

  /// The same, or an error if there may be too little memory for it.
  package func checkedNotation() throws -> String {
    let claim = try Reserve.Claim(toDraw: order([self]).count)
    return withExtendedLifetime(claim) { notation }
  }

  /// The expression, cut with "…" after at most `limit` bytes. Shared parts are written out
  /// wherever they stand, so that only the limit keeps it from growing exponentially with the
  /// graph.
  public func notation(limit: Int) -> String {
    var text = ""
    var tensors = 0
    // The first to be written is the last in the list.
    var pending: [Piece] = [.tensor(self)]
    while let piece = pending.popLast() {
      switch piece {
      case .text(let part):
        guard part.utf8.count <= limit - text.utf8.count else {
          return text + part.prefix(bytes: limit - text.utf8.count) + "…"
        }
        text += part
      case .tensor(let tensor):
        // Each tensor adds a character or more, though perhaps behind its operand: a chain of
        // transposes is a long way to the first character of a text that will be cut anyhow.
        tensors += 1
        if tensors > limit {
          pending.append(.text("…"))
        } else {
          tensor.appendPieces(to: &pending)
        }
      }
    }
    return text
  }

  /// Appends the pieces of this tensor's own notation, the last one first.
  private func appendPieces(to pending: inout [Piece]) {
    let template = op.definition.notation(self)
    // A leaf's name is no template.
    guard operands.count > 0 else { return pending.append(.text(template[...])) }
    let begin = pending.count
    var rest = template[...]
    while let mark = rest.utf8.firstIndex(of: UInt8(ascii: "$")) {
      let name = rest.utf8.index(after: mark)
      guard name < rest.endIndex else { break }
      pending.append(.text(rest[..<mark]))
      if rest.utf8[name] == UInt8(ascii: "*") {
        for i in 0..<operands.count {
          if i > 0 { pending.append(.text(", ")) }
          pending.append(.tensor(operands[i]))
        }
      } else if let argument = argument(Int(rest.utf8[name]) - Int(UInt8(ascii: "0"))) {
        pending.append(.tensor(argument))
      }
      rest = rest[rest.utf8.index(after: name)...]
    }
    pending.append(.text(rest))
    pending[begin...].reverse()
  }

  /// What `$i` stands for.
  private func argument(_ i: Int) -> Tensor? {
    if let arguments = attributes.label?.arguments {
      return arguments.indices.contains(i) ? arguments[i] : nil
    }
    return (0..<operands.count).contains(i) ? operands[i] : nil
  }
}

// MARK: Parts of the notation of a primitive

extension Tensor {
  /// Whether a permutation only swaps the last two axes.
  var isMatrixTranspose: Bool {
    rank >= 2
      && (0..<rank).allSatisfy {
        Int(attributes.order[$0]) == ($0 < rank - 2 ? $0 : 2 * rank - 3 - $0)
      }
  }

  /// A slice's bounds as they are written in Python.
  var windowText: String {
    let window = attributes.window
    return (0..<rank).map { axis in
      let (start, step, count) = (window.start[axis], window.step[axis], shape[axis])
      guard start != 0 || step != 1 || count != operands[0].shape[axis] else { return ":" }
      let stop = start + step * count
      return "\(start):\(stop < 0 ? "" : "\(stop)")" + (step == 1 ? "" : ":\(step)")
    }.joined(separator: ", ")
  }
}

/// A number as it is written in an expression.
func number(_ value: Double) -> String {
  let text = Int64(exactly: value).map { "\($0)" } ?? "\(value)"
  return value < 0 ? "(\(text))" : text
}

/// The name of a composite in drawings.
final class Label {
  /// Like a primitive's notation; the numbers refer to `arguments`.
  let notation: String
  private var operands: Operands
  /// Whether drawings show the arguments in place of what is inside.
  let isOpaque: Bool
  /// The same for all results of one composite; nil if it has but one.
  let unit: Unit?

  /// A composite of several results, and how the whole is written.
  final class Unit {
    let notation: String
    init(_ notation: String) { self.notation = notation }
  }

  init(_ notation: String, _ arguments: Operands, isOpaque: Bool, unit: Unit? = nil) {
    self.notation = notation
    operands = arguments
    self.isOpaque = isOpaque
    self.unit = unit
  }

  deinit { operands.release() }

  /// What the composite was applied to.
  var arguments: [Tensor] { operands.list }

  /// Gives up the arguments, when the tensor that it names is taken apart.
  func release(into remains: inout Remains) {
    operands.release(into: &remains)
    operands = .none
  }
}

private enum Piece {
  case text(Substring)
  case tensor(Tensor)
}

extension Substring {
  /// The longest beginning that has at most so many bytes and ends with a whole character.
  func prefix(bytes limit: Int) -> Substring {
    guard utf8.count > limit else { return self }
    var end = utf8.index(startIndex, offsetBy: Swift.max(limit, 0))
    // Bytes that continue a character are 10…… in UTF-8.
    while end > startIndex, utf8[end] & 0xC0 == 0x80 {
      end = utf8.index(before: end)
    }
    return self[..<end]
  }
}
