//  A graph for Graphviz.

extension Tensor {
  /// The graph in Graphviz's DOT language, with edges from operands to their consumers. Parameters
  /// are filled boxes, other leaves boxes, operators ellipses; below the expression (cut with "…"
  /// after 60 bytes) stands the shape.
  public var dot: String {
    get throws { try dot(Drawn(self)) }
  }

  private func dot(_ graph: Drawn) -> String {
    var text = "digraph nanograd {\n  node [fontname=\"monospace\"];\n"
    for (i, tensor) in graph.tensors.enumerated() {
      let label = escaped(tensor.notation(limit: 60)) + "\\n\(tensor.shape)"
      text += "  n\(i) [label=\"\(label)\", \(tensor.dotStyle)];\n"
    }
    for (i, operands) in graph.operands.enumerated() {
      for operand in operands { text += "  n\(operand) -> n\(i);\n" }
    }
    return text + "}\n"
  }

  private var dotStyle: String {
    if isParameter { return "shape=box, style=filled, fillcolor=lightblue" }
    return leaf == nil ? "shape=ellipse" : "shape=box"
  }
}

/// The inside of a quoted string in DOT, in which a backslash begins an escape.
private func escaped(_ text: String) -> String {
  var result = ""
  for character in text.unicodeScalars {
    switch character {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n", "\r": result += "\\n"
    default: result.unicodeScalars.append(character)
    }
  }
  return result
}
