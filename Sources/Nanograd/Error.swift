//  What can go wrong, as a value: nothing in this library traps on what a caller passes.

/// An error: a code for programs, and for people the operator at fault, what it was given, and
/// what it expected.
public struct NanogradError: Error, Equatable, CustomStringConvertible {
  /// The same numbers as `NG_ERROR_…` of the C interface.
  public enum Code: Int32, Sendable {
    case null = -1
    case handle = -2
    case shape = -3
    case dtype = -4
    case argument = -5
    case index = -6
    case memory = -7
    case state = -8
    case file = -9
    case format = -10
  }

  public let code: Code
  /// The operator or function that found the error, where it is known.
  public let function: String?
  public let text: String

  public init(_ code: Code, _ text: String, function: String? = nil) {
    self.code = code
    self.text = text
    self.function = function
  }

  /// Function and text together.
  public var description: String { function.map { "\($0): \(text)" } ?? text }

  /// The same error, found by a function if none has claimed it yet.
  func found(by name: String) -> NanogradError {
    NanogradError(code, text, function: function ?? name)
  }
}

/// Throws an error unless a condition holds; its text is made only then.
@inline(__always)
func require(
  _ condition: Bool, _ code: NanogradError.Code, _ text: @autoclosure () -> String,
  in function: String? = nil
) throws {
  if !condition { throw NanogradError(code, text(), function: function) }
}

// MARK: What several operators expect

extension DType {
  func requireGradient(in function: String) throws {
    try require(
      isFloat, .dtype, "\(self) carries no gradient, expected float32 or float64", in: function)
  }

  func requireFloat(in function: String? = nil) throws {
    try require(
      isFloat, .dtype, "not defined for \(self), expected float32 or float64; cast converts",
      in: function)
  }

  func requireIndices(in function: String? = nil) throws {
    try require(!isFloat, .dtype, "indices are \(self), expected int32 or int64", in: function)
  }
}

func requireEqualShapes(_ a: Tensor, _ b: Tensor, in function: String) throws {
  try require(
    a.shape == b.shape, .shape, "shapes \(a.shape) and \(b.shape), expected equal ones",
    in: function)
}
