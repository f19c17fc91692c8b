//  One step of a recurrent network, as ONNX defines RNN, GRU and LSTM. Each is a composite of products
//  and elementwise operators: what it is differentiated by, and made fast by, is theirs.

/// The state after one more step of a simple recurrent network: f(x @ W + h @ R + biases), f being
/// tanh or relu. x [batch, inputs], h [batch, hidden] or what broadcasts to it.
public func rnnCell(
  _ x: Tensor, _ h: Tensor, _ weights: GateWeights, _ options: RecurrentOptions = []
) throws -> Tensor {
  try RNN(weights, options, "rnn_cell").cell(x, [h], "rnn_cell")[0]
}

/// The state after one more step of gated recurrent units (Cho et al., 2014):
///
///     z = sigmoid(x @ Wz + h @ Rz + biases)             how much of the state stays
///     r = sigmoid(x @ Wr + h @ Rr + biases)
///     c = tanh(x @ Wh + (r · h) @ Rh + biases)          or, .resetAfter:
///     c = tanh(x @ Wh + bias + r · (h @ Rh + bias))
///     result = z · h + (1 - z) · c                      or, .updateTakes: (1 - z) · h + z · c
public func gruCell(
  _ x: Tensor, _ h: Tensor, _ weights: GateWeights, _ options: RecurrentOptions = []
) throws -> Tensor {
  try GRU(weights, options, "gru_cell").cell(x, [h], "gru_cell")[0]
}

/// State and memory after one more step of long short-term memory (Hochreiter and Schmidhuber, 1997;
/// the forget gate is of Gers et al., 2000):
///
///     i, o, f = sigmoid(x @ W + h @ R + biases)         each with weights of its own
///     memory = f · c + i · tanh(x @ Wc + h @ Rc + biases)
///     state = o · tanh(memory)
public func lstmCell(
  _ x: Tensor, _ h: Tensor, _ c: Tensor, _ weights: GateWeights, _ options: RecurrentOptions = []
) throws -> (h: Tensor, c: Tensor) {
  let states = try LSTM(weights, options, "lstm_cell").cell(x, [h, c], "lstm_cell")
  return (states[0], states[1])
}

/// A kind of cell with its weights taken apart.
protocol Cell {
  /// How many gates it has, and how many states it hands on, the output first.
  static var gates: Int { get }
  static var states: Int { get }
  /// Its name, in messages and in drawings.
  static var name: String { get }
  static var title: String { get }
  /// How a step is written.
  static var notation: String { get }

  var weights: GateWeights { get }
  var parts: Gates { get }
  init(_ weights: GateWeights, _ options: RecurrentOptions, _ function: String) throws
  func step(_ x: Tensor, _ states: [Tensor]) throws -> [Tensor]
}

extension Cell {
  /// A step with everything checked, drawn as one box.
  func cell(_ x: Tensor, _ states: [Tensor], _ function: String) throws -> [Tensor] {
    try parts.requireInput(x, function)
    let states = try states.map { try parts.state($0, batch: x.shape[0], function) }
    return try named(x, states)
  }

  /// A step, drawn as one box.
  func named(_ x: Tensor, _ states: [Tensor]) throws -> [Tensor] {
    try Nanograd.named(step(x, states), Self.notation, [x] + states + weights.list)
  }
}

/// Gives the results of one composite a common name in drawings: the first what is written for it, the
/// others the same with a number behind.
func named(_ results: [Tensor], _ notation: String, _ arguments: [Tensor]) throws -> [Tensor] {
  let unit = Label.Unit(notation)
  return try results.enumerated().map { i, result in
    let label = Label(
      notation + (i == 0 ? "" : "[\(i)]"), .many(arguments), isOpaque: true, unit: unit)
    return try Tensor(.named, .one(result), .label(label))
  }
}

struct RNN: Cell {
  static let (gates, states, name, title) = (1, 1, "rnn", "RNN")
  static let notation = "RNN cell($0, $1)"
  let weights: GateWeights
  let parts: Gates
  private let isRelu: Bool

  init(_ weights: GateWeights, _ options: RecurrentOptions, _ function: String) throws {
    self.weights = weights
    parts = try Gates(weights, count: RNN.gates, function)
    isRelu = options.contains(.relu)
  }

  func step(_ x: Tensor, _ states: [Tensor]) throws -> [Tensor] {
    let sum = try parts[0].sum(x, states[0])
    return [try isRelu ? relu(sum) : tanh(sum)]
  }
}

struct GRU: Cell {
  static let (gates, states, name, title) = (3, 1, "gru", "GRU")
  static let notation = "GRU cell($0, $1)"
  let weights: GateWeights
  let parts: Gates
  private let options: RecurrentOptions

  init(_ weights: GateWeights, _ options: RecurrentOptions, _ function: String) throws {
    self.weights = weights
    parts = try Gates(weights, count: GRU.gates, function)
    self.options = options
  }

  func step(_ x: Tensor, _ states: [Tensor]) throws -> [Tensor] {
    let (h, candidate) = (states[0], parts[2])
    let z = try sigmoid(parts[0].sum(x, h))
    let r = try sigmoid(parts[1].sum(x, h))
    let c =
      try options.contains(.resetAfter)
      ? tanh(candidate.ofInput(x) + r * candidate.ofState(h)) : tanh(candidate.sum(x, r * h))
    return [
      try options.contains(.updateTakes) ? (-z + 1) * h + z * c : z * h + (-z + 1) * c
    ]
  }
}

struct LSTM: Cell {
  static let (gates, states, name, title) = (4, 2, "lstm", "LSTM")
  static let notation = "LSTM cell($0, $1, $2)"
  let weights: GateWeights
  let parts: Gates

  init(_ weights: GateWeights, _ options: RecurrentOptions, _ function: String) throws {
    self.weights = weights
    parts = try Gates(weights, count: LSTM.gates, function)
  }

  func step(_ x: Tensor, _ states: [Tensor]) throws -> [Tensor] {
    let (h, c) = (states[0], states[1])
    let (i, o) = try (sigmoid(parts[0].sum(x, h)), sigmoid(parts[1].sum(x, h)))
    let f = try sigmoid(parts[2].sum(x, h))
    let memory = try f * c + i * tanh(parts[3].sum(x, h))
    return [try o * tanh(memory), memory]
  }
}
