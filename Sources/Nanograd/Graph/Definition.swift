//  What makes a primitive: its notation, its rule for shapes, its derivative.

/// The definition of a primitive, as it stands in the table of `Operator`.
struct Definition {
  /// The derivative for operand `i` of the result `y`, given the gradient `g` that reaches `y`. It is
  /// a graph of ordinary operators. Where operands broadcast, so may the result: the reverse trace
  /// sums over what was repeated.
  typealias Derivative = (_ g: Tensor, _ y: Tensor, _ i: Int) throws -> Tensor

  /// The name in messages.
  let name: String
  /// How an application is written; `$0`, `$1`, … stand for operands and `$*` for all of them.
  let notation: (Tensor) -> String
  let signature: Signature
  let shape: (Application) throws -> Shape
  /// One for each operand, or one for all. Empty where no gradient passes.
  let derivatives: [Derivative]

  init(
    _ name: String, _ notation: String, _ signature: Signature = .floats,
    _ shape: @escaping (Application) throws -> Shape = Application.broadcast,
    _ derivatives: Derivative...
  ) {
    self.init(name, { _ in notation }, signature, shape, derivatives)
  }

  init(
    _ name: String, _ notation: @escaping (Tensor) -> String, _ signature: Signature,
    _ shape: @escaping (Application) throws -> Shape, _ derivatives: [Derivative]
  ) {
    self.name = name
    self.notation = notation
    self.signature = signature
    self.shape = shape
    self.derivatives = derivatives
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
    if self == .indexed {
      guard !operands[1].dtype.isFloat else {
        throw NanogradError(.dtype, "indices are \(operands[1].dtype), expected int32 or int64")
      }
      return
    }
    guard first.isFloat || self == .numbers else {
      throw NanogradError(
        .dtype, "not defined for \(first), expected float32 or float64; cast converts")
    }
    for i in 1..<Swift.max(operands.count, 1) where operands[i].dtype != first {
      throw NanogradError(
        .dtype, "dtypes \(first) and \(operands[i].dtype), expected equal ones; cast converts")
    }
  }
}

/// An operator about to be applied: what a rule for shapes looks at.
struct Application {
  let operands: Operands
  let attributes: Attributes
  /// The result's shape, for operators that are told theirs.
  let requested: Shape

  init(_ operands: Operands, _ attributes: Attributes, _ requested: Shape) {
    self.operands = operands
    self.attributes = attributes
    self.requested = requested
  }

  subscript(i: Int) -> Shape { operands[i].shape }

  /// All operands broadcast to the result.
  static func broadcast(_ a: Application) throws -> Shape {
    var shape = a[0]
    for i in 1..<Swift.max(a.operands.count, 1) { shape = try Shape.broadcast(shape, a[i]) }
    return shape
  }

  /// As asked for; the function that asks has checked it.
  static func asRequested(_ a: Application) -> Shape { a.requested }

  /// [m, k] and [k, n] give [m, n]; leading axes broadcast; a vector's axis is not in the result.
  static func product(_ a: Application) throws -> Shape {
    let (x, y) = (a[0], a[1])
    guard x.rank > 0, y.rank > 0 else {
      throw NanogradError(.shape, "shapes \(x) and \(y), expected at least one axis each")
    }
    let k = x[x.rank - 1]
    guard y[Swift.max(y.rank - 2, 0)] == k else {
      throw NanogradError(
        .shape,
        "shapes \(x) and \(y): \(k) columns on the left, \(y[Swift.max(y.rank - 2, 0)]) rows on "
          + "the right, expected equal numbers")
    }
    let batch = try Shape.broadcast(
      Shape(rank: Swift.max(x.rank - 2, 0)) { x[$0] },
      Shape(rank: Swift.max(y.rank - 2, 0)) { y[$0] })
    let rows = x.rank > 1 ? [x[x.rank - 2]] : []
    let columns = y.rank > 1 ? [y[y.rank - 1]] : []
    return try Shape(batch + rows + columns)
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
  case order(InlineArray<8, UInt8>)
  case window(Window)
  case label(Label)

  /// The single axis of `.axis`.
  var axis: Int { if case .axis(let axis) = self { axis } else { 0 } }
  var axes: Axes { if case .axes(let axes) = self { axes } else { Axes() } }
  var order: InlineArray<8, UInt8> {
    if case .order(let order) = self { order } else { .init { UInt8($0) } }
  }
  var window: Window { if case .window(let window) = self { window } else { Window() } }
  var label: Label? { if case .label(let label) = self { label } else { nil } }
}

/// A regular selection of elements: index `i` of the window is `start + i * step` outside, on each axis.
/// A step may be negative, not 0.
final class Window: Sendable {
  let start: InlineArray<8, Int>
  let step: InlineArray<8, Int>

  init(
    start: InlineArray<8, Int> = .init(repeating: 0),
    step: InlineArray<8, Int> = .init(repeating: 1)
  ) {
    self.start = start
    self.step = step
  }
}

/// The name of a composite in drawings.
final class Label {
  /// Like a primitive's notation; the numbers refer to `arguments`.
  let notation: String
  private(set) var arguments: [Tensor]
  /// Whether drawings show the arguments in place of what is inside.
  let isOpaque: Bool

  init(_ notation: String, _ arguments: [Tensor], isOpaque: Bool) {
    self.notation = notation
    self.arguments = arguments
    self.isOpaque = isOpaque
  }

  /// Gives up the arguments, when the tensor that it names is taken apart.
  func release() -> [Tensor] {
    defer { arguments = [] }
    return arguments
  }
}
