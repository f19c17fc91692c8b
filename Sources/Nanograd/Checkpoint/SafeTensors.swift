//  Reading safetensors files: the header is checked as a whole, tensors are read when asked for.

import Glibc

/// A safetensors file open for reading: named tensors, and texts about them. Any thread, and several
/// at once.
///
/// Everything that the header says is checked when the file is opened, so that a damaged file is
/// found then. Tensors of types that nanograd has not (such as BF16) are an error when they are
/// read, and only they.
public final class SafeTensors: @unchecked Sendable {
  /// The names of the tensors, in the order of the header.
  public let names: [String]
  /// What else the file says, in the order of the header.
  public let metadata: [(key: String, text: String)]

  private enum Source {
    case file(InputFile)
    case memory(Value)
  }

  private let source: Source
  private let dataStart: Int
  private let tensors: [StoredTensor]
  private let numbers: [Key: Int]
  private let texts: [Key: String]

  /// The longest header that the format allows.
  static let longestHeader = 100_000_000

  /// Opens a file. It may be replaced meanwhile: what was opened stays.
  public convenience init(path: String) throws {
    do {
      let file = try InputFile(path)
      try self.init(.file(file), bytes: file.bytes)
    } catch let error as NanogradError {
      // Errors of the system name the file themselves.
      let text = error.code == .format ? "'\(path)': \(error.text)" : error.text
      throw NanogradError(error.code, text, function: "safetensors_open")
    }
  }

