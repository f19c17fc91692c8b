//  The memory that plans keep between their runs.

import Synchronization

/// The memory of a plan's last run, for its next. That of all plans can be counted, and freed when memory is
/// short: whoever holds a plan need not know.
final class Spare: Sendable {
  private let context = AtomicReference<Context>()
  private let size = Atomic(0)
  /// The addresses of all there are; `deinit` takes them out.
  static let all = Guarded<Set<UInt>>([])

  init() {
    let address = UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
    _ = Spare.all.withLock { $0.insert(address) }
  }

  deinit {
    let address = UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
    _ = Spare.all.withLock { $0.remove(address) }
    // Taken from where it was put: the place's own end looks at a copy of it, which orders nothing for who checks the
    // order of threads.
    _ = context.take()
  }

  func take() -> Context? {
    size.store(0, ordering: .relaxed)
    return context.take()
  }

  func put(_ used: consuming Context) {
    let bytes = used.bytes
    context.put(consume used)
    size.store(bytes, ordering: .relaxed)
  }

  /// Bytes that all plans keep; while one runs, perhaps without its own.
  static var bytes: Int {
    all.withLock { addresses in
      addresses.reduce(0) { sum, address in
        sum + (with(address) { $0.size.load(ordering: .relaxed) } ?? 0)
      }
    }
  }

  /// Frees the memory of all plans that are not running.
  static func releaseAll() {
    // Freed after the lock is let go, hence the list.
    let contexts = all.withLock { addresses in
      addresses.compactMap { address in with(address) { $0.take() } ?? nil }
    }
    withExtendedLifetime(contexts) {}
  }

  private static func with<R>(_ address: UInt, _ body: (Spare) -> R) -> R? {
    UnsafeRawPointer(bitPattern: address).map {
      Unmanaged<Spare>.fromOpaque($0)._withUnsafeGuaranteedRef(body)
    }
  }
}
