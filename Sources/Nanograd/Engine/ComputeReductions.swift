//  Reductions and selections of the plain evaluator.

import NanogradKernelTable

extension Tensor {
  /// Reduces the operand along this tensor's axes, the last first: runs of elements by `row`, rows of a
  /// block by `combine(accumulator, row, count)`.
  func reduced<T: Element>(
    _ x: Value, _ type: T.Type, row: (UnsafePointer<T>, Int) -> T,
    combine: (UnsafeMutablePointer<T>, UnsafePointer<T>, Int) -> Void
  ) throws -> Value {
    // What has no elements may still have axes of any length, which are not to be walked.
    guard self[0].size > 0 else {
      let y = try result()
      // The kernel's own answer for no elements.
      y.elements(T.self).initialize(repeating: row(x.elements(T.self), 0), count: size)
      return y
    }
    var value = x
    var dimensions = Array(self[0].shape)
    var end = dimensions.count
    while end > 0 {
      // A stretch of neighbouring axes that are all reduced.
      guard attributes.axes.contains(end - 1) else {
        end -= 1
        continue
      }
      var begin = end - 1
      while begin > 0, attributes.axes.contains(begin - 1) { begin -= 1 }
      let outer = dimensions[..<begin].reduce(1, *)
      let length = dimensions[begin..<end].reduce(1, *)
      let inner = dimensions[end...].reduce(1, *)
      let y = try Value(bytes: outer * inner * dtype.size)
      for o in 0..<outer {
        let source = value.elements(T.self) + o * length * inner
        let target = y.elements(T.self) + o * inner
        if inner == 1 {
          target.pointee = row(source, length)
        } else {
          target.update(from: source, count: inner)
          for r in 1..<length { combine(target, source + r * inner, inner) }
        }
      }
      value = y
      for axis in begin..<end { dimensions[axis] = 1 }
      end = begin
    }
    return value
  }

  /// The index of the first of the largest elements (of NaN if there is one) along an axis.
  func largest<T: Element>(_ x: Value, _ type: T.Type) throws -> Value {
    let y = try result()
    let shape = self[0].shape
    let axis = (0..<shape.rank).first { attributes.axes.contains($0) } ?? 0
    let length = shape[axis]
    let inner = shape[(axis + 1)...].reduce(1, *)
    let source = x.elements(T.self)
    for i in 0..<y.bytes / 8 {
      let first = source + (i / inner) * length * inner + i % inner
      var best = 0
      for j in 1..<Swift.max(length, 1) where first[best * inner] == first[best * inner] {
        let candidate = first[j * inner]
        if candidate > first[best * inner] || candidate != candidate { best = j }
      }
      y.elements(Int64.self)[i] = Int64(best)
    }
    return y
  }

  /// A gather or its reverse.
  func computeSelection(_ x: [Value]) throws -> Value {
    switch (dtype, self[1].dtype) {
    case (.float32, .int32): try selection(x, Float.self, Int32.self)
    case (.float32, _): try selection(x, Float.self, Int64.self)
    case (.float64, .int32): try selection(x, Double.self, Int32.self)
    case (.float64, _): try selection(x, Double.self, Int64.self)
    case (.int32, .int32): try selection(x, Int32.self, Int32.self)
    case (.int32, _): try selection(x, Int32.self, Int64.self)
    case (.int64, .int32): try selection(x, Int64.self, Int32.self)
    case (.int64, _): try selection(x, Int64.self, Int64.self)
    }
  }

  private func selection<T: Element, I: Element & FixedWidthInteger>(
    _ x: [Value], _ type: T.Type, _ indexType: I.Type
  ) throws -> Value {
    let axis = attributes.axis
    let scatters = op == .scatterAdd
    // The tensor with all positions, and the one with the selected ones.
    let (whole, part) = scatters ? (shape, self[0].shape) : (self[0].shape, shape)
    let indices = x[1].elements(I.self)
    let length = whole[axis]
    for i in 0..<self[1].size where indices[i] < 0 || Int(indices[i]) >= length {
      throw NanogradError(
        .index,
        "index \(indices[i]) at element \(i) of the indices, expected 0 to \(length - 1): axis "
          + "\(axis) of shape \(whole)")
    }
    let y = try scatters ? zeroed() : result()
    var wholeStrides = whole.strides
    let stride = wholeStrides[axis]
    wholeStrides[axis] = 0
    let loop = Loop(
      part, part.strides, self[1].shape.strides(broadcastTo: part), wholeStrides)
    let (source, target) = (x[0].elements(T.self), y.elements(T.self))
    loop.forEach { offset in
      for i in 0..<loop.run {
        let at =
          offset[2] + i * loop.step[2]
          + Int(indices[offset[1] + i * loop.step[1]]) * stride
        let element = offset[0] + i * loop.step[0]
        if scatters {
          target[at] = T.wrappingSum(target[at], source[element])
        } else {
          target[element] = source[at]
        }
      }
    }
    return y
  }
}
