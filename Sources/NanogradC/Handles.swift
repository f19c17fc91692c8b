//  Handles: numbers that look like pointers and are never dereferenced. A handle says which slot of
//  a table it stands for, and which use of that slot, so that a stale one is recognised.

import CPlatform
import Nanograd
import Synchronization

/// What a handle stands for.
enum Kind: UInt64 {
  case tensor = 1
  case optimizer = 2
  case schedule = 3
  case file = 4
  case checkpoint = 5
}

/// The process's table of handles. Any thread may make, use and release handles at any time; slots are
/// never given back to the system, so that even a stale handle leads to a slot.
///
/// A handle is, from the top: 35 bits of generation, 26 bits of slot, 3 bits of kind (never 0).
enum Handles {
  /// `state` is generation · 16 + kind · 2 + lock while the slot is in use, generation · 16 when it is free.
  private struct Slot: ~Copyable {
    let state = Atomic<UInt64>(0)
    /// Touched only by whoever holds the lock.
    var object: Unmanaged<AnyObject>?
    /// The next free slot.
    let next = Atomic<UInt32>(0)
  }

  private static let slotBits: UInt64 = 26
  private static let kindBits: UInt64 = 3
  private static let kindMask: UInt64 = (1 << kindBits) - 1
  private static let generationMask: UInt64 = (1 << (64 - slotBits - kindBits)) - 1
  private static let blockSize = 4096
  private static let mostBlocks = (1 << slotBits) / blockSize
  /// The address of an array with the address of each block, or 0; itself 0 before there is a handle.
  private static let blocks = Atomic<UInt>(0)
  private static let blockCount: Guarded<Int> = {
    let count = Guarded(0)
    // Registered after the engine's handlers and so called before them, since its locks are taken inside of
    // this one.
    pthread_atfork(
      { blockCount.lock() }, { blockCount.unlock() },
      {
        unlockSlots()
        blockCount.unlock()
      })
    return count
  }()
  /// The first free slot (0 for none; slot 0 is never used), below a count that makes each value unique.
  private static let free = Atomic<UInt64>(0)

  /// Handles in use.
  static var count: Int {
    var count = 0
    forEachSlot { if $0.state.load(ordering: .relaxed) & (kindMask << 1) != 0 { count += 1 } }
    return count
  }

  /// A new handle, which owns the object; nil if the table is full or there is no memory for more of it.
  static func make(_ object: consuming AnyObject, _ kind: Kind) -> UInt64? {
    guard let (index, slot) = takeSlot() else { return nil }
    let generation = slot.pointee.state.load(ordering: .relaxed) >> (kindBits + 1)
    slot.pointee.object = Unmanaged.passRetained(object)
    slot.pointee.state.store(inUse(generation, kind), ordering: .releasing)
    return (generation << (slotBits + kindBits)) | (UInt64(index) << kindBits) | kind.rawValue
  }

  /// The object that a handle stands for; nil if it is stale or was never one of this kind.
  static func object(_ handle: UInt64, _ kind: Kind) -> AnyObject? {
    guard let (slot, state) = lock(handle, kind) else { return nil }
    let object = slot.pointee.object?.takeUnretainedValue()
    slot.pointee.state.store(state, ordering: .releasing)
    return object
  }

  /// Ends a handle's life; false if it is stale or was never one of this kind.
  static func release(_ handle: UInt64, _ kind: Kind) -> Bool {
    guard let (slot, state) = lock(handle, kind) else { return false }
    let object = slot.pointee.object
    slot.pointee.object = nil
    let generation = ((state >> (kindBits + 1)) + 1) & generationMask
    slot.pointee.state.store(generation << (kindBits + 1), ordering: .releasing)
    give(back: slotIndex(handle), slot)
    // Last, since it may take a whole graph apart.
    object?.release()
    return true
  }

  /// Locks the slot of a handle that is in use. The lock is held for a few instructions.
  private static func lock(
    _ handle: UInt64, _ kind: Kind
  ) -> (UnsafeMutablePointer<Slot>, UInt64)? {
    guard handle & kindMask == kind.rawValue, let slot = slot(slotIndex(handle)) else { return nil }
    let state = inUse(handle >> (slotBits + kindBits), kind)
    while true {
      let (exchanged, original) = slot.pointee.state.weakCompareExchange(
        expected: state, desired: state | 1, ordering: .acquiring)
      if exchanged { return (slot, state) }
      guard original | 1 == state | 1 else { return nil }
      ngp_pause()
    }
  }

