//  The vectors that kernels are written in. They are 64 bytes wide on every instruction set, and the
//  compiler splits them where registers are narrower: so every x86 with fused multiply-add computes
//  the same bits, whatever its register width.

/// What a register tile needs of a number or of a vector of numbers.
protocol Accumulator: Sendable {
  associatedtype Scalar: BinaryFloatingPoint & SIMDScalar & Sendable

  /// Scalars in one value.
  static var count: Int { get }
  init(repeating scalar: Scalar)
  static func + (a: Self, b: Self) -> Self
  /// `self + a * b`, rounded once where the instruction set can.
  func adding(_ a: Self, times b: Self) -> Self

  static func load(_ p: UnsafePointer<Scalar>) -> Self
  /// The first `n` scalars at `p`, then zeros; reads nothing beyond them.
  static func load(_ p: UnsafePointer<Scalar>, first n: Int) -> Self
  func store(_ p: UnsafeMutablePointer<Scalar>)
  func store(_ p: UnsafeMutablePointer<Scalar>, first n: Int)
}

/// A vector of 64 bytes. Operators are requirements, rather than inherited from `SIMD`, so that
/// generic code gets the compiler's vector instructions and not the library's loops over lanes.
protocol Lanes: Accumulator {
  associatedtype Mask: Sendable

  subscript(lane: Int) -> Scalar { get set }
  /// The first four columns of as many rows as there are lanes.
  static func columns(_ p: UnsafePointer<Scalar>, _ stride: Int) -> (Self, Self, Self, Self)
  /// Lane `i` is lane `source(i)` of this vector and another, one after the other; what the compiler knows.
  func mixed(with other: Self, _ source: (Int) -> Int) -> Self
  static func - (a: Self, b: Self) -> Self
  static func * (a: Self, b: Self) -> Self
  static func / (a: Self, b: Self) -> Self
  func squareRoot() -> Self

  static func .== (a: Self, b: Self) -> Mask
  static func .!= (a: Self, b: Self) -> Mask
  static func .< (a: Self, b: Self) -> Mask
  static func .<= (a: Self, b: Self) -> Mask
  func replacing(with other: Self, where mask: Mask) -> Self
  static func or(_ a: Mask, _ b: Mask) -> Mask
  static func and(_ a: Mask, _ b: Mask) -> Mask
  static func any(_ mask: Mask) -> Bool
  static func all(_ mask: Mask) -> Bool

  /// Without the sign bits.
  var magnitude: Self { get }
  /// With its own sign bits flipped: unlike 0 - x, right for zeros too.
  var negated: Self { get }
  /// With the sign bits of `other` flipped into its own.
  func flippingSign(by other: Self) -> Self
  /// The nearest integers, ties to even, of values up to 2^22 (2^51 in double precision).
  var roundedSmall: Self { get }
  /// `self * 2^n` with one rounding, for integers n up to ±2040 (±250 in single precision).
  func scaled(byPowerOf2 n: Self) -> Self
  /// The same where both it and the result are normal.
  func shifted(byPowerOf2 n: Self) -> Self
  /// Whether lanes are positive, normal and finite.
  var isPositiveNormal: Mask { get }
  /// Positive normal values as `mantissa * 2^exponent` with mantissa from √½ to √2.
  var mantissaAndExponent: (mantissa: Self, exponent: Self) { get }

  /// Of a value to which an integer was added that leaves no fraction: the parity of the integer plus
  /// `offset`, and -0 where the bit above is set.
  static func quadrant(_ shifted: Self, offset: Int) -> (isOdd: Mask, sign: Self)

  /// Constants and polynomials of the elementary functions; see Coefficients.swift.
  static var constants: Constants<Self> { get }
  static func exponentialTail(_ r: Self) -> Self
  static func logarithmTail(_ z: Self) -> Self
  static func tangentTail(_ z: Self) -> Self
  func sine() -> Self
  func cosine() -> Self
  func power(_ exponent: Self) -> Self
}

extension Lanes {
  /// The lanes of `a` where the mask is set, otherwise those of `b`.
  @inline(__always) static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self {
    b.replacing(with: a, where: mask)
  }

