//  The header of a safetensors file: JSON, of which the format needs objects, texts and whole
//  numbers in fixed places. So nothing here recurses, and nothing else is accepted.

/// What a header says of a tensor.
struct StoredTensor {
  let name: String
  let type: StoredType
  let dimensions: [Int]
  /// Where its elements are, counted from the end of the header.
  let range: Range<Int>
}

/// A type of elements that the format knows.
struct StoredType {
  let name: String
  let bits: Int
  /// What it is here; nil if such tensors cannot be read.
  let dtype: DType?

  static let readable: [StoredType] = [
    StoredType(name: "F32", bits: 32, dtype: .float32),
    StoredType(name: "F64", bits: 64, dtype: .float64),
    StoredType(name: "I32", bits: 32, dtype: .int32),
    StoredType(name: "I64", bits: 64, dtype: .int64),
  ]
  private static let foreign: [(bits: Int, names: [String])] = [
    (4, ["F4"]), (6, ["F6_E2M3", "F6_E3M2"]),
    (8, ["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"]),
    (16, ["U16", "I16", "F16", "BF16"]), (32, ["U32"]), (64, ["U64", "C64"]),
  ]
  private static let known: [String: StoredType] = {
    var known: [String: StoredType] = [:]
    for type in readable { known[type.name] = type }
    for (bits, names) in foreign {
      for name in names { known[name] = StoredType(name: name, bits: bits, dtype: nil) }
    }
    return known
  }()

  static func named(_ name: String) -> StoredType? { known[name] }

  static func of(_ dtype: DType) -> StoredType {
    switch dtype {
    case .float32: readable[0]
    case .float64: readable[1]
    case .int32: readable[2]
    case .int64: readable[3]
    }
  }
}

/// Texts are told apart by their bytes, as the format does: Swift's own comparison takes different
/// spellings of "é" for the same.
struct Key: Hashable {
  private let bytes: [UInt8]
  init(_ text: String) { bytes = Array(text.utf8) }
}

/// A name in quotes, for messages: those of a damaged file may be of any length.
func quoted(_ name: String) -> String {
  let start = name.unicodeScalars.prefix(80)
  return start.endIndex == name.endIndex ? "'\(name)'" : "'\(String.UnicodeScalarView(start))…'"
}

/// What a header says, in its order.
struct HeaderParser {
  private(set) var tensors: [StoredTensor] = []
  private(set) var metadata: [(key: String, text: String)] = []

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  /// Where the header begins in its file, for messages.
  private let origin: Int

  init(_ bytes: UnsafeRawBufferPointer, origin: Int) throws {
    self.bytes = bytes
    self.origin = origin
    guard bytes.first == UInt8(ascii: "{") else { throw unexpected("'{'") }
    var names = Set<Key>()
    try object { parser, name, start in
      guard names.insert(Key(name)).inserted else {
        throw parser.error("the name \(quoted(name)) for the second time", at: start)
      }
      if name == "__metadata__" {
        try parser.readMetadata()
      } else {
        try parser.readTensor(name)
      }
    }
    // Writers pad the header with spaces, so that the data is aligned.
    guard position == bytes.count else { throw unexpected("the end of the header") }
  }

  private mutating func readMetadata() throws {
    var keys = Set<Key>()
    try object { parser, key, start in
      guard keys.insert(Key(key)).inserted else {
        throw parser.error("the metadata \(quoted(key)) for the second time", at: start)
      }
      parser.metadata.append((key, try parser.text()))
    }
  }

  private mutating func readTensor(_ name: String) throws {
    let start = position
    var type: StoredType?
    var dimensions: [Int]?
    var offsets: [Int]?
    try object { parser, field, at in
      switch field {
      case "dtype" where type == nil:
        let typeStart = parser.position
        let found = try parser.text()
        type = StoredType.named(found)
        if type == nil {
          throw parser.error("tensor \(quoted(name)) has dtype \(quoted(found))", at: typeStart)
        }
      case "shape" where dimensions == nil: dimensions = try parser.numbers()
      case "data_offsets" where offsets == nil: offsets = try parser.numbers()
      default:
        throw parser.error(
          "\(quoted(field)) in tensor \(quoted(name)), expected dtype, shape and data_offsets, each once",
          at: at)
      }
    }
    guard let type, let dimensions, let offsets, offsets.count == 2 else {
      throw error("tensor \(quoted(name)) lacks dtype, shape or two data_offsets", at: start)
    }
    guard offsets[0] <= offsets[1] else {
      throw error(
        "tensor \(quoted(name)) begins at \(offsets[0]) and ends at \(offsets[1])", at: start)
    }
    let size = offsets[1] - offsets[0]
    guard let expected = HeaderParser.bytes(dimensions, type.bits), expected == size else {
      throw error(
        "tensor \(quoted(name)) has \(size) bytes, which \(type.name) \(dimensions) does not",
        at: start)
    }
    tensors.append(
      StoredTensor(
        name: name, type: type, dimensions: dimensions, range: offsets[0]..<offsets[1]))
  }

