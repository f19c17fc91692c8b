//  Something for each of a graph's tensors.

/// A dictionary from tensors, by identity: open addressing with linear probing, several times as
/// fast as the general one, which counts where a tensor costs 50 ns to make. It does not keep its
/// tensors alive: they belong to a graph that somebody holds.
struct TensorMap<Value> {
  private struct Slot {
    /// The address of a tensor, or 0.
    var key: UInt = 0
    var value: Value?
  }
  private var slots = Array(repeating: Slot(), count: 16)
  private(set) var count = 0

  subscript(key: Tensor) -> Value? {
    get { slots[place(of: UInt(bitPattern: ObjectIdentifier(key)))].value }
    set {
      guard let newValue, !insert(key, newValue) else { return }
      slots[place(of: UInt(bitPattern: ObjectIdentifier(key)))].value = newValue
    }
  }

  /// Adds a tensor unless it is there already, and tells whether it was added.
  mutating func insert(_ key: Tensor, _ value: Value) -> Bool {
    if count * 2 >= slots.count { grow() }
    let address = UInt(bitPattern: ObjectIdentifier(key))
    let place = place(of: address)
    guard slots[place].key == 0 else { return false }
    slots[place] = Slot(key: address, value: value)
    count += 1
    return true
  }

  /// Forgets all tensors; the memory of a small map stays.
  mutating func removeAll() {
    guard slots.count <= 64 else {
      self = TensorMap()
      return
    }
    for i in slots.indices where slots[i].key != 0 { slots[i] = Slot() }
    count = 0
  }

  /// Where the key is, or where it would go: its address, spread by an odd multiplier (Knuth's
  /// multiplicative hashing), and on from there.
  private func place(of address: UInt) -> Int {
    var i = Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
    while slots[i].key != 0 && slots[i].key != address { i = (i + 1) & (slots.count - 1) }
    return i
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: Slot(), count: old.count * 2)
    for slot in old where slot.key != 0 { slots[place(of: slot.key)] = slot }
  }
}
