//  Chains of simple operations. What one gives stays in registers of the processor for the next: loops over tiles, one
//  for each operation, are bound by their loads and stores.
//
//  A chain is interpreted. So that finding the next instruction costs little, each is carried out for as many vectors
//  as the registers hold beside as many of an operand.

internal import CMoves
import NanogradKernelTable

/// As many elements as an instruction is carried out for at a time.
private protocol Group {
  associatedtype V: Lanes

  static var count: Int { get }
  init(number: V)
  /// Of what is less than a vector, `rest` elements.
  static func load(_ p: UnsafePointer<V.Scalar>, _ rest: Int) -> Self
  func store(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int)
  /// Past the caches, if lines are written whole.
  func stream(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int)
  static func prefetch(_ p: UnsafePointer<V.Scalar>)
  func applying(_ code: UnaryCode) -> Self
  func applying(_ code: BinaryCode, _ y: Self) -> Self
  /// With the operands exchanged.
  func applied(_ code: BinaryCode, to y: Self) -> Self
}

/// What is in one vector.
private protocol Vector: Group {
  var x: V { get }
}

extension Vector {
  @inline(__always) func applying(_ code: UnaryCode) -> Self { Self(number: code.apply(x)) }
  @inline(__always) func applying(_ code: BinaryCode, _ y: Self) -> Self {
    Self(number: apply(code, x, y.x))
  }
  @inline(__always) func applied(_ code: BinaryCode, to y: Self) -> Self {
    Self(number: apply(code, y.x, x))
  }
}

/// Less than a vector.
private struct Rest<V: Lanes>: Vector {
  let x: V

  static var count: Int { 1 }
  @inline(__always) init(number: V) { x = number }
  @inline(__always) static func load(_ p: UnsafePointer<V.Scalar>, _ rest: Int) -> Self {
    Self(number: V.load(p, first: rest))
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) {
    x.store(p, first: rest)
  }
  @inline(__always) func stream(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) {
    x.store(p, first: rest)
  }
  @inline(__always) static func prefetch(_ p: UnsafePointer<V.Scalar>) {}
}

/// A vector.
private struct One<V: Lanes>: Vector {
  let x: V

  static var count: Int { V.count }
  @inline(__always) init(number: V) { x = number }
  @inline(__always) static func load(_ p: UnsafePointer<V.Scalar>, _ rest: Int) -> Self {
    Self(number: V.load(p))
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) { x.store(p) }
  @inline(__always) func stream(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) {
    if UInt(bitPattern: p) & 63 != 0 { return x.store(p) }
    withUnsafePointer(to: x) { ngp_stream_line(p, $0) }
  }
  @inline(__always) static func prefetch(_ p: UnsafePointer<V.Scalar>) { ngp_prefetch_near(p) }
}

/// One group and another that follows it.
private struct Both<Low: Group, High: Group>: Group where Low.V == High.V {
  typealias V = Low.V
  let low: Low
  let high: High

  static var count: Int { Low.count &+ High.count }
  @inline(__always) init(_ low: Low, _ high: High) { (self.low, self.high) = (low, high) }
  @inline(__always) init(number: V) { self.init(Low(number: number), High(number: number)) }
  @inline(__always) static func load(_ p: UnsafePointer<V.Scalar>, _ rest: Int) -> Self {
    Self(Low.load(p, rest), High.load(p + Low.count, rest))
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) {
    low.store(p, rest)
    high.store(p + Low.count, rest)
  }
  @inline(__always) func stream(_ p: UnsafeMutablePointer<V.Scalar>, _ rest: Int) {
    low.stream(p, rest)
    high.stream(p + Low.count, rest)
  }
  @inline(__always) static func prefetch(_ p: UnsafePointer<V.Scalar>) {
    Low.prefetch(p)
    High.prefetch(p + Low.count)
  }
  @inline(__always) func applying(_ code: UnaryCode) -> Self {
    Self(low.applying(code), high.applying(code))
  }
  @inline(__always) func applying(_ code: BinaryCode, _ y: Self) -> Self {
    Self(low.applying(code, y.low), high.applying(code, y.high))
  }
  @inline(__always) func applied(_ code: BinaryCode, to y: Self) -> Self {
    Self(low.applied(code, to: y.low), high.applied(code, to: y.high))
  }
}

private typealias Two<V: Lanes> = Both<One<V>, One<V>>
private typealias Four<V: Lanes> = Both<Two<V>, Two<V>>

