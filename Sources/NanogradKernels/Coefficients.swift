//  The numbers behind the elementary functions. Polynomials are minimax approximations computed to
//  130 digits by Remez exchange; the comment gives the largest error before rounding.

/// Constants of one precision.
struct Constants<V: Lanes> {
  /// ln 2 = high + low, where high times an exponent is exact.
  let ln2High: V
  let ln2Low: V
  let log2e: V
  /// Below the first e^x is 0, above the second it is infinite.
  let exponentialRange: (lowest: V, highest: V)
  /// From its negative to it, e^x is a normal number.
  let normalExponential: V
  /// Below this e^x - 1 is -1.
  let expm1Lowest: V
  /// The smallest normal number, a power of two that makes any subnormal normal, its exponent.
  let smallestNormal: V
  let subnormalScale: V
  let subnormalExponent: V
}

extension SIMD16 where Scalar == Float {
  @inline(__always) static var constants: Constants<Self> {
    Constants(
      ln2High: Self(repeating: 0x1.62e0p-1), ln2Low: Self(repeating: 0x1.0bfbe8p-15),
      log2e: Self(repeating: 0x1.715476p0),
      exponentialRange: (Self(repeating: -104), Self(repeating: 89)),
      normalExponential: Self(repeating: 87),
      expm1Lowest: Self(repeating: -20),
      smallestNormal: Self(repeating: 0x1p-126), subnormalScale: Self(repeating: 0x1p25),
      subnormalExponent: Self(repeating: 25))
  }

  /// (e^r - 1 - r) / r² for |r| <= ln 2 / 2, error 2^-34 relative to e^r.
  @inline(__always) static func exponentialTail(_ r: Self) -> Self {
    var p = Self(repeating: 0x1.a1b148p-13)
    p = Self(repeating: 0x1.6d8640p-10).adding(p, times: r)
    p = Self(repeating: 0x1.111082p-7).adding(p, times: r)
    p = Self(repeating: 0x1.555498p-5).adding(p, times: r)
    p = Self(repeating: 0x1.555556p-3).adding(p, times: r)
    return Self(repeating: 0.5).adding(p, times: r)
  }

  /// (2 artanh(s) / s - 2) / s² at z = s², for s up to 0.172, error 2^-36.
  @inline(__always) static func logarithmTail(_ z: Self) -> Self {
    var p = Self(repeating: 0x1.e3141cp-3)
    p = Self(repeating: 0x1.24381ap-2).adding(p, times: z)
    p = Self(repeating: 0x1.999a7ep-2).adding(p, times: z)
    return Self(repeating: 0x1.555554p-1).adding(p, times: z)
  }

  /// (tanh(x) / x - 1) / x² at z = x², for x up to 0.625, error 2^-32.
  @inline(__always) static func tangentTail(_ z: Self) -> Self {
    var p = Self(repeating: 0x1.190b70p-9)
    p = Self(repeating: -0x1.0c03c0p-7).adding(p, times: z)
    p = Self(repeating: 0x1.638f1cp-6).adding(p, times: z)
    p = Self(repeating: -0x1.b9eefcp-5).adding(p, times: z)
    p = Self(repeating: 0x1.111068p-3).adding(p, times: z)
    return Self(repeating: -0x1.555554p-2).adding(p, times: z)
  }
}

extension SIMD8 where Scalar == Double {
  @inline(__always) static var constants: Constants<Self> {
    Constants(
      ln2High: Self(repeating: 0x1.62e42feep-1), ln2Low: Self(repeating: 0x1.a39ef35793c76p-33),
      log2e: Self(repeating: 0x1.71547652b82fep0),
      exponentialRange: (Self(repeating: -746), Self(repeating: 710)),
      normalExponential: Self(repeating: 708),
      expm1Lowest: Self(repeating: -40),
      smallestNormal: Self(repeating: 0x1p-1022), subnormalScale: Self(repeating: 0x1p54),
      subnormalExponent: Self(repeating: 54))
  }

  /// As above, error 2^-64.
  @inline(__always) static func exponentialTail(_ r: Self) -> Self {
    var p = Self(repeating: 0x1.1f9a9e3e6dafep-29)
    p = Self(repeating: 0x1.af69e040d221bp-26).adding(p, times: r)
    p = Self(repeating: 0x1.27e4c1f518931p-22).adding(p, times: r)
    p = Self(repeating: 0x1.71ddf1904e6c1p-19).adding(p, times: r)
    p = Self(repeating: 0x1.a01a01b29114cp-16).adding(p, times: r)
    p = Self(repeating: 0x1.a01a01b2c38bap-13).adding(p, times: r)
    p = Self(repeating: 0x1.6c16c16c13e11p-10).adding(p, times: r)
    p = Self(repeating: 0x1.111111110eedcp-7).adding(p, times: r)
    p = Self(repeating: 0x1.555555555555bp-5).adding(p, times: r)
    p = Self(repeating: 0x1.555555555555bp-3).adding(p, times: r)
    return Self(repeating: 0.5).adding(p, times: r)
  }

