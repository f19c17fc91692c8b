//  Something for each of a graph's tensors.

/// A dictionary from tensors, by identity: open addressing with linear probing, several times as
/// fast as the general one, which counts where a tensor costs 50 ns to make. It does not keep its
/// tensors alive: they belong to a graph that somebody holds.
struct TensorMap<Value> {
  private var keys: [UInt] = Array(repeating: 0, count: 16)
  private var values: [Value?] = Array(repeating: nil, count: 16)
  private(set) var count = 0

  subscript(key: Tensor) -> Value? {
    get { values[slot(of: UInt(bitPattern: ObjectIdentifier(key)))] }
    set {
      guard let newValue, !insert(key, newValue) else { return }
      values[slot(of: UInt(bitPattern: ObjectIdentifier(key)))] = newValue
    }
  }

  /// Adds a tensor unless it is there already, and tells whether it was added.
  mutating func insert(_ key: Tensor, _ value: Value) -> Bool {
    if count * 2 >= keys.count { grow() }
    let address = UInt(bitPattern: ObjectIdentifier(key))
    let slot = slot(of: address)
    guard keys[slot] == 0 else { return false }
    keys[slot] = address
    values[slot] = value
    count += 1
    return true
  }

  /// Forgets all tensors; the memory of a small map stays.
  mutating func removeAll() {
    guard keys.count <= 64 else {
      self = TensorMap()
      return
    }
    for i in keys.indices where keys[i] != 0 {
      keys[i] = 0
      values[i] = nil
    }
    count = 0
  }

  /// Where the key is, or where it would go: its address, spread by an odd multiplier (Knuth's
  /// multiplicative hashing), and on from there.
  private func slot(of address: UInt) -> Int {
    var i = Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) >> 32) & (keys.count - 1)
    while keys[i] != 0 && keys[i] != address { i = (i + 1) & (keys.count - 1) }
    return i
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = Array(repeating: 0, count: oldKeys.count * 2)
    values = Array(repeating: nil, count: keys.count)
    for (address, value) in zip(oldKeys, oldValues) where address != 0 {
      let slot = slot(of: address)
      keys[slot] = address
      values[slot] = value
    }
  }
}
