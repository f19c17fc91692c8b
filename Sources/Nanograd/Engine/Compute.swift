//  One operator, applied to dense values: the reference that everything faster is tested against.

import Glibc
import NanogradKernelTable

extension Tensor {
  /// The value of this operator for the values of its operands.
  func compute(_ x: [Value]) throws -> Value {
    switch op {
    case .variable, .parameter: try leaf?.value ?? zeroed()
    case .named, .reshape, .stopGradient: x[0]
    case .permute, .broadcast, .slice, .place, .concatenate:
      dtype.size == 4 ? try move(x, UInt32.self) : try move(x, UInt64.self)
    case .gather, .scatterAdd: try computeSelection(x)
    case .argmax:
      switch self[0].dtype {
      case .float32: try largest(x[0], Float.self)
      case .float64: try largest(x[0], Double.self)
      case .int32: try largest(x[0], Int32.self)
      case .int64: try largest(x[0], Int64.self)
      }
    case .cast:
      switch self[0].dtype {
      case .float32: try converted(x[0], from: Float.self)
      case .float64: try converted(x[0], from: Double.self)
      case .int32: try converted(x[0], from: Int32.self)
      case .int64: try converted(x[0], from: Int64.self)
      }
    default:
      switch dtype {
      case .float32: try computeFloat(x, Float.self)
      case .float64: try computeFloat(x, Double.self)
      case .int32: try computeInteger(x, Int32.self)
      case .int64: try computeInteger(x, Int64.self)
      }
    }
  }

  /// Memory for the result.
  func result() throws -> Value { try Value(bytes: bytes) }

  private func computeFloat<T: FloatElement>(_ x: [Value], _ type: T.Type) throws -> Value {
    if let code = op.unary {
      let y = try result()
      T.kernels.unary(code)(x[0].elements(), y.elements(), size)
      return y
    }
    if let code = op.binary {
      let kernel = T.kernels.binary(code)
      return try alongRuns(x, T.self) { p, step, y, n in kernel(p[0], step[0], p[1], step[1], y, n)
      }
    }
    switch op {
    case .select:
      let kernel = T.kernels.select
      return try alongRuns(x, T.self) { p, step, y, n in
        kernel(p[0], step[0], p[1], step[1], p[2], step[2], y, n)
      }
    case .matmul: return try product(x, T.self)
    case .sum, .max, .min:
      let code = op.reduction!
      let row = T.kernels.reduce(code)
      let pair = T.kernels.binary(code.pairwise)
      return try reduced(x[0], T.self, row: row) { a, b, n in pair(a, 1, b, 1, a, n) }
    default: return try filled(T.self)
    }
  }

  private func computeInteger<T: Element & FixedWidthInteger>(
    _ x: [Value], _ type: T.Type
  ) throws -> Value {
    if let code = op.unary {
      let y = try result()
      let (source, target) = (x[0].elements(T.self), y.elements(T.self))
      for i in 0..<size { target[i] = integer(code, source[i]) }
      return y
    }
    if let code = op.binary {
      return try alongRuns(x, T.self) { p, step, y, n in
        for i in 0..<n { y[i] = integer(code, p[0][i * step[0]], p[1][i * step[1]]) }
      }
    }
    switch op {
    case .select:
      return try alongRuns(x, T.self) { p, step, y, n in
        for i in 0..<n { y[i] = p[0][i * step[0]] != 0 ? p[1][i * step[1]] : p[2][i * step[2]] }
      }
    case .sum, .max, .min:
      let code = op.reduction!.pairwise
      let first: T = op == .sum ? 0 : op == .max ? .min : .max
      let row = { (p: UnsafePointer<T>, n: Int) -> T in
        (0..<n).reduce(first) { integer(code, $0, p[$1]) }
      }
      return try reduced(x[0], T.self, row: row) { a, b, n in
        for i in 0..<n { a[i] = integer(code, a[i], b[i]) }
      }
    default: return try filled(T.self)
    }
  }

  /// A constant, or the numbers 0, 1, 2, ….
  private func filled<T: Element>(_ type: T.Type) throws -> Value {
    let y = try result()
    let elements = y.elements(T.self)
    for i in 0..<size {
      elements[i] = constant.map { T.converting($0) } ?? T.converting(Int64(i))
    }
    return y
  }

  private func converted<S: Element>(_ x: Value, from: S.Type) throws -> Value {
    switch dtype {
    case .float32: try converted(x, from, to: Float.self)
    case .float64: try converted(x, from, to: Double.self)
    case .int32: try converted(x, from, to: Int32.self)
    case .int64: try converted(x, from, to: Int64.self)
    }
  }

  private func converted<S: Element, T: Element>(
    _ x: Value, _ from: S.Type, to: T.Type
  ) throws -> Value {
    let y = try result()
    let (source, target) = (x.elements(S.self), y.elements(T.self))
    for i in 0..<size {
      // int64 does not fit into a double: integers are converted as integers.
      target[i] = (source[i] as? Int64).map { T.converting($0) } ?? T.converting(source[i].asDouble)
    }
    return y
  }

