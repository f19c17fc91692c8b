//  Two operations of arithmetic in one loop. What the first gives stays in a register of the processor:
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
  case .multiply: pair(code, V.self, Multiplying.self)
  }
}

private func pair<V: Lanes, First: Arithmetic>(
  _ code: PairCode, _: V.Type, _: First.Type
) -> ScalarKernels<V.Scalar>.Pair {
  switch code.second {
  case .add: pair(code, V.self, First.self, Adding.self)
  case .subtract: pair(code, V.self, First.self, Subtracting.self)
  case .multiply: pair(code, V.self, First.self, Multiplying.self)
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
  // An operand of stride 0 is a vector full of it, which is read again and again.
  var (fullA, fullB, fullC) = (V(repeating: a[0]), V(repeating: b[0]), V(repeating: c[0]))
  withUnsafePointer(to: &fullA) { fullA in
    withUnsafePointer(to: &fullB) { fullB in
      withUnsafePointer(to: &fullC) { fullC in
        @inline(__always)
        func start(_ p: UnsafePointer<V.Scalar>, _ stride: Int, _ full: UnsafePointer<V>)
          -> UnsafePointer<V.Scalar>
        {
          stride == 0 ? UnsafeRawPointer(full).assumingMemoryBound(to: V.Scalar.self) : p
        }
        var (p, q, r) = (
          start(a, strideA, fullA), start(b, strideB, fullB), start(c, strideC, fullC)
        )
        var i = 0
        // A number that the loop is sure to keep in registers need not be read.
        if strideA != 0 && strideB == 0 {
          if strideC == 0 {
            while i &+ V.count <= count {
              Second.apply(First.apply(V.load(p), fullB.pointee), fullC.pointee).store(y + i)
              p += V.count
              i &+= V.count
            }
          } else {
            while i &+ V.count <= count {
              Second.apply(First.apply(V.load(p), fullB.pointee), V.load(r)).store(y + i)
              p += V.count
              r += V.count
              i &+= V.count
            }
          }
        }
        while i &+ V.count <= count {
          Second.apply(First.apply(V.load(p), V.load(q)), V.load(r)).store(y + i)
          p += strideA &* V.count
          q += strideB &* V.count
          r += strideC &* V.count
          i &+= V.count
        }
        let rest = count &- i
        guard rest > 0 else { return }
        Second.apply(
          First.apply(V.load(p, first: rest), V.load(q, first: rest)), V.load(r, first: rest)
        ).store(y + i, first: rest)
      }
    }
  }
}
