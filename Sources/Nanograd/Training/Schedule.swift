//  Rates as functions of the step.

import Glibc

/// A rate as a function of the step 0, 1, 2, …: exactly `from` at step 0, exactly `to` at step
/// `steps` and ever after. A plain number is a constant rate without end.
public struct Schedule: Sendable {
  let root: Section

  private init(_ root: Section) { self.root = root }

  init(_ curve: Curve, steps: Int?) { root = Section(curve, steps: steps) }

  /// The number of steps; nil if there is no end.
  public var steps: Int? { root.steps }

  /// Always the same rate: for `steps` steps within a chain, without end if `steps` is 0.
  public static func constant(_ rate: Double, steps: Int = 0) throws -> Schedule {
    try require(steps >= 0, "\(steps) steps, expected at least 0", "constant")
    try require(rate.isFinite, "rate \(rate), expected a finite number", "constant")
    return Schedule(.constant(rate), steps: steps == 0 ? nil : steps)
  }

  /// from + (to - from)·t/steps.
  public static func linear(steps: Int, from: Double, to: Double) throws -> Schedule {
    try check(steps, from, to, "linear")
    return Schedule(.linear(from, to), steps: steps)
  }

  /// to + (from - to)·(1 + cos(π·t/steps))/2.
  public static func cosine(steps: Int, from: Double, to: Double) throws -> Schedule {
    try check(steps, from, to, "cosine")
    return Schedule(.cosine(from, to), steps: steps)
  }

  /// from·(to/from)^(t/steps), for `from` and `to` of one sign.
  public static func exponential(steps: Int, from: Double, to: Double) throws -> Schedule {
    try check(steps, from, to, "exponential")
    let ratio = to / from
    try require(
      ratio > 0 && ratio.isFinite,
      "from \(from) to \(to), expected one sign, not 0, and a finite ratio", "exponential")
    return Schedule(.exponential(from, to), steps: steps)
  }

  /// from·factor^⌊t/interval⌋, without end.
  public static func step(interval: Int, from: Double, factor: Double) throws -> Schedule {
    try require(interval >= 1, "interval \(interval), expected at least 1", "step")
    try require(
      from.isFinite && factor.isFinite, "from \(from), factor \(factor), expected finite numbers",
      "step")
    return Schedule(.stairs(from, factor: factor, interval: interval), steps: nil)
  }

  /// The first for all its steps, then the second from its beginning: at step `steps` of the first,
  /// the second is at its step 0.
  public static func chain(_ first: Schedule, _ second: Schedule) throws -> Schedule {
    guard let length = first.steps else {
      throw NanogradError(
        .argument, "the first has no end, expected one with a number of steps",
        function: "schedule_chain")
    }
    return Schedule(Section(first.root, length, second.root))
  }

  /// The rate at a step; one before the first counts as the first.
  public func rate(at step: Int) -> Double {
    var step = Swift.max(step, 0)
    var section = root
    while true {
      switch section.content {
      case .chain(let first, let length, let second):
        section = step < length ? first : second
        if step >= length { step -= length }
      case .curve(let curve): return curve.rate(at: step, of: section.steps)
      }
    }
  }

  private static func check(_ steps: Int, _ from: Double, _ to: Double, _ kind: String) throws {
    try require(steps >= 1, "\(steps) steps, expected at least 1", kind)
    try require(
      from.isFinite && to.isFinite && (to - from).isFinite,
      "from \(from) to \(to), expected finite numbers with a finite difference", kind)
  }

  private static func require(
    _ holds: Bool, _ text: @autoclosure () -> String, _ kind: String
  ) throws {
    if !holds { throw NanogradError(.argument, text(), function: "schedule_\(kind)") }
  }
}

extension Schedule: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  public init(floatLiteral rate: Double) { self.init(.constant(rate), steps: nil) }
  public init(integerLiteral rate: Int) { self.init(.constant(Double(rate)), steps: nil) }

  /// `chain`: the first for all its steps, then the second.
  public static func + (first: Schedule, second: Schedule) throws -> Schedule {
    try chain(first, second)
  }
}

/// A formula for the rate.
enum Curve {
  case constant(Double)
  case linear(Double, Double)
  case cosine(Double, Double)
  case exponential(Double, Double)
  case stairs(Double, factor: Double, interval: Int)

  /// The rate at a step ≥ 0 of `steps`. The ends are answered without arithmetic, which would
  /// round.
  func rate(at step: Int, of steps: Int?) -> Double {
    let progress = Double(step) / Double(steps ?? .max)
    let isOver = step >= steps ?? .max
    switch self {
    case .constant(let rate): return rate
    case .linear(let from, let to), .cosine(let from, let to), .exponential(let from, let to):
      if step == 0 { return from }
      if isOver { return to }
      return interpolated(from, to, progress)
    case .stairs(let from, let factor, let interval):
      return step < interval ? from : from * pow(factor, Double(step / interval))
    }
  }

  private func interpolated(_ from: Double, _ to: Double, _ progress: Double) -> Double {
    switch self {
    case .cosine: to + (from - to) * (1 + cos(.pi * progress)) / 2
    case .exponential: from * pow(to / from, progress)
    default: from + (to - from) * progress
    }
  }
}

/// A curve, or one section after another. Chains share their sections, so that making one costs the
/// same however long it has become.
final class Section: @unchecked Sendable {
  enum Content {
    case curve(Curve)
    case chain(Section, length: Int, Section)
  }

  private(set) var content: Content
  /// Nil if there is no end, or none that can be counted to.
  let steps: Int?

  init(_ curve: Curve, steps: Int?) {
    content = .curve(curve)
    self.steps = steps
  }

  init(_ first: Section, _ length: Int, _ second: Section) {
    content = .chain(first, length: length, second)
    steps = second.steps.flatMap {
      let (sum, overflow) = length.addingReportingOverflow($0)
      return overflow ? nil : sum
    }
  }

  // Chains of chains are released from a list: as nested calls they could overflow the stack.
  deinit {
    var list: [Section] = []
    takeApart(into: &list)
    while var section = list.popLast() {
      if isKnownUniquelyReferenced(&section) { section.takeApart(into: &list) }
    }
  }

  private func takeApart(into list: inout [Section]) {
    guard case .chain(let first, _, let second) = content else { return }
    content = .curve(.constant(0))
    list.append(first)
    list.append(second)
  }
}
