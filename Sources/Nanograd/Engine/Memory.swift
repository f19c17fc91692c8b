//  Memory for data: the one place where it is allocated, checked, counted and limited.

import Glibc
import Synchronization

/// How many bytes of memory for data there are, by what they are for, at one moment.
public struct MemoryUse: Equatable, Sendable {
  /// Data of tensors: leaves, gradients, and results that were asked for.
  public internal(set) var values = 0
  /// What computations under way work with.
  public internal(set) var working = 0
  /// What compiled plans keep for their next run.
  public internal(set) var plans = 0
  /// Freed memory that is kept for the next request of its size.
  public internal(set) var pool = 0
  /// The table of handles of the C interface.
  public internal(set) var handles = 0
  /// The most that `total` has been, since the start or `resetMemoryPeak`.
  public internal(set) var peak = 0
  /// The most that `total` may be, if there is a limit.
  public internal(set) var limit: Int?

  /// All of it.
  public var total: Int { values + working + plans + pool + handles }
}

/// The memory for data that the process has now.
public var memoryUse: MemoryUse { Memory.use }

/// Limits the memory for data, what is kept for speed included, to some bytes; nil for no limit. What would
/// exceed it throws. What is there already stays.
public func setMemoryLimit(_ bytes: Int?) throws {
  if let bytes, bytes <= 0 {
    throw NanogradError(.argument, "\(bytes) bytes, expected more", function: "set_memory_limit")
  }
  Memory.setLimit(bytes)
}

/// Lets the peak of memory begin again at what there is now.
public func resetMemoryPeak() { Memory.resetPeak() }

/// Frees what is kept for speed alone: freed memory, compiled plans with the memory they keep, and what the calling
/// thread keeps for its next tensors. What is computed next takes longer once, and gives the same.
public func releaseCaches() {
  PlanCache.removeAll()
  Memory.releaseIdle()
}

/// Bytes of tensor data alive in the process.
package var liveBytes: Int { Memory.liveBytes }

