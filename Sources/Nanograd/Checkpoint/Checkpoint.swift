//  What a training consists of, saved to a file and loaded from it.

/// The state of a training: named tensors, optimizers, texts. Say once what belongs to it; save it as
/// often as you like, and load it to go on with the same bits.
///
/// What is saved is what things are at that time. Accumulated gradients are not saved: the place for a
/// checkpoint is between `zeroGrad` and the next `backward`. The thread rule of tensors holds for a
/// checkpoint together with all that was added to it.
public final class Checkpoint: @unchecked Sendable {
  private var tensors: [(name: String, tensor: Tensor)] = []
  private var optimizers: [(name: String, optimizer: Optimizer)] = []
  private var texts: [(key: String, text: String)] = []
  private var names = Set<Key>()

  /// Makes a checkpoint of nothing.
  public init() {}

  // MARK: What belongs to it

  /// Adds a tensor under a name of its own. To be loaded it has to be a leaf.
  public func add(_ name: String, _ tensor: Tensor) throws { try add([(name, tensor)]) }

  /// Adds tensors under names of their own.
  public func add(_ tensors: [(name: String, tensor: Tensor)]) throws {
    var names = names
    for (name, _) in tensors { try Checkpoint.insert(name, into: &names) }
    self.names = names
    self.tensors += tensors
  }

  /// Adds an optimizer: its settings, its schedule, the steps made, and what it keeps for each
  /// Parameter (but not these themselves). In the file, their names begin with this one and a dot.
  public func add(_ name: String, _ optimizer: Optimizer) throws {
    try Checkpoint.insert(name, into: &names)
    optimizers.append((name, optimizer))
  }

  /// Sets a text, in place of an earlier one with this key.
  public func set(_ key: String, _ text: String) throws {
    try Checkpoint.require(key)
    try Nanograd.require(
      !text.utf8.contains(0), .argument, "the text of \(quoted(key)) holds a NUL")
    if let i = texts.firstIndex(where: { Key($0.key) == Key(key) }) {
      texts[i].text = text
    } else {
      texts.append((key, text))
    }
  }

  /// Sets an integer, such as the number of steps made; `SafeTensors.integer` reads it.
  public func set(_ key: String, _ integer: Int) throws { try set(key, String(integer)) }

  /// Sets the state of a generator; `SafeTensors.random` reads it.
  public func set(_ key: String, _ random: Random) throws { try set(key, random.text) }

  private static func require(_ name: String) throws {
    try Nanograd.require(!name.utf8.contains(0), .argument, "the name \(quoted(name)) holds a NUL")
  }

  private static func insert(_ name: String, into names: inout Set<Key>) throws {
    try require(name)
    try Nanograd.require(
      name != "__metadata__", .argument, "the name '\(name)' has another meaning in the format")
    try Nanograd.require(
      names.insert(Key(name)).inserted, .argument,
      "the name \(quoted(name)) for the second time, expected one for each")
  }

  // MARK: Saving

  /// Saves everything to a file, in the safetensors format. The file is complete or not there: it is
  /// written aside, brought to the disk and then put in its place; until then, and on any failure,
  /// an older file of this name stays as it is.
  public func save(_ path: String) throws {
    do {
      let contents = try contents()
      let header = try contents.header()
      let file = try Replacement(of: path, bytes: header.count + contents.dataBytes)
      try header.withUnsafeBytes { header in
        if let start = header.baseAddress { try file.write(start, bytes: header.count) }
      }
      for item in contents.items { try file.write(item.value.pointer, bytes: item.value.bytes) }
      try file.commit()
    } catch let error as NanogradError {
      throw error.found(by: "checkpoint_save")
    }
  }

  /// The bytes that `save` would write.
  public func bytes() throws -> [UInt8] {
    let contents = try contents()
    let header = try contents.header()
    let count = header.count + contents.dataBytes
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      if let start = buffer.baseAddress { contents.copy(header, to: start) }
      filled = count
    }
  }

  /// Writes what `save` would write to memory, if there is enough; returns its size in any case.
  package func write(to memory: UnsafeMutableRawPointer?, capacity: Int) throws -> Int {
    let contents = try contents()
    let header = try contents.header()
    let count = header.count + contents.dataBytes
    if let memory, capacity >= count { contents.copy(header, to: memory) }
    return count
  }

  private func contents() throws -> FileContents {
    var contents = FileContents()
    try evaluate(tensors.map(\.tensor))
    for (name, tensor) in tensors {
      contents.items.append(
        FileContents.Item(name: name, tensor.dtype, tensor.shape, try tensor.evaluated()))
    }
    contents.texts = texts
    for (name, optimizer) in optimizers { try optimizer.save(name, &contents) }
    contents.align()
    return contents
  }

  // MARK: Loading

  /// Gives tensors and optimizers the state that they have in a file; what else is in the file is
  /// left alone. All of it is read and checked first: on failure nothing is changed.
  public func load(_ file: SafeTensors) throws {
    do {
      var values: [(Leaf, Value)] = []
      for (name, tensor) in tensors {
        guard let leaf = tensor.leaf else {
          throw NanogradError(
            .state,
            "\(quoted(name)) is the result of \(tensor.op.definition.name), expected a Variable or "
              + "Parameter")
        }
        values.append((leaf, try file.value(name, tensor.dtype, tensor.shape)))
      }
      let states = try optimizers.map { name, optimizer in
        (optimizer, try OptimizerState(name, of: optimizer, in: file))
      }
      for (leaf, value) in values { leaf.replace(value) }
      for (optimizer, state) in states { optimizer.restore(state) }
    } catch let error as NanogradError {
      throw error.found(by: "checkpoint_load")
    }
  }
}
