//  Random numbers that are the same on every machine: a counter-based generator, and only
//  operations that IEEE 754 defines to the last bit.

/// A generator of random numbers, whose state is a seed and a count.
///
/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns
/// each count into a block of two 64-bit words. Filling a tensor starts at a fresh block and takes
/// one word for each element, whatever the dtype: float32 numbers are those of float64 with fewer
/// bits.
public struct Random: Sendable, Equatable {
  public let seed: UInt64
  /// The number of blocks used up. A generator made with both numbers goes on from there.
  public private(set) var counter: UInt64

  public init(seed: UInt64, counter: UInt64 = 0) {
    self.seed = seed
    self.counter = counter
  }

  /// The next block.
  @inline(__always)
  mutating func next() -> SIMD2<UInt64> {
    let block = Random.philox(
      counter: [UInt32(truncatingIfNeeded: counter), UInt32(counter >> 32), 0, 0],
      key: [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)])
    counter &+= 1
    return [
      UInt64(block[0]) | UInt64(block[1]) << 32, UInt64(block[2]) | UInt64(block[3]) << 32,
    ]
  }

  /// Ten rounds of Philox, as the paper defines them.
  @inline(__always)
  static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (a, b, c, d) = (counter[0], counter[1], counter[2], counter[3])
    var (k, l) = (key[0], key[1])
    for _ in 0..<10 {
      let left = UInt64(a) &* 0xD251_1F53
      let right = UInt64(c) &* 0xCD9E_8D57
      (a, b, c, d) = (
        UInt32(truncatingIfNeeded: right >> 32) ^ b ^ k, UInt32(truncatingIfNeeded: right),
        UInt32(truncatingIfNeeded: left >> 32) ^ d ^ l, UInt32(truncatingIfNeeded: left)
      )
      k &+= 0x9E37_79B9
      l &+= 0xBB67_AE85
    }
    return [a, b, c, d]
  }

  /// Writes `count` elements, each made from a word of its own.
  @inline(__always)
  mutating func fill<T>(
    _ elements: UnsafeMutablePointer<T>, count: Int, _ element: (UInt64) -> T
  ) {
    var i = 0
    while i + 1 < count {
      let block = next()
      elements[i] = element(block[0])
      elements[i + 1] = element(block[1])
      i += 2
    }
    if i < count { elements[i] = element(next()[0]) }
  }

  /// Puts elements into random order (Fisher and Yates), each order being equally likely.
  mutating func shuffle(_ elements: UnsafeMutablePointer<Int64>, count: Int) {
    var spare: UInt64?
    func word(_ random: inout Random) -> UInt64 {
      if let word = spare {
        spare = nil
        return word
      }
      let block = random.next()
      spare = block[1]
      return block[0]
    }
    for last in stride(from: count - 1, to: 0, by: -1) {
      // Lemire, "Fast random integer generation in an interval" (2019): the high half of a product
      // is uniform once those low halves are refused of which there is one too many.
      let bound = UInt64(last) + 1
      var product = word(&self).multipliedFullWidth(by: bound)
      if product.low < bound {
        let refused = (0 &- bound) % bound
        while product.low < refused { product = word(&self).multipliedFullWidth(by: bound) }
      }
      let other = Int(product.high)
      (elements[last], elements[other]) = (elements[other], elements[last])
    }
  }
}

extension Tensor {
  /// A Variable with samples of the normal distribution; `deviation` ≥ 0; float32 or float64.
  public static func normal(
    _ dtype: DType, _ dimensions: [Int], mean: Double = 0, deviation: Double = 1,
    using random: inout Random, tag: String? = nil
  ) throws -> Tensor {
    try require(dtype.isFloat, .dtype, "\(dtype), expected float32 or float64", "normal")
    try require(
      mean.isFinite && deviation.isFinite && deviation >= 0, .argument,
      "mean \(mean) and deviation \(deviation), expected finite numbers, the deviation at least 0",
      "normal")
    return try filled(dtype, dimensions, &random, tag, "normal") { word in
      // An odd multiple of 2⁻⁵³: never 0 or 1, and symmetric about ½.
      mean + deviation * normalQuantile((Double(word >> 12) + 0.5) * 0x1p-52)
    }
  }

