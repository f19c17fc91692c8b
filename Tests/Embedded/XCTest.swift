//  As much of XCTest as the kernel tests use, in Embedded Swift, for scripts/check-arm64.sh.

@_exported import Glibc

open class XCTestCase {
  public init() {}
}

/// Single-threaded: these tests are.
nonisolated(unsafe) private var failures = 0
nonisolated(unsafe) private var tests = (passed: 0, failed: 0)

public func run(_ name: String, _ test: () -> Void) {
  failures = 0
  test()
  if failures == 0 { tests.passed += 1 } else { tests.failed += 1 }
  print(failures == 0 ? "passed  \(name)" : "FAILED  \(name): \(failures) failures")
}

public func finish() -> Never {
  print("\(tests.passed) tests passed, \(tests.failed) failed")
  exit(tests.passed > 0 && tests.failed == 0 ? 0 : 1)
}

public func XCTFail(_ message: String) {
  failures += 1
  if failures <= 10 { print(message) }
}

public func XCTAssert(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { XCTFail(message()) }
}

public func XCTAssertTrue(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { XCTFail(message()) }
}

public func XCTAssertEqual(_ a: Double, _ b: Double, _ message: @autoclosure () -> String) {
  if a != b { XCTFail("\(a) is not \(b): \(message())") }
}

public func XCTAssertEqual<T: Equatable>(
  _ a: [T], _ b: [T], _ message: @autoclosure () -> String
) {
  if a != b { XCTFail("arrays are not equal: \(message())") }
}

public func XCTAssertEqual(
  _ a: Double, _ b: Double, accuracy: Double, _ message: @autoclosure () -> String
) {
  if !(abs(a - b) <= accuracy) { XCTFail("\(a) is not \(b): \(message())") }
}

public func XCTAssertLessThanOrEqual(
  _ a: Double, _ b: Double, _ message: @autoclosure () -> String
) {
  if !(a <= b) { XCTFail("\(a) is more than \(b): \(message())") }
}
