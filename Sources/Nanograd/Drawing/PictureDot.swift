//  Pictures in Graphviz's DOT language.

/// Tensors and all they depend on as a picture in Graphviz's DOT language. Parameters are filled boxes,
/// other leaves boxes, operators ellipses, closed composites boxes with a double frame; open composites,
/// `depth` levels of them, have a frame around what is inside. Of more than `limit` nodes those
/// farthest away are left out, and a note says how many.
public func dot(
  _ roots: [Tensor], _ options: PictureOptions = [], depth: Int = 0, limit: Int = 1000
) throws -> String {
  let picture = try Picture(roots, depth: depth, limit: limit)
  let texts = try picture.texts(options, of: roots)
  var text = "digraph nanograd {\n  node [fontname=\"monospace\"];\n"
  text += "  graph [fontname=\"monospace\", style=rounded, color=gray50];\n"
  for line in picture.outline {
    text += String(repeating: "  ", count: line.depth + 1)
    switch line.item {
    case .begin(let frame):
      text += "subgraph cluster_\(frame) { label=\"\(dotEscaped(picture.frames[frame].title))\";\n"
    case .node(let i):
      let label = (texts[i] ?? []).map(dotEscaped).joined(separator: "\\n")
      text += "n\(i) [label=\"\(label)\", \(picture.nodes[i].dotStyle)];\n"
    case .end: text += "}\n"
    }
  }
  for edge in picture.edges { text += "  n\(edge.operand) -> n\(edge.consumer);\n" }
  if picture.omitted > 0 {
    text += "  more [label=\"\(dotEscaped(picture.omission))\", shape=note, style=dashed];\n"
    for consumer in picture.cut { text += "  more -> n\(consumer) [style=dashed];\n" }
  }
  return text + "}\n"
}

extension Picture.Node {
  fileprivate var dotStyle: String {
    if tensor.isParameter { return "shape=box, style=filled, fillcolor=lightblue" }
    if isClosed { return "shape=box, peripheries=2" }
    return tensor.leaf == nil ? "shape=ellipse" : "shape=box"
  }
}

/// The inside of a quoted string in DOT, on one line, without what SVG cannot hold.
private func dotEscaped(_ text: String) -> String {
  var result = ""
  for character in text.unicodeScalars {
    switch character {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case _ where character.value < 0x20 || character.value == 0x7F: result += "\u{FFFD}"
    default: result.unicodeScalars.append(character)
    }
  }
  return result
}

extension Picture {
  /// A line of a picture's text.
  enum Item {
    case begin(Int)
    case node(Int)
    case end
  }

  /// The shown nodes in their frames.
  var outline: [(depth: Int, item: Item)] {
    var inside: [Int: [Item]] = [:]
    var isUsed = Array(repeating: false, count: frames.count)
    for i in shown {
      inside[nodes[i].frame, default: []].append(.node(i))
      var frame = nodes[i].frame
      while frame != 0, !isUsed[frame] {
        isUsed[frame] = true
        inside[frames[frame].parent, default: []].append(.begin(frame))
        frame = frames[frame].parent
      }
    }
    var lines: [(Int, Item)] = []
    var pending: [(Int, Item)] = (inside[0] ?? []).reversed().map { (0, $0) }
    while let (depth, item) = pending.popLast() {
      lines.append((depth, item))
      guard case .begin(let frame) = item else { continue }
      pending.append((depth, .end))
      pending += (inside[frame] ?? []).reversed().map { (depth + 1, $0) }
    }
    return lines
  }

  /// Which shown nodes are computed from which.
  var edges: [(consumer: Int, operand: Int)] {
    let shown = Set(shown)
    return self.shown.flatMap { i in
      nodes[i].operands.filter(shown.contains).map { (i, $0) }
    }
  }

  /// The shown nodes of which an operand is left out.
  var cut: [Int] {
    let shown = Set(shown)
    return self.shown.filter { !nodes[$0].operands.allSatisfy(shown.contains) }
  }
}
