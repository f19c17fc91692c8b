//  Every elementwise kernel: a skeleton of loops, and one line that says what is computed. The end of
//  an array is computed like the rest, in a vector that is only partly stored.
//
//  A skeleton is given a code, not a closure: only functions that are declared `@inline(__always)` are
//  sure to become part of the loop, and the code, a constant there, leaves one case of them.

import NanogradKernelTable

/// What a loop over one argument computes.
protocol UnaryOperation {
  func apply<V: Lanes>(_ x: V) -> V
}

extension UnaryCode: UnaryOperation {
  @inline(__always) func apply<V: Lanes>(_ x: V) -> V {
    switch self {
    case .copy: x
    case .absolute: x.magnitude
    case .sign:
      V.one.flippingSign(by: x).replacing(with: x, where: V.or(x .== V.zero, x .!= x))
    case .exp: x.exponential()
    case .log: x.logarithm()
    case .log1p: x.logarithmOfOnePlus()
    case .expm1: x.exponentialMinusOne()
    case .sqrt: x.squareRoot()
    case .sin: x.sine()
    case .cos: x.cosine()
    case .tanh: x.hyperbolicTangent()
    case .sigmoid: x.sigmoid()
    case .relu: x.replacing(with: V.zero, where: x .<= V.zero)
    case .negate: x.negated
    case .reciprocal: V.one / x
    case .square: x * x
    }
  }
}

/// What is computed from two arguments.
@inline(__always)
func apply<V: Lanes>(_ code: BinaryCode, _ a: V, _ b: V) -> V {
  switch code {
  case .add: a + b
  case .subtract: a - b
  case .multiply: a * b
  case .divide: a / b
  case .power: a.power(b)
  case .maximum: V.maximum(a, b)
  case .minimum: V.minimum(a, b)
  case .equal: V.indicator(a .== b)
  case .less: V.indicator(a .< b)
  case .lessEqual: V.indicator(a .<= b)
  }
}

// The loop of a skeleton runs over the whole vectors, then once more over a copy of what is left.

