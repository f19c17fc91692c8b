//  The inverse of the normal distribution function, from exactly rounded operations alone.

import Glibc

/// Where the standard normal distribution function reaches a probability inside (0, 1), to about
/// 1e-16: Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (1988),
/// PPND16.
@inline(__always)
func normalQuantile(_ probability: Double) -> Double {
  let q = probability - 0.5
  return q.magnitude <= 0.425 ? centralQuantile(q) : tailQuantile(probability, q)
}

@inline(__always)
private func centralQuantile(_ q: Double) -> Double {
  let r = 0.180625 - q * q
  let above = polynomial(
    r, 3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
    1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
    3.3430575583588128105e+4, 2.5090809287301226727e+3)
  let below = polynomial(
    r, 1, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
    2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
    5.2264952788528545610e+3)
  return q * above / below
}

@inline(never)
private func tailQuantile(_ probability: Double, _ q: Double) -> Double {
  let r = (-naturalLogarithm(q < 0 ? probability : 1 - probability)).squareRoot()
  let magnitude = r <= 5 ? nearTail(r - 1.6) : farTail(r - 5)
  return q < 0 ? -magnitude : magnitude
}

private func nearTail(_ r: Double) -> Double {
  let above = polynomial(
    r, 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
    3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
    2.27238449892691845833e-2, 7.74545014278341407640e-4)
  let below = polynomial(
    r, 1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
    1.05075007164441684324e-9)
  return above / below
}

private func farTail(_ r: Double) -> Double {
  let above = polynomial(
    r, 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
    2.71155556874348757815e-5, 2.01033439929228813265e-7)
  let below = polynomial(
    r, 1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
    2.04426310338993978564e-15)
  return above / below
}

/// ln x of a positive normal number, to about 1e-16: the C library's may differ from machine to
/// machine.
func naturalLogarithm(_ x: Double) -> Double {
  var (m, e) = (x.significand, Double(x.exponent))
  if m > 1.4142135623730951 {
    m /= 2
    e += 1
  }
  // ln m = 2·artanh(s); |s| ≤ 0.172, so that the term s²³/23 is below the last bit.
  let s = (m - 1) / (m + 1)
  let z = s * s
  var series = 1.0 / 21
  for k in stride(from: 19.0, to: 2, by: -2) { series = series * z + 1 / k }
  // The high part of ln 2 has trailing zeros, so that its product with the exponent is exact.
  return e * 0x1.62e42fefap-1 + (e * 0x1.cf79abc9e3b3ap-40 + 2 * (s + s * (z * series)))
}

/// Horner's rule, written out as sums and products: a fused multiply-add would round differently.
/// The coefficients, of the constant first, are arguments so that they end up in the code itself.
@inline(__always)
private func polynomial(
  _ x: Double, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double, _ c5: Double,
  _ c6: Double, _ c7: Double
) -> Double {
  let upper = ((c7 * x + c6) * x + c5) * x + c4
  return (((upper * x + c3) * x + c2) * x + c1) * x + c0
}
