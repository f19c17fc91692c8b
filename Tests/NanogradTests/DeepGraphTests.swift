//  Graphs that are deep, wide or heavily shared, on a thread with a small stack: nothing may recurse.

import Glibc
import XCTest

@testable import Nanograd

/// Runs a body on a thread with a stack of 512 KiB, which a recursion over a million nodes would
/// overflow a hundred times over, and rethrows what it throws.
private func onSmallStack(_ body: @escaping @Sendable () throws -> Void) throws {
  final class Job: @unchecked Sendable {
    let body: @Sendable () throws -> Void
    var error: Error?
    init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }
  }
  let job = Job(body)
  var attributes = pthread_attr_t()
  XCTAssertEqual(pthread_attr_init(&attributes), 0)
  defer { pthread_attr_destroy(&attributes) }
  XCTAssertEqual(pthread_attr_setstacksize(&attributes, 512 << 10), 0)
  var thread = pthread_t()
  let status = pthread_create(
    &thread, &attributes,
    { argument in
      let job = Unmanaged<Job>.fromOpaque(argument!).takeUnretainedValue()
      do { try job.body() } catch { job.error = error }
      return nil
    }, Unmanaged.passUnretained(job).toOpaque())
  XCTAssertEqual(status, 0)
  pthread_join(thread, nil)
  if let error = job.error { throw error }
}

final class DeepGraphTests: XCTestCase {
  private let million = 1_000_000

  func testAMillionOperators() throws {
    let count = million
    try onSmallStack {
      let x = try scalar(0.5, isParameter: true)
      var y: Tensor = x
      for i in 0..<count { y = try i % 2 == 0 ? -y : y + x }
      // -x, 0, 0, x, x-x …: the signs alternate, so the value stays small.
      var (value, slope) = (0.5, 1.0)
      for i in 0..<count {
        (value, slope) = i % 2 == 0 ? (-value, -slope) : (value + 0.5, slope + 1)
      }
      XCTAssertEqual(try y.item(), value)
      let gradient = try gradients(of: y, withRespectTo: [x])[0]
      XCTAssertEqual(try gradient.item(), slope)
      try y.backward()
      XCTAssertEqual(try x.grad?.item(), slope)
      var zero = Zero()
      try trace(y, &zero)
      XCTAssertEqual(try x.grad?.item(), 0)
      var walk = Walk()
      try trace(y, &walk)
      XCTAssertEqual(walk.nodes.count, count + 1)
      // Only the gradient keeps the chain alive now.
      y = x
      XCTAssertEqual(try gradient.item(), slope)
    }
  }

  /// Derivatives that read values below them, of first and second order.
  func testADeepChainOfFunctions() throws {
    let count = million / 10
    try onSmallStack {
      let x = try scalar(1, isParameter: true)
      var y: Tensor = x
      for _ in 0..<count { y = try sin(y) }
      let first = try gradients(of: y, withRespectTo: [x])[0]
      let second = try gradients(of: first, withRespectTo: [x])[0]
      var (v, d, dd) = (1.0, 1.0, 0.0)
      for _ in 0..<count { (v, d, dd) = (sin(v), cos(v) * d, cos(v) * dd - sin(v) * d * d) }
      try evaluate([y, first, second])
      XCTAssertEqual(try y.item(), v, accuracy: 1e-12)
      XCTAssertEqual(try first.item() / d, 1, accuracy: 1e-9)
      XCTAssertEqual(try second.item() / dd, 1, accuracy: 1e-6)
    }
  }

  /// Release through every kind of reference that a node holds.
  func testDeepChainsOfEveryKind() throws {
    let count = million / 4
    try onSmallStack {
      let x = try vector([1], isParameter: true)
      let steps: [(Tensor) throws -> Tensor] = [
        { try clamp($0, -9, 9) }, { try select($0, x, $0) },
        { try concatenate([$0, x], axis: 0).first(1) },
        { try concatenate([$0, x, x, x, x], axis: 0).first(1) },
        { try mean($0, keep: true) }, { try reshape($0, [1]) }, { try permute($0 + x, [0]) },
      ]
      for step in steps {
        var y: Tensor = x
        for _ in 0..<count / steps.count { y = try step(y) }
        XCTAssertTrue(try y.item().isFinite)
        try sum(y).backward()
      }
    }
  }

  func testWideFanIn() throws {
    try onSmallStack {
      let n = 10_000
      let parts = try (0..<n).map { try vector([Double($0)], isParameter: true) }
      let x = try concatenate(parts, axis: 0)
      try sum(x * x).backward()
      for (i, part) in parts.enumerated() { XCTAssertEqual(try part.grad?.item(), 2 * Double(i)) }
      // And wide fan-out.
      let w = try scalar(2, isParameter: true)
      let y = try sum(concatenate((0..<n).map { _ in try expandDims(w, axis: 0) }, axis: 0))
      try y.backward()
      XCTAssertEqual(try w.grad?.item(), Double(n))
    }
  }

  /// 2⁶⁰ paths, 60 nodes.
  func testHeavySharing() throws {
    try onSmallStack {
      let x = try scalar(1, isParameter: true)
      var y: Tensor = x
      for _ in 0..<60 { y = try y + y }
      XCTAssertEqual(try order([y]).count, 61)
      XCTAssertEqual(try y.item(), 0x1p60)
      try y.backward()
      XCTAssertEqual(try x.grad?.item(), 0x1p60)
      var walk = Walk()
      try trace(y, &walk)
      XCTAssertEqual(walk.nodes.count, 61)
      XCTAssertEqual(walk.edges.count, 120)

      // x^(2^10), whose derivatives of higher order share as heavily.
      y = x
      for _ in 0..<10 { y = try y * y }
      let second = try gradients(of: gradients(of: y, withRespectTo: [x])[0], withRespectTo: [x])[0]
      XCTAssertEqual(try second.item(), 1024 * 1023)
    }
  }

  /// Tensors may be released on any thread, parts of one graph on several at once.
  func testReleaseOnManyThreads() throws {
    let x = try scalar(1)
    var heads: [Tensor] = []
    var shared = x
    for _ in 0..<100_000 { shared = try shared + x }
    for _ in 0..<8 {
      var y = shared
      for _ in 0..<10_000 { y = try -y }
      heads.append(y)
    }
    shared = x
    weak let one = heads[0].operands[0]
    final class Box: @unchecked Sendable {
      var tensor: Tensor?
      init(_ t: Tensor) { tensor = t }
    }
    let boxes = heads.map { Box($0) }
    heads = []
    DispatchQueue.concurrentPerform(iterations: boxes.count) { boxes[$0].tensor = nil }
    XCTAssertNil(one)
  }
}

extension Tensor {
  /// The first elements of a vector.
  fileprivate func first(_ count: Int) throws -> Tensor { try slice(self, axis: 0, 0, count) }
}