  @inline(__always) static var zero: Self { Self(repeating: 0) }
  @inline(__always) static var one: Self { Self(repeating: 1) }

  /// 1 where the mask is set, otherwise 0.
  @inline(__always) static func indicator(_ mask: Mask) -> Self {
    zero.replacing(with: one, where: mask)
  }

  @inline(__always) static func maximum(_ a: Self, _ b: Self) -> Self {
    select(or(b .<= a, a .!= a), a, b)
  }

  @inline(__always) static func minimum(_ a: Self, _ b: Self) -> Self {
    select(or(a .<= b, a .!= a), a, b)
  }

  /// Applies a function of scalars to the lanes where the mask is set.
  @inline(__always) func replacingEach(
    where mask: Mask, _ f: (Scalar) -> Scalar
  ) -> Self {
    guard Self.any(mask) else { return self }
    var result = self
    let chosen = Self.indicator(mask)
    for lane in 0..<Self.count where chosen[lane] != 0 { result[lane] = f(self[lane]) }
    return result
  }

  @inline(__always) static func load(_ p: UnsafePointer<Scalar>) -> Self {
    UnsafeRawPointer(p).loadUnaligned(as: Self.self)
  }

  // A single element, as of a loss, stays out of memory; others are copied there.

  @inline(__always) static func load(_ p: UnsafePointer<Scalar>, first n: Int) -> Self {
    var result = zero
    if n == 1 {
      result[0] = p[0]
      return result
    }
    for lane in 0..<n { result[lane] = p[lane] }
    return result
  }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Scalar>) {
    UnsafeMutableRawPointer(p).storeBytes(of: self, as: Self.self)
  }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Scalar>, first n: Int) {
    if n == 1 {
      p[0] = self[0]
      return
    }
    withUnsafePointer(to: self) {
      let scalars = UnsafeRawPointer($0).assumingMemoryBound(to: Scalar.self)
      for lane in 0..<n { p[lane] = scalars[lane] }
    }
  }
}

/// `Swift.any` is a generic function that would be emitted in every module and linked from one; that
/// one's instructions may not exist on the processor at hand.
@inline(__always) private func anyBit(_ b: SIMD8<UInt64>) -> Bool {
  (b[0] | b[1] | b[2] | b[3] | b[4] | b[5] | b[6] | b[7]) != 0
}

