//  Memory for the graph itself. The Swift runtime ends the process when it finds none for an object, and
//  offers nothing to be done before. So some is held in reserve: when malloc has no more it is given up, which
//  lets the call under way finish, and no call begins without it.

import CPlatform
import Nanograd
import Synchronization

enum Reserve {
  /// Many times what making a tensor takes, and enough to compute some ten thousand of them. Never touched, so
  /// that it costs addresses alone.
  private static let size = 4 << 20
  /// The reserve; 0 when it is given up, or was never taken.
  private static let address = Atomic<UInt>(0)

  /// Sees to it that there is a reserve, or throws.
  @inline(__always)
  static func require() throws {
    if address.load(ordering: .relaxed) == 0 { try take() }
  }

  @inline(never)
  private static func take() throws {
    var piece = allocate(size)
    if piece == nil {
      releaseCaches()
      piece = allocate(size)
    }
    guard let piece else {
      throw NanogradError(
        .memory, "no memory for the graph itself; expected tensors to be released first")
    }
    let (exchanged, _) = address.compareExchange(
      expected: 0, desired: UInt(bitPattern: piece), ordering: .acquiringAndReleasing)
    if !exchanged { free(piece) }
  }

  /// Gives up the reserve; false if there is none.
  fileprivate static func give() -> Bool {
    guard
      let piece = UnsafeMutableRawPointer(
        bitPattern: address.exchange(0, ordering: .acquiringAndReleasing))
    else { return false }
    free(piece)
    return true
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
#else
  private func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? { malloc(bytes) }
#endif
