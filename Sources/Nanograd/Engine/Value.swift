//  What a tensor's elements are kept in.

/// The elements of a tensor, dense and row-major. Shared freely, since nobody writes to one that
/// another may be reading.
final class Value: @unchecked Sendable {
  private let memory: UnsafeMutableRawPointer
  /// The loop that writes the elements, if one did that nobody waited for.
  private var loop: UInt64 = 0
  let bytes: Int
  /// What the memory was taken for; nil if it is not this object's to give back.
  private let use: Memory.Use?
  /// Keeps the memory of somebody else.
  private let owner: AnyObject?

  /// Memory for some bytes, not initialised.
  init(bytes: Int, for use: Memory.Use = .values) throws {
    memory = try Memory.take(bytes, use)
    self.bytes = bytes
    self.use = use
    owner = nil
  }

  /// Memory that belongs to somebody else, for as long as that is there, or its owner keeps it.
  init(borrowing pointer: UnsafeMutableRawPointer, bytes: Int, owner: AnyObject? = nil) {
    memory = pointer
    self.bytes = bytes
    use = nil
    self.owner = owner
  }

  /// The value that has the memory, where this one borrows it from another. However often memory is passed to
  /// and fro, no value is more than one step away from it.
  var lender: Value { owner as? Value ?? self }

  /// Whether the memory is this object's, and not borrowed.
  var isOwn: Bool { use != nil }

  /// A copy of some bytes.
  convenience init(copying source: UnsafeRawPointer, bytes: Int) throws {
    try self.init(bytes: bytes)
    pointer.copyMemory(from: source, byteCount: bytes)
  }

  deinit { if let use { Memory.give(memory, bytes, use) } }

  /// The elements. Aligned to 64 bytes if the memory is this object's, else to the elements' size.
  var pointer: UnsafeMutableRawPointer {
    if loop > 0 { Workers.end(loop) }
    return memory
  }

  /// Notes that a loop has been begun that writes the elements; the caller has the only reference.
  func isWritten(by loop: UInt64) { self.loop = loop }

  /// The elements, as a type that the caller knows them to be.
  func elements<T>(_ type: T.Type = T.self) -> UnsafeMutablePointer<T> {
    pointer.assumingMemoryBound(to: T.self)
  }
}

extension Tensor {
  /// Bytes of all elements.
  var bytes: Int { shape.size * dtype.size }
}