extension SIMD16: Accumulator, Lanes where Scalar == Float {
  @inline(__always) static var count: Int { 16 }
  @inline(__always) private var bits: SIMD16<Int32> { unsafeBitCast(self, to: SIMD16<Int32>.self) }
  @inline(__always) private init(bits: SIMD16<Int32>) {
    self = unsafeBitCast(bits, to: Self.self)
  }

  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    #if NANOGRAD_BASELINE && arch(x86_64)
      self + a * b
    #else
      addingProduct(a, b)
    #endif
  }

  @inline(__always) func mixed(with other: Self, _ source: (Int) -> Int) -> Self {
    @inline(__always) func lane(_ i: Int) -> Float {
      let place = source(i)
      return place < 16 ? self[place] : other[place &- 16]
    }
    return Self(
      lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7), lane(8), lane(9),
      lane(10), lane(11), lane(12), lane(13), lane(14), lane(15))
  }

  @inline(__always)
  static func columns(_ p: UnsafePointer<Float>, _ stride: Int) -> (Self, Self, Self, Self) {
    typealias Four = SIMD4<Float>
    @inline(__always) func row(_ r: Int) -> Four {
      UnsafeRawPointer(p + r &* stride).loadUnaligned(as: Four.self)
    }
    @inline(__always) func four(_ r: Int) -> (Four, Four, Four, Four) {
      let (a, b, c, d) = (row(r), row(r &+ 1), row(r &+ 2), row(r &+ 3))
      let ab = (Four(a[0], b[0], a[1], b[1]), Four(a[2], b[2], a[3], b[3]))
      let cd = (Four(c[0], d[0], c[1], d[1]), Four(c[2], d[2], c[3], d[3]))
      return (
        Four(ab.0[0], ab.0[1], cd.0[0], cd.0[1]), Four(ab.0[2], ab.0[3], cd.0[2], cd.0[3]),
        Four(ab.1[0], ab.1[1], cd.1[0], cd.1[1]), Four(ab.1[2], ab.1[3], cd.1[2], cd.1[3])
      )
    }
    let (w, x, y, z) = (four(0), four(4), four(8), four(12))
    @inline(__always) func joined(_ w: Four, _ x: Four, _ y: Four, _ z: Four) -> Self {
      Self(lowHalf: SIMD8(lowHalf: w, highHalf: x), highHalf: SIMD8(lowHalf: y, highHalf: z))
    }
    return (
      joined(w.0, x.0, y.0, z.0), joined(w.1, x.1, y.1, z.1), joined(w.2, x.2, y.2, z.2),
      joined(w.3, x.3, y.3, z.3)
    )
  }

  @inline(__always) static func or(_ a: SIMDMask<MaskStorage>, _ b: SIMDMask<MaskStorage>)
    -> SIMDMask<MaskStorage>
  { a .| b }
  @inline(__always) static func and(_ a: SIMDMask<MaskStorage>, _ b: SIMDMask<MaskStorage>)
    -> SIMDMask<MaskStorage>
  { a .& b }

  @inline(__always) static func any(_ mask: SIMDMask<MaskStorage>) -> Bool {
    anyBit(unsafeBitCast(mask, to: SIMD8<UInt64>.self))
  }
  @inline(__always) static func all(_ mask: SIMDMask<MaskStorage>) -> Bool {
    !any(.!mask)
  }

  @inline(__always) var magnitude: Self { Self(bits: bits & 0x7FFF_FFFF) }
  @inline(__always) var negated: Self { Self(bits: bits ^ Int32.min) }
  @inline(__always) func flippingSign(by other: Self) -> Self {
    Self(bits: bits ^ (other.bits & Int32.min))
  }

  // Adding 1.5 · 2^23 leaves no room for a fraction; the integer is then in the low bits.
  @inline(__always) private static var roundingShift: Self { Self(repeating: 0x1.8p23) }
  @inline(__always) var roundedSmall: Self { (self + Self.roundingShift) - Self.roundingShift }

  // In two steps, as 2^n may be out of range where the result is not. The first is exact.
  @inline(__always) func scaled(byPowerOf2 n: Self) -> Self {
    let n = (n + Self.roundingShift).bits &- Self.roundingShift.bits
    let half = n &>> 1
    return self * Self(bits: (half &+ 127) &<< 23) * Self(bits: (n &- half &+ 127) &<< 23)
  }

  // The integer is in the low bits, and what is above it is shifted out.
  @inline(__always) func shifted(byPowerOf2 n: Self) -> Self {
    Self(bits: bits &+ ((n + Self.roundingShift).bits &<< 23))
  }

  @inline(__always) var isPositiveNormal: SIMDMask<MaskStorage> {
    // Numbers below it wrap to the top.
    let least = SIMD16<UInt32>(repeating: 1 &<< 23)
    return unsafeBitCast(self, to: SIMD16<UInt32>.self) &- least
      .< SIMD16<UInt32>(repeating: 0xFE &<< 23)
  }

  @inline(__always) var mantissaAndExponent: (mantissa: Self, exponent: Self) {
    let rootHalf = Self(repeating: 0x1.6A09E6p-1)
    let exponent = (bits &- rootHalf.bits) &>> 23
    let mantissa = Self(bits: bits &- (exponent &<< 23))
    // An integer added to the bits of the shift is an integer added to its value.
    let value = Self(bits: Self.roundingShift.bits &+ exponent) - Self.roundingShift
    return (mantissa, value)
  }

  @inline(__always)
  static func quadrant(_ shifted: Self, offset: Int) -> (isOdd: SIMDMask<MaskStorage>, sign: Self) {
    let turns = shifted.bits &+ Int32(offset)
    return ((turns & 1) .== SIMD16<Int32>(repeating: 1), Self(bits: (turns & 2) &<< 30))
  }
}

