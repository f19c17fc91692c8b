//  A graph as a picture shows it: composites closed into one box, or open with a frame around their
//  inside; and no more tensors than a picture can bear.

/// What a picture is to show besides the operators.
public struct PictureOptions: OptionSet, Sendable {
  /// The same numbers as `NG_DRAW_…` of the C interface.
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Dtypes and shapes.
  public static let shapes = PictureOptions(rawValue: 1)
  /// Values, which are computed; of more than four elements the least, the largest and the mean.
  public static let values = PictureOptions(rawValue: 2)
  /// The gradients of the first tensor's sum, which are computed, in the same form.
  public static let gradients = PictureOptions(rawValue: 4)
  /// Whole expressions, cut with "…" after 60 bytes, in place of a single operator.
  public static let expressions = PictureOptions(rawValue: 8)
}

struct Picture {
  /// A tensor, or a composite of which nothing else is shown.
  struct Node {
    let tensor: Tensor
    let isClosed: Bool
    /// The frame around it.
    var frame: Int
    /// The numbers of the nodes that it is computed from, each once.
    var operands: [Int] = []
  }

  /// An open composite; number 0 is the picture itself.
  struct Frame {
    let title: String
    var parent: Int
    let depth: Int
    fileprivate let arguments: Set<ObjectIdentifier>
  }

  private(set) var nodes: [Node] = []
  private(set) var frames = [Frame(title: "", parent: 0, depth: 0, arguments: [])]
  /// The nodes of the tensors that it was asked for.
  private(set) var roots: [Int] = []
  /// The nodes that are shown: those fewest steps from the roots.
  private(set) var shown: [Int] = []
  /// How many are not.
  var omitted: Int { nodes.count - shown.count }

  /// Where a tensor stands, once a consumer of it has been seen.
  private var places = TensorMap<Int>()
  private var numbers = TensorMap<Int>()
  private let claim: Reserve.Claim

  /// `depth` is how many levels of composites are opened.
  init(_ roots: [Tensor], depth: Int, limit: Int) throws {
    let all = try order(roots)
    claim = try Reserve.Claim(toDraw: all.count)
    for root in roots { places[root] = 0 }
    var units: [ObjectIdentifier: Int] = [:]
    for tensor in all.reversed() {
      guard let place = places[tensor] else { continue }
      guard let label = tensor.composite else {
        add(Node(tensor: tensor, isClosed: false, frame: place), for: tensor)
        for operand in tensor.shownOperands { put(operand, from: place) }
        continue
      }
      let unit = label.unit.map { ObjectIdentifier($0) } ?? ObjectIdentifier(tensor)
      if frames[place].depth < depth {
        if let known = units[unit] {
          frames[known].parent = common(frames[known].parent, place)
        } else {
          units[unit] = frames.count
          frames.append(
            Frame(
              title: tensor.symbol, parent: place, depth: frames[place].depth + 1,
              arguments: Set(label.arguments.map { ObjectIdentifier($0) })))
        }
        put(tensor[0], from: units[unit] ?? place)
      } else if let known = units[unit] {
        nodes[known].frame = common(nodes[known].frame, place)
        numbers[tensor] = known
      } else {
        units[unit] = nodes.count
        add(Node(tensor: tensor, isClosed: true, frame: place), for: tensor)
        for argument in label.arguments { put(argument, from: place) }
      }
    }
    for i in nodes.indices {
      let operands =
        nodes[i].isClosed
        ? nodes[i].tensor.attributes.label?.arguments ?? [] : nodes[i].tensor.shownOperands
      var seen: Set<Int> = [i]
      for number in operands.compactMap(number) where seen.insert(number).inserted {
        nodes[i].operands.append(number)
      }
    }
    self.roots = roots.compactMap(number)
    show(limit)
  }

  private mutating func add(_ node: Node, for tensor: Tensor) {
    numbers[tensor] = nodes.count
    nodes.append(node)
  }

  /// Puts an operand into the frame of its consumer, or the one around it that it is an argument of;
  /// if it has been put somewhere else before, into the innermost frame around both.
  private mutating func put(_ operand: Tensor, from place: Int) {
    var place = place
    while place != 0, frames[place].arguments.contains(ObjectIdentifier(operand)) {
      place = frames[place].parent
    }
    places[operand] = places[operand].map { common($0, place) } ?? place
  }

  /// The innermost frame around two.
  private func common(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while a != b {
      if frames[a].depth >= frames[b].depth { a = frames[a].parent } else { b = frames[b].parent }
    }
    return a
  }

  /// The node that stands for a tensor: of an open composite, its result's.
  private func number(_ tensor: Tensor) -> Int? {
    var tensor = tensor
    while numbers[tensor] == nil, tensor.composite != nil { tensor = tensor[0] }
    return numbers[tensor]
  }

  private mutating func show(_ limit: Int) {
    var isShown = Array(repeating: false, count: nodes.count)
    var next = 0
    func append(_ i: Int, _ shown: inout [Int]) {
      guard !isShown[i], shown.count < limit else { return }
      isShown[i] = true
      shown.append(i)
    }
    for root in roots { append(root, &shown) }
    while next < shown.count {
      for operand in nodes[shown[next]].operands { append(operand, &shown) }
      next += 1
    }
  }
}

extension Operator {
  /// Whether its notation is in parentheses.
  fileprivate var isInfix: Bool {
    switch self {
    case .add, .subtract, .multiply, .divide, .power, .matmul, .equal, .less, .lessEqual, .negate:
      true
    default: false
    }
  }
}

extension Tensor {
  /// The name of a composite. What only puts a name to its own operand is none.
  fileprivate var composite: Label? {
    guard let label = attributes.label, !label.arguments.contains(where: { $0 === self[0] }) else {
      return nil
    }
    return label
  }

  /// The operands but for numbers, which are part of the symbol.
  fileprivate var shownOperands: [Tensor] {
    operands.list.filter { $0.leaf != nil || $0.operands.count > 0 }
  }

  /// The notation with a dot in place of each operand that is drawn.
  var symbol: String {
    var template = attributes.label?.unit?.notation ?? op.definition.notation(self)
    guard operands.count > 0 else { return template }
    if op.isInfix { template = String(template.dropFirst().dropLast()) }
    let arguments = attributes.label?.arguments ?? operands.list
    func text(_ tensor: Tensor) -> String {
      tensor.leaf == nil && tensor.operands.count == 0 ? tensor.notation(limit: 20) : "·"
    }
    var symbol = ""
    var isMark = false
    for character in template.unicodeScalars {
      if isMark, character == "*" {
        symbol += arguments.count > 4 ? "·, … ·" : arguments.map(text).joined(separator: ", ")
      } else if isMark, let i = Int(String(character)), arguments.indices.contains(i) {
        symbol += text(arguments[i])
      } else if character != "$" {
        symbol.unicodeScalars.append(character)
      }
      isMark = character == "$"
    }
    return symbol
  }
}