package enum Memory {
  /// What memory is for.
  package enum Use {
    case values, working, plans, handles
  }

  /// Read by anyone at any time. Together and in one place, because each request reads them all.
  private struct Accounts: ~Copyable {
    let values = Atomic(0)
    let working = Atomic(0)
    let plans = Atomic(0)
    let handles = Atomic(0)
    /// What the pool keeps.
    let kept = Atomic(0)
    let peak = Atomic(0)
    let limit = Atomic(Int.max)

    var total: Int {
      values.load(ordering: .relaxed) + working.load(ordering: .relaxed)
        + plans.load(ordering: .relaxed) + handles.load(ordering: .relaxed)
        + kept.load(ordering: .relaxed)
    }

    @inline(__always)
    func add(_ bytes: Int, _ use: Use) {
      switch use {
      case .values: values.wrappingAdd(bytes, ordering: .relaxed)
      case .working: working.wrappingAdd(bytes, ordering: .relaxed)
      case .plans: plans.wrappingAdd(bytes, ordering: .relaxed)
      case .handles: handles.wrappingAdd(bytes, ordering: .relaxed)
      }
    }
  }

  private static let accounts = Accounts()
  static let pool = Guarded(FreeList())

  /// More than any machine has, and small enough to be added up.
  private static let most = 1 << 56

  static var liveBytes: Int {
    Workers.endAll()
    return accounts.values.load(ordering: .relaxed)
  }

  // MARK: Taking and giving

  /// Memory for some bytes, aligned to 64, not initialised.
  package static func take(_ bytes: Int, _ use: Use) throws -> UnsafeMutableRawPointer {
    guard bytes <= most else { throw refusal(bytes) }
    // What was given up for the graph is not for data.
    try Reserve.require()
    let room = room(bytes)
    if room >= FreeList.smallest, let piece = reuse(bytes, room, use) { return piece }
    if let fresh = allocate(bytes, room, use) { return fresh }
    // What is kept for speed goes before anything fails.
    releaseIdle()
    if let fresh = allocate(bytes, room, use) { return fresh }
    throw refusal(bytes)
  }

  /// Gives back what was taken for so many bytes.
  package static func give(_ pointer: UnsafeMutableRawPointer, _ bytes: Int, _ use: Use) {
    let room = room(bytes)
    if room >= FreeList.smallest && keep(pointer, bytes, room, use) { return }
    release(pointer, room)
    accounts.add(-bytes, use)
  }

  // What changes hands between the pool and its users is for a moment counted twice, never not at all, and
  // only under the pool's lock: who finds too little room takes that lock before looking again.

  private static func reuse(_ bytes: Int, _ room: Int, _ use: Use) -> UnsafeMutableRawPointer? {
    pool.withLock { pool in
      guard let piece = pool.take(room) else { return nil }
      accounts.add(bytes, use)
      accounts.kept.wrappingSubtract(room, ordering: .relaxed)
      return piece
    }
  }

  private static func keep(
    _ pointer: UnsafeMutableRawPointer, _ bytes: Int, _ room: Int, _ use: Use
  ) -> Bool {
    guard room <= FreeList.capacity else { return false }
    let old = pool.withLock { pool in
      let excess = accounts.kept.load(ordering: .relaxed) + room - FreeList.capacity
      // Some more than has to go, so that not every piece that comes looks for the oldest one.
      let (old, size) = excess > 0 ? pool.removeOldest(excess + FreeList.capacity / 8) : ([], 0)
      accounts.kept.wrappingSubtract(size, ordering: .relaxed)
      pool.keep(pointer, room)
      accounts.kept.wrappingAdd(room, ordering: .relaxed)
      accounts.add(-bytes, use)
      return old
    }
    for piece in old { free(piece) }
    return true
  }

  /// At least a cache line, so that there is always an address, and whole ones, so that a vector may be read
  /// past the last element.
  private static func room(_ bytes: Int) -> Int { Swift.max((bytes + 63) & ~63, 64) }

  /// Memory from the system; nil if it has none or the limit is reached.
  private static func allocate(_ bytes: Int, _ room: Int, _ use: Use) -> UnsafeMutableRawPointer? {
    let limit = accounts.limit.load(ordering: .relaxed)
    // What cannot be is not even counted for a moment, in which it would be in others' way.
    if limit < Int.max, bytes > limit || accounts.total > limit - bytes { return nil }
    // Counted first: threads that ask at once do not together get more than there is.
    accounts.add(bytes, use)
    let total = accounts.total
    guard total <= limit, let address = aligned(room) else {
      accounts.add(-bytes, use)
      return nil
    }
    if total > accounts.peak.load(ordering: .relaxed) {
      accounts.peak.max(total, ordering: .relaxed)
    }
    return address
  }

  /// Memory from the system, aligned to a cache line.
  private static func aligned(_ room: Int) -> UnsafeMutableRawPointer? {
    if room < FreeList.smallest {
      // What malloc has at hand is aligned to 16 bytes, and it takes three times as long to find anything else.
      // Not asked for by its own name, by which it would give up the graph's reserve for data.
      guard let whole = aligned_alloc(16, room + 64) else { return nil }
      let piece = (whole + 64).alignedDown(toMultipleOf: 64)
      piece.storeBytes(
        of: whole, toByteOffset: -MemoryLayout<UInt>.size, as: UnsafeMutableRawPointer.self)
      return piece
    }
    var address: UnsafeMutableRawPointer?
    // Large pieces on large pages, where the system has them: a product walks over many.
    let isLarge = room >= 1 << 20
    guard posix_memalign(&address, isLarge ? 1 << 21 : 64, room) == 0 else { return nil }
    if isLarge { madvise(address, room, MADV_HUGEPAGE) }
    return address
  }

  /// Gives back to the system what `aligned` brought.
  private static func release(_ piece: UnsafeMutableRawPointer, _ room: Int) {
    guard room < FreeList.smallest else { return free(piece) }
    free(piece.load(fromByteOffset: -MemoryLayout<UInt>.size, as: UnsafeMutableRawPointer.self))
  }

  private static func refusal(_ bytes: Int) -> NanogradError {
    let limit = accounts.limit.load(ordering: .relaxed)
    let wish = "no memory for \(bytes) bytes of data: \(accounts.total) are in use"
    return NanogradError(
      .memory,
      limit < Int.max
        ? "\(wish), the limit is \(limit); expected less at a time, or a higher limit "
          + "(set_memory_limit)"
        : "\(wish); expected less at a time, or tensors to be released first")
  }

  // MARK: Limits and accounts

  static func setLimit(_ bytes: Int?) {
    accounts.limit.store(bytes ?? Int.max, ordering: .relaxed)
    if let bytes, accounts.total > bytes { releaseIdle() }
  }

  static func resetPeak() { accounts.peak.store(accounts.total, ordering: .relaxed) }

  /// Frees what nobody uses at the moment. Plans stay, without their memory.
  static func releaseIdle() {
    Workers.endAll()
    Spare.releaseAll()
    let pieces = pool.withLock { pool in
      defer { accounts.kept.store(0, ordering: .relaxed) }
      return pool.removeAll()
    }
    for piece in pieces { free(piece) }
    NodeMemory.releaseIdle()
    Reserve.shrink()
  }

  static var use: MemoryUse {
    // What workers have finished with is no longer worked with.
    Workers.endAll()
    let idle = Spare.bytes
    var use = MemoryUse()
    use.values = liveBytes
    use.working = Swift.max(accounts.working.load(ordering: .relaxed) - idle, 0)
    use.plans = accounts.plans.load(ordering: .relaxed) + idle
    use.pool = accounts.kept.load(ordering: .relaxed)
    use.handles = accounts.handles.load(ordering: .relaxed)
    use.peak = Swift.max(accounts.peak.load(ordering: .relaxed), use.total)
    let limit = accounts.limit.load(ordering: .relaxed)
    use.limit = limit < Int.max ? limit : nil
    return use
  }
}