extension SIMD8: Accumulator, Lanes where Scalar == Double {
  @inline(__always) static var count: Int { 8 }
  @inline(__always) private var bits: SIMD8<Int64> { unsafeBitCast(self, to: SIMD8<Int64>.self) }
  @inline(__always) private init(bits: SIMD8<Int64>) { self = unsafeBitCast(bits, to: Self.self) }

  @inline(__always) func adding(_ a: Self, times b: Self) -> Self {
    #if NANOGRAD_BASELINE && arch(x86_64)
      self + a * b
    #else
      addingProduct(a, b)
    #endif
  }

  @inline(__always) func mixed(with other: Self, _ source: (Int) -> Int) -> Self {
    @inline(__always) func lane(_ i: Int) -> Double {
      let place = source(i)
      return place < 8 ? self[place] : other[place &- 8]
    }
    return Self(lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7))
  }

  @inline(__always)
  static func columns(_ p: UnsafePointer<Double>, _ stride: Int) -> (Self, Self, Self, Self) {
    @inline(__always) func row(_ r: Int) -> SIMD4<Double> {
      UnsafeRawPointer(p + r &* stride).loadUnaligned(as: SIMD4<Double>.self)
    }
    @inline(__always)
    func four(_ r: Int) -> (SIMD4<Double>, SIMD4<Double>, SIMD4<Double>, SIMD4<Double>) {
      let (a, b, c, d) = (row(r), row(r &+ 1), row(r &+ 2), row(r &+ 3))
      let ab = (SIMD4(a[0], b[0], a[2], b[2]), SIMD4(a[1], b[1], a[3], b[3]))
      let cd = (SIMD4(c[0], d[0], c[2], d[2]), SIMD4(c[1], d[1], c[3], d[3]))
      return (
        SIMD4(ab.0[0], ab.0[1], cd.0[0], cd.0[1]), SIMD4(ab.1[0], ab.1[1], cd.1[0], cd.1[1]),
        SIMD4(ab.0[2], ab.0[3], cd.0[2], cd.0[3]), SIMD4(ab.1[2], ab.1[3], cd.1[2], cd.1[3])
      )
    }
    let (x, y) = (four(0), four(4))
    return (
      Self(lowHalf: x.0, highHalf: y.0), Self(lowHalf: x.1, highHalf: y.1),
      Self(lowHalf: x.2, highHalf: y.2), Self(lowHalf: x.3, highHalf: y.3)
    )
  }

  @inline(__always) static func or(_ a: SIMDMask<MaskStorage>, _ b: SIMDMask<MaskStorage>)
    -> SIMDMask<MaskStorage>
  { a .| b }
  @inline(__always) static func and(_ a: SIMDMask<MaskStorage>, _ b: SIMDMask<MaskStorage>)
    -> SIMDMask<MaskStorage>
  { a .& b }

  @inline(__always) static func any(_ mask: SIMDMask<MaskStorage>) -> Bool {
    anyBit(unsafeBitCast(mask, to: SIMD8<UInt64>.self))
  }
  @inline(__always) static func all(_ mask: SIMDMask<MaskStorage>) -> Bool {
    !any(.!mask)
  }

  @inline(__always) var magnitude: Self { Self(bits: bits & Int64.max) }
  @inline(__always) var negated: Self { Self(bits: bits ^ Int64.min) }
  @inline(__always) func flippingSign(by other: Self) -> Self {
    Self(bits: bits ^ (other.bits & Int64.min))
  }

  @inline(__always) private static var roundingShift: Self { Self(repeating: 0x1.8p52) }
  @inline(__always) var roundedSmall: Self { (self + Self.roundingShift) - Self.roundingShift }

  @inline(__always) func scaled(byPowerOf2 n: Self) -> Self {
    let n = (n + Self.roundingShift).bits &- Self.roundingShift.bits
    // AVX2 has no arithmetic shift of 64-bit lanes; halving n + 2^11, which is positive, needs none.
    let positive = unsafeBitCast(n &+ 2048, to: SIMD8<UInt64>.self) &>> 1
    let half = unsafeBitCast(positive, to: SIMD8<Int64>.self) &- 1024
    return self * Self(bits: (half &+ 1023) &<< 52) * Self(bits: (n &- half &+ 1023) &<< 52)
  }

  @inline(__always) func shifted(byPowerOf2 n: Self) -> Self {
    Self(bits: bits &+ ((n + Self.roundingShift).bits &<< 52))
  }

  @inline(__always) var isPositiveNormal: SIMDMask<MaskStorage> {
    let least = SIMD8<UInt64>(repeating: 1 &<< 52)
    return unsafeBitCast(self, to: SIMD8<UInt64>.self) &- least
      .< SIMD8<UInt64>(repeating: 0x7FE &<< 52)
  }

  @inline(__always) var mantissaAndExponent: (mantissa: Self, exponent: Self) {
    let rootHalf = Self(repeating: 0x1.6A09E667F3BCDp-1)
    // Biased by 2^11 to stay positive, for the same reason.
    let biased = unsafeBitCast(
      unsafeBitCast(bits &- rootHalf.bits &+ (2048 &<< 52), to: SIMD8<UInt64>.self) &>> 52,
      to: SIMD8<Int64>.self)
    let exponent = biased &- 2048
    let mantissa = Self(bits: bits &- (exponent &<< 52))
    let value = Self(bits: Self.roundingShift.bits &+ exponent) - Self.roundingShift
    return (mantissa, value)
  }

  @inline(__always)
  static func quadrant(_ shifted: Self, offset: Int) -> (isOdd: SIMDMask<MaskStorage>, sign: Self) {
    let turns = shifted.bits &+ Int64(offset)
    return ((turns & 1) .== SIMD8<Int64>(repeating: 1), Self(bits: (turns & 2) &<< 62))
  }
}

