//  Every elementwise kernel against a plain function, at every length around the vectors' own.

import NanogradKernelTable
import XCTest

/// What a unary code means, in double precision, and how far a kernel may be from it, in ulp.
private func meaning(_ code: UnaryCode) -> (f: (Double) -> Double, ulps: Double) {
  switch code {
  case .copy: ({ $0 }, 0)
  case .absolute: ({ abs($0) }, 0)
  case .sign: ({ $0.isNaN || $0 == 0 ? $0 : $0 < 0 ? -1 : 1 }, 0)
  case .exp: ({ exp($0) }, 2)
  case .log: ({ log($0) }, 2)
  case .log1p: ({ log1p($0) }, 4)
  case .expm1: ({ expm1($0) }, 4)
  case .sqrt: ({ $0.squareRoot() }, 0.5)
  case .sin: ({ sin($0) }, 4)
  case .cos: ({ cos($0) }, 4)
  case .tanh: ({ tanh($0) }, 2)
  case .sigmoid: ({ $0 >= 0 ? 1 / (1 + exp(-$0)) : exp($0) / (1 + exp($0)) }, 2)
  case .relu: ({ $0.isNaN ? $0 : $0 <= 0 ? 0 : $0 }, 0)
  case .negate: ({ -$0 }, 0)
  case .reciprocal: ({ 1 / $0 }, 0.5)
  case .square: ({ $0 * $0 }, 0.5)
  }
}

private func meaning(_ code: BinaryCode) -> (f: (Double, Double) -> Double, ulps: Double) {
  switch code {
  case .add: ({ $0 + $1 }, 0.5)
  case .subtract: ({ $0 - $1 }, 0.5)
  case .multiply: ({ $0 * $1 }, 0.5)
  case .divide: ({ $0 / $1 }, 0.5)
  case .power: ({ pow($0, $1) }, 2)
  case .maximum: ({ $0.isNaN || $1.isNaN ? .nan : max($0, $1) }, 0)
  case .minimum: ({ $0.isNaN || $1.isNaN ? .nan : min($0, $1) }, 0)
  case .equal: ({ $0 == $1 ? 1 : 0 }, 0)
  case .less: ({ $0 < $1 ? 1 : 0 }, 0)
  case .lessEqual: ({ $0 <= $1 ? 1 : 0 }, 0)
  }
}

/// What is computed in double precision with an error itself gets room for that.
private func allowance<S: KernelScalar>(_ ulps: Double, _: S.Type) -> Double {
  ulps + (S.self == Double.self && ulps > 0.5 ? 2 : 0.001)
}

private func checkUnary<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  var sampler = Sampler(7)
  for code in UnaryCode.allCases {
    let (f, limit) = meaning(code)
    for count in Array(0...(128 / MemoryLayout<S>.size + 1)) + [100, 1000] {
      let x: [S] = sampler.mixed(count)
      let input = Guarded(x, shift: count % 5)
      let output = Guarded<S>(count: count, shift: count % 3)
      kernels.unary(code)(input.const, output.pointer, count)
      XCTAssert(output.isIntact && input.isIntact && same(input.values, x), "\(table.name) \(code)")
      for (x, y) in zip(x, output.values) {
        let error = ulps(y, f(x.asDouble))
        if error > allowance(limit, S.self) {
          XCTFail("\(table.name) \(code)(\(x)) = \(y), not \(f(x.asDouble)): \(error) ulp")
        }
      }
      kernels.unary(code)(input.const, input.pointer, count)
      XCTAssert(same(input.values, output.values), "\(table.name) \(code) in place, \(count)")
      // One element alone is computed as it is among others.
      if count > 0 {
        let alone = Guarded([x[count - 1]])
        kernels.unary(code)(alone.const, alone.pointer, 1)
        XCTAssert(same(alone.values[0], output.values[count - 1]), "\(table.name) \(code) alone")
      }
    }
  }
}