@inline(__always)
private func map<V: Lanes, Operation: UnaryOperation>(
  _ operation: Operation, _: V.Type, _ x: UnsafePointer<V.Scalar>,
  _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int
) {
  let rest = count % V.count
  var scratch = V.zero
  withScalars(of: &scratch) { scratch in
    var (x, target, vectors) = (x, y, count / V.count)
    while true {
      for _ in 0..<vectors {
        operation.apply(V.load(x)).store(target)
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

/// An operand of a loop: vectors side by side, or a number, which is in every lane of a register and so
/// takes no instruction to read.
protocol LoopOperand {
  associatedtype V: Lanes
  func vector(at i: Int) -> V
}

struct Elements<V: Lanes>: LoopOperand {
  let start: UnsafePointer<V.Scalar>
  @inline(__always) func vector(at i: Int) -> V { V.load(start + i) }
}

struct Number<V: Lanes>: LoopOperand {
  let value: V
  @inline(__always) func vector(at i: Int) -> V { value }
}

/// Either of the two: for functions that are too long to be written out for each.
struct Strided<V: Lanes>: LoopOperand {
  let start: UnsafePointer<V.Scalar>
  let stride: Int
  @inline(__always) func vector(at i: Int) -> V {
    stride == 0 ? V(repeating: start[0]) : V.load(start + i)
  }
}

extension Lanes {
  /// What is left of an operand after its whole vectors, or its number.
  @inline(__always)
  static func load(_ p: UnsafePointer<Scalar>, stride: Int, at i: Int, first n: Int) -> Self {
    stride == 0 ? Self(repeating: p[0]) : load(p + i, first: n)
  }
}

@inline(__always)
private func map<A: LoopOperand, B: LoopOperand>(
  _ code: BinaryCode, _ a: A, _ b: B, _ y: UnsafeMutablePointer<A.V.Scalar>, _ whole: Int
) where A.V == B.V {
  var i = 0
  while i < whole {
    apply(code, a.vector(at: i), b.vector(at: i)).store(y + i)
    i &+= A.V.count
  }
}

@inline(__always)
private func map<V: Lanes>(
  _ code: BinaryCode, _: V.Type, _ a: UnsafePointer<V.Scalar>, _ strideA: Int,
  _ b: UnsafePointer<V.Scalar>, _ strideB: Int, _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int
) {
  guard count > 0 else { return }
  let rest = count % V.count
  let whole = count &- rest
  let (firstA, firstB) = (V(repeating: a[0]), V(repeating: b[0]))
  switch (strideA, strideB) {
  case _ where code == .power:
    map(
      code, Strided<V>(start: a, stride: strideA), Strided<V>(start: b, stride: strideB), y, whole)
  case (0, 0): map(code, Number(value: firstA), Number(value: firstB), y, whole)
  case (0, _): map(code, Number(value: firstA), Elements(start: b), y, whole)
  case (_, 0): map(code, Elements(start: a), Number(value: firstB), y, whole)
  default: map(code, Elements<V>(start: a), Elements(start: b), y, whole)
  }
  guard rest > 0 else { return }
  apply(
    code, V.load(a, stride: strideA, at: whole, first: rest),
    V.load(b, stride: strideB, at: whole, first: rest)
  ).store(y + whole, first: rest)
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
  case .copy: { map(UnaryCode.copy, V.self, $0, $1, $2) }
  case .absolute: { map(UnaryCode.absolute, V.self, $0, $1, $2) }
  case .sign: { map(UnaryCode.sign, V.self, $0, $1, $2) }
  case .exp: { map(UnaryCode.exp, V.self, $0, $1, $2) }
  case .log: { map(UnaryCode.log, V.self, $0, $1, $2) }
  case .log1p: { map(UnaryCode.log1p, V.self, $0, $1, $2) }
  case .expm1: { map(UnaryCode.expm1, V.self, $0, $1, $2) }
  case .sqrt: { map(UnaryCode.sqrt, V.self, $0, $1, $2) }
  case .sin: { map(UnaryCode.sin, V.self, $0, $1, $2) }
  case .cos: { map(UnaryCode.cos, V.self, $0, $1, $2) }
  case .tanh: { map(UnaryCode.tanh, V.self, $0, $1, $2) }
  case .sigmoid: { map(UnaryCode.sigmoid, V.self, $0, $1, $2) }
  case .relu: { map(UnaryCode.relu, V.self, $0, $1, $2) }
  case .negate: { map(UnaryCode.negate, V.self, $0, $1, $2) }
  case .reciprocal: { map(UnaryCode.reciprocal, V.self, $0, $1, $2) }
  case .square: { map(UnaryCode.square, V.self, $0, $1, $2) }
  }
}

/// The kernel of a function of two arguments.
func binary<V: Lanes>(_ code: BinaryCode, _: V.Type) -> ScalarKernels<V.Scalar>.Binary {
  switch code {
  case .add: { map(.add, V.self, $0, $1, $2, $3, $4, $5) }
  case .subtract: { map(.subtract, V.self, $0, $1, $2, $3, $4, $5) }
  case .multiply: { map(.multiply, V.self, $0, $1, $2, $3, $4, $5) }
  case .divide: { map(.divide, V.self, $0, $1, $2, $3, $4, $5) }
  case .power:
    // A common exponent that is an operation or two makes a simple loop.
    { a, strideA, b, strideB, y, count in
      switch count > 0 && strideA == 1 && strideB == 0 ? b[0] : 0 {
      case 1: map(SimpleExponent.one, V.self, a, y, count)
      case 2: map(SimpleExponent.two, V.self, a, y, count)
      case 3: map(SimpleExponent.three, V.self, a, y, count)
      case 0.5: map(SimpleExponent.half, V.self, a, y, count)
      case -1: map(SimpleExponent.minusOne, V.self, a, y, count)
      default: map(.power, V.self, a, strideA, b, strideB, y, count)
      }
    }
  case .maximum: { map(.maximum, V.self, $0, $1, $2, $3, $4, $5) }
  case .minimum: { map(.minimum, V.self, $0, $1, $2, $3, $4, $5) }
  case .equal: { map(.equal, V.self, $0, $1, $2, $3, $4, $5) }
  case .less: { map(.less, V.self, $0, $1, $2, $3, $4, $5) }
  case .lessEqual: { map(.lessEqual, V.self, $0, $1, $2, $3, $4, $5) }
  }
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