  /// The bytes of a tensor; nil if there are too many, or some bits left over.
  private static func bytes(_ dimensions: [Int], _ bits: Int) -> Int? {
    if dimensions.contains(0) { return 0 }
    var total = bits
    for dimension in dimensions {
      let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
      guard !overflow else { return nil }
      total = product
    }
    return total % 8 == 0 ? total / 8 : nil
  }

  // MARK: JSON

  /// Reads an object; the body reads the value of each member. `start` is where its name stands.
  private mutating func object(
    _ member: (inout HeaderParser, _ name: String, _ start: Int) throws -> Void
  ) throws {
    try expect("{")
    if accept("}") { return }
    repeat {
      skipSpace()
      let start = position
      let name = try text()
      try expect(":")
      try member(&self, name, start)
    } while accept(",")
    try expect("}", or: "','")
  }

  /// Reads an array of whole numbers.
  private mutating func numbers() throws -> [Int] {
    var numbers: [Int] = []
    try expect("[")
    if accept("]") { return numbers }
    repeat { numbers.append(try number()) } while accept(",")
    try expect("]", or: "','")
    return numbers
  }

  private mutating func number() throws -> Int {
    skipSpace()
    let start = position
    var number = 0
    while let digit = current, digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") {
      let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
      guard !overflow, !carry else { throw error("a number beyond 2^63", at: start) }
      number = sum
      position += 1
    }
    let digits = position - start
    guard digits > 0 else { throw unexpected("a whole number of at least 0") }
    guard digits == 1 || bytes[start] != UInt8(ascii: "0") else {
      throw error("a number that begins with 0", at: start)
    }
    if let next = current, next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e") {
      throw error("a number that is not whole", at: start)
    }
    return number
  }

  private mutating func text() throws -> String {
    try expect("\"")
    let start = position
    var utf8: [UInt8] = []
    while let byte = current, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw error("a control character in a text", at: position) }
      position += 1
      if byte == UInt8(ascii: "\\") {
        try escape(into: &utf8)
      } else {
        utf8.append(byte)
      }
    }
    guard accept("\"") else { throw error("a text without an end", at: start) }
    guard let text = String(validating: utf8, as: UTF8.self) else {
      throw error("a text that is not UTF-8", at: start)
    }
    guard !utf8.contains(0) else { throw error("a text with a NUL", at: start) }
    return text
  }

  /// Reads what follows a backslash.
  private mutating func escape(into utf8: inout [UInt8]) throws {
    let start = position - 1
    guard let byte = current else { return }  // the text has no end
    position += 1
    switch Character(Unicode.Scalar(byte)) {
    case "\"", "\\", "/": utf8.append(byte)
    case "b": utf8.append(0x08)
    case "f": utf8.append(0x0C)
    case "n": utf8.append(0x0A)
    case "r": utf8.append(0x0D)
    case "t": utf8.append(0x09)
    case "u":
      var code = try hexadecimal(start)
      // Characters beyond 16 bits are written as two halves.
      if code & 0xFC00 == 0xD800, current == UInt8(ascii: "\\") {
        position += 1
        guard current == UInt8(ascii: "u") else { throw error("half a character", at: start) }
        position += 1
        let low = try hexadecimal(start)
        guard low & 0xFC00 == 0xDC00 else { throw error("half a character", at: start) }
        code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("half a character", at: start) }
      utf8.append(contentsOf: String(Character(scalar)).utf8)
    default: throw error("an unknown escape", at: start)
    }
  }

  /// Four hexadecimal digits.
  private mutating func hexadecimal(_ start: Int) throws -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue,
        byte < 0x80
      else { throw error("an unknown escape", at: start) }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
  }

  /// Reads a character, and the space before and after it, if it comes next.
  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard let byte = current, UInt32(byte) == character.value else { return false }
    position += 1
    if character != "\"" { skipSpace() }
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar, or other: String? = nil) throws {
    guard accept(character) else {
      throw unexpected((other.map { "\($0) or " } ?? "") + "'\(character)'")
    }
  }

  private func unexpected(_ expected: String) -> NanogradError {
    guard let byte = current else {
      return error("the header ends, expected \(expected)", at: position)
    }
    let isPlain = byte > 0x20 && byte < 0x7F
    let found = isPlain ? "'\(Unicode.Scalar(byte))'" : "byte \(byte)"
    return error("found \(found), expected \(expected)", at: position)
  }

  private func error(_ text: String, at position: Int) -> NanogradError {
    NanogradError(.format, "\(text) (at byte \(origin + position))")
  }
}
