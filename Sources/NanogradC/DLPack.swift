//  Chapter "DLPack" of nanograd.h.

import CNanograd
import CPlatform
import Nanograd

@_cdecl("ng_from_dlpack") @implementation
public func ng_from_dlpack(
  _ managed: OpaquePointer?, _ copy: Int32, _ tag: UnsafePointer<CChar>?
) -> Handle? {
  guard let managed else { return made { try required(nil, "the managed tensor") } }
  let foreign = Foreign(UnsafeMutablePointer(managed))
  let result = made { try foreign.tensor(Copying(copy), tag: text(tag)) }
  // On failure it still is the caller's.
  foreign.isOurs = result != nil
  return result
}

@_cdecl("ng_to_dlpack") @implementation
public func ng_to_dlpack(_ handle: Handle?, _ copy: Int32) -> OpaquePointer? {
  do {
    let tensor = try tensor(handle)
    return OpaquePointer(try lend(tensor, asCopy: Copying(copy) == .always))
  } catch {
    record(error, #function)
    return nil
  }
}

/// Whether elements are copied: `NG_COPY_…`.
private enum Copying {
  case ifNeeded, always, never

  init(_ code: Int32) throws {
    switch Int(code) {
    case NG_COPY_IF_NEEDED: self = .ifNeeded
    case NG_COPY_ALWAYS: self = .always
    case NG_COPY_NEVER: self = .never
    default:
      throw NanogradError(
        .argument,
        "copy \(code), expected NG_COPY_IF_NEEDED (0), NG_COPY_ALWAYS (1) or NG_COPY_NEVER (2)")
    }
  }
}

// MARK: From others

/// A managed tensor of another library. Once it is ours, it is deleted with this object.
private final class Foreign: @unchecked Sendable {
  private let managed: UnsafeMutablePointer<ngp_dlpack>
  var isOurs = false

  init(_ managed: UnsafeMutablePointer<ngp_dlpack>) { self.managed = managed }

  deinit { if isOurs { managed.pointee.deleter?(managed) } }

  /// What keeps the memory, if it is our own that comes back. Then this object need not: it would be one more
  /// to be deleted inside of another each time that memory goes to and fro.
  private var ownerReturned: AnyObject? {
    guard let deleter = managed.pointee.deleter, address(of: deleter) == address(of: giveUp) else {
      return nil
    }
    return managed.pointee.context.map { Unmanaged<AnyObject>.fromOpaque($0).takeUnretainedValue() }
  }

  private func address(of deleter: Deleter) -> UInt { unsafeBitCast(deleter, to: UInt.self) }

  /// A Variable in its memory, or with a copy of it.
  func tensor(_ copying: Copying, tag: String?) throws -> Tensor {
    // Of another major version nothing else may be looked at.
    guard managed.pointee.major == 1 else {
      throw NanogradError(
        .argument,
        "DLPack \(managed.pointee.major).\(managed.pointee.minor), expected major version 1; ask "
          + "the producer for max_version (1, 0)")
    }
    let source = managed.pointee
    guard Int(source.device_type) == NGP_DLPACK_CPU else {
      throw NanogradError(
        .argument,
        "memory of device type \(source.device_type), expected the CPU's (1); copy the tensor to "
          + "the CPU first")
    }
    let dtype = try elementType(source)
    let dimensions = try dimensions(source.rank, source.shape)
    let shape = try Shape(dimensions)
    guard shape.size > 0 else { return try Tensor(variable: dtype, dimensions, tag: tag) }
    let place = try Place(source, shape, dtype.size)
    let obstacle =
      !place.isDense
      ? "the elements are not dense and row by row"
      : !place.isAligned ? "the elements are not aligned to their size" : nil
    guard copying == .always || obstacle != nil else {
      return try Tensor(
        borrowing: place.first, dtype, dimensions, tag: tag, owner: ownerReturned ?? self)
    }
    if copying == .never, let obstacle {
      throw NanogradError(
        .argument, "\(obstacle), so that they have to be copied; expected NG_COPY_IF_NEEDED")
    }
    return try Tensor(copying: place.first, dtype, dimensions, strides: place.strides, tag: tag)
  }

  private func elementType(_ source: ngp_dlpack) throws -> DType {
    switch (Int(source.type_code), source.type_bits, source.type_lanes) {
    case (NGP_DLPACK_FLOAT, 32, 1): return .float32
    case (NGP_DLPACK_FLOAT, 64, 1): return .float64
    case (NGP_DLPACK_INT, 32, 1): return .int32
    case (NGP_DLPACK_INT, 64, 1): return .int64
    default:
      let names = ["int", "uint", "float", "opaque", "bfloat", "complex", "bool"]
      let code = Int(source.type_code)
      let name = code < names.count ? names[code] : "type \(code) of "
      let lanes = source.type_lanes == 1 ? "" : " × \(source.type_lanes) lanes"
      throw NanogradError(
        .dtype,
        "elements of \(name)\(source.type_bits)\(lanes), expected float32, float64, int32 or int64")
    }
  }
}

/// Where the elements of a foreign tensor, which has some, are.
private struct Place {
  let first: UnsafeMutableRawPointer
  /// In bytes; 0 for an axis of 1.
  let strides: [Int]
  let isDense: Bool
  let isAligned: Bool

  init(_ source: ngp_dlpack, _ shape: Shape, _ size: Int) throws {
    guard let data = source.data else {
      throw NanogradError(.null, "data is NULL, expected \(shape.size) elements")
    }
    var strides = [Int](repeating: 0, count: shape.rank)
    var dense = size
    var isDense = true
    // How far elements reach below the first and above it; a product or sum that overflows shows
    // in `fits`.
    var (below, above, fits) = (0, 0, true)
    for axis in (0..<shape.rank).reversed() {
      if shape[axis] > 1, let given = source.strides?[axis] {
        let stride = Int(given).multipliedReportingOverflow(by: size)
        let extent = stride.partialValue.multipliedReportingOverflow(by: shape[axis] - 1)
        let reach = (extent.partialValue < 0 ? below : above)
          .addingReportingOverflow(extent.partialValue)
        fits = fits && !stride.overflow && !extent.overflow && !reach.overflow
        if extent.partialValue < 0 {
          below = reach.partialValue
        } else {
          above = reach.partialValue
        }
        isDense = isDense && stride.partialValue == dense
        strides[axis] = stride.partialValue
      } else if shape[axis] > 1 {
        strides[axis] = dense
        above += dense * (shape[axis] - 1)
      }
      dense *= shape[axis]
    }
    // The lowest and the highest byte have an address.
    let start = UInt(bitPattern: data).addingReportingOverflow(UInt(source.byte_offset))
    let low = start.partialValue.subtractingReportingOverflow(below.magnitude)
    let high = start.partialValue.addingReportingOverflow(above.magnitude + UInt(size))
    guard fits, !start.overflow, !low.overflow, low.partialValue > 0, !high.overflow,
      let first = UnsafeMutableRawPointer(bitPattern: start.partialValue)
    else {
      throw NanogradError(
        .argument, "byte_offset \(source.byte_offset) and the strides lead out of the address space"
      )
    }
    self.first = first
    self.strides = strides
    self.isDense = isDense
    isAligned = start.partialValue % UInt(size) == 0
  }
}

// MARK: To others

private typealias Deleter = @convention(c) (UnsafeMutablePointer<ngp_dlpack>) -> Void

/// The deleter of what is lent.
private let giveUp: Deleter = { managed in
  if let owner = managed.pointee.context { Unmanaged<AnyObject>.fromOpaque(owner).release() }
  free(managed)
}

/// A managed tensor of the elements, which keeps them until it is deleted, on any thread. It is one
/// piece of memory with its shape and strides.
private func lend(_ tensor: Tensor, asCopy: Bool) throws -> UnsafeMutablePointer<ngp_dlpack> {
  let (memory, owner) = try tensor.lent(asCopy: asCopy)
  let size = MemoryLayout<ngp_dlpack>.stride
  guard let block = calloc(1, size + 2 * tensor.rank * MemoryLayout<Int64>.stride) else {
    throw NanogradError(.memory, "no memory for a managed tensor")
  }
  let shape = (block + size).bindMemory(to: Int64.self, capacity: 2 * tensor.rank)
  let strides = shape + tensor.rank
  var stride: Int64 = 1
  for axis in (0..<tensor.rank).reversed() {
    shape[axis] = Int64(tensor.shape[axis])
    strides[axis] = stride
    stride *= Swift.max(shape[axis], 1)
  }
  let managed = block.bindMemory(to: ngp_dlpack.self, capacity: 1)
  managed.pointee.major = 1
  managed.pointee.context = Unmanaged.passRetained(owner).toOpaque()
  managed.pointee.deleter = giveUp
  let flags = asCopy ? NGP_DLPACK_IS_COPIED : NGP_DLPACK_READ_ONLY
  managed.pointee.flags = UInt64(flags)
  managed.pointee.data = tensor.size > 0 ? memory : nil
  managed.pointee.device_type = Int32(NGP_DLPACK_CPU)
  managed.pointee.rank = Int32(tensor.rank)
  let code = tensor.dtype.isFloat ? NGP_DLPACK_FLOAT : NGP_DLPACK_INT
  managed.pointee.type_code = UInt8(code)
  managed.pointee.type_bits = UInt8(8 * tensor.dtype.size)
  managed.pointee.type_lanes = 1
  managed.pointee.shape = shape
  managed.pointee.strides = strides
  return managed
}
