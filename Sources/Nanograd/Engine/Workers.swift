//  A few threads that share loops of independent tasks. What a task computes never depends on who
//  runs it, so results do not depend on how many there are.

import CPlatform
import Glibc
import Synchronization

/// Threads that a computation may use, the calling one included.
package var numberOfThreads: Int { Workers.limit.load(ordering: .relaxed) }

/// Sets it for the whole process: 1 to 1,024.
package func setNumberOfThreads(_ count: Int) throws {
  guard count >= 1, count <= 1024 else {
    throw NanogradError(.argument, "\(count) threads, expected 1 to 1024")
  }
  Workers.limit.store(count, ordering: .relaxed)
}

enum Workers {
  /// From `NANOGRAD_THREADS`, or the processors that this process may use.
  static let limit = Atomic<Int>(
    getenv("NANOGRAD_THREADS").flatMap { Int(String(cString: $0)) }
      .flatMap { (1...1024).contains($0) ? $0 : nil } ?? Swift.min(Int(ngp_processors()), 1024))

  /// Calls `task` for 0 ..< count, each once, on this thread and on workers; returns when all are done. A
  /// task also learns which thread it is on: 0 for the caller, up to one less than `threads` for others.
  /// The limit may change at any moment, so who has memory for each thread says how many that is.
  /// Loops from several threads at once take turns at the workers: who finds them taken runs alone.
  static func run(
    _ count: Int, threads: Int = numberOfThreads, _ task: (_ i: Int, _ thread: Int) -> Void
  ) {
    let threads = Swift.max(Swift.min(threads, count), 1)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: threads + 1) { shares in
      let (least, rest) = count.quotientAndRemainder(dividingBy: threads)
      for thread in 0...threads { shares[thread] = least * thread + Swift.min(thread, rest) }
      run(shares: UnsafeBufferPointer(shares), task)
    }
  }

  /// The same for the tasks 0 ..< the last of `shares`: from `shares[t]` on up to `shares[t + 1]` they are
  /// thread t's to begin with, so that it finds in its core's caches what it left there, and need not fetch it
  /// from another's. Then it takes what others have not begun. All take about `cost` nanoseconds.
  static func run(
    shares: UnsafeBufferPointer<Int>, cost: Double = .infinity,
    _ task: (_ i: Int, _ thread: Int) -> Void
  ) {
    let (count, helpers) = (shares[shares.count - 1], shares.count - 2)
    guard count > 1, helpers > 0, count <= Pool.mostTasks,
      let pool = Pool.acquire(helpers, cost)
    else {
      for i in 0..<count { task(i, 0) }
      return
    }
    withoutActuallyEscaping(task) { pool.run(shares, $0) }
    pool.inUse.store(false, ordering: .releasing)
  }

  // MARK: Loops that nobody waits for yet

  /// A loop that workers have begun, and what is to be done when it has ended.
  private struct Begun {
    let pool: Pool
    let shares: UnsafeMutableBufferPointer<Int>
    let atEnd: () -> Void
  }

  private static let begun = Guarded<Begun?>(nil)
  private static let lastBegun = Atomic<UInt64>(0)
  private static let lastEnded = Atomic<UInt64>(0)

  /// Gives a loop to the workers and returns its number, if there are any to take it; nil if not. Whoever needs what it
  /// does calls `end`, which takes part.
  static func begin(
    shares: [Int], cost: Double, _ task: @escaping (_ i: Int, _ thread: Int) -> Void,
    atEnd: @escaping () -> Void
  ) -> UInt64? {
    let (count, helpers) = (shares[shares.count - 1], shares.count - 2)
    guard count > 1, helpers > 0, count <= Pool.mostTasks, let pool = Pool.acquire(helpers, cost)
    else { return nil }
    let copy = UnsafeMutableBufferPointer<Int>.allocate(capacity: shares.count)
    _ = copy.initialize(from: shares)
    return begun.withLock {
      $0 = Begun(pool: pool, shares: copy, atEnd: atEnd)
      pool.begin(UnsafeBufferPointer(copy), task)
      return lastBegun.wrappingAdd(1, ordering: .relaxed).newValue
    }
  }

  /// Returns when the loop of a number has ended.
  static func end(_ number: UInt64) {
    if lastEnded.load(ordering: .acquiring) < number { endAll() }
  }

  /// Returns when no loop is left that nobody has waited for.
  static func endAll() {
    guard lastEnded.load(ordering: .acquiring) < lastBegun.load(ordering: .relaxed) else { return }
    let ended = begun.withLock { loop -> Begun? in
      guard let last = loop else { return nil }
      last.pool.end()
      last.pool.inUse.store(false, ordering: .releasing)
      last.shares.deallocate()
      lastEnded.wrappingAdd(1, ordering: .releasing)
      loop = nil
      return last
    }
    // Not under the lock: what is let go may be somebody else's memory, and its owner is told.
    ended?.atEnd()
  }

  /// Ends all, and lets nobody begin another before `continueAfterFork`.
  static func endBeforeFork() {
    var isFree = false
    while true {
      endAll()
      begun.lock { isFree = $0 == nil }
      if isFree { return }
      begun.unlock()
    }
  }

  static func continueAfterFork() { begun.unlock() }
}

