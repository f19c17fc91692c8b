//  Memory for nodes. A program that makes its graph anew at every step makes hundreds of tensors at once and lets
//  go of them at once. Of one size malloc keeps a handful at hand for a thread (glibc: 7); beyond that it takes
//  pieces apart and puts them together again. So each thread keeps those that it let go of for the next that it
//  makes.

#if NANOGRAD_NODE_MEMORY
  internal import CMoves
  import Glibc
  import Synchronization
#endif

package enum NodeMemory {
  /// Frees what the calling thread keeps.
  static func releaseIdle() {
    #if NANOGRAD_NODE_MEMORY
      shelf?.pointee.removeAll()
    #endif
  }

  #if NANOGRAD_NODE_MEMORY
    /// What a thread keeps.
    private struct Shelf {
      /// The piece that came last. Each begins with the address of the one that came before it.
      var first: UnsafeMutableRawPointer?
      var count = 0

      mutating func removeAll() {
        while let piece = first {
          first = piece.load(as: UnsafeMutableRawPointer?.self)
          free(piece)
        }
        count = 0
      }
    }

    /// The sizes of objects that are served, in bytes: those for which malloc makes a piece as large as for a
    /// tensor. ctests/test_nodes.c looks whether they are served.
    @inline(__always)
    package static var sizes: ClosedRange<Int> { 169...184 }
    /// As many as a recurrent network has over thousands of steps, or 6 MB, a tenth of what is kept of data.
    private static let most = 32_768

    /// One more than the key of each thread's shelf; 0 before there is one. Not a constant made at first use: the
    /// language would look each time whether it is made, which takes longer than all the rest.
    private static let key = Atomic<pthread_key_t>(0)

    /// The calling thread's shelf; nil if there is no memory for one.
    @inline(__always)
    private static var shelf: UnsafeMutablePointer<Shelf>? {
      let key = key.load(ordering: .acquiring)
      guard key > 0, let shelf = pthread_getspecific(key - 1) else { return newShelf() }
      return shelf.assumingMemoryBound(to: Shelf.self)
    }

    @inline(never)
    private static func newShelf() -> UnsafeMutablePointer<Shelf>? {
      guard let key = madeKey(), let memory = malloc(MemoryLayout<Shelf>.size) else { return nil }
      guard pthread_setspecific(key, memory) == 0 else {
        free(memory)
        return nil
      }
      return memory.initializeMemory(as: Shelf.self, to: Shelf())
    }

    private static func madeKey() -> pthread_key_t? {
      let known = key.load(ordering: .acquiring)
      if known > 0 { return known - 1 }
      var new = pthread_key_t()
      let status = pthread_key_create(&new) { memory in
        memory?.assumingMemoryBound(to: Shelf.self).pointee.removeAll()
        free(memory)
      }
      guard status == 0 else { return nil }
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

    /// Keeps a piece, if there is room for it.
    @inline(__always)
    fileprivate static func keep(_ piece: UnsafeMutableRawPointer) -> Bool {
      guard let shelf, shelf.pointee.count < most else { return false }
      piece.storeBytes(of: shelf.pointee.first, as: UnsafeMutableRawPointer?.self)
      shelf.pointee.first = piece
      shelf.pointee.count &+= 1
      return true
    }
  #endif
}

#if NANOGRAD_NODE_MEMORY
  @_silgen_name("__real_swift_slowAlloc")
  private func allocateFromSystem(_ bytes: Int, _ alignmentMask: Int) -> UnsafeMutableRawPointer

  @_silgen_name("__real_swift_slowDealloc")
  private func giveToSystem(_ piece: UnsafeMutableRawPointer?, _ bytes: Int, _ alignmentMask: Int)

  // What the linker makes of all calls of these in the Swift runtime (`--wrap`), which are where objects come from
  // and go. They may make no object themselves.

  @_cdecl("__wrap_swift_slowAlloc")
  public func allocateObject(_ bytes: Int, _ alignmentMask: Int) -> UnsafeMutableRawPointer {
    guard NodeMemory.sizes.contains(bytes), alignmentMask <= 15 else {
      return allocateFromSystem(bytes, alignmentMask)
    }
    return NodeMemory.take() ?? allocateFromSystem(NodeMemory.sizes.upperBound, alignmentMask)
  }

  @_cdecl("__wrap_swift_slowDealloc")
  public func giveObject(
    _ piece: UnsafeMutableRawPointer?, _ bytes: Int, _ alignmentMask: Int
  ) {
    guard let piece, NodeMemory.sizes.contains(bytes), alignmentMask <= 15, NodeMemory.keep(piece)
    else { return giveToSystem(piece, bytes, alignmentMask) }
  }
#endif
