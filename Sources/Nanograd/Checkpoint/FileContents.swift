//  What goes into a safetensors file, and its header.

/// Tensors and texts as they are at one moment.
struct FileContents {
  struct Item {
    let name: String
    let dtype: DType
    let shape: Shape
    let value: Value

    init(name: String, _ dtype: DType, _ shape: Shape, _ value: Value) {
      (self.name, self.dtype, self.shape, self.value) = (name, dtype, shape, value)
    }
  }

  var items: [Item] = []
  var texts: [(key: String, text: String)] = []

  var dataBytes: Int { items.reduce(0) { $0 + $1.value.bytes } }

  /// Puts wide elements first, so that all are aligned to their size.
  mutating func align() {
    items = items.filter { $0.dtype.size == 8 } + items.filter { $0.dtype.size < 8 }
  }

  /// The length of the header, and the header.
  func header() throws -> [UInt8] {
    try requireNamesOnce()
    var json = Array("{".utf8)
    if !texts.isEmpty {
      json += #""__metadata__":{"#.utf8
      for (i, (key, text)) in texts.enumerated() {
        if i > 0 { json.append(UInt8(ascii: ",")) }
        append(key, to: &json)
        json.append(UInt8(ascii: ":"))
        append(text, to: &json)
      }
      json.append(UInt8(ascii: "}"))
    }
    var offset = 0
    for item in items {
      if json.count > 1 { json.append(UInt8(ascii: ",")) }
      append(item.name, to: &json)
      let end = offset + item.value.bytes
      let shape = item.shape.map(String.init).joined(separator: ",")
      json += #":{"dtype":"\#(StoredType.of(item.dtype).name)","shape":[\#(shape)],"#.utf8
      json += #""data_offsets":[\#(offset),\#(end)]}"#.utf8
      offset = end
    }
    json.append(UInt8(ascii: "}"))
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    try require(
      json.count <= SafeTensors.longestHeader, .argument,
      "names and texts of \(json.count) bytes, expected at most \(SafeTensors.longestHeader)")
    let length = UInt64(json.count).littleEndian
    return withUnsafeBytes(of: length) { Array($0) } + json
  }

  /// Writes the file to memory that has room for it.
  func copy(_ header: [UInt8], to memory: UnsafeMutableRawPointer) {
    UnsafeMutableRawBufferPointer(start: memory, count: header.count).copyBytes(from: header)
    var end = memory + header.count
    for item in items {
      end.copyMemory(from: item.value.pointer, byteCount: item.value.bytes)
      end += item.value.bytes
    }
  }

  private func requireNamesOnce() throws {
    for (names, what) in [(items.map(\.name), "tensor"), (texts.map(\.key), "text")] {
      var seen = Set<Key>()
      for name in names {
        try require(
          seen.insert(Key(name)).inserted, .argument,
          "a second \(what) of the name \(quoted(name)), which an optimizer uses")
      }
    }
  }

  private func append(_ text: String, to json: inout [UInt8]) {
    json.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        json += "\\u00".utf8
        json += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: json.append(byte)
      }
    }
    json.append(UInt8(ascii: "\""))
  }
}
