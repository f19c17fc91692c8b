//  A graph as a text tree, in the format that networkx calls network text.

extension Tensor {
  /// The graph as a text tree, operands below their consumer; a tensor that was drawn before is
  /// left out and marked `...`, and its other consumers stand behind `<-`. An only operand stands
  /// straight below a `!`. Every line ends with a line feed. Expressions are cut with "…" after 200
  /// bytes, the whole after a million.
  public var tree: String {
    get throws { try tree(limit: 1_000_000) }
  }

  func tree(limit: Int) throws -> String {
    var tree = try Tree(Drawn(self), limit: limit)
    tree.draw()
    return tree.text
  }
}

private struct Tree {
  private let graph: Drawn
  private let limit: Int
  private(set) var text = ""
  private var isDrawn: [Bool]

  init(_ graph: Drawn, limit: Int) {
    self.graph = graph
    self.limit = limit
    isDrawn = Array(repeating: false, count: graph.tensors.count)
  }

  /// A tensor whose operands are being drawn.
  private struct Level {
    let tensor: Int
    /// What the lines of its operands begin with.
    let margin: String
    /// The number of operands dealt with.
    var next = 0
    /// Whether one was left out because it had been drawn before.
    var leftOut = false
  }

  mutating func draw() {
    drawTensor(0, consumer: nil, "+-- ")
    var levels = [Level(tensor: 0, margin: "    ")]
    while var level = levels.popLast(), text.utf8.count <= limit {
      let operands = graph.operands[level.tensor]
      guard level.next < operands.count else {
        if level.leftOut { append(level.margin + "L->  ...\n") }
        continue
      }
      let operand = operands[level.next]
      level.next += 1
      if isDrawn[operand] {
        level.leftOut = true
        levels.append(level)
        continue
      }
      levels.append(level)
      var margin = level.margin
      if operands.count == 1 {
        append(margin + "!\n")
        drawTensor(operand, consumer: level.tensor, margin)
      } else {
        // Where something was left out, the last line is the one that says so.
        let isLast = level.next == operands.count && !level.leftOut
        drawTensor(operand, consumer: level.tensor, margin + (isLast ? "L-> " : "|-> "))
        margin += isLast ? "    " : "|   "
      }
      levels.append(Level(tensor: operand, margin: margin))
    }
    if text.utf8.count > limit { text = text[...].prefix(bytes: limit) + "…\n" }
  }

  private mutating func drawTensor(_ number: Int, consumer: Int?, _ prefix: String) {
    isDrawn[number] = true
    append(prefix + name(number))
    var separator = " <- "
    for other in graph.consumers[number] where other != consumer {
      guard text.utf8.count <= limit else { return }
      append(separator + name(other))
      separator = ", "
    }
    append("\n")
  }

  private func name(_ number: Int) -> String { graph.tensors[number].notation(limit: 200) }

  private mutating func append(_ part: String) { text += part }
}
