//  What the recurrent cells share: weights of all gates side by side, options, and their checks.

/// How a cell or a sequence of cells is to work. What does not apply is ignored.
public struct RecurrentOptions: OptionSet, Sendable {
  /// The same numbers as `NG_RECURRENT_…`, `NG_GRU_…` and `NG_RNN_…` of the C interface.
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Sequences: from the last step to the first. Outputs stay at the place of their inputs.
  public static let reverse = RecurrentOptions(rawValue: 1)
  /// Sequences: both ways, each with weights and states of its own along a first axis of 2.
  public static let bidirectional = RecurrentOptions(rawValue: 2)
  /// GRU: the reset gate acts on the state's product in place of the state: ONNX's
  /// `linear_before_reset`, and the only way of PyTorch.
  public static let resetAfter = RecurrentOptions(rawValue: 4)
  /// GRU: the update gate says how much of the candidate is taken, in place of how much of the
  /// state stays (Chung et al., 2014).
  public static let updateTakes = RecurrentOptions(rawValue: 8)
  /// RNN: relu in place of tanh.
  public static let relu = RecurrentOptions(rawValue: 16)
}

/// The weights of a recurrent layer, gate by gate along the last axis: z, r, h for a GRU and
/// i, o, f, c for an LSTM, which is ONNX's order. With `.bidirectional` each has a first axis of 2.
public struct GateWeights {
  /// [inputs, gates · hidden]: the transpose of ONNX's W.
  public let input: Tensor
  /// [hidden, gates · hidden]: the transpose of ONNX's R.
  public let state: Tensor
  /// [gates · hidden]: added to the input's product; nil for none.
  public let inputBias: Tensor?
  /// [gates · hidden]: added to the state's product; nil for none.
  public let stateBias: Tensor?

  public init(
    input: Tensor, state: Tensor, inputBias: Tensor? = nil, stateBias: Tensor? = nil
  ) {
    self.input = input
    self.state = state
    self.inputBias = inputBias
    self.stateBias = stateBias
  }

  /// All of them, as drawings list them.
  var list: [Tensor] { [input, state] + [inputBias, stateBias].compactMap { $0 } }

  /// Those of one direction, out of two.
  func direction(_ i: Int) throws -> GateWeights {
    func part(_ a: Tensor) throws -> Tensor { try select(a, axis: 0, index: i) }
    return try GateWeights(
      input: part(input), state: part(state), inputBias: inputBias.map(part),
      stateBias: stateBias.map(part))
  }
}

/// One gate's share of the weights.
struct Gate {
  let input: Tensor
  let state: Tensor
  var inputBias: Tensor?
  var stateBias: Tensor?

  /// x @ W + h @ R + both biases.
  func sum(_ x: Tensor, _ h: Tensor) throws -> Tensor {
    try Gate.add(Gate.add(x • input + h • state, inputBias), stateBias)
  }

  /// x @ W + its bias.
  func ofInput(_ x: Tensor) throws -> Tensor { try Gate.add(x • input, inputBias) }
  /// h @ R + its bias.
  func ofState(_ h: Tensor) throws -> Tensor { try Gate.add(h • state, stateBias) }

  private static func add(_ a: Tensor, _ bias: Tensor?) throws -> Tensor {
    if let bias { try a + bias } else { a }
  }
}

/// The gates of checked weights, taken apart once for all steps.
struct Gates {
  let inputs: Int
  let hidden: Int
  private let gates: [Gate]

  subscript(i: Int) -> Gate { gates[i] }

  init(_ weights: GateWeights, count: Int, _ function: String) throws {
    let (w, r) = (weights.input, weights.state)
    for tensor in weights.list { try requireSame(tensor, w, "weights", function) }
    let columns = r.rank == 2 ? r.shape[0] * count : 0
    try require(
      r.rank == 2 && r.shape[1] == columns, .shape,
      "the state's weights have shape \(r.shape), expected [hidden, \(count) · hidden]",
      in: function)
    try require(
      w.rank == 2 && w.shape[1] == columns, .shape,
      "the input's weights have shape \(w.shape), expected [inputs, \(columns)]", in: function)
    for bias in [weights.inputBias, weights.stateBias] {
      guard let bias else { continue }
      try require(
        (bias.rank == 1 || (bias.rank == 2 && bias.shape[0] == 1))
          && bias.shape[bias.rank - 1] == columns, .shape,
        "a bias has shape \(bias.shape), expected [\(columns)]", in: function)
    }
    (inputs, hidden) = (w.shape[0], r.shape[0])
    let n = hidden
    func part(_ a: Tensor, _ i: Int) throws -> Tensor {
      try slice(a, axis: -1, i * n, (i + 1) * n)
    }
    gates = try (0..<count).map { i in
      try Gate(
        input: part(w, i), state: part(r, i), inputBias: weights.inputBias.map { try part($0, i) },
        stateBias: weights.stateBias.map { try part($0, i) })
    }
  }

  /// An input as [batch, inputs], checked.
  func requireInput(_ x: Tensor, _ function: String) throws {
    try requireSame(x, gates[0].input, "the input", function)
    try require(
      x.rank == 2 && x.shape[1] == inputs, .shape,
      "the input has shape \(x.shape), expected [batch, \(inputs)]", in: function)
  }

  /// A state as [batch, hidden]: zeros for nil; what broadcasts is repeated.
  func state(_ h: Tensor?, batch: Int, _ function: String) throws -> Tensor {
    let shape = try Shape([batch, hidden])
    guard let h else { return try broadcastTo(gates[0].input.number(0), shape) }
    try requireSame(h, gates[0].input, "a state", function)
    try require(
      h.shape.broadcasts(to: shape), .shape,
      "a state has shape \(h.shape), expected \(shape) or what broadcasts to it", in: function)
    return try broadcastTo(h, shape)
  }
}

/// Requires the float dtype that the weights have.
func requireSame(_ a: Tensor, _ w: Tensor, _ what: String, _ function: String) throws {
  try w.dtype.requireFloat(in: function)
  try require(
    a.dtype == w.dtype, .dtype,
    "\(what) of \(a.dtype) with weights of \(w.dtype), expected equal dtypes; cast converts",
    in: function)
}