/// The process's worker threads.
private final class Pool: @unchecked Sendable {
  /// Replaced in the child of a fork, which has none of the parent's threads.
  private static let current = Atomic<UInt>(0)

  /// Nanoseconds of work for which a thread is woken: what is shorter is over before it has come.
  private static var leastCostToWake: Double { 12_000 }
  private static let sleptThrough = Atomic<Int>(0)

  let inUse = Atomic<Bool>(false)
  private var started = 0
  /// Counts loops; idle workers sleep on it.
  private let epoch = Word()
  private let sleepers = Atomic<Int>(0)
  /// The loop being shared. Written before `gate` opens, read by who passed it.
  private var task: ((Int, Int) -> Void)?
  private var shares = UnsafeBufferPointer<Int>(start: nil, count: 0)
  private var round: UInt64 = 0
  private var cursors = Cursors()
  private var wakes = true
  /// Twice the number of workers inside the loop, and 1 while more may enter.
  private let gate = Atomic<Int>(0)
  /// How many workers have come to life.
  private let born = Atomic<Int>(0)
  /// The caller sleeps on it until the last worker leaves.
  private let finished = Word()

  /// Looks before sleeping, which take about a millisecond: a thread that has fallen asleep may come half a
  /// millisecond late, and between two loops of a training step there is less than that.
  private static let patience = 30_000

  /// Waits a little before looking again, and after about 30 µs lets others have the processor, if there are
  /// any: one may be who is waited for.
  private static func pause(_ looks: Int) {
    if looks > 1000, looks & 63 == 0 { sched_yield() } else { ngp_pause() }
  }

  /// The workers for one loop, if nobody else has them, and they are awake or the loop is worth waking them.
  static func acquire(_ helpers: Int, _ cost: Double) -> Pool? {
    Workers.endAll()
    let address = current.load(ordering: .acquiring)
    let pool: Pool
    var wakes = cost >= leastCostToWake
    if let pointer = UnsafeRawPointer(bitPattern: address) {
      pool = Unmanaged<Pool>.fromOpaque(pointer).takeUnretainedValue()
      if !wakes, !pool.isAwake {
        guard haveSleptThroughMuch(cost) else { return nil }
        wakes = true
      }
    } else {
      guard wakes || haveSleptThroughMuch(cost) else { return nil }
      wakes = true
      pool = Pool()
      let retained = Unmanaged.passRetained(pool)
      let (exchanged, _) = current.compareExchange(
        expected: 0, desired: UInt(bitPattern: retained.toOpaque()),
        ordering: .acquiringAndReleasing)
      guard exchanged else {
        retained.release()
        return nil
      }
      // The child forgets the parent's pool, and starts its own when it needs one.
      pthread_atfork(nil, nil) { Pool.current.store(0, ordering: .relaxed) }
    }
    guard pool.inUse.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    else { return nil }
    pool.wakes = wakes
    pool.cursors.grow(to: helpers + 1)
    while wakes, pool.started < helpers, pool.start() { pool.started += 1 }
    return pool
  }

  /// Starts one thread, which takes no signals: they are for the host's threads.
  private func start() -> Bool {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { pointer in
        Unmanaged<Pool>.fromOpaque(pointer!).takeUnretainedValue().work()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    if result == 0 { pthread_detach(thread) }
    return result == 0
  }

  /// Counts what nobody was woken for, so that of many short loops one wakes the workers for the next.
  private static func haveSleptThroughMuch(_ cost: Double) -> Bool {
    let slept = sleptThrough.wrappingAdd(Int(cost), ordering: .relaxed).newValue
    guard slept >= 16 * Int(leastCostToWake) else { return false }
    sleptThrough.store(0, ordering: .relaxed)
    return true
  }

  /// Whether any worker waits without sleeping.
  private var isAwake: Bool {
    born.load(ordering: .relaxed) > sleepers.load(ordering: .relaxed)
  }

  /// As many tasks as cursors can count.
  static var mostTasks: Int { Cursors.most }

  /// Shares a loop; to be called by whoever has the pool in use.
  func run(_ shares: UnsafeBufferPointer<Int>, _ task: @escaping (Int, Int) -> Void) {
    begin(shares, task)
    end()
  }

  /// Lets workers in.
  func begin(_ shares: UnsafeBufferPointer<Int>, _ task: @escaping (Int, Int) -> Void) {
    self.task = task
    self.shares = shares
    round &+= 1
    gate.store(1, ordering: .sequentiallyConsistent)
    epoch.advance()
    if wakes, sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      epoch.wakeFirst(shares.count - 2)
    }
  }

