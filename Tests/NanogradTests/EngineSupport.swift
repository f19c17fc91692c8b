//  What the tests of the engine share: both evaluators on the same request, and comparisons.

import XCTest

@testable import Nanograd

/// What an evaluator made of each root.
struct Evaluated {
  let root: Tensor
  let value: Value

  /// The elements, in Double.
  var numbers: [Double] {
    switch root.dtype {
    case .float32: (0..<root.size).map { Double(value.elements(Float.self)[$0]) }
    case .float64: (0..<root.size).map { value.elements(Double.self)[$0] }
    case .int32: (0..<root.size).map { Double(value.elements(Int32.self)[$0]) }
    case .int64: (0..<root.size).map { Double(value.elements(Int64.self)[$0]) }
    }
  }

  /// The bytes.
  var bytes: [UInt8] {
    Array(UnsafeRawBufferPointer(start: value.pointer, count: root.size * root.dtype.size))
  }
}

struct NoPlan: Error {}

/// The values of tensors by a plan, and the plan. A plan that could not be made is an error here, where
/// the library would fall back to the plain evaluator.
func planned(_ tensors: [Tensor]) throws -> (values: [Evaluated], plan: Plan) {
  let request = try Request(tensors.filter { $0.leaf == nil })
  guard let plan = try request.plan else { throw NoPlan() }
  return (evaluated(request, try plan.run { try request.value(plan.inputs[$0]) }), plan)
}

/// The values of tensors by the plain evaluator.
func plain(_ tensors: [Tensor]) throws -> [Evaluated] {
  let request = try Request(tensors.filter { $0.leaf == nil })
  return evaluated(request, try request.computed())
}

private func evaluated(_ request: Request, _ values: [Value]) -> [Evaluated] {
  zip(request.results, values).map { Evaluated(root: request.node($0), value: $1) }
}

/// Where two evaluations differ by more than `tolerance` times the largest magnitude of the root (0.01 if
/// that is less, since terms may cancel); nil if nowhere. NaN and infinities must be the same, integers equal.
func difference(_ got: [Evaluated], _ want: [Evaluated], tolerance: Double) -> String? {
  guard got.count == want.count else { return "\(got.count) results, expected \(want.count)" }
  for (r, (x, y)) in zip(got, want).enumerated() {
    let (a, b) = (x.numbers, y.numbers)
    let largest = b.reduce(1e-2) { $1.isFinite ? max($0, abs($1)) : $0 }
    let allowed = x.root.dtype.isFloat ? tolerance * largest : 0
    for i in 0..<b.count {
      let isSame = a[i] == b[i] || (a[i].isNaN && b[i].isNaN)
      if isSame || (b[i].isFinite && abs(a[i] - b[i]) <= allowed) { continue }
      return "root \(r), \(x.root.op) of \(x.root.dtype) \(x.root.shape): element \(i) is \(a[i]), "
        + "plain \(b[i])"
    }
  }
  return nil
}

/// Asserts that a plan computes what the plain evaluator does.
func assertPlanIsPlain(
  _ tensors: [Tensor], tolerance: Double = 1e-12, _ name: @autoclosure () -> String = "",
  file: StaticString = #filePath, line: UInt = #line
) throws {
  if let text = difference(
    try planned(tensors).values, try plain(tensors), tolerance: tolerance)
  {
    XCTFail("\(name()): \(text)", file: file, line: line)
  }
}

/// Restores what tests of the engine set for the whole process.
class EngineTestCase: XCTestCase {
  private var threads = 1

  override func setUpWithError() throws {
    threads = numberOfThreads
    try XCTSkipIf(Evaluation.isPlain.load(ordering: .relaxed), "the plain evaluator is chosen")
  }

  override func tearDownWithError() throws {
    try setNumberOfThreads(threads)
    Distance.isFixed.store(false, ordering: .relaxed)
    Distance.isFar.store(false, ordering: .relaxed)
  }
}
