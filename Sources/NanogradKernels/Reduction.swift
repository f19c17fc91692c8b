//  Reductions. A block is folded into four vectors in turn, blocks are combined pairwise, which keeps
//  the error of a sum small, and lanes last: the tree depends on the count alone.

import NanogradKernelTable

/// Vectors in a block that is folded without recursion.
private let blockVectors = 64

/// One reduction, as a type, so that it is compiled into the loop.
private protocol Folding {
  associatedtype V: Lanes
  static var identity: V { get }
  /// What of an element is folded.
  static func term(_ x: V) -> V
  static func combine(_ a: V, _ b: V) -> V
}

extension Folding {
  @inline(__always) static func term(_ x: V) -> V { x }
}

private enum Summing<V: Lanes>: Folding {
  @inline(__always) static var identity: V { V.zero }
  @inline(__always) static func combine(_ a: V, _ b: V) -> V { a + b }
}

private enum SummingSquares<V: Lanes>: Folding {
  @inline(__always) static var identity: V { V.zero }
  @inline(__always) static func term(_ x: V) -> V { x * x }
  @inline(__always) static func combine(_ a: V, _ b: V) -> V { a + b }
}

private enum Maximizing<V: Lanes>: Folding {
  @inline(__always) static var identity: V { V(repeating: -.infinity) }
  @inline(__always) static func combine(_ a: V, _ b: V) -> V { V.maximum(a, b) }
}

private enum Minimizing<V: Lanes>: Folding {
  @inline(__always) static var identity: V { V(repeating: .infinity) }
  @inline(__always) static func combine(_ a: V, _ b: V) -> V { V.minimum(a, b) }
}

@inline(__always)
private func foldBlock<F: Folding>(
  _: F.Type, _ x: UnsafePointer<F.V.Scalar>, _ count: Int
) -> F.V {
  typealias V = F.V
  var (s0, s1, s2, s3) = (F.identity, F.identity, F.identity, F.identity)
  var i = 0
  while i &+ 4 &* V.count <= count {
    s0 = F.combine(s0, F.term(V.load(x + i)))
    s1 = F.combine(s1, F.term(V.load(x + i + V.count)))
    s2 = F.combine(s2, F.term(V.load(x + i + 2 &* V.count)))
    s3 = F.combine(s3, F.term(V.load(x + i + 3 &* V.count)))
    i &+= 4 &* V.count
  }
  while i &+ V.count <= count {
    s0 = F.combine(s0, F.term(V.load(x + i)))
    i &+= V.count
  }
  if i < count {
    var last = F.identity
    for lane in 0..<(count &- i) { last[lane] = x[i &+ lane] }
    s1 = F.combine(s1, F.term(last))
  }
  return F.combine(F.combine(s0, s1), F.combine(s2, s3))
}

private func fold<F: Folding>(
  _: F.Type, _ x: UnsafePointer<F.V.Scalar>, _ count: Int, into result: inout F.V
) {
  let blockSize = blockVectors &* F.V.count
  if count <= blockSize {
    result = foldBlock(F.self, x, count)
    return
  }
  let blocks = (count &+ blockSize &- 1) / blockSize
  let first = (blocks &+ 1) / 2 &* blockSize
  var rest = F.identity
  fold(F.self, x, first, into: &result)
  fold(F.self, x + first, count &- first, into: &rest)
  result = F.combine(result, rest)
}

@inline(__always)
private func reduce<F: Folding>(
  _: F.Type, _ x: UnsafePointer<F.V.Scalar>, _ count: Int
) -> F.V.Scalar {
  var folded = F.identity
  fold(F.self, x, count, into: &folded)
  // Halves onto halves, until one lane is left.
  var width = F.V.count / 2
  while width > 0 {
    var upper = folded
    for lane in 0..<width { upper[lane] = folded[lane &+ width] }
    folded = F.combine(folded, upper)
    width /= 2
  }
  return folded[0]
}

/// The kernel of a reduction.
func reduction<V: Lanes>(_ code: ReductionCode, _: V.Type) -> ScalarKernels<V.Scalar>.Reduce {
  switch code {
  case .sum: { reduce(Summing<V>.self, $0, $1) }
  case .max: { reduce(Maximizing<V>.self, $0, $1) }
  case .min: { reduce(Minimizing<V>.self, $0, $1) }
  }
}

/// The kernel of `ScalarKernels.sumOfSquares`.
func sumOfSquares<V: Lanes>(_: V.Type) -> ScalarKernels<V.Scalar>.Reduce {
  { reduce(SummingSquares<V>.self, $0, $1) }
}
