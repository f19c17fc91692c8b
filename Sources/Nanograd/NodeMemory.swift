//  Memory for nodes. A program that makes its graph anew at every step makes hundreds of tensors at once and lets
//  go of them at once. Of one size malloc keeps a handful at hand for a thread (glibc: 7), and beyond that takes
//  pieces apart and puts them together again. Here each thread keeps those that it let go of for the next that
//  it makes.

#if NANOGRAD_RESERVE
  internal import CMoves
  import Glibc
  import Synchronization

  /// What a thread keeps.
  private struct Shelf {
    /// The piece that came last. Each begins with the address of the one before it.
    var first: UnsafeMutableRawPointer?
    var count = 0
  }

  package enum NodeMemory {
    /// Sizes that are served, in bytes: those for which malloc makes a piece of the size that a tensor takes.
    package static var sizes: ClosedRange<Int> { 169...184 }
    /// As many as a large network's step has, some 800 KiB.
    private static let most = 4096

    /// One more than the key of each thread's shelf; 0 before there is one. Not made at first use by the language,
    /// whose look at it would take longer than all the rest.
    private static let key = Atomic<pthread_key_t>(0)

    /// The calling thread's shelf; nil if there is no memory for one.
    @inline(__always)
    private static var shelf: UnsafeMutablePointer<Shelf>? {
      let key = key.load(ordering: .acquiring)
      if key > 0, let shelf = pthread_getspecific(key - 1) {
        return shelf.assumingMemoryBound(to: Shelf.self)
      }
      return newShelf()
    }

    @inline(never)
    private static func newShelf() -> UnsafeMutablePointer<Shelf>? {
      guard let key = key.load(ordering: .acquiring) > 0 ? key.load(ordering: .acquiring) - 1 : newKey(),
        let memory = malloc(MemoryLayout<Shelf>.size)
      else { return nil }
      let shelf = memory.initializeMemory(as: Shelf.self, to: Shelf())
      guard pthread_setspecific(key, memory) == 0 else {
        free(memory)
        return nil
      }
      return shelf
    }

    private static func newKey() -> pthread_key_t? {
      var new = pthread_key_t()
      let status = pthread_key_create(&new) { shelf in
        guard let shelf else { return }
        var next = shelf.assumingMemoryBound(to: Shelf.self).pointee.first
        while let piece = next {
          next = piece.load(as: UnsafeMutableRawPointer?.self)
          free(piece)
        }
        free(shelf)
      }
      guard status == 0, new < .max else { return nil }
      let (exchanged, other) = key.compareExchange(
        expected: 0, desired: new + 1, ordering: .acquiringAndReleasing)
      if exchanged { return new }
      // Another thread was faster.
      pthread_key_delete(new)
      return other - 1
    }

    @inline(__always)
    fileprivate static func take() -> UnsafeMutableRawPointer? {
      guard let shelf, let piece = shelf.pointee.first else { return nil }
      let next = piece.load(as: UnsafeMutableRawPointer?.self)
      shelf.pointee.first = next
      shelf.pointee.count &-= 1
      // The next tensor is made soon, in memory that is in no cache after a step.
      if let next {
        for line in 0..<3 { ngp_prefetch_near(next + 64 * line) }
      }
      return piece
    }

    @inline(__always)
    fileprivate static func keep(_ piece: UnsafeMutableRawPointer) -> Bool {
      guard let shelf, shelf.pointee.count < most else { return false }
      piece.storeBytes(of: shelf.pointee.first, as: UnsafeMutableRawPointer?.self)
      shelf.pointee.first = piece
      shelf.pointee.count &+= 1
      return true
    }
  }

  // What the linker makes of every call of these in the Swift runtime (`--wrap`), where objects come from. Nothing
  // in them may make an object.

  @_silgen_name("__real_swift_slowAlloc")
  private func allocateFromSystem(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer

  @_silgen_name("__real_swift_slowDealloc")
  private func giveToSystem(_ piece: UnsafeMutableRawPointer, _ bytes: Int, _ alignment: Int)

  @_cdecl("__wrap_swift_slowAlloc")
  public func allocateObject(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer {
    guard NodeMemory.sizes.contains(bytes), alignment <= 15 else {
      return allocateFromSystem(bytes, alignment)
    }
    return NodeMemory.take() ?? allocateFromSystem(NodeMemory.sizes.upperBound, alignment)
  }

  @_cdecl("__wrap_swift_slowDealloc")
  public func giveObject(_ piece: UnsafeMutableRawPointer, _ bytes: Int, _ alignment: Int) {
    guard NodeMemory.sizes.contains(bytes), alignment <= 15, NodeMemory.keep(piece) else {
      return giveToSystem(piece, bytes, alignment)
    }
  }
#endif