#if NANOGRAD_AVX512
  private typealias Largest<V: Lanes> = Both<Four<V>, Four<V>>
#elseif NANOGRAD_AVX2
  private typealias Largest<V: Lanes> = Both<Four<V>, Two<V>>
#elseif !arch(x86_64)
  private typealias Largest<V: Lanes> = Four<V>
#else
  private typealias Largest<V: Lanes> = Two<V>
#endif

/// Carries out the program for whole groups from element `start` on; where it stops.
@inline(__always)
private func run<G: Group>(
  _: G.Type, _ program: UnsafePointer<ChainInstruction>,
  _ sources: UnsafePointer<UnsafeMutablePointer<G.V.Scalar>>, _ start: Int, _ end: Int, _ rest: Int
) -> Int {
  var i = start
  while i &+ G.count <= end {
    var x = G(number: G.V.zero)
    var next = program
    program: while true {
      let instruction = next.pointee
      next += 1
      let p = sources[instruction.source]
      @inline(__always) func y() -> G { G.load(UnsafePointer(p + i), rest) }
      @inline(__always) func number() -> G { G(number: G.V(repeating: p[0])) }
      switch instruction.code {
      case .load: x = y()
      case .loadNumber: x = number()
      case .add: x = x.applying(.add, y())
      case .addNumber: x = x.applying(.add, number())
      case .subtract: x = x.applying(.subtract, y())
      case .subtractNumber: x = x.applying(.subtract, number())
      case .multiply: x = x.applying(.multiply, y())
      case .multiplyNumber: x = x.applying(.multiply, number())
      case .divide: x = x.applying(.divide, y())
      case .divideNumber: x = x.applying(.divide, number())
      case .maximum: x = x.applying(.maximum, y())
      case .maximumNumber: x = x.applying(.maximum, number())
      case .minimum: x = x.applying(.minimum, y())
      case .minimumNumber: x = x.applying(.minimum, number())
      case .equal: x = x.applying(.equal, y())
      case .equalNumber: x = x.applying(.equal, number())
      case .less: x = x.applying(.less, y())
      case .lessNumber: x = x.applying(.less, number())
      case .lessEqual: x = x.applying(.lessEqual, y())
      case .lessEqualNumber: x = x.applying(.lessEqual, number())
      case .subtractFrom: x = x.applied(.subtract, to: y())
      case .subtractFromNumber: x = x.applied(.subtract, to: number())
      case .divideInto: x = x.applied(.divide, to: y())
      case .divideIntoNumber: x = x.applied(.divide, to: number())
      case .maximumOf: x = x.applied(.maximum, to: y())
      case .maximumOfNumber: x = x.applied(.maximum, to: number())
      case .minimumOf: x = x.applied(.minimum, to: y())
      case .minimumOfNumber: x = x.applied(.minimum, to: number())
      case .greater: x = x.applied(.less, to: y())
      case .greaterNumber: x = x.applied(.less, to: number())
      case .greaterEqual: x = x.applied(.lessEqual, to: y())
      case .greaterEqualNumber: x = x.applied(.lessEqual, to: number())
      case .absolute: x = x.applying(.absolute)
      case .negate: x = x.applying(.negate)
      case .square: x = x.applying(.square)
      case .squareRoot: x = x.applying(.sqrt)
      case .reciprocal: x = x.applying(.reciprocal)
      case .relu: x = x.applying(.relu)
      case .store: x.store(p + i, rest)
      case .stream: x.stream(p + i, rest)
      case .prefetch: G.prefetch(UnsafePointer(p + i) + instruction.distance)
      case .end: break program
      }
    }
    i &+= G.count
  }
  return i
}

func chain<V: Lanes>(_: V.Type) -> ScalarKernels<V.Scalar>.Chain {
  { program, sources, count in
    var i = run(Largest<V>.self, program, sources, 0, count, 0)
    // A tile's end, often a third or two of the largest group, is not to go through the program vector by vector.
    #if NANOGRAD_AVX512 || NANOGRAD_AVX2
      i = run(Four<V>.self, program, sources, i, count, 0)
    #endif
    i = run(Two<V>.self, program, sources, i, count, 0)
    i = run(One<V>.self, program, sources, i, count, 0)
    if i < count {
      _ = run(Rest<V>.self, program, sources, i, i &+ 1, count &- i)
    }
  }
}
