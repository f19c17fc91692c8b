//  Pictures as text trees, for terminals and logs.

/// Tensors and all they depend on as a text tree, otherwise as `dot`: operands stand below their
/// consumer in order, an only one straight below a `!`. What has several consumers is numbered, drawn
/// at the first, and mentioned as `#1 …` at the others. What is inside an open composite begins with
/// the composite's name in brackets. A text of more than a million bytes is cut with "…".
public func tree(
  _ roots: [Tensor], _ options: PictureOptions = [], depth: Int = 0, limit: Int = 1000
) throws -> String {
  let picture = try Picture(roots, depth: depth, limit: limit)
  var tree = PictureTree(picture, try picture.texts(options, of: roots))
  for root in picture.roots { tree.draw(root) }
  tree.finish()
  return tree.text
}

private struct PictureTree {
  private static let longest = 1_000_000

  private let picture: Picture
  private let lines: [Int: [String]]
  private(set) var text = ""
  private var isShown: [Bool]
  private var isDrawn: [Bool]
  /// The numbers of nodes that are mentioned more than once; 0 until the first mention.
  private var marks: [Int: Int] = [:]
  private var marked = 0

  init(_ picture: Picture, _ lines: [Int: [String]]) {
    self.picture = picture
    self.lines = lines
    isShown = Array(repeating: false, count: picture.nodes.count)
    isDrawn = isShown
    for i in picture.shown { isShown[i] = true }
    var isMentioned = isDrawn
    for i in picture.roots + picture.shown.flatMap({ picture.nodes[$0].operands })
    where isShown[i] {
      if isMentioned[i] { marks[i] = 0 }
      isMentioned[i] = true
    }
  }

  private var isFull: Bool { text.utf8.count > Self.longest }

  /// A node whose operands are being drawn.
  private struct Level {
    let node: Int
    /// What the lines of its operands begin with.
    let margin: String
    /// The number of operands dealt with.
    var next = 0
  }

  mutating func draw(_ root: Int) {
    guard !isFull else { return }
    var levels: [Level] = []
    if drawNode(root, nil, "+-- ") { levels.append(Level(node: root, margin: "    ")) }
    while var level = levels.popLast(), !isFull {
      let operands = picture.nodes[level.node].operands
      guard level.next < operands.count else { continue }
      let operand = operands[level.next]
      level.next += 1
      let isLast = level.next == operands.count
      let branch = isLast ? "L-> " : "|-> "
      levels.append(level)
      var margin = level.margin
      if !isShown[operand] {
        // One line for all that are left out here and next to each other.
        if isLast || isShown[operands[level.next]] { text += margin + branch + "…\n" }
      } else if operands.count == 1 {
        text += margin + "!\n"
        if drawNode(operand, level.node, margin) {
          levels.append(Level(node: operand, margin: margin))
        }
      } else if drawNode(operand, level.node, margin + branch) {
        margin += isLast ? "    " : "|   "
        levels.append(Level(node: operand, margin: margin))
      }
    }
  }

  mutating func finish() {
    if isFull { text = text[...].prefix(bytes: Self.longest) + "…\n" }
    if picture.omitted > 0 { text += picture.omission + "\n" }
  }

  /// Draws the line of a node, and says whether its operands are still to be drawn below it.
  private mutating func drawNode(_ node: Int, _ consumer: Int?, _ prefix: String) -> Bool {
    let isNew = !isDrawn[node]
    isDrawn[node] = true
    text += prefix
    if let mark = marks[node] {
      if mark == 0 {
        marked += 1
        marks[node] = marked
      }
      text += "#\(marks[node] ?? 0) "
    }
    let parts = (lines[node] ?? []).map(treeEscaped)
    if isNew {
      for frame in picture.entered(node, from: consumer) {
        text += "[\(treeEscaped(picture.frames[frame].title))] "
      }
      text += parts.joined(separator: "  ") + "\n"
    } else {
      // What it is called, but for a tensor that has operands nothing that would look like them.
      text += (parts.first ?? "") + (picture.nodes[node].operands.isEmpty ? "\n" : " …\n")
    }
    return isNew
  }
}

extension Picture {
  /// The open composites around a node that are not around its consumer, the outermost first.
  fileprivate func entered(_ node: Int, from consumer: Int?) -> [Int] {
    var around: Set<Int> = [0]
    var frame = consumer.map { nodes[$0].frame } ?? 0
    while around.insert(frame).inserted { frame = frames[frame].parent }
    var entered: [Int] = []
    frame = nodes[node].frame
    while !around.contains(frame) {
      entered.append(frame)
      frame = frames[frame].parent
    }
    return entered.reversed()
  }
}

/// A text on one line.
private func treeEscaped(_ text: String) -> String {
  var result = ""
  for character in text.unicodeScalars {
    let isControl = character.value < 0x20 || character.value == 0x7F
    result.unicodeScalars.append(isControl ? "\u{FFFD}" : character)
  }
  return result
}
