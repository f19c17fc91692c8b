//  Parameters, what one step does to them, and when.

/// Updates Parameters from their accumulated gradients g. Settings are applied in this order:
/// clipping by value, clipping by norm, weight decay, the update.
///
/// The thread rule of tensors holds for an optimizer together with its Parameters.
public final class Optimizer: @unchecked Sendable {
  /// The formula of the update.
  public enum Kind: Sendable {
    /// Stochastic gradient descent: w -= rate·g.
    case sgd
    /// Adam (Kingma and Ba, 2015), with weight decay added to the gradient: m = beta1·m +
    /// (1-beta1)·g, v = beta2·v + (1-beta2)·g², w -= rate·m̂/(√v̂ + ε) with m̂ = m/(1 - beta1ᵗ), v̂
    /// = v/(1 - beta2ᵗ).
    case adam
    /// AdamW (Loshchilov and Hutter, 2019): weight decay is apart from the gradient, w -=
    /// rate·decay·w.
    case adamW
  }

  /// What changes the formula of the update.
  struct Settings: Equatable {
    var momentum = 0.0
    var nesterov = false
    var beta1 = 0.9
    var beta2 = 0.999
    var epsilon = 1e-8
    var weightDecay = 0.0
    var clipNorm = 0.0
    var clipValue = 0.0
  }

  public let kind: Kind
  /// The Parameters that have been added.
  public var parameters: [Tensor] { slots.map(\.parameter) }
  /// The steps made.
  public internal(set) var steps = 0
  /// The norm over all gradients as of the last step with norm clipping, before it clipped; NaN if
  /// there was none.
  public internal(set) var gradNorm = Double.nan
  var settings = Settings()

  private(set) var slots: [Slot] = []
  private var added = TensorMap<Bool>()
  var schedule: Schedule
  /// The step at which the schedule began.
  var scheduleStart = 0
  /// Nil to have it made anew.
  var update: Update?

  /// Makes an optimizer without Parameters. The weight decay of AdamW is 0.01 unless set.
  public init(_ kind: Kind, rate: Schedule) {
    self.kind = kind
    schedule = rate
    if kind == .adamW { settings.weightDecay = 0.01 }
  }

  /// Adds Parameters. One that is there already is left alone.
  public func add(_ parameters: [Tensor]) throws {
    for tensor in parameters where !tensor.isParameter {
      throw NanogradError(
        .state, "'\(tensor.notation(limit: 60))' is no Parameter", function: "optimizer_add")
    }
    for parameter in parameters where added[parameter] == nil {
      added[parameter] = true
      slots.append(Slot(parameter))
    }
  }

  // MARK: Settings

  /// Takes the rate from a schedule, or a number, from its beginning at the next step.
  public func setRate(_ rate: Schedule) {
    schedule = rate
    scheduleStart = steps
  }

  /// Momentum for SGD, in [0, 1): v = momentum·v + g, w -= rate·v; with `nesterov`,
  /// w -= rate·(g + momentum·v).
  public func setMomentum(_ momentum: Double, nesterov: Bool = false) throws {
    try requireKind(kind == .sgd, "set_momentum")
    try requireFraction(momentum, "momentum", "set_momentum")
    settings.momentum = momentum
    settings.nesterov = nesterov
  }

  /// beta1 and beta2 in [0, 1) and ε > 0, for Adam and AdamW.
  public func setBetas(_ beta1: Double, _ beta2: Double, epsilon: Double = 1e-8) throws {
    try requireKind(kind != .sgd, "set_betas")
    try requireFraction(beta1, "beta1", "set_betas")
    try requireFraction(beta2, "beta2", "set_betas")
    guard epsilon > 0, epsilon.isFinite else {
      throw NanogradError(
        .argument, "epsilon \(epsilon), expected a finite number above 0",
        function: "optimizer_set_betas")
    }
    (settings.beta1, settings.beta2, settings.epsilon) = (beta1, beta2, epsilon)
  }

  /// Weight decay ≥ 0: g + decay·w stands in for g (but see AdamW).
  public func setWeightDecay(_ decay: Double) throws {
    try requireNotNegative(decay, "decay", "set_weight_decay")
    settings.weightDecay = decay
  }

  /// Scales all gradients by max/‖g‖ where ‖g‖, the norm over all Parameters together, exceeds
  /// `max`; 0 for no clipping.
  public func setClipNorm(_ max: Double) throws {
    try requireNotNegative(max, "max", "set_clip_norm")
    settings.clipNorm = max
  }

  /// Limits each element of a gradient to [-max, max]; 0 for no clipping.
  public func setClipValue(_ max: Double) throws {
    try requireNotNegative(max, "max", "set_clip_value")
    settings.clipValue = max
  }

  // MARK: Steps

  /// The rate that the next step will use.
  public var rate: Double { schedule.rate(at: steps - scheduleStart) }

  /// Updates every Parameter that has a gradient since `zeroGrad`, and counts a step. Gradients
  /// stay as they are. Workers may still be writing the new values when this returns: whoever looks at
  /// them waits. On failure nothing is updated.
  public func step() throws {
    let rate = rate
    guard rate.isFinite else {
      throw NanogradError(
        .argument, "rate \(rate) at step \(steps), expected a finite number",
        function: "optimizer_step")
    }
    do {
      if update?.fits(slots, settings) != true {
        update = nil
        update = try Update(slots, kind, settings)
      }
      if let norm = try update?.run(rate: rate) { gradNorm = norm }
    } catch let error as NanogradError {
      throw error.found(by: "optimizer_step")
    }
    steps += 1
  }

  /// Sets the accumulated gradients of all Parameters to zero.
  public func zeroGrad() {
    for i in slots.indices { slots[i].parameter.zeroGrad() }
  }

  // MARK: Checks

  private func requireKind(_ holds: Bool, _ function: String) throws {
    guard !holds else { return }
    throw NanogradError(
      .state, "not a setting of \(kind == .sgd ? "SGD" : "Adam")", function: "optimizer_\(function)"
    )
  }

  private func requireFraction(_ value: Double, _ name: String, _ function: String) throws {
    guard !(value >= 0 && value < 1) else { return }
    throw NanogradError(
      .argument, "\(name) \(value), expected at least 0 and less than 1",
      function: "optimizer_\(function)")
  }

  private func requireNotNegative(_ value: Double, _ name: String, _ function: String) throws {
    guard !(value >= 0 && value.isFinite) else { return }
    throw NanogradError(
      .argument, "\(name) \(value), expected a finite number of at least 0",
      function: "optimizer_\(function)")
  }
}
