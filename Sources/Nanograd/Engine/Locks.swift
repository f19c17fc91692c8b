//  What threads share, so that a fork does no harm to it: fork() copies the calling thread alone, and a lock
//  that another held at that moment would stay locked in the child for ever.

import Glibc
import Synchronization

/// A value behind a lock. Like `Mutex`, which however knows its owner by the number of a thread, and in the
/// child of a fork that is another one.
package final class Guarded<State>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var state: State

  /// To be made once and for ever: what guards shorter lives is made of atomics.
  package init(_ state: State) {
    self.state = state
    pthread_mutex_init(mutex, nil)
    _ = Forks.handlers
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inline(__always)
  package func withLock<R>(_ body: (inout State) throws -> R) rethrows -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// For the time of a fork.
  package func lock(_ body: (inout State) -> Void = { _ in }) {
    pthread_mutex_lock(mutex)
    body(&state)
  }
  package func unlock() { pthread_mutex_unlock(mutex) }
}

/// A place for one object, which threads take it from and put it to without waiting for each other.
struct AtomicReference<Object: AnyObject>: ~Copyable, @unchecked Sendable {
  private let address = Atomic<UInt>(0)

  var isEmpty: Bool { address.load(ordering: .relaxed) == 0 }

  /// Takes the object out.
  func take() -> Object? { exchange(0) }

  /// Puts an object in and drops what was there. The caller's reference goes in, so that whoever takes the object
  /// out is the only one to have it.
  func put(_ object: consuming Object) {
    _ = exchange(UInt(bitPattern: Unmanaged.passRetained(consume object).toOpaque()))
  }

  /// Puts an object in unless there is one.
  func putFirst(_ object: consuming Object) {
    let new = Unmanaged.passRetained(consume object)
    if !address.compareExchange(
      expected: 0, desired: UInt(bitPattern: new.toOpaque()), ordering: .acquiringAndReleasing
    ).exchanged {
      new.release()
    }
  }

  private func exchange(_ new: UInt) -> Object? {
    let old = address.exchange(new, ordering: .acquiringAndReleasing)
    return UnsafeRawPointer(bitPattern: old)
      .map { Unmanaged<Object>.fromOpaque($0).takeRetainedValue() }
  }

  deinit { _ = take() }
}

package enum Forks {
  /// Whoever forks holds all locks meanwhile, taken in the order in which one may be taken inside another,
  /// so that no other thread holds one; the child finds what they guard whole. Values that are made at first
  /// use are made before, as another thread may be just about it.
  package static let handlers: Void = {
    pthread_atfork(
      {
        _ = (Workers.limit.load(ordering: .relaxed), Evaluation.isPlain.load(ordering: .relaxed))
        _ = (Float.kernels.panelWidth, Double.kernels.panelWidth)
        Workers.endBeforeFork()
        PlanCache.shared.lock()
        Spare.all.lock()
        Memory.pool.lock()
      },
      {
        Memory.pool.unlock()
        Spare.all.unlock()
        PlanCache.shared.unlock()
        Workers.continueAfterFork()
      },
      {
        Memory.pool.unlock()
        Spare.all.unlock()
        PlanCache.shared.unlock()
        Workers.continueAfterFork()
      })
  }()
}
