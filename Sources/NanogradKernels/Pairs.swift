//  Two operations in one loop. What the first gives stays in a register of the processor:
//  loops over tiles of the first-level cache are bound by their loads and stores.

import NanogradKernelTable

private protocol Arithmetic: Sendable {
  static func apply<V: Lanes>(_ a: V, _ b: V) -> V
}

private enum Adding: Arithmetic {
  @inline(__always) static func apply<V: Lanes>(_ a: V, _ b: V) -> V { a + b }
}

private enum Subtracting: Arithmetic {
  @inline(__always) static func apply<V: Lanes>(_ a: V, _ b: V) -> V { a - b }
}

private enum Multiplying: Arithmetic {
  @inline(__always) static func apply<V: Lanes>(_ a: V, _ b: V) -> V { a * b }
}

private enum Maximum: Arithmetic {
  @inline(__always) static func apply<V: Lanes>(_ a: V, _ b: V) -> V { V.maximum(a, b) }
}

private enum Minimum: Arithmetic {
  @inline(__always) static func apply<V: Lanes>(_ a: V, _ b: V) -> V { V.minimum(a, b) }
}

/// What the second operation does with the first one's result and its other operand.
private protocol Ordering: Sendable {
  static func apply<V: Lanes>(_ result: V, _ c: V) -> V
}

private enum ResultFirst<Second: Arithmetic>: Ordering {
  @inline(__always)
  static func apply<V: Lanes>(_ result: V, _ c: V) -> V { Second.apply(result, c) }
}

private enum ResultSecond<Second: Arithmetic>: Ordering {
  @inline(__always)
  static func apply<V: Lanes>(_ result: V, _ c: V) -> V { Second.apply(c, result) }
}

/// The kernel of a pair.
func pair<V: Lanes>(_ code: PairCode, _: V.Type) -> ScalarKernels<V.Scalar>.Pair {
  switch code.first {
  case .add: pair(code, V.self, Adding.self)
  case .subtract: pair(code, V.self, Subtracting.self)
  default: pair(code, V.self, Multiplying.self)
  }
}

private func pair<V: Lanes, First: Arithmetic>(
  _ code: PairCode, _: V.Type, _: First.Type
) -> ScalarKernels<V.Scalar>.Pair {
  switch code.second {
  case .add: pair(code, V.self, First.self, Adding.self)
  case .subtract: pair(code, V.self, First.self, Subtracting.self)
  case .multiply: pair(code, V.self, First.self, Multiplying.self)
  case .maximum: pair(code, V.self, First.self, Maximum.self)
  case .minimum: pair(code, V.self, First.self, Minimum.self)
  }
}

private func pair<V: Lanes, First: Arithmetic, Second: Arithmetic>(
  _ code: PairCode, _: V.Type, _: First.Type, _: Second.Type
) -> ScalarKernels<V.Scalar>.Pair {
  if code.isResultFirst {
    return { map(V.self, First.self, ResultFirst<Second>.self, $0, $1, $2, $3, $4, $5, $6, $7) }
  }
  return { map(V.self, First.self, ResultSecond<Second>.self, $0, $1, $2, $3, $4, $5, $6, $7) }
}

@inline(__always)
private func map<V: Lanes, First: Arithmetic, Second: Ordering>(
  _: V.Type, _: First.Type, _: Second.Type, _ a: UnsafePointer<V.Scalar>, _ strideA: Int,
  _ b: UnsafePointer<V.Scalar>, _ strideB: Int, _ c: UnsafePointer<V.Scalar>, _ strideC: Int,
  _ y: UnsafeMutablePointer<V.Scalar>, _ count: Int
) {
  guard count > 0 else { return }
  let rest = count % V.count
  let whole = count &- rest
  @inline(__always)
  func run<A: LoopOperand, B: LoopOperand, C: LoopOperand>(_ a: A, _ b: B, _ c: C)
  where A.V == V, B.V == V, C.V == V {
    var i = 0
    while i < whole {
      Second.apply(First.apply(a.vector(at: i), b.vector(at: i)), c.vector(at: i)).store(y + i)
      i &+= V.count
    }
  }
  let (elementsA, numberA) = (Elements<V>(start: a), Number(value: V(repeating: a[0])))
  let (elementsB, numberB) = (Elements<V>(start: b), Number(value: V(repeating: b[0])))
  let (elementsC, numberC) = (Elements<V>(start: c), Number(value: V(repeating: c[0])))
  switch (strideA, strideB, strideC) {
  case (0, 0, 0): run(numberA, numberB, numberC)
  case (0, 0, _): run(numberA, numberB, elementsC)
  case (0, _, 0): run(numberA, elementsB, numberC)
  case (0, _, _): run(numberA, elementsB, elementsC)
  case (_, 0, 0): run(elementsA, numberB, numberC)
  case (_, 0, _): run(elementsA, numberB, elementsC)
  case (_, _, 0): run(elementsA, elementsB, numberC)
  default: run(elementsA, elementsB, elementsC)
  }
  guard rest > 0 else { return }
  Second.apply(
    First.apply(
      V.load(a, stride: strideA, at: whole, first: rest),
      V.load(b, stride: strideB, at: whole, first: rest)),
    V.load(c, stride: strideC, at: whole, first: rest)
  ).store(y + whole, first: rest)
}
