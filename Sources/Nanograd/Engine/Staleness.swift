//  Which values still hold: a leaf carries the time of its last change, on a clock that all leaves
//  share, and a value the time of the youngest change that went into it.

import Synchronization

extension Leaf {
  private static let clock = Atomic<UInt64>(1)

  /// The time on the clock of all leaves: while it stands still, no leaf changes.
  static var now: UInt64 { clock.load(ordering: .relaxed) }

  /// The time of a change that happens now.
  static func tick() -> UInt64 { clock.next() }
}

extension Atomic where Value == UInt64 {
  /// One more than the last.
  func next() -> UInt64 { wrappingAdd(1, ordering: .relaxed).newValue }
}

/// A computed value and the youngest change of a leaf that went into it: as long as no leaf below
/// has changed since, the value holds.
struct Memo {
  var value: Value?
  var version: UInt64 = 0
  /// The time at which this was found to hold.
  var clock: UInt64 = 0
}