  /// Opens a file's contents.
  public convenience init(bytes: [UInt8]) throws {
    try self.init(bytes: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// Opens a copy of a file's contents.
  package convenience init(copying memory: UnsafeRawPointer?, bytes: Int) throws {
    let contents = UnsafeRawBufferPointer(start: memory, count: memory == nil ? 0 : bytes)
    try self.init(bytes: bytes) { $0.copyBytes(from: contents) }
  }

  private convenience init(bytes: Int, _ copy: (UnsafeMutableRawBufferPointer) -> Void) throws {
    do {
      let value = try Value(bytes: bytes)
      copy(UnsafeMutableRawBufferPointer(start: value.pointer, count: bytes))
      try self.init(.memory(value), bytes: bytes)
    } catch let error as NanogradError {
      throw error.found(by: "safetensors_open_memory")
    }
  }

  private init(_ source: Source, bytes: Int) throws {
    self.source = source
    guard bytes >= 8 else {
      throw NanogradError(.format, "\(bytes) bytes, expected a safetensors file of at least 8")
    }
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) {
      guard let start = $0.baseAddress else { return }
      try SafeTensors.read(source, start, bytes: 8, at: 0)
    }
    length = UInt64(littleEndian: length)
    guard length <= SafeTensors.longestHeader else {
      throw NanogradError(
        .format,
        "a header of \(length) bytes, expected at most \(SafeTensors.longestHeader); is it a "
          + "safetensors file?")
    }
    guard length <= bytes - 8 else {
      throw NanogradError(
        .format,
        "a header of \(length) bytes in a file of \(bytes): it was cut, or is no safetensors file")
    }
    let header = try Value(bytes: Int(length), for: .working)
    try SafeTensors.read(source, header.pointer, bytes: Int(length), at: 8)
    let parser = try HeaderParser(
      UnsafeRawBufferPointer(start: header.pointer, count: Int(length)), origin: 8)
    tensors = parser.tensors
    names = tensors.map(\.name)
    metadata = parser.metadata
    dataStart = 8 + Int(length)
    try SafeTensors.requireWhole(tensors, bytes - dataStart)
    var numbers: [Key: Int] = [:]
    for (i, tensor) in tensors.enumerated() { numbers[Key(tensor.name)] = i }
    self.numbers = numbers
    var texts: [Key: String] = [:]
    for (key, text) in metadata { texts[Key(key)] = text }
    self.texts = texts
  }

  /// Requires that the tensors are the data, without gaps, overlaps or a remainder.
  private static func requireWhole(_ tensors: [StoredTensor], _ bytes: Int) throws {
    var end = 0
    let inOrder = tensors.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    for tensor in inOrder {
      let start = tensor.range.lowerBound
      guard start == end else {
        throw NanogradError(
          .format,
          "tensor \(quoted(tensor.name)) begins at byte \(start) of the data, "
            + (start < end ? "inside of another that ends" : "after a gap that begins")
            + " at \(end)")
      }
      end = tensor.range.upperBound
    }
    guard end == bytes else {
      throw NanogradError(
        .format,
        "\(bytes) bytes of data, expected \(end): "
          + (bytes < end ? "the file was cut" : "something follows the last tensor"))
    }
  }

  private static func read(
    _ source: Source, _ target: UnsafeMutableRawPointer, bytes: Int, at offset: Int
  ) throws {
    switch source {
    case .file(let file): try file.read(target, bytes: bytes, at: offset)
    case .memory(let value): target.copyMemory(from: value.pointer + offset, byteCount: bytes)
    }
  }

  // MARK: Tensors

  /// Whether there is a tensor of this name.
  public func contains(_ name: String) -> Bool { numbers[Key(name)] != nil }

  /// A tensor's dtype.
  public func dtype(of name: String) throws -> DType { try dtype(stored(name)) }

  /// A tensor's dimensions.
  public func dimensions(of name: String) throws -> [Int] { try stored(name).dimensions }

  /// Reads a tensor as a new Variable with its name as its tag.
  public func tensor(_ name: String) throws -> Tensor {
    let stored = try stored(name)
    let dtype = try dtype(stored)
    let shape: Shape
    do {
      shape = try Shape(stored.dimensions)
    } catch let error as NanogradError {
      throw NanogradError(error.code, "tensor \(quoted(name)): \(error.text)")
    }
    return Tensor(
      leaf: Leaf(tag: name, isParameter: false, value: try read(stored)), dtype: dtype,
      shape: shape, isParameter: false)
  }

  /// The elements of a tensor that has to be of some dtype and shape.
  func value(_ name: String, _ dtype: DType, _ shape: Shape) throws -> Value {
    let stored = try stored(name)
    guard try self.dtype(stored) == dtype else {
      throw NanogradError(
        .dtype, "tensor \(quoted(name)) is \(stored.type.name) in the file, expected \(dtype)")
    }
    guard stored.dimensions == Array(shape) else {
      throw NanogradError(
        .shape, "tensor \(quoted(name)) is \(stored.dimensions) in the file, expected \(shape)")
    }
    return try read(stored)
  }

  private func read(_ stored: StoredTensor) throws -> Value {
    let value = try Value(bytes: stored.range.count)
    try SafeTensors.read(
      source, value.pointer, bytes: value.bytes, at: dataStart + stored.range.lowerBound)
    return value
  }

  private func stored(_ name: String) throws -> StoredTensor {
    if let i = numbers[Key(name)] { return tensors[i] }
    let known = tensors.prefix(5).map { quoted($0.name) }.joined(separator: ", ")
    throw NanogradError(
      .argument,
      "no tensor \(quoted(name)) in the file, which has "
        + (tensors.isEmpty ? "none" : tensors.count > 5 ? "\(tensors.count): \(known), …" : known))
  }

  private func dtype(_ stored: StoredTensor) throws -> DType {
    if let dtype = stored.type.dtype { return dtype }
    let readable = StoredType.readable.map(\.name).joined(separator: ", ")
    throw NanogradError(
      .dtype,
      "tensor \(quoted(stored.name)) is \(stored.type.name), expected one of \(readable); convert "
        + "it where it was made")
  }

  // MARK: Metadata

  /// The text that goes with a key.
  public func text(_ key: String) throws -> String {
    if let text = texts[Key(key)] { return text }
    let known = metadata.prefix(5).map { quoted($0.key) }.joined(separator: ", ")
    throw NanogradError(
      .argument,
      "no metadata \(quoted(key)) in the file, which has "
        + (metadata.isEmpty
          ? "none" : metadata.count > 5 ? "\(metadata.count): \(known), …" : known))
  }

  /// The integer that `Checkpoint.set` stored with a key.
  public func integer(_ key: String) throws -> Int {
    try decoded(key, "an integer") { Int($0) }
  }

  /// The generator that `Checkpoint.set` stored with a key: it goes on where it was.
  public func random(_ key: String) throws -> Random {
    try decoded(key, "the state of a generator") { Random(text: $0) }
  }

  /// The meaning of a text that must have one.
  func decoded<T>(_ key: String, _ expected: String, _ meaning: (String) -> T?) throws -> T {
    let text = try text(key)
    if let meaning = meaning(text) { return meaning }
    throw NanogradError(
      .format, "metadata \(quoted(key)) is \(quoted(text)), expected \(expected)")
  }
}

extension Random {
  private static let algorithm = "philox4x32-10"

  /// The whole state, as text.
  var text: String { "\(Random.algorithm) \(seed) \(counter)" }

  init?(text: String) {
    let parts = Nanograd.parts(of: text, between: " ")
    guard parts.count == 3, parts[0] == Random.algorithm, let seed = UInt64(parts[1]),
      let counter = UInt64(parts[2])
    else { return nil }
    self.init(seed: seed, counter: counter)
  }
}
