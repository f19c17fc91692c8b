//  Memory for data: the one place where it is allocated, checked, and counted.

import Glibc
import Synchronization

/// The elements of a tensor, dense and row-major. Shared freely, since nobody writes to one that
/// another may be reading.
final class Value: @unchecked Sendable {
  /// Aligned to 64 bytes.
  let pointer: UnsafeMutableRawPointer
  let bytes: Int
  /// Whether the memory is this object's to free.
  private let isOwner: Bool

  /// Bytes of data alive in the process.
  static let live = Atomic<Int>(0)

  /// Memory for some bytes, not initialised.
  init(bytes: Int) throws {
    // At least a cache line, so that there is always an address; rounded up so that a vector may be
    // read past the last element.
    let room = Swift.max((bytes + 63) & ~63, 64)
    var address: UnsafeMutableRawPointer?
    guard posix_memalign(&address, 64, room) == 0, let address else {
      throw NanogradError(.memory, "no memory for \(bytes) bytes of data")
    }
    pointer = address
    self.bytes = bytes
    isOwner = true
    Value.live.wrappingAdd(bytes, ordering: .relaxed)
  }

  /// Memory that belongs to somebody else, for as long as that is there.
  init(borrowing pointer: UnsafeMutableRawPointer, bytes: Int) {
    self.pointer = pointer
    self.bytes = bytes
    isOwner = false
  }

  /// A copy of some bytes.
  convenience init(copying source: UnsafeRawPointer, bytes: Int) throws {
    try self.init(bytes: bytes)
    pointer.copyMemory(from: source, byteCount: bytes)
  }

  deinit {
    guard isOwner else { return }
    free(pointer)
    Value.live.wrappingSubtract(bytes, ordering: .relaxed)
  }

  /// The elements, as a type that the caller knows them to be.
  func elements<T>(_ type: T.Type = T.self) -> UnsafeMutablePointer<T> {
    pointer.assumingMemoryBound(to: T.self)
  }
}

extension Tensor {
  /// Bytes of all elements.
  var bytes: Int { shape.size * dtype.size }
}
