//  What every export does: turns C's arguments into checked Swift values, and errors into codes.

import CNanograd
import CPlatform
import Nanograd

/// What C's opaque pointers are here: a number, see `Handles`.
public typealias Handle = OpaquePointer

/// A tensor-returning export: a new handle, or nil and a recorded error.
@inline(__always)
func made(_ function: StaticString = #function, _ body: () throws -> Tensor) -> OpaquePointer? {
  do {
    return try handle(try body(), .tensor)
  } catch {
    record(error, function)
    return nil
  }
}

/// A status-returning export.
@inline(__always)
func status(_ function: StaticString = #function, _ body: () throws -> Void) -> Int32 {
  do {
    try body()
    return 0
  } catch {
    return record(error, function)
  }
}

/// An export that returns a number of its own, or `failure`, or the status where that is nil.
@inline(__always)
func number<T: Numeric>(
  _ function: StaticString = #function, failure: T? = nil, _ body: () throws -> T
) -> T {
  do {
    return try body()
  } catch {
    let status = record(error, function)
    return failure ?? T(exactly: status) ?? 0
  }
}

/// Records an error as this thread's last and returns its status.
@discardableResult
@inline(never)
func record(_ error: any Error, _ function: StaticString) -> Int32 {
  let known = error as? NanogradError ?? NanogradError(.state, "\(error)")
  let name = "\(function)".prefix { $0 != "(" }
  Thread.current.fail(known, in: String(name))
  return known.code.rawValue
}

/// A handle to an object, noted in the open scope if it is a tensor's.
func handle(_ object: consuming AnyObject, _ kind: Kind) throws -> OpaquePointer? {
  try Reserve.require()
  guard let handle = Handles.make(object, kind) else {
    throw NanogradError(.memory, "no memory for another handle; expected some to be released first")
  }
  guard kind != .tensor || Thread.withCurrent({ $0.note(handle) }) else {
    _ = Handles.release(handle, kind)
    throw NanogradError(.memory, "no memory to note another handle in its scope")
  }
  return OpaquePointer(bitPattern: UInt(handle))
}

/// The object behind a handle.
func object(
  _ handle: OpaquePointer?, _ kind: Kind, _ name: @autoclosure () -> String
) throws -> AnyObject {
  guard let handle else { throw NanogradError(.null, "\(name()) is NULL, expected a handle") }
  try Reserve.require()
  guard let object = Handles.object(UInt64(UInt(bitPattern: handle)), kind) else {
    throw NanogradError(
      .handle,
      "\(name()) is no live \(kind) handle: it was released, its scope has ended, or it never "
        + "was one")
  }
  return object
}

/// The tensor behind a handle. `name` is the argument's.
func tensor(
  _ handle: OpaquePointer?, _ name: @autoclosure () -> String = "the tensor"
) throws -> Tensor {
  unsafeDowncast(try object(handle, .tensor, name()), to: Tensor.self)
}

func optimizer(_ handle: OpaquePointer?) throws -> Optimizer {
  unsafeDowncast(try object(handle, .optimizer, "the optimizer"), to: Optimizer.self)
}

func schedule(
  _ handle: OpaquePointer?, _ name: @autoclosure () -> String = "the schedule"
) throws -> Schedule {
  unsafeDowncast(try object(handle, .schedule, name()), to: Box<Schedule>.self).value
}

/// A value as an object.
final class Box<T> {
  let value: T
  init(_ value: T) { self.value = value }
}

/// Releases a handle; of NULL, nothing.
func release(_ handle: OpaquePointer?, _ kind: Kind) throws {
  guard let handle else { return }
  guard Handles.release(UInt64(UInt(bitPattern: handle)), kind) else {
    throw NanogradError(
      .handle,
      "no live \(kind) handle: it was released before, its scope has ended, or it never was one")
  }
}

/// A C array of handles.
func tensors(_ list: UnsafePointer<OpaquePointer?>?, _ count: Int32) throws -> [Tensor] {
  let count = try length(count, list)
  return try [Tensor](count: count) { try tensor(list?[$0], "tensor \($0)") }
}

/// A C array of dimensions.
func dimensions(_ rank: Int32, _ shape: UnsafePointer<Int64>?) throws -> [Int] {
  guard rank >= 0, rank <= NG_MAX_RANK else {
    throw NanogradError(.shape, "rank \(rank), expected 0 to \(NG_MAX_RANK)")
  }
  guard rank == 0 || shape != nil else {
    throw NanogradError(.null, "the shape is NULL, expected \(rank) dimensions")
  }
  return (0..<Int(rank)).map { Int(shape?[$0] ?? 0) }
}

/// A C array of up to `NG_MAX_RANK` numbers that go with axes.
func perAxis<T: BinaryInteger>(_ count: Int32, _ list: UnsafePointer<T>?) throws -> [Int] {
  guard count <= NG_MAX_RANK else {
    throw NanogradError(.argument, "count \(count), expected at most \(NG_MAX_RANK)")
  }
  let count = try length(count, list)
  return (0..<count).map { Int(list?[$0] ?? 0) }
}

/// The axes of a reduction; nil for all.
func axes(_ count: Int32, _ list: UnsafePointer<Int32>?) throws -> [Int]? {
  list == nil ? nil : try perAxis(count, list)
}

/// The length of a C array.
private func length<T>(_ count: Int32, _ list: UnsafePointer<T>?) throws -> Int {
  guard count >= 0 else { throw NanogradError(.argument, "count \(count), expected at least 0") }
  guard count == 0 || list != nil else {
    throw NanogradError(.null, "the array is NULL, expected \(count) entries")
  }
  return Int(count)
}

func dtype(_ code: Int32) throws -> DType {
  guard let dtype = UInt8(exactly: code).flatMap(DType.init(rawValue:)) else {
    throw NanogradError(
      .dtype, "dtype \(code), expected NG_FLOAT32 (1), NG_FLOAT64 (2), NG_INT32 (3) or NG_INT64 (4)"
    )
  }
  return dtype
}

/// A tag; nil for NULL.
func text(_ tag: UnsafePointer<CChar>?) -> String? { tag.map { String(cString: $0) } }

/// A pointer that must not be NULL.
func required<T>(_ pointer: T?, _ name: String) throws -> T {
  guard let pointer else { throw NanogradError(.null, "\(name) is NULL, expected a pointer") }
  return pointer
}

/// Writes a text with its final 0 as far as it fits, cut at a whole character; returns its whole length.
func write(_ text: String, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64) throws
  -> Int64
{
  guard capacity >= 0 else {
    throw NanogradError(.argument, "capacity \(capacity), expected at least 0")
  }
  guard capacity == 0 || buffer != nil else {
    throw NanogradError(
      .null, "the buffer is NULL, expected \(capacity) bytes; 0 asks for the length")
  }
  let bytes = Array(text.utf8)
  if let buffer, capacity > 0 {
    var end = Swift.min(bytes.count, Int(capacity) - 1)
    // A byte of the form 10xxxxxx continues a character.
    while end > 0, end < bytes.count, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    // `CChar` is signed on some processors and not on others.
    for i in 0..<end { buffer[i] = CChar(truncatingIfNeeded: bytes[i]) }
    buffer[end] = 0
  }
  return Int64(bytes.count)
}