// Conversions, lane by lane for the same reason as `anyBit`; the compiler sees through it.

extension SIMD8 where Scalar == Float {
  @inline(__always) var widened: SIMD8<Double> {
    SIMD8<Double>(
      Double(self[0]), Double(self[1]), Double(self[2]), Double(self[3]),
      Double(self[4]), Double(self[5]), Double(self[6]), Double(self[7]))
  }
}

extension SIMD8 where Scalar == Double {
  @inline(__always) var narrowed: SIMD8<Float> {
    SIMD8<Float>(
      Float(self[0]), Float(self[1]), Float(self[2]), Float(self[3]),
      Float(self[4]), Float(self[5]), Float(self[6]), Float(self[7]))
  }
}

// A scalar is the narrowest vector: what does not fill others of a product with a single column runs on it.

extension Float: Accumulator {
  typealias Scalar = Float
  @inline(__always) static var count: Int { 1 }
  @inline(__always) init(repeating scalar: Float) { self = scalar }
  @inline(__always) func adding(_ a: Float, times b: Float) -> Float {
    #if NANOGRAD_BASELINE && arch(x86_64)
      self + a * b
    #else
      addingProduct(a, b)
    #endif
  }
  @inline(__always) static func load(_ p: UnsafePointer<Float>) -> Float { p[0] }
  @inline(__always) static func load(_ p: UnsafePointer<Float>, first n: Int) -> Float { p[0] }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) { p[0] = self }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, first n: Int) { p[0] = self }
}

extension Double: Accumulator {
  typealias Scalar = Double
  @inline(__always) static var count: Int { 1 }
  @inline(__always) init(repeating scalar: Double) { self = scalar }
  @inline(__always) func adding(_ a: Double, times b: Double) -> Double {
    #if NANOGRAD_BASELINE && arch(x86_64)
      self + a * b
    #else
      addingProduct(a, b)
    #endif
  }
  @inline(__always) static func load(_ p: UnsafePointer<Double>) -> Double { p[0] }
  @inline(__always) static func load(_ p: UnsafePointer<Double>, first n: Int) -> Double { p[0] }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Double>) { p[0] = self }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Double>, first n: Int) { p[0] = self }
}