  /// The state of a slot in use that nobody has locked.
  private static func inUse(_ generation: UInt64, _ kind: Kind) -> UInt64 {
    (generation << (kindBits + 1)) | (kind.rawValue << 1)
  }

  private static func slotIndex(_ handle: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: (handle >> kindBits) & ((1 << slotBits) - 1))
  }

  private static func slot(_ index: UInt32) -> UnsafeMutablePointer<Slot>? {
    block(Int(index) / blockSize).map { $0 + Int(index) % blockSize }
  }

  private static func block(_ i: Int) -> UnsafeMutablePointer<Slot>? {
    UnsafePointer<Atomic<UInt>>(bitPattern: blocks.load(ordering: .acquiring))
      .flatMap { UnsafeMutablePointer(bitPattern: $0[i].load(ordering: .acquiring)) }
  }

  private static func forEachSlot(_ body: (borrowing Slot) -> Void) {
    for i in 0..<mostBlocks {
      guard let block = block(i) else { return }
      for slot in 0..<blockSize { body(block[slot]) }
    }
  }

  private static func takeSlot() -> (UInt32, UnsafeMutablePointer<Slot>)? {
    while true {
      let head = free.load(ordering: .acquiring)
      let index = UInt32(truncatingIfNeeded: head)
      guard index != 0, let slot = slot(index) else {
        guard addBlock() else { return nil }
        continue
      }
      let next = UInt64(slot.pointee.next.load(ordering: .relaxed))
      let renewed = (((head >> 32) &+ 1) << 32) | next
      if free.compareExchange(expected: head, desired: renewed, ordering: .acquiringAndReleasing)
        .exchanged
      {
        return (index, slot)
      }
    }
  }

  private static func give(back index: UInt32, _ slot: UnsafeMutablePointer<Slot>) {
    while true {
      let head = free.load(ordering: .relaxed)
      slot.pointee.next.store(UInt32(truncatingIfNeeded: head), ordering: .relaxed)
      let renewed = (((head >> 32) &+ 1) << 32) | UInt64(index)
      if free.compareExchange(expected: head, desired: renewed, ordering: .releasing).exchanged {
        return
      }
    }
  }

  /// Makes room for more handles.
  private static func addBlock() -> Bool {
    blockCount.withLock { count in
      // Another thread may have added one meanwhile.
      if UInt32(truncatingIfNeeded: free.load(ordering: .acquiring)) != 0 { return true }
      guard count < mostBlocks, let list = blockList(),
        let raw = try? Memory.take(MemoryLayout<Slot>.stride * blockSize, .handles)
      else { return false }
      let memory = raw.bindMemory(to: Slot.self, capacity: blockSize)
      for i in 0..<blockSize { (memory + i).initialize(to: Slot()) }
      list[count].store(UInt(bitPattern: memory), ordering: .releasing)
      let first = count * blockSize
      // Backwards, so that the lowest is handed out first; slot 0 stays out.
      for i in (0..<blockSize).reversed() where first + i > 0 {
        give(back: UInt32(first + i), memory + i)
      }
      count += 1
      return true
    }
  }

  /// The array of blocks, made when the first one is; nil if there is no memory for it.
  private static func blockList() -> UnsafePointer<Atomic<UInt>>? {
    let address = blocks.load(ordering: .acquiring)
    if let list = UnsafePointer<Atomic<UInt>>(bitPattern: address) { return list }
    let bytes = MemoryLayout<Atomic<UInt>>.stride * mostBlocks
    guard let raw = try? Memory.take(bytes, .handles) else { return nil }
    let list = raw.bindMemory(to: Atomic<UInt>.self, capacity: mostBlocks)
    for i in 0..<mostBlocks { (list + i).initialize(to: Atomic(0)) }
    blocks.store(UInt(bitPattern: list), ordering: .releasing)
    return UnsafePointer(list)
  }

  /// In the child of a fork, where whoever held the lock of a slot is not there. A slot caught in the middle of
  /// a release has no object any more, which makes its handle a stale one.
  private static func unlockSlots() {
    forEachSlot { $0.state.bitwiseAnd(~1, ordering: .relaxed) }
  }
}