private func checkBinary<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  var sampler = Sampler(8)
  for code in BinaryCode.allCases {
    let (f, limit) = meaning(code)
    for count in Array(0...(128 / MemoryLayout<S>.size + 1)) + [1000] {
      let a: [S] = sampler.mixed(max(count, 1))
      let b: [S] = sampler.mixed(max(count, 1))
      for (strideA, strideB) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let first = Guarded(strideA == 0 ? [a[0]] : a, shift: count % 4)
        let second = Guarded(strideB == 0 ? [b[0]] : b, shift: count % 3)
        let output = Guarded<S>(count: count)
        let kernel = kernels.binary(code)
        kernel(first.const, strideA, second.const, strideB, output.pointer, count)
        XCTAssert(output.isIntact, "\(table.name) \(code)")
        for i in 0..<count {
          let (x, y) = (a[i * strideA], b[i * strideB])
          let exact = f(x.asDouble, y.asDouble)
          // Simple exponents cost up to two roundings.
          let error = ulps(output.values[i], exact)
          if error > allowance(limit, S.self) {
            XCTFail(
              "\(table.name) \(code)(\(x), \(y)) = \(output.values[i]), not \(exact): \(error) ulp")
          }
        }
        if strideA == 1 {
          kernel(first.const, 1, second.const, strideB, first.pointer, count)
          XCTAssert(same(Array(first.values.prefix(count)), output.values), "\(code) in place")
        } else if strideB == 1 {
          kernel(first.const, 0, second.const, 1, second.pointer, count)
          XCTAssert(same(Array(second.values.prefix(count)), output.values), "\(code) in place")
        }
      }
    }
  }
}

/// A chain gives the bits of its operations one after the other, whatever the number of elements, in place too.
private func checkChain<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  let lanes = 64 / MemoryLayout<S>.size
  var sampler = Sampler(10)
  var used: Set<ChainCode> = [.end]
  func run(_ program: [ChainInstruction], _ sources: [Guarded<S>], _ count: Int) {
    for instruction in program { used.insert(instruction.code) }
    kernels.chain(
      program + [ChainInstruction(.end)], sources.map { UnsafeMutablePointer(mutating: $0.const) },
      count)
  }
  for count in Array(0...(2 * lanes + 1)) + [9 * lanes + 3, 1000] {
    let (a, b): ([S], [S]) = (sampler.mixed(max(count, 1)), sampler.mixed(max(count, 1)))
    for code in BinaryCode.allCases {
      for variant in 0..<4 {
        let (isReversed, isNumber) = (variant & 1 == 1, variant & 2 == 2)
        guard let chained = ChainCode(code, isReversed: isReversed) else { continue }
        let x = Guarded(a, shift: count % 4)
        let y = Guarded(isNumber ? [b[0]] : b, shift: (count + 1) % 4)
        let (output, expected) = (Guarded<S>(count: count), Guarded<S>(count: count))
        let step = isNumber ? 0 : 1
        if isReversed {
          kernels.binary(code)(y.const, step, x.const, 1, expected.pointer, count)
        } else {
          kernels.binary(code)(x.const, 1, y.const, step, expected.pointer, count)
        }
        let program = [
          ChainInstruction(.load),
          ChainInstruction(isNumber ? chained.ofNumber : chained, source: 1),
          ChainInstruction(.store, source: 2),
        ]
        run(program, [x, y, output], count)
        XCTAssert(
          output.isIntact && same(output.values, expected.values), "\(table.name) \(code) \(count)")
        run(program, [x, y, x], count)
        XCTAssert(same(Array(x.values.prefix(count)), expected.values), "\(code) in place")
      }
    }
    for code in UnaryCode.allCases {
      guard let chained = ChainCode(code) else { continue }
      let (x, number) = (Guarded(a), Guarded([b[0]]))
      let (output, expected) = (Guarded<S>(count: count), Guarded<S>(count: count))
      kernels.unary(code)(x.const, expected.pointer, count)
      let last = chained == .load ? [] : [ChainInstruction(chained)]
      run(
        [ChainInstruction(.loadNumber, source: 1), ChainInstruction(.load)] + last
          + [ChainInstruction(.store, source: 2)], [x, number, output], count)
      XCTAssert(
        output.isIntact && same(output.values, expected.values), "\(table.name) \(code) \(count)")
    }
    // What is kept on the way, and results past the caches, whatever their alignment.
    for shift in 0..<3 {
      let (x, y) = (Guarded(a), Guarded([b[0]]))
      let (between, output) = (Guarded<S>(count: count), Guarded<S>(count: count, shift: shift))
      run(
        [
          ChainInstruction(.load), ChainInstruction(.addNumber, source: 1),
          ChainInstruction(.store, source: 2), ChainInstruction(.square),
          ChainInstruction(.prefetch, distance: 1 << 20), ChainInstruction(.subtract, source: 2),
          ChainInstruction(.stream, source: 3),
        ], [x, y, between, output], count)
      let sums = a.prefix(count).map { $0 + b[0] }
      XCTAssert(between.isIntact && same(between.values, sums), "\(table.name) kept \(count)")
      XCTAssert(
        output.isIntact && same(output.values, sums.map { $0 * $0 - $0 }),
        "\(table.name) streamed \(count)")
    }
  }
  XCTAssert(used == Set(ChainCode.allCases), "codes that no instruction has")
}

