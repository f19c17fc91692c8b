//  What makes a primitive: its notation, its rule for shapes, its derivative.

/// The definition of a primitive, as it stands in the table of `Operator`.
struct Definition {
  /// The derivative for operand `i` of the result `y`, given the gradient `g` that reaches `y`. It
  /// is a graph of ordinary operators. Where operands broadcast, so may the result: the reverse
  /// trace sums over what was repeated.
  typealias Derivative = (_ g: Tensor, _ y: Tensor, _ i: Int) throws -> Tensor

  /// The name in messages.
  let name: String
  /// How an application is written; `$0`, `$1`, … stand for operands and `$*` for all of them.
  private(set) var notation: (Tensor) -> String
  let signature: Signature
  let shape: ShapeRule
  /// One for each operand, or one for all. Empty where no gradient passes.
  let derivatives: [Derivative]

  /// Written `name($0)` if no notation is given.
  init(
    _ name: String, _ notation: String? = nil, of signature: Signature = .numbers,
    shape: ShapeRule = .broadcast, _ derivatives: Derivative...
  ) {
    let notation = notation ?? "\(name)($0)"
    self.name = name
    self.notation = { _ in notation }
    self.signature = signature
    self.shape = shape
    self.derivatives = derivatives
  }

  /// The same, with a notation that depends on the tensor.
  consuming func written(_ notation: @escaping (Tensor) -> String) -> Definition {
    self.notation = notation
    return self
  }
}

/// What dtypes an operator takes.
enum Signature {
  /// One float type for all operands.
  case floats
  /// One type, float or integer, for all operands.
  case numbers
  /// Anything, and an integer type as the second operand.
  case indexed

  func check(_ operands: Operands) throws {
    let first = operands[0].dtype
    if self == .indexed { return try operands[1].dtype.requireIndices() }
    if self == .floats { try first.requireFloat() }
    for i in 1..<operands.count {
      let other = operands[i].dtype
      try require(
        other == first, .dtype, "dtypes \(first) and \(other), expected equal ones; cast converts")
    }
  }
}

/// How a result's shape follows from its operands', for operators whose function does not work it
/// out.
enum ShapeRule {
  /// All operands broadcast to the result.
  case broadcast
  /// [m, k] and [k, n] give [m, n]; leading axes broadcast; a vector's axis is not in the result.
  case product

  @inline(__always)
  func shape(of operands: Operands) throws -> Shape {
    // Mostly all are alike: copied from one node to the other in whole vectors.
    let isOne = operands.with(0) { first in
      (1..<operands.count).allSatisfy { operands.with($0) { $0.shape == first.shape } }
    }
    return try isOne && self == .broadcast ? operands.with(0) { $0.shape } : combined(operands)
  }

  @inline(never)
  private func combined(_ all: Operands) throws -> Shape {
    if self == .product { return try Shape.product(all[0].shape, all[1].shape) }
    return try (1..<all.count).reduce(all[0].shape) { try Shape.broadcast($0, all[$1].shape) }
  }
}

/// What an operator needs to know besides its operands and its result's shape.
enum Attributes {
  case none
  /// A constant's value.
  case number(Double)
  /// What a reduction runs over.
  case axes(Axes)
  case axis(Int)
  /// Result axis `i` is operand axis `order[i]`.
  case order(Order)
  case window(Window)
  case label(Label)

  typealias Order = InlineArray<8, UInt8>
  /// As they are.
  static var sameOrder: Order { [0, 1, 2, 3, 4, 5, 6, 7] }

  /// The single axis of `.axis`.
  var axis: Int { if case .axis(let axis) = self { axis } else { 0 } }
  var axes: Axes { if case .axes(let axes) = self { axes } else { Axes() } }
  var order: Order { if case .order(let order) = self { order } else { Attributes.sameOrder } }
  var window: Window { if case .window(let window) = self { window } else { Window() } }
  var label: Label? { if case .label(let label) = self { label } else { nil } }
}

/// A regular selection of elements: index `i` of the window is `start + i * step` outside, on each
/// axis. A step may be negative, not 0.
final class Window: Sendable {
  let start: PerAxis
  let step: PerAxis

  init(start: PerAxis = .init(repeating: 0), step: PerAxis = .init(repeating: 1)) {
    self.start = start
    self.step = step
  }
}