  /// Runs an elementwise loop over the operands, broadcast to the result.
  private func alongRuns<T: Element>(
    _ x: [Value], _ type: T.Type,
    _ body: (
      _ operands: InlineArray<3, UnsafePointer<T>>, _ steps: InlineArray<4, Int>,
      _ result: UnsafeMutablePointer<T>, _ count: Int
    ) -> Void
  ) throws -> Value {
    let y = try result()
    let last = x.count - 1
    let bases = InlineArray<3, UnsafePointer<T>> {
      UnsafePointer(x[Swift.min($0, last)].elements(T.self))
    }
    // One run, where operands are whole or a single element: most of a long chain of small operators.
    if (0...last).allSatisfy({ self[$0].shape == shape || self[$0].size == 1 }) {
      body(
        bases, InlineArray<4, Int> { self[Swift.min($0, last)].size == 1 ? 0 : 1 },
        y.elements(T.self), size)
      return y
    }
    let strides = InlineArray<3, Strides> {
      self[Swift.min($0, last)].shape.strides(broadcastTo: shape)
    }
    let loop = Loop(shape, strides[0], strides[1], strides[2], shape.strides)
    loop.forEach { offset in
      body(
        InlineArray<3, UnsafePointer<T>> { bases[$0] + offset[$0] }, loop.step,
        y.elements(T.self) + offset[3], loop.run)
    }
    return y
  }

  /// A batch of matrix products.
  private func product<T: FloatElement>(_ x: [Value], _ type: T.Type) throws -> Value {
    let y = try result()
    // A product without elements may be one of any number of matrices.
    guard size > 0 else { return y }
    let (a, b) = (self[0].shape, self[1].shape)
    let k = a[a.rank - 1]
    let m = a.rank > 1 ? a[a.rank - 2] : 1
    let n = b.rank > 1 ? b[b.rank - 1] : 1
    let batch = try Shape(shape.dropLast((a.rank > 1 ? 1 : 0) + (b.rank > 1 ? 1 : 0)))
    let batchA = try Shape(a.dropLast(2)).strides(broadcastTo: batch)
    let batchB = try Shape(b.dropLast(2)).strides(broadcastTo: batch)
    // One stripe of rows or columns per thread, where there is enough to do for each. An element's bits
    // do not depend on the stripes.
    let stripes =
      m * n * k < 1 << 17 ? 1 : Swift.min(numberOfThreads, 64, (Swift.max(m, n) + 15) / 16)
    let width = ((Swift.max(m, n) + stripes - 1) / stripes + 15) & ~15
    let room = T.kernels.matmulWorkspace
    let workspace = try Value(bytes: stripes * room * dtype.size, for: .working)
    let (matmul, matrixVector) = (T.kernels.matmul, T.kernels.matrixVector)
    let loop = Loop(batch, batchA, batchB, batch.strides)
    loop.forEach { offset in
      for i in 0..<loop.run {
        let left = x[0].elements(T.self) + (offset[0] + i * loop.step[0]) * m * k
        let right = x[1].elements(T.self) + (offset[1] + i * loop.step[1]) * k * n
        let target = y.elements(T.self) + (offset[2] + i * loop.step[2]) * m * n
        Workers.run(stripes) { stripe, _ in
          let first = Swift.min(stripe * width, Swift.max(m, n))
          let count = Swift.min(width, Swift.max(m, n) - first)
          let space = workspace.elements(T.self) + stripe * room
          if n == 1 {
            matrixVector(
              count, k, left + first * k, k, 1, right, 1, target + first, false, space)
          } else if m > n {
            matmul(
              count, n, k, left + first * k, k, 1, right, n, 1, target + first * n, n, false, space)
          } else {
            matmul(m, count, k, left, k, 1, right + first, n, 1, target + first, n, false, space)
          }
        }
      }
    }
    return y
  }
}

extension Operator {
  /// The kernel of an elementwise primitive of one operand.
  var unary: UnaryCode? {
    switch self {
    case .negate: .negate
    case .absolute: .absolute
    case .sign: .sign
    case .exp: .exp
    case .log: .log
    case .log1p: .log1p
    case .expm1: .expm1
    case .sqrt: .sqrt
    case .sin: .sin
    case .cos: .cos
    case .tanh: .tanh
    case .sigmoid: .sigmoid
    case .relu: .relu
    default: nil
    }
  }

  /// The kernel of an elementwise primitive of two operands.
  var binary: BinaryCode? {
    switch self {
    case .add: .add
    case .subtract: .subtract
    case .multiply: .multiply
    case .divide: .divide
    case .power: .power
    case .maximum: .maximum
    case .minimum: .minimum
    case .equal: .equal
    case .less: .less
    case .lessEqual: .lessEqual
    default: nil
    }
  }

  /// The kernel of a reduction.
  var reduction: ReductionCode? {
    switch self {
    case .sum: .sum
    case .max: .max
    case .min: .min
    default: nil
    }
  }
}

extension ReductionCode {
  /// The operator that combines two elements.
  var pairwise: BinaryCode {
    switch self {
    case .sum: .add
    case .max: .maximum
    case .min: .minimum
    }
  }
}

/// An elementwise function of an integer; those that integers do not have never get here.
private func integer<T: Element & FixedWidthInteger>(_ code: UnaryCode, _ x: T) -> T {
  switch code {
  case .negate: T.wrappingDifference(0, x)
  case .absolute: x < 0 ? T.wrappingDifference(0, x) : x
  case .sign: x.signum()
  case .relu: Swift.max(x, 0)
  default: x
  }
}

private func integer<T: Element & FixedWidthInteger>(_ code: BinaryCode, _ a: T, _ b: T) -> T {
  switch code {
  case .add: T.wrappingSum(a, b)
  case .subtract: T.wrappingDifference(a, b)
  case .multiply: T.wrappingProduct(a, b)
  case .maximum: Swift.max(a, b)
  case .minimum: Swift.min(a, b)
  case .equal: a == b ? 1 : 0
  case .less: a < b ? 1 : 0
  case .lessEqual: a <= b ? 1 : 0
  case .divide, .power: a
  }
}