  /// A Variable with samples uniform in [low, high); float32 or float64.
  public static func uniform(
    _ dtype: DType, _ dimensions: [Int], low: Double = 0, high: Double = 1,
    using random: inout Random, tag: String? = nil
  ) throws -> Tensor {
    try require(dtype.isFloat, .dtype, "\(dtype), expected float32 or float64", "uniform")
    let isNarrow = dtype == .float32
    let reaches = isNarrow ? Float(low).isFinite && Float(high).isFinite : (high - low).isFinite
    try require(
      low <= high && reaches, .argument,
      "bounds \(low) and \(high), expected finite numbers, the lower first", "uniform")
    let (first, end) = isNarrow ? (Double(Float(low)), Double(Float(high))) : (low, high)
    let width = end - first
    // Rounding must not reach the upper bound, which is not in the range.
    let last = isNarrow ? Double(Float(end).nextDown) : end.nextDown
    let limit = Swift.max(first, last)
    return try filled(dtype, dimensions, &random, tag, "uniform") { word in
      let unit = isNarrow ? Double(word >> 40) * 0x1p-24 : Double(word >> 11) * 0x1p-53
      return Swift.min(first + width * unit, limit)
    }
  }

  /// A Variable of 1 with the given probability, else 0; any dtype.
  public static func bernoulli(
    _ dtype: DType, _ dimensions: [Int], probability: Double, using random: inout Random,
    tag: String? = nil
  ) throws -> Tensor {
    try require(
      probability >= 0 && probability <= 1, .argument,
      "probability \(probability), expected 0 to 1", "bernoulli")
    return try filled(dtype, dimensions, &random, tag, "bernoulli") { word in
      Double(word >> 11) * 0x1p-53 < probability ? 1 : 0
    }
  }

  /// An int64 Variable with 0 … count - 1 in random order.
  public static func permutation(
    _ count: Int, using random: inout Random, tag: String? = nil
  ) throws -> Tensor {
    try require(count >= 0, .argument, "count \(count), expected at least 0", "permutation")
    return try made(.int64, [count], tag, "permutation") { value in
      let elements = value.elements(Int64.self)
      for i in 0..<count { elements[i] = Int64(i) }
      random.shuffle(elements, count: count)
    }
  }

  @inline(__always)
  private static func filled(
    _ dtype: DType, _ dimensions: [Int], _ random: inout Random, _ tag: String?, _ function: String,
    _ number: (UInt64) -> Double
  ) throws -> Tensor {
    try made(dtype, dimensions, tag, function) { value in
      let count = value.bytes / dtype.size
      switch dtype {
      case .float32: random.fill(value.elements(Float.self), count: count) { Float(number($0)) }
      case .float64: random.fill(value.elements(Double.self), count: count) { number($0) }
      case .int32: random.fill(value.elements(Int32.self), count: count) { Int32(number($0)) }
      case .int64: random.fill(value.elements(Int64.self), count: count) { Int64(number($0)) }
      }
    }
  }

  /// A Variable whose memory is had before anything is drawn: a failure leaves the generator as it
  /// was.
  @inline(__always)
  private static func made(
    _ dtype: DType, _ dimensions: [Int], _ tag: String?, _ function: String, _ fill: (Value) -> Void
  ) throws -> Tensor {
    do {
      let shape = try Shape(dimensions)
      let value = try Value(bytes: shape.size * dtype.size)
      fill(value)
      return Tensor(
        leaf: Leaf(tag: tag, isParameter: false, value: value), dtype: dtype, shape: shape,
        isParameter: false)
    } catch let error as NanogradError {
      throw error.found(by: function)
    }
  }

  private static func require(
    _ holds: Bool, _ code: NanogradError.Code, _ text: @autoclosure () -> String, _ function: String
  ) throws {
    if !holds { throw NanogradError(code, text(), function: function) }
  }
}
