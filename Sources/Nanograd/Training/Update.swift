//  A step of an optimizer is itself a graph, of the operators that everything else is made of.

import Glibc

/// What an optimizer keeps for a Parameter.
final class Slot {
  let parameter: Tensor
  /// The running mean of the gradients: SGD's momentum, Adam's m.
  let mean: Tensor
  /// The running mean of their squares: Adam's v.
  let square: Tensor
  /// The updates made: Adam corrects its means by it.
  var updates = 0
  /// Whether anything has been accumulated for the Parameter.
  var isActive: Bool { parameter.leaf?.hasGradient == true }

  init(_ parameter: Tensor) {
    self.parameter = parameter
    mean = Slot.zeros(like: parameter)
    square = Slot.zeros(like: parameter)
  }

  /// A leaf that holds zeros without needing memory for them.
  private static func zeros(like parameter: Tensor) -> Tensor {
    Tensor(
      leaf: Leaf(tag: "", isParameter: false), dtype: parameter.dtype, shape: parameter.shape,
      isParameter: false)
  }
}

/// The update of some Parameters: new values as tensors over the present ones. It is built once and
/// run at every step until the settings change, or which Parameters have gradients.
final class Update {
  private let slots: [Slot]
  private let settings: Optimizer.Settings
  private let kind: Optimizer.Kind
  /// What is computed.
  private var results: [Tensor] = []
  /// The leaf that each goes to.
  private var targets: [Tensor] = []
  private var norm: Tensor?
  /// The numbers that change from step to step.
  private var scalars: [Scalar] = []
  private var program: Program?

  /// The update of those of some Parameters that have gradients.
  init(_ slots: [Slot], _ kind: Optimizer.Kind, _ settings: Optimizer.Settings) throws {
    self.slots = slots.filter(\.isActive)
    self.kind = kind
    self.settings = settings
    for (slot, g) in zip(self.slots, try clipped()) { try append(slot, g) }
    program = try Program(results + (norm.map { [$0] } ?? []), for: targets)
  }

  /// Whether this is for those of some slots that have gradients.
  func fits(_ slots: [Slot], _ settings: Optimizer.Settings) -> Bool {
    var count = 0
    for i in slots.indices where slots[i].isActive {
      guard count < self.slots.count, slots[i] === self.slots[count] else { return false }
      count += 1
    }
    return count == self.slots.count && settings == self.settings
  }

  /// Computes everything in one pass and only then replaces anything, so that a failure changes
  /// nothing. The result is the norm of the gradients, where that is computed.
  func run(rate: Double) throws -> Double? {
    for i in scalars.indices { try scalars[i].write(rate: rate, settings) }
    let values = try program?.run() ?? []
    let norm = norm.flatMap { norm in
      values.last.map {
        norm.dtype == .float32
          ? Double($0.elements(Float.self).pointee) : $0.elements(Double.self).pointee
      }
    }
    if !values.isEmpty { for i in targets.indices { targets[i].leaf?.replace(values[i]) } }
    for i in slots.indices { slots[i].updates += 1 }
    return norm
  }

  // MARK: The graph

  /// A gradient, and the number that it is clipped by, if any.
  private struct Clipped {
    let tensor: Tensor
    let scale: Tensor?

    var product: Tensor {
      get throws { try scale.map { try tensor * $0 } ?? tensor }
    }
  }

  /// The gradients, clipped by value and then by norm.
  private func clipped() throws -> [Clipped] {
    var gradients = slots.compactMap(\.parameter.grad)
    if settings.clipValue > 0 {
      gradients = try gradients.map { try clamp($0, -settings.clipValue, settings.clipValue) }
    }
    guard settings.clipNorm > 0 else { return gradients.map { Clipped(tensor: $0, scale: nil) } }
    // In float32 as long as all gradients are, because that is where the time goes.
    let dtype: DType = gradients.allSatisfy { $0.dtype == .float32 } ? .float32 : .float64
    var total = try Tensor(constant: 0, dtype)
    for g in gradients {
      let wide = try cast(g, to: dtype)
      total = try total + sum(wide * wide)
    }
    let norm = try sqrt(total)
    self.norm = norm
    // A norm that is NaN exceeds nothing: the gradients stay as they are, NaN included.
    let max = try Tensor(constant: settings.clipNorm, dtype)
    let scale = try select(greater(norm, max), max / norm, Tensor(constant: 1, dtype))
    return try gradients.map { Clipped(tensor: $0, scale: try cast(scale, to: $0.dtype)) }
  }

