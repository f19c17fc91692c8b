//  What all kernel tests share: the tables this machine can run, guarded memory, sample values.

import CPlatform
import Glibc
import NanogradKernelTable
import NanogradKernels
import XCTest

#if arch(x86_64)
  import NanogradKernelsAVX2
  import NanogradKernelsAVX512
#endif

/// The tables of every instruction set that this machine has.
let tables: [KernelTable] = {
  var result = [NanogradKernels.kernels]
  #if arch(x86_64)
    if ngp_instruction_level() >= 1 { result.append(NanogradKernelsAVX2.kernels) }
    if ngp_instruction_level() >= 2 { result.append(NanogradKernelsAVX512.kernels) }
  #endif
  return result
}()

// The embedded standard library, with which the tests run for arm64, has no coding.
#if hasFeature(Embedded)
  typealias Storable = Sendable
#else
  typealias Storable = Codable & Sendable
#endif

/// A scalar with kernels; references are computed in double precision.
protocol KernelScalar: BinaryFloatingPoint, SIMDScalar, Storable {
  static func kernels(_ table: KernelTable) -> ScalarKernels<Self>
  var pattern: UInt64 { get }
  init(_ value: Double)
  var asDouble: Double { get }
}

extension Float: KernelScalar {
  static func kernels(_ table: KernelTable) -> ScalarKernels<Float> { table.float32 }
  var pattern: UInt64 { UInt64(bitPattern) }
  var asDouble: Double { Double(self) }
}

extension Double: KernelScalar {
  static func kernels(_ table: KernelTable) -> ScalarKernels<Double> { table.float64 }
  var pattern: UInt64 { bitPattern }
  var asDouble: Double { self }
}

/// The same bits, any NaN being as good as any other.
func same<S: KernelScalar>(_ a: S, _ b: S) -> Bool {
  a.pattern == b.pattern || (a.isNaN && b.isNaN)
}

func same<S: KernelScalar>(_ a: [S], _ b: [S]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { same($0, $1) }
}

/// The distance from the exact value in units of the last place of S.
func ulps<S: KernelScalar>(_ value: S, _ exact: Double) -> Double {
  if exact.isNaN { return value.isNaN ? 0 : .infinity }
  let rounded = S(exact)
  if value == rounded { return value.isFinite ? abs(value.asDouble - exact) / unit(exact) : 0 }
  if !value.isFinite || exact.isInfinite {
    // An overflow may come one value early or late.
    let largest = S.greatestFiniteMagnitude.asDouble
    return abs(value.asDouble) >= largest && abs(exact) >= largest * 0.9999999
      && value.sign == rounded.sign ? 1 : .infinity
  }
  return abs(value.asDouble - exact) / unit(exact)

  func unit(_ exact: Double) -> Double {
    let magnitude = abs(exact)
    let smallest = S.leastNonzeroMagnitude.asDouble
    if magnitude < S.leastNormalMagnitude.asDouble || !magnitude.isFinite { return smallest }
    return Double(sign: .plus, exponent: magnitude.exponent - S.significandBitCount, significand: 1)
  }
}

/// Memory at an address that is aligned for the scalar only, with canaries on both sides.
final class Guarded<S: KernelScalar> {
  private let base: UnsafeMutableRawPointer
  private let bytes: Int
  let count: Int
  let pointer: UnsafeMutablePointer<S>
  private static var margin: Int { 128 }

  init(_ values: [S], shift: Int = 1) {
    count = values.count
    bytes = 2 * Self.margin + (count + shift) * MemoryLayout<S>.stride
    base = .allocate(byteCount: bytes, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0xA5, count: bytes)
    pointer = (base + Self.margin).assumingMemoryBound(to: S.self) + shift
    for (i, value) in values.enumerated() { pointer[i] = value }
  }

  convenience init(count: Int, shift: Int = 1) {
    self.init([S](repeating: S(Double(-77)), count: count), shift: shift)
  }

  deinit { base.deallocate() }

  var values: [S] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var const: UnsafePointer<S> { UnsafePointer(pointer) }

  /// Nothing was written before the first or after the last element.
  var isIntact: Bool {
    let start = UnsafeMutableRawPointer(pointer) - base
    let end = start + count * MemoryLayout<S>.stride
    return (0..<start).allSatisfy { base.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 }
      && (end..<bytes).allSatisfy { base.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 }
  }
}

/// Values to be read, behind which there is nothing: reading past them ends the process.
final class Fenced<S: KernelScalar> {
  #if hasFeature(Embedded)
    private let memory: Guarded<S>
    var const: UnsafePointer<S> { memory.const }
    init(_ values: [S]) { memory = Guarded(values) }
  #else
    let const: UnsafePointer<S>
    private let base: UnsafeMutableRawPointer
    private let bytes: Int

    init(_ values: [S]) {
      let page = sysconf(Int32(_SC_PAGESIZE))
      let size = values.count * MemoryLayout<S>.stride
      let room = (size + page - 1) / page * page
      bytes = room + page
      base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      precondition(base != MAP_FAILED && mprotect(base + room, page, PROT_NONE) == 0)
      let start = (base + room - size).bindMemory(to: S.self, capacity: values.count)
      for (i, value) in values.enumerated() { start[i] = value }
      const = UnsafePointer(start)
    }

    deinit { munmap(base, bytes) }
  #endif
}

/// A small generator with a fixed seed, so that failures repeat.
struct Sampler {
  private var state: UInt64

  init(_ seed: UInt64 = 1) { state = seed }

  mutating func next() -> UInt64 {
    state = state &+ 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Between -1 and 1.
  mutating func uniform<S: KernelScalar>() -> S {
    S(Double(Int64(bitPattern: next()) >> 11) * 0x1p-52)
  }

  mutating func values<S: KernelScalar>(_ count: Int, scale: Double = 1) -> [S] {
    (0..<count).map { _ in
      let u: S = uniform()
      return u * S(scale)
    }
  }

  /// Ordinary values with special ones strewn in.
  mutating func mixed<S: KernelScalar>(_ count: Int) -> [S] {
    let special: [S] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, S.leastNonzeroMagnitude,
      -S.leastNormalMagnitude, S.greatestFiniteMagnitude, 0.5, 2, 3,
    ]
    return (0..<count).map { _ in
      let r = next()
      if r % 4 == 0 { return special[Int((r >> 8) % UInt64(special.count))] }
      let u: S = uniform()
      return u * S(10)
    }
  }
}

extension XCTestCase {
  /// Runs the check for every table and both scalars.
  func forEach(_ single: (KernelTable) -> Void, _ double: (KernelTable) -> Void) {
    for table in tables {
      single(table)
      double(table)
    }
  }
}
