//  Chapter "Checkpoints" of nanograd.h.

import CNanograd
import Nanograd

/// A checkpoint, and the key for the random generator of the thread that saves or loads it.
private final class Training {
  let checkpoint = Checkpoint()
  var random: String?
}

private func training(_ handle: Handle?) throws -> Training {
  unsafeDowncast(try object(handle, .checkpoint, "the checkpoint"), to: Training.self)
}

private func file(_ handle: Handle?) throws -> SafeTensors {
  unsafeDowncast(try object(handle, .file, "the file"), to: SafeTensors.self)
}

/// A text that must be there and be UTF-8.
private func utf8(_ text: UnsafePointer<CChar>?, _ name: String) throws -> String {
  guard let text = String(validatingCString: try required(text, name)) else {
    throw NanogradError(.argument, "\(name) is not UTF-8")
  }
  return text
}

/// An export that makes a handle which no scope ends.
private func owned(
  _ kind: Kind, _ function: StaticString = #function, _ body: () throws -> AnyObject
) -> Handle? {
  do {
    return try handle(body(), kind)
  } catch {
    record(error, function)
    return nil
  }
}

/// A list's element; `what` are they all.
private func element<T>(_ list: [T], _ index: Int64, _ what: String) throws -> T {
  guard index >= 0, index < list.count else {
    let expected = list.isEmpty ? "none: there are no" : "0 to \(list.count - 1), the number of"
    throw NanogradError(.argument, "index \(index), expected \(expected) \(what)")
  }
  return list[Int(index)]
}

@_cdecl("ng_checkpoint_new") @implementation
public func ng_checkpoint_new() -> Handle? {
  owned(.checkpoint) { Training() }
}

@_cdecl("ng_checkpoint_add") @implementation
public func ng_checkpoint_add(
  _ handle: Handle?, _ names: UnsafePointer<UnsafePointer<CChar>?>?,
  _ list: UnsafePointer<Handle?>?, _ count: Int32
) -> ng_status {
  status {
    let training = try training(handle)
    let tensors = try tensors(list, count)
    guard !tensors.isEmpty else { return }
    let names = try required(names, "the array of names")
    try training.checkpoint.add(
      tensors.enumerated().map { (try utf8(names[$0], "name \($0)"), $1) })
  }
}

@_cdecl("ng_checkpoint_add_optimizer") @implementation
public func ng_checkpoint_add_optimizer(
  _ handle: Handle?, _ name: UnsafePointer<CChar>?, _ added: Handle?
) -> ng_status {
  status { try training(handle).checkpoint.add(utf8(name, "the name"), optimizer(added)) }
}

@_cdecl("ng_checkpoint_add_random") @implementation
public func ng_checkpoint_add_random(_ handle: Handle?, _ key: UnsafePointer<CChar>?) -> ng_status {
  status {
    let training = try training(handle)
    let key = try utf8(key, "the key")
    guard training.random == nil else {
      throw NanogradError(.state, "the generator was added before, and a thread has but one")
    }
    try training.checkpoint.set(key, Thread.current.random)
    training.random = key
  }
}

@_cdecl("ng_checkpoint_set_text") @implementation
public func ng_checkpoint_set_text(
  _ handle: Handle?, _ key: UnsafePointer<CChar>?, _ text: UnsafePointer<CChar>?
) -> ng_status {
  status { try training(handle).set(utf8(key, "the key"), utf8(text, "the text")) }
}

@_cdecl("ng_checkpoint_set_integer") @implementation
public func ng_checkpoint_set_integer(
  _ handle: Handle?, _ key: UnsafePointer<CChar>?, _ value: Int64
) -> ng_status {
  status { try training(handle).set(utf8(key, "the key"), String(value)) }
}

extension Training {
  fileprivate func set(_ key: String, _ text: String) throws {
    guard key != random else {
      throw NanogradError(.argument, "the key '\(key)' is that of the random generator")
    }
    try checkpoint.set(key, text)
  }

  /// The checkpoint, with the generator as it is now.
  fileprivate func current() throws -> Checkpoint {
    if let random { try checkpoint.set(random, Thread.current.random) }
    return checkpoint
  }
}

@_cdecl("ng_checkpoint_save") @implementation
public func ng_checkpoint_save(_ handle: Handle?, _ path: UnsafePointer<CChar>?) -> ng_status {
  status { try training(handle).current().save(utf8(path, "the path")) }
}

@_cdecl("ng_checkpoint_write") @implementation
public func ng_checkpoint_write(
  _ handle: Handle?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int64
) -> Int64 {
  number {
    let training = try training(handle)
    guard capacity >= 0 else {
      throw NanogradError(.argument, "capacity \(capacity), expected at least 0")
    }
    guard capacity == 0 || buffer != nil else {
      throw NanogradError(
        .null, "the buffer is NULL, expected \(capacity) bytes; 0 asks for the size")
    }
    return Int64(try training.current().write(to: buffer, capacity: Int(capacity)))
  }
}