  private func append(_ slot: Slot, _ gradient: Clipped) throws {
    let w = slot.parameter
    let rate = scalar(.rate, slot)
    if kind == .sgd, settings.weightDecay == 0, settings.momentum == 0 {
      // One number for all elements is worked out once.
      let factor = try gradient.scale.map { try rate * $0 } ?? rate
      return append(try w - factor * gradient.tensor, to: w)
    }
    var g = try gradient.product
    var kept = w
    if settings.weightDecay > 0 {
      if kind == .adamW {
        kept = try w - rate * settings.weightDecay * w
      } else {
        g = try g + settings.weightDecay * w
      }
    }
    if kind == .sgd {
      if settings.momentum > 0 {
        let v = try settings.momentum * slot.mean + g
        append(v, to: slot.mean)
        g = try settings.nesterov ? g + settings.momentum * v : v
      }
      append(try kept - rate * g, to: w)
    } else {
      let (beta1, beta2) = (settings.beta1, settings.beta2)
      let m = try beta1 * slot.mean + (1 - beta1) * g
      let v = try beta2 * slot.square + (1 - beta2) * (g * g)
      append(m, to: slot.mean)
      append(v, to: slot.square)
      // Both corrections are numbers and go to the front: rate·m̂ = (rate / (1 - beta1ᵗ))·m.
      let corrected = scalar(.correctedRate, slot)
      let root = try sqrt(v * scalar(.squareCorrection, slot))
      append(try kept - corrected * m / (root + settings.epsilon), to: w)
    }
  }

  private func append(_ tensor: Tensor, to target: Tensor) {
    results.append(tensor)
    targets.append(target)
  }

  /// The Variable for a number; Parameters share those that they agree on.
  private func scalar(_ meaning: Scalar.Meaning, _ slot: Slot) -> Tensor {
    let scalar = Scalar(meaning, slot)
    if let known = scalars.first(where: { $0.agrees(with: scalar) }) { return known.tensor }
    scalars.append(scalar)
    return scalar.tensor
  }
}

/// A number in the graph of an update that is written anew when it changes.
private final class Scalar {
  enum Meaning {
    case rate
    /// rate / (1 - beta1ᵗ), where t counts a Parameter's updates.
    case correctedRate
    /// 1 / (1 - beta2ᵗ).
    case squareCorrection
  }

  let meaning: Meaning
  /// The first of the Parameters that it is for.
  let slot: Slot
  let tensor: Tensor
  /// What was written last.
  private var number = 0.0

  init(_ meaning: Meaning, _ slot: Slot) {
    self.meaning = meaning
    self.slot = slot
    tensor = Tensor(
      leaf: Leaf(tag: "", isParameter: false), dtype: slot.parameter.dtype, shape: .scalar,
      isParameter: false)
  }

  /// Whether one will do for both, now and as long as their Parameters are updated together.
  func agrees(with other: Scalar) -> Bool {
    meaning == other.meaning && tensor.dtype == other.tensor.dtype
      && (meaning == .rate || slot.updates == other.slot.updates)
  }

  func write(rate: Double, _ settings: Optimizer.Settings) throws {
    let t = Double(slot.updates + 1)
    let number =
      switch meaning {
      case .rate: rate
      case .correctedRate: rate / (1 - pow(settings.beta1, t))
      case .squareCorrection: 1 / (1 - pow(settings.beta2, t))
      }
    guard number != self.number else { return }
    let value = try Value(bytes: tensor.bytes)
    if tensor.dtype == .float32 {
      value.elements(Float.self).pointee = Float(number)
    } else {
      value.elements(Double.self).pointee = number
    }
    tensor.leaf?.replace(value)
    self.number = number
  }
}
