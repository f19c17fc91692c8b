//  x = 2^k (1 + f) with √½ <= 1 + f < √2 gives ln x = k ln 2 + ln(1 + f), and with s = f / (2 + f)
//  ln(1 + f) = 2 artanh s = f - f²/2 + s (f²/2 + R), R = s² times a polynomial in s².

extension Lanes {
  /// k ln 2 + ln(1 + f) + correction, the small parts first.
  @inline(__always)
  private static func logarithm(_ k: Self, _ f: Self, correction: Self) -> Self {
    let c = constants
    let s = f / (Self(repeating: 2) + f)
    let z = s * s
    let halfSquare = Self(repeating: 0.5) * f * f
    let low = correction.adding(k, times: c.ln2Low)
    let tail = low.adding(s, times: halfSquare.adding(z, times: logarithmTail(z)))
    return (f - (halfSquare - tail)).adding(k, times: c.ln2High)
  }

  /// `result` where `x` is positive and finite; elsewhere what the logarithm of `x` is.
  @inline(__always)
  private static func logarithmSpecials(_ x: Self, _ result: Self) -> Self {
    let infinity = Self(repeating: .infinity)
    return select(x .< infinity, result, x)
      .replacing(with: infinity.negated, where: x .== zero)
      .replacing(with: Self(repeating: .nan), where: x .< zero)
  }

  @inline(__always) func logarithm() -> Self {
    // Nearly always they are.
    guard Self.all(isPositiveNormal) else { return logarithmOfAny() }
    let (mantissa, exponent) = mantissaAndExponent
    return Self.logarithm(exponent, mantissa - Self.one, correction: Self.zero)
  }

  @inline(never) private func logarithmOfAny() -> Self {
    let c = Self.constants
    let isSubnormal = self .< c.smallestNormal
    let x = replacing(with: self * c.subnormalScale, where: isSubnormal)
    let (mantissa, exponent) = x.mantissaAndExponent
    let k = exponent.replacing(with: exponent - c.subnormalExponent, where: isSubnormal)
    return Self.logarithmSpecials(
      self, Self.logarithm(k, mantissa - Self.one, correction: Self.zero))
  }

  /// ln(1 + x), accurate where x is small.
  @inline(__always) func logarithmOfOnePlus() -> Self {
    let one = Self.one
    let u = one + self
    let (mantissa, exponent) = u.mantissaAndExponent
    // What the rounding of 1 + x lost.
    let lost = Self.select(one .< self, one - (u - self), self - (u - one))
    // Near 0 nothing need be lost: f is x itself.
    let isNear = Self.and(
      Self(repeating: -0.29) .< self, self .< Self(repeating: 0.41))
    let k = Self.select(isNear, Self.zero, exponent)
    let f = Self.select(isNear, self, mantissa - one)
    let correction = Self.select(isNear, Self.zero, lost / u)
    let result = Self.logarithmSpecials(u, Self.logarithm(k, f, correction: correction))
    return result.magnitude.flippingSign(by: self)
  }
}
