//  The four element types, and how the right loops are found for each.

import Glibc
import NanogradKernelTable

/// A type that tensors can hold.
protocol Element: TensorElement, Numeric, Comparable {

  /// The nearest value of this type: as `cast` rounds.
  static func converting(_ x: Double) -> Self
  static func converting(_ x: Int64) -> Self
  var asDouble: Double { get }
  /// Wraps around for integers.
  static func wrappingSum(_ a: Self, _ b: Self) -> Self
  static func wrappingDifference(_ a: Self, _ b: Self) -> Self
  static func wrappingProduct(_ a: Self, _ b: Self) -> Self
}

/// A type with vector loops.
protocol FloatElement: Element, BinaryFloatingPoint {
  static var kernels: ScalarKernels<Self> { get }
}

extension Float: FloatElement {
  public static var dtype: DType { .float32 }
  static var kernels: ScalarKernels<Float> { KernelTable.chosen.float32 }
  static func converting(_ x: Double) -> Float { Float(x) }
  static func converting(_ x: Int64) -> Float { Float(x) }
  var asDouble: Double { Double(self) }
}

extension Double: FloatElement {
  public static var dtype: DType { .float64 }
  static var kernels: ScalarKernels<Double> { KernelTable.chosen.float64 }
  static func converting(_ x: Double) -> Double { x }
  static func converting(_ x: Int64) -> Double { Double(x) }
  var asDouble: Double { self }
}

extension Int32: Element {
  public static var dtype: DType { .int32 }
  static func converting(_ x: Double) -> Int32 { clamped(x) }
  static func converting(_ x: Int64) -> Int32 { Int32(clamping: x) }
  var asDouble: Double { Double(self) }
}

extension Int64: Element {
  public static var dtype: DType { .int64 }
  static func converting(_ x: Double) -> Int64 { clamped(x) }
  static func converting(_ x: Int64) -> Int64 { x }
  var asDouble: Double { Double(self) }
}

extension FloatElement {
  static func wrappingSum(_ a: Self, _ b: Self) -> Self { a + b }
  static func wrappingDifference(_ a: Self, _ b: Self) -> Self { a - b }
  static func wrappingProduct(_ a: Self, _ b: Self) -> Self { a * b }
}

extension FixedWidthInteger {
  static func wrappingSum(_ a: Self, _ b: Self) -> Self { a &+ b }
  static func wrappingDifference(_ a: Self, _ b: Self) -> Self { a &- b }
  static func wrappingProduct(_ a: Self, _ b: Self) -> Self { a &* b }

  /// Toward 0; NaN gives 0, what is out of range the nearest end.
  static func clamped(_ x: Double) -> Self {
    if x.isNaN { return 0 }
    if x >= Double(Self.max) { return .max }
    return x <= Double(Self.min) ? .min : Self(x)
  }
}
