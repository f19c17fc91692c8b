//  x^y with the special cases of IEEE 754. Single precision is e^(y ln x) in double; double precision
//  asks the C library. Exponents that are one or two operations give what those give.

import Glibc

/// Exponents that need no logarithm.
enum SimpleExponent: UnaryOperation {
  case one, two, three, half, minusOne

  @inline(__always) var value: Double {
    switch self {
    case .one: 1
    case .two: 2
    case .three: 3
    case .half: 0.5
    case .minusOne: -1
    }
  }

  @inline(__always) func apply<V: Lanes>(_ x: V) -> V {
    switch self {
    case .one: x
    case .two: x * x
    case .three: x * x * x
    // The power of -0 is +0, that of -infinity +infinity: unlike the root.
    case .half:
      (x + V.zero).squareRoot().replacing(
        with: V(repeating: .infinity), where: x .== V(repeating: -.infinity))
    case .minusOne: V.one / x
    }
  }
}

extension Lanes {
  @inline(__always)
  fileprivate func withSimpleExponents(_ x: Self, _ y: Self) -> Self {
    var result = self
    for simple in [SimpleExponent.one, .two, .three, .half, .minusOne] {
      let isSimple = y .== Self(repeating: Scalar(simple.value))
      result = result.replacing(with: simple.apply(x), where: isSimple)
    }
    return result
  }
}

extension Lanes where Scalar == Double {
  /// For exponents and bases that come from single precision, accurate enough to round to it.
  @inline(__always) fileprivate func powerOfSingles(_ y: Self) -> Self {
    let (zero, one) = (Self.zero, Self.one)
    let infinity = Self(repeating: .infinity)
    var result = (y * magnitude.logarithm()).exponential()
    // Infinite exponents of -1, zero exponents and powers of 1, where the logarithm may give NaN.
    let isMinusOne = Self.and(self .== one.negated, y.magnitude .== infinity)
    let isOne = Self.or(isMinusOne, Self.or(y .== zero, self .== one))
    result = result.replacing(with: one, where: isOne)
    // Singles from 2^24 on are even integers.
    let large = Self(repeating: 0x1p24)
    let half = Self(repeating: 0.5) * y
    let isInteger = Self.or(large .<= y.magnitude, y.roundedSmall .== y)
    let isEven = Self.or(large .<= y.magnitude, half.roundedSmall .== half)
    // A negative base: odd powers are negative, powers that are not integers exist only of
    // -infinity and -0.
    let isFiniteBase = Self.and(self .< zero, magnitude .< infinity)
    let undefined = result.replacing(with: Self(repeating: .nan), where: isFiniteBase)
    let signed = Self.select(isEven, result, result.flippingSign(by: self))
    return Self.select(isInteger, signed, Self.select(y .!= y, result, undefined))
  }
}

extension SIMD8 where Scalar == Double {
  @inline(__always) func power(_ exponent: Self) -> Self {
    var result = self
    for lane in 0..<8 { result[lane] = Glibc.pow(self[lane], exponent[lane]) }
    return result.withSimpleExponents(self, exponent)
  }
}

extension SIMD16 where Scalar == Float {
  @inline(__always) func power(_ exponent: Self) -> Self {
    let low = lowHalf.widened.powerOfSingles(exponent.lowHalf.widened)
    let high = highHalf.widened.powerOfSingles(exponent.highHalf.widened)
    let result = Self(lowHalf: low.narrowed, highHalf: high.narrowed)
    return result.withSimpleExponents(self, exponent)
  }
}
