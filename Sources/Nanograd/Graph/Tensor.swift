//  A tensor is a node of a graph: a leaf that holds data, or an operator applied to other tensors.
//  Making one checks shapes and dtypes, and computes nothing.

import Synchronization

/// A node of a graph. Immutable but for a leaf's data; values are computed when they are asked for.
///
/// Thread rule: different graphs may be used on different threads at once; one graph is for one
/// thread at a time. A tensor may be released on any thread.
public final class Tensor: @unchecked Sendable {
  // In the order in which walks over a graph look at them: a large one is in no cache, and most dimensions of most
  // shapes are in lines that nobody reads.

  /// The operator, or the kind of leaf.
  public let op: Operator
  public let dtype: DType
  /// Whether gradients flow through here to some Parameter.
  let leadsToParameter: Bool
  /// The engine's: whether there may be a list of what this depends on.
  var hasWalk = false
  /// The engine's: its number in the request that looked at it last. To be believed only where that request's list
  /// has the tensor at this place.
  var number: Int32 = 0
  /// A leaf's data and name; nil in any other node.
  let leaf: Leaf?
  /// The tensors that the operator is applied to. Given up by `deinit`, else constant.
  fileprivate(set) var operands: Operands
  /// The engine's: the value as last computed, kept because somebody asked for it.
  var memo = Memo()
  /// What an operator needs to know besides its operands.
  let attributes: Attributes
  public let shape: Shape

  /// Applies an operator. `requested` is the result's shape where the caller has worked it out,
  /// else the operator's rule does.
  init(
    _ op: Operator, _ operands: Operands, _ attributes: Attributes = .none,
    dtype: DType? = nil, requested: Shape? = nil
  ) throws {
    do {
      try Reserve.require()
      try op.definition.signature.check(operands)
      shape = try requested ?? op.definition.shape.shape(of: operands)
    } catch let error as NanogradError {
      operands.release()
      throw error.found(by: op.definition.name)
    }
    self.op = op
    self.operands = operands
    self.attributes = attributes
    self.dtype = dtype ?? operands.with(0) { $0.dtype }
    leaf = nil
    leadsToParameter =
      !op.definition.derivatives.isEmpty && self.dtype.isFloat
      && (0..<operands.count).contains { operands.with($0) { $0.leadsToParameter } }
  }

  /// A node without operands.
  private init(
    _ op: Operator, _ dtype: DType, _ shape: Shape, _ attributes: Attributes = .none,
    leaf: Leaf? = nil
  ) {
    self.op = op
    self.dtype = dtype
    self.shape = shape
    self.attributes = attributes
    self.leaf = leaf
    operands = .none
    leadsToParameter = op == .parameter
  }

  /// A leaf that holds zeros until it is written.
  convenience init(leaf: Leaf, dtype: DType, shape: Shape, isParameter: Bool = false) {
    self.init(isParameter ? .parameter : .variable, dtype, shape, leaf: leaf)
  }

  /// The numbers 0, 1, 2, … as a vector.
  convenience init(iota count: Int, _ dtype: DType) throws {
    try self.init(.iota, dtype, Shape([count]))
  }

  /// A number that never changes.
  convenience init(constant: Double, _ dtype: DType) throws {
    try require(dtype.holds(constant), .argument, "\(constant) is no \(dtype)", in: "constant")
    self.init(.constant, dtype, .scalar, .number(constant))
  }

  /// Operand `i`.
  subscript(i: Int) -> Tensor { operands[i] }
  /// The number of dimensions.
  public var rank: Int { shape.rank }
  /// The number of elements.
  public var size: Int { shape.size }
  /// Whether this is a leaf whose gradient is accumulated.
  public var isParameter: Bool { op == .parameter }
  /// Whether this is a leaf without gradient.
  public var isVariable: Bool { op == .variable }
  /// The name a leaf was given.
  public var tag: String? { leaf?.tag }
  /// The number, if this is a constant.
  var constant: Double? { if case .number(let x) = attributes { x } else { nil } }

  // A chain of a million tensors must not be a million nested calls: what this tensor alone kept
  // alive is taken apart from a list.
  deinit {
    if hasWalk { PlanCache.removeWalk(from: self) }
    guard operands.count > 0 else { return }
    var remains = Remains()
    dismantle(into: &remains)
    remains.dismantle()
  }

  /// Gives up the operands. What goes with them is put on the list.
  func dismantle(into remains: inout Remains) {
    operands.release(into: &remains)
    operands = .none
    if case .label(let label) = attributes { label.release(into: &remains) }
  }
}

/// What a leaf has that operators do not.
final class Leaf {
  /// Its name in drawings: the tag it was given, or its kind and number.
  let name: String
  let tag: String?
  /// Its data; nil stands for zeros.
  var value: Value?
  /// When the data last changed, on the clock of all leaves.
  private(set) var version = Leaf.tick()
  /// A Parameter's accumulated gradient, once it was asked for.
  var gradient: Tensor?
  /// Whether anything has been accumulated since it was set to zero.
  var hasGradient = false

  private static let variables = Atomic<UInt64>(0)
  private static let parameters = Atomic<UInt64>(0)

  init(tag: String?, isParameter: Bool = false, value: Value? = nil) {
    self.tag = tag
    self.value = value
    name =
      tag
      ?? (isParameter ? "parameter \(Leaf.parameters.next())" : "variable \(Leaf.variables.next())")
  }

  /// Replaces the data, which makes every value that was computed from it stale.
  func replace(_ value: Value?) {
    self.value = value
    version = Leaf.tick()
  }
}