/// Memory that was freed is kept for the next request of its size: a training step asks for the same sizes
/// again and again, and fresh pages cost more than the arithmetic on them.
struct FreeList {
  /// Pieces below this size are malloc's business.
  static let smallest = 4096
  /// The most bytes kept.
  static let capacity = 64 << 20

  private struct Shelf {
    var pieces: [UnsafeMutableRawPointer] = []
    var lastUse = 0
  }

  /// By size.
  private var shelves: [Int: Shelf] = [:]
  private var uses = 0

  mutating func take(_ room: Int) -> UnsafeMutableRawPointer? {
    guard let place = shelves.index(forKey: room) else { return nil }
    uses += 1
    shelves.values[place].lastUse = uses
    return shelves.values[place].pieces.popLast()
  }

  mutating func keep(_ pointer: UnsafeMutableRawPointer, _ room: Int) {
    uses += 1
    let now = uses
    func put(_ shelf: inout Shelf) {
      shelf.pieces.append(pointer)
      shelf.lastUse = now
    }
    put(&shelves[room, default: Shelf()])
  }

  /// So many bytes or more, if there are so many: pieces of those sizes that were asked for, or given back,
  /// least recently.
  mutating func removeOldest(_ bytes: Int) -> (pieces: [UnsafeMutableRawPointer], bytes: Int) {
    var pieces: [UnsafeMutableRawPointer] = []
    var removed = 0
    for (room, _) in shelves.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
      guard removed < bytes else { break }
      while removed < bytes, let piece = shelves[room]?.pieces.popLast() {
        pieces.append(piece)
        removed += room
      }
      if shelves[room]?.pieces.isEmpty == true { shelves[room] = nil }
    }
    return (pieces, removed)
  }

  mutating func removeAll() -> [UnsafeMutableRawPointer] {
    defer { shelves = [:] }
    return shelves.values.flatMap(\.pieces)
  }
}
