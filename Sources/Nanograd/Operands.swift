//  How a node holds what it is applied to, and lets go of it: from a list, because a chain of a million tensors must
//  not be a million nested calls.

/// The operands of a tensor. Up to three are stored in the node itself, and reading them counts no
/// references but of the one that is returned: both matter where a node is to cost 50 ns. Four words are
/// what Swift passes in registers. The owner releases them.
struct Operands {
  let count: Int
  /// The first, or the list of all where they are more than three.
  private var first: UnsafeRawPointer?
  private var second: UnsafeRawPointer?
  private var third: UnsafeRawPointer?

  private final class List {
    /// References that are counted, as those beside each other are.
    let tensors: [Unmanaged<Tensor>]
    init(_ tensors: [Tensor]) { self.tensors = tensors.map { .passRetained($0) } }
  }

  static var none: Operands { Operands(count: 0) }
  static func one(_ a: Tensor) -> Operands { Operands(count: 1, first: retained(a)) }
  static func two(_ a: Tensor, _ b: Tensor) -> Operands {
    Operands(count: 2, first: retained(a), second: retained(b))
  }
  static func three(_ a: Tensor, _ b: Tensor, _ c: Tensor) -> Operands {
    Operands(count: 3, first: retained(a), second: retained(b), third: retained(c))
  }
  static func many(_ list: [Tensor]) -> Operands {
    if list.count > 3 { return Operands(count: list.count, first: retained(List(list))) }
    func at(_ i: Int) -> UnsafeRawPointer? { i < list.count ? retained(list[i]) : nil }
    return Operands(count: list.count, first: at(0), second: at(1), third: at(2))
  }

  private static func retained(_ object: AnyObject) -> UnsafeRawPointer {
    UnsafeRawPointer(Unmanaged.passRetained(object).toOpaque())
  }

  subscript(i: Int) -> Tensor { unmanaged(i).takeUnretainedValue() }
  var list: [Tensor] { (0..<count).map { self[$0] } }

  /// Reads an operand without counting a reference.
  func with<R>(_ i: Int, _ body: (Tensor) throws -> R) rethrows -> R {
    try unmanaged(i)._withUnsafeGuaranteedRef(body)
  }

  func unmanaged(_ i: Int) -> Unmanaged<Tensor> {
    if let many { return many._withUnsafeGuaranteedRef { $0.tensors[i] } }
    guard let operand = i == 0 ? first : i == 1 ? second : third else {
      preconditionFailure("no operand \(i)")
    }
    return .fromOpaque(operand)
  }

  private var many: Unmanaged<List>? { count > 3 ? first.map { .fromOpaque($0) } : nil }

  /// Releases all of them, without need of memory but for a list of what nobody else has, leaves aside.
  func release(into remains: inout Remains) {
    if let list = many?.takeRetainedValue() {
      for tensor in list.tensors { remains.take(tensor) }
    } else {
      for i in 0..<count { remains.take(unmanaged(i)) }
    }
  }

  /// Releases all of them, and what goes with them.
  func release() {
    var remains = Remains()
    release(into: &remains)
    remains.dismantle()
  }
}

/// Tensors that are to be taken apart, because the reference that is held here is the only one.
struct Remains: ~Copyable {
  private var list: [Unmanaged<Tensor>] = []

  /// Takes a reference over, and counts it off at once if there are others or no operands.
  mutating func take(_ reference: Unmanaged<Tensor>) {
    if reference._withUnsafeGuaranteedRef({ $0.operands.count > 0 }), reference.isOnly {
      list.append(reference)
    } else {
      reference.release()
    }
  }

  /// Takes all of them apart, and what goes with them.
  mutating func dismantle() {
    while let tensor = list.popLast() {
      tensor._withUnsafeGuaranteedRef { $0.dismantle(into: &self) }
      tensor.release()
    }
  }
}

extension Unmanaged {
  /// Whether there is no other reference, found out without counting one more for the question.
  fileprivate var isOnly: Bool {
    var reference = self
    return withUnsafeMutablePointer(to: &reference) {
      $0.withMemoryRebound(to: Instance.self, capacity: 1) {
        isKnownUniquelyReferenced(&$0.pointee)
      }
    }
  }
}
