//  Data in and out of tensors.

/// A Swift type that is some dtype's.
public protocol TensorElement {
  static var dtype: DType { get }
}

extension Tensor {
  /// A leaf without gradient, holding a copy of the elements, row by row.
  public convenience init<T: TensorElement>(
    variable elements: [T], _ dimensions: [Int], tag: String? = nil
  ) throws {
    try self.init(variable: T.dtype, dimensions, tag: tag)
    try write(elements)
  }

  /// A leaf whose gradient is accumulated, holding a copy of the elements, row by row.
  public convenience init<T: TensorElement>(
    parameter elements: [T], _ dimensions: [Int], tag: String? = nil
  ) throws {
    try self.init(parameter: T.dtype, dimensions, tag: tag)
    try write(elements)
  }

  /// A new leaf with the present value of a tensor, cut off from the graph that gave it.
  package static func leaf(
    _ value: Tensor, isParameter: Bool, tag: String?
  ) throws -> Tensor {
    let dimensions = Array(value.shape)
    let leaf =
      try isParameter
      ? Tensor(parameter: value.dtype, dimensions, tag: tag)
      : Tensor(variable: value.dtype, dimensions, tag: tag)
    try leaf.assign(value)
    return leaf
  }

  /// Replaces a leaf's elements. What was built from it follows.
  public func write<T: TensorElement>(_ elements: [T]) throws {
    guard T.dtype == dtype else {
      throw NanogradError(
        .dtype, "elements of \(T.dtype) for a leaf of \(dtype)", function: "write")
    }
    try elements.withUnsafeBytes { try write($0.baseAddress, bytes: $0.count) }
  }

  /// Replaces a leaf's elements by the present value of a tensor of its shape and dtype.
  public func assign(_ value: Tensor) throws {
    let leaf = try ownLeaf("assign")
    guard value.shape == shape, value.dtype == dtype else {
      throw NanogradError(
        value.dtype == dtype ? .shape : .dtype,
        "a value of \(value.dtype) \(value.shape) for a leaf of \(dtype) \(shape), expected "
          + "the same dtype and shape", function: "assign")
    }
    leaf.replace(try value.evaluated())
  }

  /// The elements, row by row, computed if needed.
  public func values<T: TensorElement>(_ type: T.Type = T.self) throws -> [T] {
    guard T.dtype == dtype else {
      throw NanogradError(
        .dtype, "elements of \(T.dtype) from a tensor of \(dtype)", function: "read")
    }
    let value = try evaluated()
    return Array(UnsafeBufferPointer(start: value.elements(T.self), count: size))
  }

  /// The value of a tensor with exactly one element, computed if needed.
  public func item() throws -> Double {
    guard size == 1 else {
      throw NanogradError(
        .shape, "shape \(shape) has \(size) elements, expected one", function: "item")
    }
    let value = try evaluated()
    return switch dtype {
    case .float32: Double(value.elements(Float.self).pointee)
    case .float64: value.elements(Double.self).pointee
    case .int32: Double(value.elements(Int32.self).pointee)
    case .int64: Double(value.elements(Int64.self).pointee)
    }
  }

  /// Replaces a leaf's elements by bytes in memory.
  package func write(_ data: UnsafeRawPointer?, bytes count: Int) throws {
    let leaf = try ownLeaf("write")
    try require(count, "write")
    guard let data, count > 0 else { return }
    if let value = leaf.valueToOverwrite() {
      value.pointer.copyMemory(from: data, byteCount: count)
      leaf.replace(value)
    } else {
      leaf.replace(try Value(copying: data, bytes: count))
    }
  }

  /// Copies the elements to memory.
  package func read(_ data: UnsafeMutableRawPointer?, bytes count: Int) throws {
    try require(count, "read")
    let value = try evaluated()
    guard let data, count > 0 else { return }
    data.copyMemory(from: value.pointer, byteCount: count)
  }

  private func require(_ count: Int, _ function: String) throws {
    guard count == bytes else {
      throw NanogradError(
        .shape, "\(count) bytes for \(dtype) \(shape), expected \(bytes)", function: function)
    }
  }

  private func ownLeaf(_ function: String) throws -> Leaf {
    guard let leaf else {
      throw NanogradError(
        .state,
        "the result of \(op.definition.name) has no data of its own, expected a Variable or "
          + "Parameter", function: function)
    }
    return leaf
  }
}

/// A Variable with start, start + step, … before `stop`. `step` must not be 0; for integers all three are
/// integral.
public func arange(
  _ dtype: DType, from start: Double, to stop: Double, step: Double
) throws -> Tensor {
  guard start.isFinite, stop.isFinite, step.isFinite, step != 0 else {
    throw NanogradError(
      .argument,
      "from \(start) to \(stop) by \(step), expected finite numbers and a step other than 0",
      function: "arange")
  }
  let count = ((stop - start) / step).rounded(.up)
  guard count < 0x1p59 else {
    throw NanogradError(.shape, "too large: \(count) elements", function: "arange")
  }
  let indices = try cast(Tensor(iota: Int(Swift.max(count, 0)), .int64), to: dtype)
  let values = try Tensor(constant: start, dtype) + Tensor(constant: step, dtype) * indices
  return try Tensor.leaf(values, isParameter: false, tag: nil)
}

extension Tensor {
  /// One dimension; the axis may be negative.
  package func dimension(_ axis: Int) throws -> Int { shape[try shape.axis(axis)] }
}
