//  Whether threads run on cores that have a cache in common. If not, a line of memory that another core has read
//  takes long to write: 28 ns and not 5 (AMD EPYC, Zen 4), and past the caches 5 again. If they have, what went past
//  it is missed there. No system tells, and on a virtual machine it changes with the minute; but who writes weights
//  that all threads have read can try both.

import Synchronization

/// What is known of the cores that threads run on.
enum Distance {
  /// Whether they share no cache, as the last trial found.
  static let isFar = Atomic<Bool>(false)
  /// Bytes of an array below which its lines are too few to matter.
  static var leastBytes: Int { 64 << 10 }
  /// Tests set it: no trial finds anything else.
  static let isFixed = Atomic<Bool>(false)
}

/// Tries both ways of writing from time to time: some runs one way, some the other, many the better one.
struct Trial {
  private static let tries = 3
  private static let runs = 64

  private var run = 0
  private var leastTimes = (near: Int.max, far: Int.max)

  /// Whether the next run is to write past the caches.
  var isFar: Bool {
    if Distance.isFixed.load(ordering: .relaxed) || run >= 2 * Trial.tries {
      return Distance.isFar.load(ordering: .relaxed)
    }
    return run >= Trial.tries
  }

  /// Whether it matters how long the next run takes.
  var isTrying: Bool {
    run < 2 * Trial.tries && !Distance.isFixed.load(ordering: .relaxed)
  }

  /// Notes the nanoseconds that this run took. What goes past the caches costs more later, and has to be much faster.
  mutating func add(_ time: Int) {
    if run < Trial.tries {
      leastTimes.near = Swift.min(leastTimes.near, time)
    } else if run < 2 * Trial.tries {
      leastTimes.far = Swift.min(leastTimes.far, time)
    }
    run += 1
    if run == 2 * Trial.tries, !Distance.isFixed.load(ordering: .relaxed) {
      Distance.isFar.store(leastTimes.near > leastTimes.far / 2 * 3, ordering: .relaxed)
    }
    if run == Trial.runs { self = Trial() }
  }
}
