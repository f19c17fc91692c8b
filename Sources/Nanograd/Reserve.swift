//  Memory for the graph itself. The Swift runtime ends the process when it finds none for an object, and
//  offers nothing to be done before. So some is held in reserve: when malloc has no more it is given up, which
//  lets what is under way come to its next check, and nothing passes a check without a reserve. Work on many
//  tensors claims a larger one beforehand.

import Glibc
import Synchronization

package enum Reserve {
  /// Many times what making a tensor takes, or computing some hundred of them. Never touched, so that it
  /// costs addresses alone.
  private static let least = 4 << 20
  private static let accounts = Accounts()

  private struct Accounts: ~Copyable {
    /// The reserve's address, a whole number of pages, and in the bits below the logarithm of its size; 0
    /// when it is given up, or was never taken.
    let held = Atomic<UInt>(0)
    /// How large it has to be: for what is claimed, and for all else.
    let needed = Atomic(Reserve.least)
  }

  /// A part of the reserve for one piece of work. It ends with its owner. How much a tensor takes was
  /// measured, and doubled; ctests/test_memory.c tries whether it is enough.
  package final class Claim {
    private var bytes = 0

    package init() {}

    /// For a drawing of so many tensors, which may be written again and again in texts of up to a million bytes.
    package convenience init(toDraw tensors: Int) throws {
      self.init()
      try grow(to: 16 << 20 + 2048 * tensors)
    }

    deinit { accounts.needed.wrappingSubtract(bytes, ordering: .relaxed) }

    /// Sees to it that the reserve holds so many bytes for this work, or throws.
    private func grow(to bytes: Int) throws {
      guard bytes > self.bytes else { return try Reserve.require() }
      accounts.needed.wrappingAdd(bytes - self.bytes, ordering: .relaxed)
      self.bytes = bytes
      try Reserve.require()
    }

    /// For a growing list of so many tensors, and their gradients as a graph. Called at each; claims at some.
    func grow(toWalk tensors: Int) throws {
      if tensors & 1023 == 0, tensors > 0 { try grow(to: 1024 * tensors) }
    }

    /// For computing so many tensors, or what is derived from them: a plan of no more than twenty thousand at
    /// a time, and lists of all.
    func grow(toCompute tensors: Int) throws {
      try grow(to: 1024 * tensors + 4096 * Swift.min(tensors, 20_000))
    }
  }

  #if NANOGRAD_RESERVE
    /// Sees to it that there is a reserve as large as it has to be, or throws.
    @inline(__always)
    package static func require() throws {
      let held = accounts.held.load(ordering: .relaxed)
      if size(held) < accounts.needed.load(ordering: .relaxed) { try take() }
    }
  #else
    /// Without the library's own link nobody looks after malloc.
    @inline(__always)
    package static func require() throws {}
  #endif

  /// Gives back what nobody has claimed any more.
  static func shrink() {
    let held = accounts.held.load(ordering: .relaxed)
    let wish = logarithm(accounts.needed.load(ordering: .relaxed))
    guard held != 0, wish < held & 63 else { return }
    let smaller = held & ~63 | wish
    if accounts.held.compareExchange(
      expected: held, desired: smaller, ordering: .acquiringAndReleasing
    ).exchanged, let address = UnsafeMutableRawPointer(bitPattern: held & ~63) {
      munmap(address + size(smaller), size(held) - size(smaller))
    }
  }

  /// A reserve of the size that is needed, in place of a smaller one.
  @inline(never)
  private static func take() throws {
    let wish = logarithm(accounts.needed.load(ordering: .relaxed))
    var new = map(wish)
    if new == 0 {
      releaseCaches()
      new = map(wish)
    }
    guard new != 0 else {
      throw NanogradError(
        .memory, "no memory for the graph itself; expected tensors to be released first")
    }
    var held = accounts.held.load(ordering: .relaxed)
    // Another thread may have taken one meanwhile, or given it up.
    while size(held) < size(new) {
      let (exchanged, now) = accounts.held.compareExchange(
        expected: held, desired: new, ordering: .acquiringAndReleasing)
      if exchanged { return unmap(held) }
      held = now
    }
    unmap(new)
  }

  /// Gives up the reserve; false if there is none.
  fileprivate static func give() -> Bool {
    let held = accounts.held.exchange(0, ordering: .acquiringAndReleasing)
    unmap(held)
    return held != 0
  }

  private static func size(_ held: UInt) -> Int { held == 0 ? 0 : 1 << Int(held & 63) }

  private static func logarithm(_ bytes: Int) -> UInt {
    UInt(Int.bitWidth - Swift.max(bytes - 1, 1).leadingZeroBitCount)
  }

  /// Not by malloc, which may keep what is freed for a thread that has no need of it.
  private static func map(_ logarithm: UInt) -> UInt {
    guard logarithm < 48 else { return 0 }
    let address = mmap(
      nil, 1 << Int(logarithm), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return address == MAP_FAILED ? 0 : UInt(bitPattern: address) | logarithm
  }

  private static func unmap(_ held: UInt) {
    if let address = UnsafeMutableRawPointer(bitPattern: held & ~63) { munmap(address, size(held)) }
  }
}

#if NANOGRAD_RESERVE
  @_silgen_name("__real_malloc")
  private func allocate(_ bytes: Int) -> UnsafeMutableRawPointer?

  /// What the linker makes of every call of malloc in the library (`--wrap`), the Swift runtime's own included.
  @_cdecl("__wrap_malloc")
  public func allocateOrGiveUpReserve(_ bytes: Int) -> UnsafeMutableRawPointer? {
    if let piece = allocate(bytes) { return piece }
    return Reserve.give() ? allocate(bytes) : nil
  }
#endif
