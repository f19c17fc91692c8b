//  Short lists, which are made at every call.

extension Array {
  /// A list of so many elements, in memory that is asked for once. `map` over a range goes through code that the
  /// lists of all classes share, and takes three times as long for one element.
  @inlinable @inline(__always)
  package init(count: Int, _ element: (Int) throws -> Element) rethrows {
    try self.init(unsafeUninitializedCapacity: count) { elements, made in
      while made < count {
        elements.initializeElement(at: made, to: try element(made))
        made += 1
      }
    }
  }
}
