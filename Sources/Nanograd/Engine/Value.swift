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

  /// Whether it counts among the bytes alive: the engine's own working memory does not.
  private let isCounted: Bool

  /// Memory for some bytes, not initialised.
  init(bytes: Int, isCounted: Bool = true) throws {
    let room = Value.room(bytes)
    guard let address = Memory.take(room) else {
      throw NanogradError(.memory, "no memory for \(bytes) bytes of data")
    }
    pointer = address
    self.bytes = bytes
    isOwner = true
    self.isCounted = isCounted
    if isCounted { Value.live.wrappingAdd(bytes, ordering: .relaxed) }
  }

  /// At least a cache line, so that there is always an address, and whole ones, so that a vector may be read
  /// past the last element.
  private static func room(_ bytes: Int) -> Int { Swift.max((bytes + 63) & ~63, 64) }

  /// Memory that belongs to somebody else, for as long as that is there.
  init(borrowing pointer: UnsafeMutableRawPointer, bytes: Int) {
    self.pointer = pointer
    self.bytes = bytes
    isOwner = false
    isCounted = false
  }

  /// A copy of some bytes.
  convenience init(copying source: UnsafeRawPointer, bytes: Int) throws {
    try self.init(bytes: bytes)
    pointer.copyMemory(from: source, byteCount: bytes)
  }

  deinit {
    guard isOwner else { return }
    Memory.give(pointer, Value.room(bytes))
    if isCounted { Value.live.wrappingSubtract(bytes, ordering: .relaxed) }
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

/// Memory that was freed is kept for the next request of its size: a training step asks for the same sizes
/// again and again, and fresh pages cost more than the arithmetic on them.
private struct Memory: ~Copyable {
  private static let shared = Mutex(Memory())
  /// Pieces below this size are malloc's business.
  private static let smallest = 4096
  /// The most bytes kept.
  private static let capacity = 64 << 20

  private var pieces: [Int: [UnsafeMutableRawPointer]] = [:]
  private var kept = 0

  static func take(_ room: Int) -> UnsafeMutableRawPointer? {
    if room >= smallest {
      // As a number, because what leaves a lock must be free to go anywhere.
      let piece = shared.withLock { memory -> UInt in
        guard let piece = memory.pieces[room]?.popLast() else { return 0 }
        memory.kept -= room
        return UInt(bitPattern: piece)
      }
      if let pointer = UnsafeMutableRawPointer(bitPattern: piece) { return pointer }
    }
    var address: UnsafeMutableRawPointer?
    // Large pieces on large pages, where the system has them: a product walks over many.
    let isLarge = room >= 1 << 20
    guard posix_memalign(&address, isLarge ? 1 << 21 : 64, room) == 0 else { return nil }
    if isLarge { madvise(address, room, MADV_HUGEPAGE) }
    return address
  }

  static func give(_ pointer: UnsafeMutableRawPointer, _ room: Int) {
    let piece = UInt(bitPattern: pointer)
    let isKept =
      room >= smallest
      && shared.withLock { memory in
        guard memory.kept + room <= capacity else { return false }
        guard let pointer = UnsafeMutableRawPointer(bitPattern: piece) else { return true }
        memory.pieces[room, default: []].append(pointer)
        memory.kept += room
        return true
      }
    if !isKept { free(pointer) }
  }
}
