//  Pictures in the language of Mermaid, which sites that host code draw.

/// Tensors and all they depend on as a Mermaid flowchart; otherwise as `dot`. Leaves are boxes, those of
/// Parameters filled, operators boxes with round ends, closed composites boxes with bars at both sides.
public func mermaid(
  _ roots: [Tensor], _ options: PictureOptions = [], depth: Int = 0, limit: Int = 1000
) throws -> String {
  let picture = try Picture(roots, depth: depth, limit: limit)
  let texts = try picture.texts(options, of: roots)
  var text = "flowchart TB\n"
  for line in picture.outline {
    text += String(repeating: "  ", count: line.depth + 1)
    switch line.item {
    case .begin(let frame):
      text += "subgraph frame\(frame) [\"\(mermaidEscaped(picture.frames[frame].title))\"]\n"
    case .node(let i):
      let label = (texts[i] ?? []).map(mermaidEscaped).joined(separator: "<br/>")
      text += picture.nodes[i].mermaid("n\(i)", "\"\(label)\"") + "\n"
    case .end: text += "end\n"
    }
  }
  for edge in picture.edges { text += "  n\(edge.operand) --> n\(edge.consumer)\n" }
  if picture.omitted > 0 {
    text += "  more>\"\(mermaidEscaped(picture.omission))\"]\n"
    for consumer in picture.cut { text += "  more -.-> n\(consumer)\n" }
  }
  if picture.shown.contains(where: { picture.nodes[$0].tensor.isParameter }) {
    text += "  classDef parameter fill:#add8e6,color:#000000\n"
  }
  return text
}

extension Picture.Node {
  fileprivate func mermaid(_ name: String, _ label: String) -> String {
    if tensor.isParameter { return "\(name)[\(label)]:::parameter" }
    if isClosed { return "\(name)[[\(label)]]" }
    return tensor.leaf == nil ? "\(name)([\(label)])" : "\(name)[\(label)]"
  }
}

/// The inside of a quoted label. Mermaid reads HTML and Markdown there, and has escapes of its own that
/// look like `#34;`: what might begin any of these is escaped so. Mermaid 11.16 itself has read
/// 133 pictures, most with random tags of such characters, and shown the tags as they are.
private func mermaidEscaped(_ text: String) -> String {
  var result = ""
  let characters = Array(text.unicodeScalars)
  for (i, character) in characters.enumerated() {
    let next = i + 1 < characters.count ? characters[i + 1] : " "
    switch character {
    case "\n": result += "<br/>"
    case _ where character.value < 0x20 || character.value == 0x7F: result += "\u{FFFD}"
    case ".", "-", "+":
      // Before a space, these may begin an item of a list.
      result += next == " " ? "#\(character.value);" : String(character)
    case " ", "(", ")", "[", "]", ",", ":", "=", "^", "/", "@", "|", "0"..."9", "A"..."Z",
      "a"..."z",
      "\u{80}"...:
      result.unicodeScalars.append(character)
    default: result += "#\(character.value);"
    }
  }
  return result
}
