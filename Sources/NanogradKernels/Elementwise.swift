//  Every elementwise kernel: a skeleton of loops, and one line that says what is computed. The end of
//  an array is computed like the rest, in a vector that is only partly stored.

import NanogradKernelTable

// Each skeleton calls its function in one place only, so that the compiler makes it part of the loop:
// the loop runs over the whole vectors, then once more over a copy of what is left.

@inline(__always)
private func map<V: Lanes>(
  _ x: UnsafePointer<V.Scalar>, _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int,
  _ f: (V) -> V
) {
  let rest = count % V.count
  var scratch = V.zero
  withScalars(of: &scratch) { scratch in
    var (x, target, vectors) = (x, y, count / V.count)
    while true {
      for _ in 0..<vectors {
        f(V.load(x)).store(target)
        x += V.count
        target += V.count
      }
      if target == scratch + V.count || rest == 0 { break }
      V.load(x, first: rest).store(scratch)
      (x, target, vectors) = (UnsafePointer(scratch), scratch, 1)
    }
    if rest > 0 { V.load(scratch).store(y + (count &- rest), first: rest) }
  }
}

@inline(__always)
private func map<V: Lanes>(
  _ a: UnsafePointer<V.Scalar>, _ strideA: Int, _ b: UnsafePointer<V.Scalar>, _ strideB: Int,
  _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int, _ f: (V, V) -> V
) {
  guard count > 0 else { return }
  let rest = count % V.count
  // An operand of stride 0 is read from a vector full of it, again and again.
  var (scratchA, scratchB) = (V(repeating: a[0]), V(repeating: b[0]))
  var scratchY = V.zero
  withScalars(of: &scratchA) { scratchA in
    withScalars(of: &scratchB) { scratchB in
      withScalars(of: &scratchY) { scratchY in
        var a = strideA == 0 ? UnsafePointer(scratchA) : a
        var b = strideB == 0 ? UnsafePointer(scratchB) : b
        let (stepA, stepB) = (strideA &* V.count, strideB &* V.count)
        var (target, vectors) = (y, count / V.count)
        while true {
          for _ in 0..<vectors {
            f(V.load(a), V.load(b)).store(target)
            a += stepA
            b += stepB
            target += V.count
          }
          if target == scratchY + V.count || rest == 0 { break }
          if strideA != 0 { V.load(a, first: rest).store(scratchA) }
          if strideB != 0 { V.load(b, first: rest).store(scratchB) }
          (a, b) = (UnsafePointer(scratchA), UnsafePointer(scratchB))
          (target, vectors) = (scratchY, 1)
        }
        if rest > 0 { V.load(scratchY).store(y + (count &- rest), first: rest) }
      }
    }
  }
}

@inline(__always)
private func withScalars<V: Lanes>(
  of vector: inout V, _ body: (UnsafeMutablePointer<V.Scalar>) -> Void
) {
  withUnsafeMutablePointer(to: &vector) {
    body(UnsafeMutableRawPointer($0).assumingMemoryBound(to: V.Scalar.self))
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
