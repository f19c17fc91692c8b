//  Files: read in pieces into checked memory, and replaced at once or not at all.

import CPlatform
import Glibc

/// What the system said about its last call, as an error about a file.
private func systemError(_ path: String, _ what: String, code: Int32 = errno) -> NanogradError {
  NanogradError(.file, "'\(path)' \(what): \(String(cString: strerror(code)))")
}

/// Repeats a system call as long as signals interrupt it.
private func uninterrupted<T: SignedInteger>(_ call: () -> T) -> T {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// The most bytes for one call; Linux takes no more than 2 GiB.
private let piece = 1 << 30

/// What a path leads to, where that is no regular file.
private func kind(_ mode: mode_t) -> String? {
  switch mode & S_IFMT {
  case S_IFREG: nil
  case S_IFDIR: "a folder"
  case S_IFIFO: "a pipe"
  case S_IFCHR, S_IFBLK: "a device"
  default: "no regular file"
  }
}

private func requireC(path: String) throws {
  try require(
    !path.isEmpty && !path.utf8.contains(0), .argument,
    path.isEmpty ? "the path is empty" : "the path holds a NUL")
}

/// A file open for reading. Any thread, and several at once.
final class InputFile {
  let path: String
  let bytes: Int
  private let descriptor: Int32

  init(_ path: String) throws {
    try requireC(path: path)
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard descriptor >= 0 else { throw systemError(path, "cannot be opened") }
    do {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw systemError(path, "cannot be examined") }
      if let kind = kind(status.st_mode) {
        throw NanogradError(.file, "'\(path)' is \(kind), expected a file")
      }
      bytes = Int(status.st_size)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Reads bytes that the file had when it was opened.
  func read(_ target: UnsafeMutableRawPointer, bytes count: Int, at offset: Int) throws {
    var done = 0
    while done < count {
      let got = uninterrupted {
        pread(descriptor, target + done, min(count - done, piece), off_t(offset + done))
      }
      guard got >= 0 else { throw systemError(path, "cannot be read") }
      guard got > 0 else {
        throw NanogradError(
          .file,
          "'\(path)' has become shorter: it ends at byte \(offset + done), expected \(bytes) bytes")
      }
      done += got
    }
  }
}

/// A file that is written under no name, or a temporary one, and then takes the place of another in
/// one step: whoever opens that path finds the old file or the new, and never a part.
final class Replacement {
  private let path: String
  private let folder: String
  private let descriptor: Int32
  /// The name it has until it gets its own.
  private var temporary: String?

  /// Prepares to write some bytes, the size of the whole.
  init(of path: String, bytes: Int) throws {
    try requireC(path: path)
    var mode: mode_t?
    var status = stat()
    if stat(path, &status) == 0 {
      // As root one could replace even /dev/null.
      if let kind = kind(status.st_mode) {
        throw NanogradError(.file, "'\(path)' is \(kind), expected a file, or nothing yet")
      }
      mode = status.st_mode & 0o7777
    }
    // A link stays one: what it leads to is replaced.
    var target = path
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
      guard let resolved = realpath(path, nil) else { throw systemError(path, "leads nowhere") }
      target = String(cString: resolved)
      free(resolved)
    }
    try Replacement.requireRoom(path, bytes)
    self.path = target
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    folder = slash.map { String(target[...$0]) } ?? "."
    (descriptor, temporary) = try Replacement.open(target, folder)
    if let mode { fchmod(descriptor, mode) }
  }

  deinit {
    if let temporary { unlink(temporary) }
    close(descriptor)
  }

  /// Beyond this limit the system does not report an error, it ends the process.
  private static func requireRoom(_ path: String, _ bytes: Int) throws {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(1), &limit) == 0, UInt64(bytes) > limit.rlim_cur else {
      return
    }
    throw systemError(path, "cannot be written (\(bytes) bytes)", code: EFBIG)
  }

  private static func open(_ path: String, _ folder: String) throws -> (Int32, String?) {
    // A file without a name leaves nothing behind, whatever happens.
    let unnamed = uninterrupted { ngp_open_unnamed(folder, 0o666) }
    if unnamed >= 0 {
      if canBeNamed { return (unnamed, nil) }
      close(unnamed)
    }
    for _ in 0..<100 {
      let name = temporaryName(folder)
      let named = uninterrupted {
        Glibc.open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      }
      if named >= 0 { return (named, name) }
      guard errno == EEXIST else { break }
    }
    throw systemError(path, "cannot be created")
  }

  /// Naming an open file goes through /proc.
  private static var canBeNamed: Bool { access("/proc/self/fd", X_OK) == 0 }

  private static func temporaryName(_ folder: String) -> String {
    "\(folder)/.nanograd-\(String(UInt64.random(in: 0 ... .max), radix: 36)).tmp"
  }

  /// Writes the next bytes.
  func write(_ source: UnsafeRawPointer, bytes count: Int) throws {
    var done = 0
    while done < count {
      let written = uninterrupted {
        Glibc.write(descriptor, source + done, min(count - done, piece))
      }
      guard written >= 0 else { throw systemError(path, "cannot be written") }
      done += written
    }
  }

  /// Puts the file in its place, and all of it on the disk. On failure the old one stays.
  func commit() throws {
    // The contents first: a name must not reach the disk before them.
    guard uninterrupted({ fsync(descriptor) }) == 0 else {
      throw systemError(path, "cannot be written to the disk")
    }
    while temporary == nil {
      let name = Replacement.temporaryName(folder)
      if ngp_name(descriptor, name) == 0 {
        temporary = name
      } else if errno != EEXIST {
        throw systemError(path, "cannot be created")
      }
    }
    guard let name = temporary, rename(name, path) == 0 else {
      throw systemError(path, "cannot be replaced")
    }
    temporary = nil
    let directory = uninterrupted { Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard directory >= 0 else { return }  // one may be allowed to write there and not to look
    defer { close(directory) }
    // Some file systems cannot, and need not.
    guard uninterrupted({ fsync(directory) }) == 0 || errno == EINVAL else {
      throw systemError(path, "is written, but its folder cannot be brought to the disk")
    }
  }
}