  /// Takes part, and returns when all is done.
  func end() {
    claim(as: 0)
    // Nobody enters from here on; who is inside finishes its last task.
    var seen = finished.value
    if gate.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue != 0 {
      var looks = 0
      while gate.load(ordering: .acquiring) != 0 {
        looks += 1
        if looks < Pool.patience { Pool.pause(looks) } else { finished.wait(seen) }
        seen = finished.value
      }
    }
    self.task = nil
  }

  /// Takes tasks until none is left: the thread's own, then those of the threads after it.
  private func claim(as thread: Int) {
    let threads = shares.count - 1
    guard let task, thread < threads else { return }
    for other in 0..<threads {
      let owner = (thread + other) % threads
      let (first, end) = (shares[owner], shares[owner + 1])
      while let i = cursors.next(of: owner, below: end - first, round) { task(first + i, thread) }
    }
  }

  /// A worker's life. It is the same thread of every loop.
  private func work() {
    let thread = born.wrappingAdd(1, ordering: .relaxed).newValue
    var seen = epoch.value
    // The loop that this thread was started for may be under way already.
    enter(as: thread)
    while true {
      var looks = 0
      while epoch.value == seen {
        looks += 1
        if looks < Pool.patience {
          Pool.pause(looks)
        } else {
          sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
          epoch.wait(seen, as: thread)
          sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        }
      }
      seen = epoch.value
      enter(as: thread)
    }
  }

  /// Joins the loop under way, if there is one.
  private func enter(as thread: Int) {
    var state = gate.load(ordering: .acquiring)
    while true {
      guard state & 1 == 1 else { return }
      let (exchanged, original) = gate.compareExchange(
        expected: state, desired: state + 2, ordering: .acquiringAndReleasing)
      if exchanged { break }
      state = original
    }
    claim(as: thread)
    if gate.wrappingSubtract(2, ordering: .acquiringAndReleasing).newValue == 0 {
      finished.advance()
      finished.wakeFirst(1)
    }
  }
}

/// How many tasks of each thread's share have been taken. Each count has lines of memory of its own, which other
/// cores touch only when they have nothing left to do, and begins anew with every round.
private struct Cursors {
  private static var bitsOfCount: UInt64 { 24 }
  static var most: Int { 1 << bitsOfCount - 1 }
  /// Bytes from one to the next: what is fetched from another core is two lines.
  private static var distance: Int { 128 }

  private var memory: UnsafeMutableRawPointer?
  private var count = 0

  /// Makes room for so many threads; none of them may be taking tasks.
  mutating func grow(to threads: Int) {
    guard threads > count else { return }
    memory?.deallocate()
    let new = UnsafeMutableRawPointer.allocate(
      byteCount: (threads + 1) * Cursors.distance, alignment: 16)
    (memory, count) = (new, threads)
    for thread in 0..<threads {
      cursor(of: thread, new).initialize(to: Atomic(0))
    }
  }

  private func cursor(of thread: Int, _ memory: UnsafeMutableRawPointer)
    -> UnsafeMutablePointer<Atomic<UInt64>>
  {
    (memory.alignedUp(toMultipleOf: Cursors.distance) + thread * Cursors.distance)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// The next task of a share of `count`; nil if all have been taken.
  func next(of thread: Int, below count: Int, _ round: UInt64) -> Int? {
    guard let memory else { return nil }
    let cursor = cursor(of: thread, memory)
    let begun = round << Cursors.bitsOfCount
    var seen = cursor.pointee.load(ordering: .relaxed)
    while true {
      let taken = seen >> Cursors.bitsOfCount == begun >> Cursors.bitsOfCount ? seen - begun : 0
      guard taken < count else { return nil }
      let (exchanged, original) = cursor.pointee.weakCompareExchange(
        expected: seen, desired: begun + taken + 1, ordering: .relaxed)
      if exchanged { return Int(taken) }
      seen = original
    }
  }
}

/// A number that threads can sleep on until it changes.
private struct Word: @unchecked Sendable {
  private let memory = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)

  init() { memory.initialize(to: Atomic(0)) }

  var value: UInt32 { memory.pointee.load(ordering: .sequentiallyConsistent) }
  func advance() { memory.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent) }
  /// Sleeps as the number given, 1 and up.
  func wait(_ seen: UInt32, as number: Int = 1) { ngp_wait(memory, seen, 1 << ((number - 1) & 31)) }
  /// Wakes the sleepers of the first numbers, and others perhaps.
  func wakeFirst(_ count: Int) { ngp_wake(memory, count < 32 ? 1 << count - 1 : .max) }
}
