//  What the tests of training, drawing and random numbers share.

import XCTest

@testable import Nanograd

/// The code of the error that a call throws; nil if it throws none.
func code(_ body: () throws -> Void) -> NanogradError.Code? {
  do {
    try body()
    return nil
  } catch let error as NanogradError {
    XCTAssertFalse(error.text.isEmpty)
    return error.code
  } catch {
    XCTFail("another kind of error: \(error)")
    return nil
  }
}

extension Tensor {
  /// A leaf of either float type.
  static func floats(
    _ dtype: DType, _ elements: [Double], _ dimensions: [Int]? = nil, isParameter: Bool = false,
    tag: String? = nil
  ) throws -> Tensor {
    let dimensions = dimensions ?? [elements.count]
    let leaf =
      isParameter
      ? try Tensor(parameter: dtype, dimensions, tag: tag)
      : try Tensor(variable: dtype, dimensions, tag: tag)
    if dtype == .float32 {
      try leaf.write(elements.map { Float($0) })
    } else {
      try leaf.write(elements)
    }
    return leaf
  }

  /// The elements, whichever float type they have.
  func doubles() throws -> [Double] {
    dtype == .float32 ? try values(Float.self).map { Double($0) } : try values(Double.self)
  }

  /// Makes some numbers the accumulated gradient of a Parameter.
  func setGradient(_ numbers: [Double]) throws {
    zeroGrad()
    try sum(self * Tensor.floats(dtype, numbers, Array(shape))).backward()
  }
}

/// Runs a body on a thread with a small stack, where recursion over a large graph would be found
/// out.
func onSmallStack(_ body: @escaping @Sendable () -> Void) {
  let done = DispatchSemaphore(value: 0)
  let thread = Thread {
    body()
    done.signal()
  }
  thread.stackSize = 512 << 10
  thread.start()
  done.wait()
}
