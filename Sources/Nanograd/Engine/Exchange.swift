//  Memory shared with other libraries. What is lent is not written to before it is given back, and
//  what is borrowed is not written to at all.

import Synchronization

extension Leaf {
  /// The data, if its memory may be overwritten: it is not borrowed, and nobody else holds it, as
  /// another tensor's kept value or another library may.
  func valueToOverwrite() -> Value? {
    guard value != nil, isKnownUniquelyReferenced(&value), let value, value.isOwn else {
      return nil
    }
    // Another thread's last reads, before it gave the memory back, come before what is written now.
    atomicMemoryFence(ordering: .acquiring)
    return value
  }
}

extension Tensor {
  /// A Variable whose elements are in somebody else's memory, dense and row by row, for as long as
  /// the owner lives.
  package convenience init(
    borrowing memory: UnsafeMutableRawPointer, _ dtype: DType, _ dimensions: [Int], tag: String?,
    owner: AnyObject
  ) throws {
    try self.init(variable: dtype, dimensions, tag: tag)
    leaf?.value = Value(borrowing: memory, bytes: bytes, owner: owner)
  }

  /// A Variable with a copy of elements anywhere in memory, aligned or not: neighbours on an axis
  /// are `strides[axis]` bytes apart.
  package convenience init(
    copying memory: UnsafeRawPointer, _ dtype: DType, _ dimensions: [Int], strides: [Int],
    tag: String?
  ) throws {
    try self.init(variable: dtype, dimensions, tag: tag)
    let value = try Value(bytes: bytes)
    if dtype.size == 4 {
      gather(memory, shape, strides, value.elements(UInt32.self))
    } else {
      gather(memory, shape, strides, value.elements(UInt64.self))
    }
    leaf?.value = value
  }

  /// The elements, computed if needed, in memory that others may read for as long as they keep its
  /// owner. A copy is nobody else's, and may be written to.
  package func lent(asCopy: Bool) throws -> (memory: UnsafeMutableRawPointer, owner: AnyObject) {
    var value = try evaluated()
    if asCopy { value = try Value(copying: value.pointer, bytes: bytes) }
    return (value.pointer, value.lender)
  }
}

/// Copies elements that are strides apart, row by row.
private func gather<T>(
  _ source: UnsafeRawPointer, _ shape: Shape, _ strides: [Int], _ target: UnsafeMutablePointer<T>
) {
  guard shape.size > 0 else { return }
  let last = shape.rank - 1
  let (columns, step) = last >= 0 ? (shape[last], strides[last]) : (1, 0)
  var index = [Int](repeating: 0, count: shape.rank)
  var row = source
  var target = target
  while true {
    for i in 0..<columns { target[i] = (row + i * step).loadUnaligned(as: T.self) }
    target += columns
    // On to the next row, as an odometer counts.
    var axis = last - 1
    while axis >= 0, index[axis] == shape[axis] - 1 {
      row -= index[axis] * strides[axis]
      index[axis] = 0
      axis -= 1
    }
    guard axis >= 0 else { return }
    index[axis] += 1
    row += strides[axis]
  }
}
