//  An optimizer in a file: numbers as texts that give the same bits when they are read, and a tensor
//  for each that it keeps.

/// The state of an optimizer that has been read and checked, and cannot fail to be restored.
struct OptimizerState {
  /// An optimizer without Parameters that has the settings: setting them checks them.
  fileprivate let model: Optimizer
  fileprivate let slots: [(mean: Value?, square: Value?, updates: Int)]
}

extension Optimizer {
  /// Adds everything but the Parameters to what goes into a file.
  func save(_ name: String, _ contents: inout FileContents) throws {
    let first = contents.items.count
    let updates = try Value(bytes: slots.count * 8)
    for (i, slot) in slots.enumerated() {
      updates.elements(Int64.self)[i] = Int64(slot.updates)
      // What holds zeros still has no data, and needs none in the file.
      if let mean = slot.mean.leaf?.value {
        contents.items.append(
          .init(name: "\(name).mean.\(i)", slot.mean.dtype, slot.mean.shape, mean))
      }
      if let square = slot.square.leaf?.value {
        contents.items.append(
          .init(name: "\(name).square.\(i)", slot.square.dtype, slot.square.shape, square))
      }
    }
    let tensors = contents.items.count - first
    contents.items.append(
      .init(name: "\(name).updates", .int64, try Shape([slots.count]), updates))
    contents.texts += [
      ("kind", kind.text), ("tensors", "\(tensors)"), ("steps", "\(steps)"),
      ("schedule", schedule.text), ("schedule_start", "\(scheduleStart)"),
      ("grad_norm", gradNorm.text), ("momentum", settings.momentum.text),
      ("nesterov", "\(settings.nesterov)"), ("beta1", settings.beta1.text),
      ("beta2", settings.beta2.text), ("epsilon", settings.epsilon.text),
      ("weight_decay", settings.weightDecay.text), ("clip_norm", settings.clipNorm.text),
      ("clip_value", settings.clipValue.text),
    ].map { ("\(name).\($0)", $1) }
  }

  /// Makes a state this optimizer's own.
  func restore(_ state: OptimizerState) {
    settings = state.model.settings
    schedule = state.model.schedule
    scheduleStart = state.model.scheduleStart
    steps = state.model.steps
    gradNorm = state.model.gradNorm
    for (slot, saved) in zip(slots, state.slots) {
      slot.mean.leaf?.replace(saved.mean)
      slot.square.leaf?.replace(saved.square)
      slot.updates = saved.updates
    }
    // It was made for Parameters with other counts of updates.
    update = nil
  }
}

extension OptimizerState {
  /// Reads the state of an optimizer of this kind and with these Parameters.
  init(_ name: String, of optimizer: Optimizer, in file: SafeTensors) throws {
    func key(_ part: String) -> String { "\(name).\(part)" }
    func number(_ part: String) throws -> Double {
      try file.decoded(key(part), "a number") { Double($0) }
    }
    func count(_ part: String) throws -> Int {
      try file.decoded(key(part), "a count") {
        Int($0).flatMap { 0 <= $0 && $0 < 1 << 62 ? $0 : nil }
      }
    }
    let kind = try file.text(key("kind"))
    guard kind == optimizer.kind.text else {
      throw NanogradError(
        .argument,
        "\(quoted(name)) is \(quoted(kind)) in the file, expected \(optimizer.kind.text)")
    }
    model = Optimizer(
      optimizer.kind, rate: try file.decoded(key("schedule"), "a schedule") { Schedule(text: $0) })
    do {
      if optimizer.kind == .sgd {
        let nesterov = try file.decoded(key("nesterov"), "true or false") { Bool($0) }
        try model.setMomentum(number("momentum"), nesterov: nesterov)
      } else {
        try model.setBetas(number("beta1"), number("beta2"), epsilon: number("epsilon"))
      }
      try model.setWeightDecay(number("weight_decay"))
      try model.setClipNorm(number("clip_norm"))
      try model.setClipValue(number("clip_value"))
    } catch let error as NanogradError where error.code == .argument && error.function != nil {
      throw NanogradError(.format, "\(quoted(name)) has \(error.text)")
    }
    model.gradNorm = try number("grad_norm")
    model.steps = try count("steps")
    model.scheduleStart = try count("schedule_start")
    guard model.scheduleStart <= model.steps else {
      throw NanogradError(
        .format,
        "\(quoted(name)) begins its schedule at step \(model.scheduleStart) of \(model.steps)")
    }

    let updates = try file.value(key("updates"), .int64, try Shape([optimizer.slots.count]))
    var tensors = 0
    func kept(_ part: String, _ tensor: Tensor) throws -> Value? {
      guard file.contains(key(part)) else { return nil }
      tensors += 1
      return try file.value(key(part), tensor.dtype, tensor.shape)
    }
    let steps = model.steps
    slots = try optimizer.slots.enumerated().map { i, slot in
      let made = Int(updates.elements(Int64.self)[i])
      guard made >= 0, made <= steps else {
        throw NanogradError(
          .format, "\(quoted(name)) has \(made) updates of Parameter \(i) in \(steps) steps")
      }
      return (try kept("mean.\(i)", slot.mean), try kept("square.\(i)", slot.square), made)
    }
    let expected = try count("tensors")
    guard tensors == expected else {
      throw NanogradError(
        .format, "\(quoted(name)) has \(tensors) tensors in the file, expected \(expected)")
    }
  }
}

extension Optimizer.Kind {
  fileprivate var text: String {
    switch self {
    case .sgd: "sgd"
    case .adam: "adam"
    case .adamW: "adamw"
    }
  }
}
