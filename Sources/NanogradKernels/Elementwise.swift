//  Every elementwise kernel: a skeleton of loops, and one line that says what is computed. The end of
//  an array is computed like the rest, in a vector that is only partly stored.

import NanogradKernelTable

@inline(__always)
private func map<V: Lanes>(
  _ x: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int,
  _ f: (V) -> V
) {
  var i = 0
  while i &+ V.count <= count {
    f(V.load(x + i)).store(y + i)
    i &+= V.count
  }
  let rest = count &- i
  if rest > 0 { f(V.load(x + i, first: rest)).store(y + i, first: rest) }
}

@inline(__always)
private func map<V: Lanes>(
  _ a: UnsafePointer<V.Scalar>, _ strideA: Int, _ b: UnsafePointer<V.Scalar>, _ strideB: Int,
  _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int, _ f: (V, V) -> V
) {
  guard count > 0 else { return }
  switch (strideA, strideB) {
  case (0, 0):
    let value = f(V(repeating: a[0]), V(repeating: b[0]))
    map(UnsafePointer(y), y, count) { (_: V) in value }
  case (0, _):
    let a = V(repeating: a[0])
    map(b, y, count) { f(a, $0) }
  case (_, 0):
    let b = V(repeating: b[0])
    map(a, y, count) { f($0, b) }
  default:
    var i = 0
    while i &+ V.count <= count {
      f(V.load(a + i), V.load(b + i)).store(y + i)
      i &+= V.count
    }
    let rest = count &- i
    if rest > 0 {
      f(V.load(a + i, first: rest), V.load(b + i, first: rest)).store(y + i, first: rest)
    }
  }
}

/// The kernel of a function of one argument.
func unary<V: Lanes>(_ code: UnaryCode, _: V.Type) -> ScalarKernels<V.Scalar>.Unary {
  switch code {
  case .copy: { map($0, $1, $2) { (x: V) in x } }
  case .absolute: { map($0, $1, $2) { (x: V) in x.magnitude } }
  case .sign:
    {
      map($0, $1, $2) { (x: V) in
        V.one.flippingSign(by: x).replacing(with: x, where: V.or(x .== V.zero, x .!= x))
      }
    }
  case .exp: { map($0, $1, $2) { (x: V) in x.exponential() } }
  case .log: { map($0, $1, $2) { (x: V) in x.logarithm() } }
  case .log1p: { map($0, $1, $2) { (x: V) in x.logarithmOfOnePlus() } }
  case .expm1: { map($0, $1, $2) { (x: V) in x.exponentialMinusOne() } }
  case .sqrt: { map($0, $1, $2) { (x: V) in x.squareRoot() } }
  case .sin: { map($0, $1, $2) { (x: V) in x.sine() } }
  case .cos: { map($0, $1, $2) { (x: V) in x.cosine() } }
  case .tanh: { map($0, $1, $2) { (x: V) in x.hyperbolicTangent() } }
  case .sigmoid: { map($0, $1, $2) { (x: V) in x.sigmoid() } }
  case .relu: { map($0, $1, $2) { (x: V) in x.replacing(with: V.zero, where: x .<= V.zero) } }
  case .negate: { map($0, $1, $2) { (x: V) in x.negated } }
  case .reciprocal: { map($0, $1, $2) { (x: V) in V.one / x } }
  case .square: { map($0, $1, $2) { (x: V) in x * x } }
  }
}

/// The kernel of a function of two arguments.
func binary<V: Lanes>(_ code: BinaryCode, _: V.Type) -> ScalarKernels<V.Scalar>.Binary {
  switch code {
  case .add: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in a + b } }
  case .subtract: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in a - b } }
  case .multiply: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in a * b } }
  case .divide: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in a / b } }
  case .power: { power(V.self, $0, $1, $2, $3, $4, $5) }
  case .maximum: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in V.maximum(a, b) } }
  case .minimum: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in V.minimum(a, b) } }
  case .equal: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in V.indicator(a .== b) } }
  case .less: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in V.indicator(a .< b) } }
  case .lessEqual: { map($0, $1, $2, $3, $4, $5) { (a: V, b: V) in V.indicator(a .<= b) } }
  }
}

/// One exponent for all that is simple makes a simple loop.
@inline(__always)
private func power<V: Lanes>(
  _: V.Type, _ a: UnsafePointer<V.Scalar>, _ strideA: Int, _ b: UnsafePointer<V.Scalar>,
  _ strideB: Int, _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int
) {
  if count > 0, strideA == 1, strideB == 0 {
    switch b[0] {
    case 1: return map(a, y, count) { (x: V) in SimpleExponent.one.apply(x) }
    case 2: return map(a, y, count) { (x: V) in SimpleExponent.two.apply(x) }
    case 3: return map(a, y, count) { (x: V) in SimpleExponent.three.apply(x) }
    case 0.5: return map(a, y, count) { (x: V) in SimpleExponent.half.apply(x) }
    case -1: return map(a, y, count) { (x: V) in SimpleExponent.minusOne.apply(x) }
    default: break
    }
  }
  map(a, strideA, b, strideB, y, count) { (x: V, exponent: V) in x.power(exponent) }
}

/// `y[i] = c[i] != 0 ? a[i] : b[i]`.
func select<V: Lanes>(_: V.Type) -> ScalarKernels<V.Scalar>.Select {
  { c, strideC, a, strideA, b, strideB, y, count in
    @inline(__always)
    func load(_ p: UnsafePointer<V.Scalar>, _ stride: Int, _ i: Int, _ n: Int) -> V {
      if stride == 0 { return V(repeating: p[0]) }
      return n == V.count ? V.load(p + i) : V.load(p + i, first: n)
    }
    var i = 0
    while i < count {
      let n = min(V.count, count &- i)
      let isNonzero = load(c, strideC, i, n) .!= V.zero
      let result = V.select(isNonzero, load(a, strideA, i, n), load(b, strideB, i, n))
      if n == V.count { result.store(y + i) } else { result.store(y + i, first: n) }
      i &+= V.count
    }
  }
}
