//  What belongs to each thread: its last error, its open scopes, its random generator.

import CPlatform
import Nanograd

/// A thread's own state, made when it first calls and freed when it ends.
final class Thread {
  private(set) var code: Int32 = 0
  private(set) var message: UnsafeMutablePointer<CChar>?
  var random = Random(seed: 0)
  /// Tensor handles made in open scopes, and where each scope begins in that list.
  private var scoped = HandleList()
  private var scopes: [Int] = []

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { pointer in
      guard let pointer else { return }
      Unmanaged<Thread>.fromOpaque(pointer).release()
    }
    return key
  }()

  /// The calling thread's.
  static var current: Thread {
    if let pointer = pthread_getspecific(key) {
      return Unmanaged<Thread>.fromOpaque(pointer).takeUnretainedValue()
    }
    let thread = Thread()
    pthread_setspecific(key, Unmanaged.passRetained(thread).toOpaque())
    return thread
  }

  /// The same for a moment, without counting a reference: a thread's state is not released while it calls.
  @inline(__always)
  static func withCurrent<R>(_ body: (Thread) throws -> R) rethrows -> R {
    let pointer = pthread_getspecific(key)
    let thread = pointer.map { Unmanaged<Thread>.fromOpaque($0) } ?? .passUnretained(current)
    return try thread._withUnsafeGuaranteedRef(body)
  }

  /// Notes a new handle in the innermost scope, if one is open; false if there is no memory for it.
  func note(_ handle: UInt64) -> Bool { scopes.isEmpty || scoped.append(handle) }

  deinit {
    while let handle = scoped.popLast() { _ = Handles.release(handle, .tensor) }
    scoped.deallocate()
    free(message)
  }

  /// Records an error, unless it is only that an operand was NULL and an error is known already.
  func fail(_ error: NanogradError, in function: String) {
    if error.code == .null && code != 0 { return }
    let name = error.function.map { "ng_" + $0 == function ? "" : "\($0): " } ?? ""
    code = error.code.rawValue
    free(message)
    message = strdup("\(function): \(name)\(error.text)")
  }

  func clearError() {
    code = 0
    free(message)
    message = nil
  }

  func beginScope() { scopes.append(scoped.count) }

  func endScope() throws {
    guard let first = scopes.popLast() else {
      throw NanogradError(.state, "no scope is open on this thread")
    }
    // One by one, because what releases memory must not need any.
    while scoped.count > first, let handle = scoped.popLast() {
      _ = Handles.release(handle, .tensor)
    }
  }

  /// Moves a handle from the innermost scope to the one around it, or out of all.
  func keep(_ handle: UInt64) {
    guard let first = scopes.last, let i = scoped.lastIndex(of: handle, from: first) else {
      return
    }
    if scopes.count == 1 {
      scoped.remove(at: i)
    } else {
      // The first place of this scope becomes the last of the one around it.
      scoped.swapAt(first, i)
      scopes[scopes.count - 1] += 1
    }
  }
}

/// An array of handles that says when there is no memory for more: a program may make millions in one scope,
/// and an array of the standard library would end the process.
private struct HandleList {
  private var memory: UnsafeMutablePointer<UInt64>?
  private var capacity = 0
  private(set) var count = 0

  mutating func append(_ handle: UInt64) -> Bool {
    if count == capacity {
      let wish = Swift.max(2 * capacity, 64)
      guard let larger = realloc(memory, wish * MemoryLayout<UInt64>.stride) else { return false }
      memory = larger.bindMemory(to: UInt64.self, capacity: wish)
      capacity = wish
    }
    memory?[count] = handle
    count += 1
    return true
  }

  mutating func popLast() -> UInt64? {
    guard count > 0 else { return nil }
    count -= 1
    return memory?[count]
  }

  /// The last place of a handle, from some place on.
  func lastIndex(of handle: UInt64, from first: Int) -> Int? {
    guard let memory else { return nil }
    return (first..<count).last { memory[$0] == handle }
  }

  mutating func remove(at i: Int) {
    guard let memory else { return }
    (memory + i).update(from: memory + i + 1, count: count - i - 1)
    count -= 1
  }

  mutating func swapAt(_ i: Int, _ j: Int) {
    guard let memory else { return }
    (memory[i], memory[j]) = (memory[j], memory[i])
  }

  func deallocate() { free(memory) }
}