private func checkSelect<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  var sampler = Sampler(9)
  for count in 0...(128 / MemoryLayout<S>.size + 1) {
    let c: [S] = sampler.mixed(count + 1)
    let a: [S] = sampler.mixed(count + 1)
    let b: [S] = sampler.mixed(count + 1)
    for strides in 0..<8 {
      let (sc, sa, sb) = (strides & 1, strides >> 1 & 1, strides >> 2)
      // An operand of stride 0 has one element and no more.
      let (gc, ga, gb) = (
        Guarded(sc == 0 ? [c[0]] : c), Guarded(sa == 0 ? [a[0]] : a, shift: 3),
        Guarded(sb == 0 ? [b[0]] : b, shift: 2)
      )
      let output = Guarded<S>(count: count)
      kernels.select(gc.const, sc, ga.const, sa, gb.const, sb, output.pointer, count)
      let expected = (0..<count).map { c[$0 * sc] != 0 ? a[$0 * sa] : b[$0 * sb] }
      XCTAssert(output.isIntact && same(output.values, expected), "\(table.name) select \(count)")
    }
  }
}

/// What is computed of a number does not depend on the numbers beside it, although vectors of nothing but ordinary
/// ones are computed another way.
private func checkNeighbours<S: KernelScalar>(_ table: KernelTable, _: S.Type) {
  let kernels = S.kernels(table)
  var sampler = Sampler(12)
  let lanes = 64 / MemoryLayout<S>.size
  // Where e^x begins to leave the normal numbers, and a little less.
  let edge = S(MemoryLayout<S>.size == 4 ? 87 : 708)
  var x: [S] = sampler.values(40 * lanes, scale: edge.asDouble) + sampler.values(40 * lanes)
  x += [edge, -edge, edge.nextDown, -edge.nextDown, edge / 2, -edge / 2, 1, -1]
  x += [S](repeating: -edge, count: 2 * lanes - 8)
  let positive = x.map { max(abs($0), S.leastNormalMagnitude) }
  let exponents = [S](repeating: S(0.3), count: x.count)
  func check(_ name: String, _ x: [S], _ f: ([S]) -> [S]) {
    let expected = f(x)
    for lane in 0..<lanes {
      var disturbed = x
      for i in stride(from: lane, to: x.count, by: lanes) { disturbed[i] = .nan }
      let found = f(disturbed)
      let rest = x.indices.filter { $0 % lanes != lane }
      XCTAssert(same(rest.map { found[$0] }, rest.map { expected[$0] }), "\(table.name) \(name)")
    }
  }
  for code in [UnaryCode.exp, .tanh, .sigmoid, .log] {
    check("\(code)", code == .log ? positive : x) { x in
      var y = x
      kernels.unary(code)(x, &y, x.count)
      return y
    }
  }
  check("power", positive) { x in
    var y = x
    kernels.binary(.power)(x, 1, exponents, 1, &y, x.count)
    return y
  }
}

final class ElementwiseTests: XCTestCase {
  func testNeighbours() {
    forEach({ checkNeighbours($0, Float.self) }, { checkNeighbours($0, Double.self) })
  }
  func testUnary() { forEach({ checkUnary($0, Float.self) }, { checkUnary($0, Double.self) }) }
  func testBinary() { forEach({ checkBinary($0, Float.self) }, { checkBinary($0, Double.self) }) }
  func testChain() { forEach({ checkChain($0, Float.self) }, { checkChain($0, Double.self) }) }
  func testSelect() { forEach({ checkSelect($0, Float.self) }, { checkSelect($0, Double.self) }) }

  /// The special cases of IEEE 754's power, all pairs of a table of bases and exponents.
  func testPowerSpecials() {
    let values: [Float] = [
      0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1.5, -1.5, .infinity, -.infinity, .nan, 1e30, -1e30,
      0x1p23, 0x1p23 + 1, -0x1p23 - 1, 0x1p24 - 1, 0x1p24, 1 - 0x1p-24, -1 - 0x1p-23,
      .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 8_388_607.5,
    ]
    for table in tables {
      for x in values {
        for y in values {
          var result: Float = -77
          withUnsafePointer(to: x) { x in
            withUnsafePointer(to: y) { y in
              table.float32.binary(.power)(x, 1, y, 1, &result, 1)
            }
          }
          let exact = Float(pow(Double(x), Double(y)))
          XCTAssert(
            same(result, exact) || ulps(result, pow(Double(x), Double(y))) <= 2 && result != 0,
            "\(table.name) \(x)^\(y) = \(result), not \(exact)")
        }
      }
    }
  }
}
