//  How a graph goes: from a list, because a chain of a million tensors must not be a million nested calls.

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
