//  What belongs to each thread: its last error, its open scopes, its random generator.

import CPlatform
import Nanograd

/// A thread's own state, made when it first calls and freed when it ends.
final class Thread {
  private(set) var code: Int32 = 0
  private(set) var message: UnsafeMutablePointer<CChar>?
  var random = Random(seed: 0)
  /// Tensor handles made in open scopes, and where each scope begins in that list.
  private var scoped: [UInt64] = []
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

  deinit {
    for handle in scoped { _ = Handles.release(handle, .tensor) }
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
    let ended = scoped[first...]
    scoped.removeSubrange(first...)
    for handle in ended.reversed() { _ = Handles.release(handle, .tensor) }
  }

  /// Notes a new handle in the innermost scope, if one is open.
  func note(_ handle: UInt64) {
    if !scopes.isEmpty { scoped.append(handle) }
  }

  /// Moves a handle from the innermost scope to the one around it, or out of all.
  func keep(_ handle: UInt64) {
    guard let first = scopes.last,
      let i = scoped[first...].lastIndex(of: handle)
    else { return }
    if scopes.count == 1 {
      scoped.remove(at: i)
    } else {
      // The first place of this scope becomes the last of the one around it.
      scoped.swapAt(first, i)
      scopes[scopes.count - 1] += 1
    }
  }
}
