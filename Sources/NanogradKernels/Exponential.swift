//  e^x and what is made of it. x = n ln 2 + r with |r| <= ln 2 / 2 gives e^x = 2^n e^r, and e^r is a
//  polynomial: 1 + r + r² q(r).

extension Lanes {
  /// n, r and r² q(r) of the reduction.
  @inline(__always)
  private func reducedExponential() -> (n: Self, r: Self, tail: Self) {
    let c = Self.constants
    let n = (self * c.log2e).roundedSmall
    // n · ln2High is exact, so r keeps its accuracy without a fused multiply-add.
    let r = self.adding(n.negated, times: c.ln2High).adding(n.negated, times: c.ln2Low)
    return (n, r, r * r * Self.exponentialTail(r))
  }

  /// n and e^r of the reduction.
  @inline(__always)
  private func exponentialParts() -> (n: Self, power: Self) {
    let (n, r, tail) = reducedExponential()
    // What the rounding of 1 + r loses is added to the tail.
    let head = Self.one + r
    return (n, head + ((Self.one - head + r) + tail))
  }

  @inline(__always) func exponential() -> Self {
    // Nearly always all results are normal numbers.
    guard Self.all(magnitude .<= Self.constants.normalExponential) else {
      return exponentialOfAny()
    }
    let (n, power) = exponentialParts()
    return power.shifted(byPowerOf2: n)
  }

  @inline(never) private func exponentialOfAny() -> Self {
    let (lowest, highest) = Self.constants.exponentialRange
    let x = replacing(with: lowest, where: self .< lowest)
      .replacing(with: highest, where: highest .< self)
    let (n, power) = x.exponentialParts()
    return power.scaled(byPowerOf2: n)
  }

  /// e^x - 1, accurate where x is small.
  @inline(__always) func exponentialMinusOne() -> Self {
    let lowest = Self.constants.expm1Lowest
    let highest = Self.constants.exponentialRange.highest
    let x = replacing(with: lowest, where: self .< lowest)
      .replacing(with: highest, where: highest .< self)
    let (n, r, tail) = x.reducedExponential()
    let expm1 = r + tail
    // 2^n (e^r - 1) + (2^n - 1), halved as 2^n may be out of range where the result is not.
    let half = Self(repeating: 0.5)
    let power = half.scaled(byPowerOf2: n)
    let halved = (power - half).adding(power, times: expm1)
    // With n = 0 the halving would cost a subnormal result its last bit.
    let result = Self.select(n .== Self.zero, expm1, halved + halved)
    return result.magnitude.flippingSign(by: self)
  }

  /// A polynomial where x is small, elsewhere 1 - 2 / (e^2x + 1).
  @inline(__always) func hyperbolicTangent() -> Self {
    let x = magnitude
    let z = x * x
    let small = x.adding(x * z, times: Self.tangentTail(z))
    let two = Self(repeating: 2)
    let large = Self.one - two / ((x + x).exponential() + Self.one)
    return Self.select(x .< Self(repeating: 0.625), small, large).flippingSign(by: self)
  }

  /// 1 / (1 + e^-x), by way of e^-|x|, which cannot overflow.
  @inline(__always) func sigmoid() -> Self {
    let e = magnitude.negated.exponential()
    let sum = Self.one + e
    let isNegative = self .< Self.zero
    let quotient = Self.select(isNegative, e, Self.one) / sum
    // The rounding of 1 + e would be felt where the result is just below a power of two.
    let lost = e - (sum - Self.one)
    let inverse = Self.select(isNegative, Self.one - quotient, quotient)
    return quotient.adding((quotient * lost).negated, times: inverse)
  }
}