  /// As above, error 2^-58.
  @inline(__always) static func logarithmTail(_ z: Self) -> Self {
    var p = Self(repeating: 0x1.2f2619c8d41b1p-3)
    p = Self(repeating: 0x1.399ea1c36ecb6p-3).adding(p, times: z)
    p = Self(repeating: 0x1.74665c1816248p-3).adding(p, times: z)
    p = Self(repeating: 0x1.c71c5183034fbp-3).adding(p, times: z)
    p = Self(repeating: 0x1.249249428c325p-2).adding(p, times: z)
    p = Self(repeating: 0x1.999999997f389p-2).adding(p, times: z)
    return Self(repeating: 0x1.5555555555594p-1).adding(p, times: z)
  }

  /// As above, error 2^-66.
  @inline(__always) static func tangentTail(_ z: Self) -> Self {
    var p = Self(repeating: -0x1.309d6a179553bp-19)
    p = Self(repeating: 0x1.8b98c065e5059p-17).adding(p, times: z)
    p = Self(repeating: -0x1.3332b0c400997p-15).adding(p, times: z)
    p = Self(repeating: 0x1.91993caed7c78p-14).adding(p, times: z)
    p = Self(repeating: -0x1.f4bca96514d15p-13).adding(p, times: z)
    p = Self(repeating: 0x1.354d9f0ce31e2p-11).adding(p, times: z)
    p = Self(repeating: -0x1.7da294285dddbp-10).adding(p, times: z)
    p = Self(repeating: 0x1.d6d3c5a6a34fap-9).adding(p, times: z)
    p = Self(repeating: -0x1.226e3529e22dcp-7).adding(p, times: z)
    p = Self(repeating: 0x1.664f488184786p-6).adding(p, times: z)
    p = Self(repeating: -0x1.ba1ba1ba173adp-5).adding(p, times: z)
    p = Self(repeating: 0x1.11111111110d2p-3).adding(p, times: z)
    return Self(repeating: -0x1.5555555555555p-2).adding(p, times: z)
  }
}

extension Lanes where Scalar == Double {
  /// (sin(x) / x - 1) / x² at z = x², for x up to π/4, error 2^-68.
  @inline(__always) static func sineTail(_ z: Self) -> Self {
    var p = Self(repeating: -0x1.aaa38148e22c6p-41)
    p = Self(repeating: 0x1.61208f340df48p-33).adding(p, times: z)
    p = Self(repeating: -0x1.ae645292e1b05p-26).adding(p, times: z)
    p = Self(repeating: 0x1.71de3a5335640p-19).adding(p, times: z)
    p = Self(repeating: -0x1.a01a01a018ab3p-13).adding(p, times: z)
    p = Self(repeating: 0x1.111111111110bp-7).adding(p, times: z)
    return Self(repeating: -0x1.5555555555555p-3).adding(p, times: z)
  }

  /// The same for x up to π/2, error 2^-35 of the sine.
  @inline(__always) static func singleSineTail(_ z: Self) -> Self {
    var p = Self(repeating: -0x1.9a6886a228e51p-26)
    p = Self(repeating: 0x1.7170801865fa1p-19).adding(p, times: z)
    p = Self(repeating: -0x1.a017d99febc2fp-13).adding(p, times: z)
    p = Self(repeating: 0x1.11110c4a0002ap-7).adding(p, times: z)
    return Self(repeating: -0x1.5555554769635p-3).adding(p, times: z)
  }

  /// (cos(x) - 1 + x²/2) / x⁴ at z = x², for x up to π/4, error 2^-64.
  @inline(__always) static func cosineTail(_ z: Self) -> Self {
    var p = Self(repeating: -0x1.8facd0c899352p-37)
    p = Self(repeating: 0x1.1ee9e88ff143ep-29).adding(p, times: z)
    p = Self(repeating: -0x1.27e4f805332c7p-22).adding(p, times: z)
    p = Self(repeating: 0x1.a01a019cab747p-16).adding(p, times: z)
    p = Self(repeating: -0x1.6c16c16c15140p-10).adding(p, times: z)
    return Self(repeating: 0x1.555555555554cp-5).adding(p, times: z)
  }
}
