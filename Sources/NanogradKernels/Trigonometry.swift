//  Sine and cosine. x = n π/2 + r with |r| <= π/4; the quadrant n mod 4 chooses between the sine and
//  the cosine of r and their signs. Single precision is computed in double.

import Glibc

extension Lanes where Scalar == Double {
  /// The sine of x + quadrant · π/2 for |x| up to `largestReduced`.
  @inline(__always) private func circular(quadrant: Int) -> Self {
    let one = Self.one
    // π/2 in three parts, of which the first two times n < 2^20 are exact.
    let shift = Self(repeating: 0x1.8p52)
    let shifted = shift.adding(self, times: Self(repeating: 0x1.45f306dc9c883p-1))
    let n = (shifted - shift).negated
    let r = self.adding(n, times: Self(repeating: 0x1.921fb544p0))
      .adding(n, times: Self(repeating: 0x1.0b4611a6p-34))
      .adding(n, times: Self(repeating: 0x1.3198a2e037073p-69))
    let z = r * r
    let sine = r.adding(r * z, times: Self.sineTail(z))
    let half = Self(repeating: 0.5) * z
    let head = one - half
    let cosine = head + ((one - head) - half).adding(z * z, times: Self.cosineTail(z))
    let (isOdd, sign) = Self.quadrant(shifted, offset: quadrant)
    return sine.replacing(with: cosine, where: isOdd).flippingSign(by: sign)
  }

  /// Above this the reduction would lose accuracy.
  @inline(__always) private static var largestReduced: Self { Self(repeating: 0x1p20) }

  @inline(__always) private func reducedSine() -> Self {
    replacing(with: circular(quadrant: 0), where: self .!= Self.zero)
  }

  @inline(__always) private func reducedCosine() -> Self { circular(quadrant: 1) }

  @inline(__always) private func replacingLarge(
    in result: Self, with f: (Double) -> Double
  ) -> Self {
    let isLarge = Self.largestReduced .<= magnitude
    guard Self.any(isLarge) else { return result }
    return result.replacing(with: replacingEach(where: isLarge, f), where: isLarge)
  }

  @inline(__always) fileprivate func anySine() -> Self {
    replacingLarge(in: reducedSine()) { Glibc.sin($0) }
  }

  @inline(__always) fileprivate func anyCosine() -> Self {
    replacingLarge(in: reducedCosine()) { Glibc.cos($0) }
  }

  /// The sine of a value of single precision, or its cosine. With that much precision to spare, one polynomial
  /// of x - n π serves both: n is an integer for the sine, and halfway between two for the cosine.
  @inline(__always) fileprivate func singleSine(isCosine: Bool) -> Self {
    let shift = Self(repeating: 0x1.8p52)
    let half = Self(repeating: 0.5)
    let inverse = Self(repeating: 0x1.45f306dc9c883p-2)
    let shifted =
      isCosine
      ? shift + half.negated.adding(self, times: inverse) : shift.adding(self, times: inverse)
    // Zero keeps its sign. n has at most 20 bits, so that it times the first part of π is exact.
    let whole = (shifted - shift).negated
    let n = isCosine ? whole - half : whole
    let r = adding(n, times: Self(repeating: 0x1.921fb544p1))
      .adding(n, times: Self(repeating: 0x1.0b4611a626331p-33))
    let z = r * r
    // The sine at n π + r is (-1)ⁿ sin r, the cosine at (n + ½) π + r the negative of that.
    let isNegative = Self.quadrant(shifted, offset: isCosine ? 1 : 0).isOdd
    let signed = r.replacing(with: r.negated, where: isNegative)
    let result = signed * Self.one.adding(z, times: Self.singleSineTail(z))
    return replacingLarge(in: result) { isCosine ? Glibc.cos($0) : Glibc.sin($0) }
  }
}

extension SIMD8 where Scalar == Double {
  @inline(__always) func sine() -> Self { anySine() }
  @inline(__always) func cosine() -> Self { anyCosine() }
}

extension SIMD16 where Scalar == Float {
  @inline(__always) private func inDouble(isCosine: Bool) -> Self {
    Self(
      lowHalf: lowHalf.widened.singleSine(isCosine: isCosine).narrowed,
      highHalf: highHalf.widened.singleSine(isCosine: isCosine).narrowed)
  }

  @inline(__always) func sine() -> Self { inDouble(isCosine: false) }
  @inline(__always) func cosine() -> Self { inDouble(isCosine: true) }
}
