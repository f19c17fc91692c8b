//  Recurrent networks over whole sequences [time, batch, features].

/// A simple recurrent network over a sequence x [time, batch, inputs]: all states
/// [time, batch, hidden], and the last [batch, hidden]. A missing first state stands for zeros.
/// `lengths` [batch], of integers, tells how many steps of each row count: beyond them the state
/// stays and the output is 0. With `.bidirectional` outputs are [time, batch, 2 · hidden], forward
/// first, and states and weights have a first axis of 2.
public func rnn(
  _ x: Tensor, _ h: Tensor? = nil, _ weights: GateWeights, lengths: Tensor? = nil,
  _ options: RecurrentOptions = []
) throws -> (outputs: Tensor, last: Tensor) {
  let (outputs, states) = try Unrolled<RNN>(x, [h], weights, lengths, options).run()
  return (outputs, states[0])
}

/// Gated recurrent units over a sequence, otherwise as `rnn`.
public func gru(
  _ x: Tensor, _ h: Tensor? = nil, _ weights: GateWeights, lengths: Tensor? = nil,
  _ options: RecurrentOptions = []
) throws -> (outputs: Tensor, last: Tensor) {
  let (outputs, states) = try Unrolled<GRU>(x, [h], weights, lengths, options).run()
  return (outputs, states[0])
}

/// Long short-term memory over a sequence, otherwise as `rnn`; c is the memory before it.
public func lstm(
  _ x: Tensor, _ h: Tensor? = nil, _ c: Tensor? = nil, _ weights: GateWeights,
  lengths: Tensor? = nil, _ options: RecurrentOptions = []
) throws -> (outputs: Tensor, h: Tensor, c: Tensor) {
  let (outputs, states) = try Unrolled<LSTM>(x, [h, c], weights, lengths, options).run()
  return (outputs, states[0], states[1])
}

/// The most steps of a sequence: each makes some twenty tensors, and memory for these cannot be refused.
private let mostSteps = 65_536

/// What a sequence function was asked for, checked as far as both directions share it.
private struct Unrolled<Kind: Cell> {
  private let x: Tensor
  private let first: [Tensor?]
  private let weights: GateWeights
  private let options: RecurrentOptions
  private let inputs: [Tensor]
  /// For each step, 1 for the rows that it counts for; nil if it counts for all.
  private let masks: [Tensor]?

  init(
    _ x: Tensor, _ first: [Tensor?], _ weights: GateWeights, _ lengths: Tensor?,
    _ options: RecurrentOptions
  ) throws {
    try requireSame(x, weights.input, "the input", Kind.name)
    try require(
      x.rank == 3, .shape, "the input has shape \(x.shape), expected [time, batch, inputs]",
      in: Kind.name)
    try require(
      x.shape[0] <= mostSteps, .argument,
      "\(x.shape[0]) steps, expected at most \(mostSteps); hand on the state between parts",
      in: Kind.name)
    self.x = x
    self.first = first
    self.weights = weights
    self.options = options
    let (time, batch) = (x.shape[0], x.shape[1])
    inputs = try (0..<time).map { try select(x, axis: 0, index: $0) }
    masks = try lengths.map { lengths in
      try lengths.dtype.requireIndices(in: Kind.name)
      try require(
        lengths.rank == 1 && lengths.shape[0] == batch, .shape,
        "lengths have shape \(lengths.shape), expected [\(batch)]", in: Kind.name)
      let steps = try reshape(Tensor(iota: time, lengths.dtype), [time, 1, 1])
      let mask = try cast(less(steps, reshape(lengths, [batch, 1])), to: x.dtype)
      return try (0..<time).map { try select(mask, axis: 0, index: $0) }
    }
  }

  /// The outputs, and the last states.
  func run() throws -> (Tensor, [Tensor]) {
    guard options.contains(.bidirectional) else {
      let (outputs, states) = try run(weights, first, isReverse: options.contains(.reverse))
      return try named(joined(outputs, width: states[0].shape[1]), states)
    }
    for tensor in weights.list + first.compactMap({ $0 }) {
      try require(
        tensor.rank > 0 && tensor.shape[0] == 2, .shape,
        "shape \(tensor.shape) of weights or a state, expected a first axis of 2, one for each "
          + "direction", in: Kind.name)
    }
    let both = try (0..<2).map { i in
      try run(
        weights.direction(i), first.map { try $0.map { try select($0, axis: 0, index: i) } },
        isReverse: i == 1)
    }
    let outputs = try zip(both[0].0, both[1].0).map { try concatenate([$0, $1], axis: 1) }
    let states = try zip(both[0].1, both[1].1).map { try stack([$0, $1], axis: 0) }
    return try named(joined(outputs, width: 2 * states[0].shape[2]), states)
  }

  /// One direction: the output of each step, and the last states.
  private func run(_ weights: GateWeights, _ first: [Tensor?], isReverse: Bool) throws -> (
    [Tensor], [Tensor]
  ) {
    let cell = try Kind(weights, options, Kind.name)
    try require(
      x.shape[2] == cell.parts.inputs, .shape,
      "the input has shape \(x.shape), expected [time, batch, \(cell.parts.inputs)]",
      in: Kind.name)
    var states = try first.map { try cell.parts.state($0, batch: x.shape[1], Kind.name) }
    var outputs = inputs
    let zero = try x.number(0)
    for t in isReverse ? Array(inputs.indices.reversed()) : Array(inputs.indices) {
      var next = try cell.named(inputs[t], states)
      outputs[t] = next[0]
      if let mask = masks?[t] {
        outputs[t] = try select(mask, next[0], zero)
        next = try zip(next, states).map { try select(mask, $0, $1) }
      }
      states = next
    }
    return (outputs, states)
  }

  /// The outputs of all steps as one tensor.
  private func joined(_ outputs: [Tensor], width: Int) throws -> Tensor {
    try outputs.isEmpty
      ? full(x.dtype, [0, x.shape[1], width], 0) : stack(outputs, axis: 0)
  }

  /// Outputs and last states, drawn as one box.
  private func named(_ outputs: Tensor, _ states: [Tensor]) throws -> (Tensor, [Tensor]) {
    let arguments = [x] + first.compactMap { $0 } + weights.list
    let results = try Nanograd.named([outputs] + states, "\(Kind.title)($0)", arguments)
    return (results[0], Array(results.dropFirst()))
  }
}