@_cdecl("ng_checkpoint_load") @implementation
public func ng_checkpoint_load(_ handle: Handle?, _ source: Handle?) -> ng_status {
  status {
    let training = try training(handle)
    let file = try file(source)
    let random = try training.random.map { try file.random($0) }
    try training.checkpoint.load(file)
    if let random { Thread.current.random = random }
  }
}

@_cdecl("ng_checkpoint_release") @implementation
public func ng_checkpoint_release(_ handle: Handle?) -> ng_status {
  status { try release(handle, .checkpoint) }
}

@_cdecl("ng_safetensors_open") @implementation
public func ng_safetensors_open(_ path: UnsafePointer<CChar>?) -> Handle? {
  owned(.file) { try SafeTensors(path: utf8(path, "the path")) }
}

@_cdecl("ng_safetensors_open_memory") @implementation
public func ng_safetensors_open_memory(_ data: UnsafeRawPointer?, _ bytes: Int64) -> Handle? {
  owned(.file) {
    guard bytes >= 0 else {
      throw NanogradError(.argument, "\(bytes) bytes, expected at least 0")
    }
    if bytes > 0 { _ = try required(data, "data") }
    return try SafeTensors(copying: data, bytes: Int(bytes))
  }
}

@_cdecl("ng_safetensors_count") @implementation
public func ng_safetensors_count(_ handle: Handle?) -> Int64 {
  number { try Int64(file(handle).names.count) }
}

@_cdecl("ng_safetensors_name") @implementation
public func ng_safetensors_name(
  _ handle: Handle?, _ index: Int64, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number { try write(element(file(handle).names, index, "tensors"), buffer, capacity) }
}

@_cdecl("ng_safetensors_contains") @implementation
public func ng_safetensors_contains(_ handle: Handle?, _ name: UnsafePointer<CChar>?) -> Int32 {
  number { try file(handle).contains(utf8(name, "the name")) ? 1 : 0 }
}

@_cdecl("ng_safetensors_dtype") @implementation
public func ng_safetensors_dtype(_ handle: Handle?, _ name: UnsafePointer<CChar>?) -> ng_dtype {
  number { try ng_dtype(file(handle).dtype(of: utf8(name, "the name")).rawValue) }
}

@_cdecl("ng_safetensors_rank") @implementation
public func ng_safetensors_rank(_ handle: Handle?, _ name: UnsafePointer<CChar>?) -> Int32 {
  number { try Int32(file(handle).dimensions(of: utf8(name, "the name")).count) }
}

@_cdecl("ng_safetensors_shape") @implementation
public func ng_safetensors_shape(
  _ handle: Handle?, _ name: UnsafePointer<CChar>?, _ capacity: Int32,
  _ shape: UnsafeMutablePointer<Int64>?
) -> ng_status {
  status {
    let dimensions = try file(handle).dimensions(of: utf8(name, "the name"))
    guard dimensions.count <= capacity else {
      throw NanogradError(
        .argument, "room for \(capacity) dimensions, expected at least \(dimensions.count)")
    }
    guard !dimensions.isEmpty else { return }
    let shape = try required(shape, "the shape")
    for (axis, dimension) in dimensions.enumerated() { shape[axis] = Int64(dimension) }
  }
}

@_cdecl("ng_safetensors_tensor") @implementation
public func ng_safetensors_tensor(_ handle: Handle?, _ name: UnsafePointer<CChar>?) -> Handle? {
  made { try file(handle).tensor(utf8(name, "the name")) }
}

@_cdecl("ng_safetensors_text_count") @implementation
public func ng_safetensors_text_count(_ handle: Handle?) -> Int64 {
  number { try Int64(file(handle).metadata.count) }
}

@_cdecl("ng_safetensors_key") @implementation
public func ng_safetensors_key(
  _ handle: Handle?, _ index: Int64, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number { try write(element(file(handle).metadata, index, "texts").key, buffer, capacity) }
}

@_cdecl("ng_safetensors_text") @implementation
public func ng_safetensors_text(
  _ handle: Handle?, _ key: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?,
  _ capacity: Int64
) -> Int64 {
  number { try write(file(handle).text(utf8(key, "the key")), buffer, capacity) }
}

@_cdecl("ng_safetensors_integer") @implementation
public func ng_safetensors_integer(
  _ handle: Handle?, _ key: UnsafePointer<CChar>?, _ value: UnsafeMutablePointer<Int64>?
) -> ng_status {
  status {
    let file = try file(handle)
    let key = try utf8(key, "the key")
    try required(value, "value").pointee = Int64(file.integer(key))
  }
}

@_cdecl("ng_safetensors_release") @implementation
public func ng_safetensors_release(_ handle: Handle?) -> ng_status {
  status { try release(handle, .file) }
}
