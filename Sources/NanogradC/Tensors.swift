//  Chapters "Making leaves", "Random numbers", "Asking about a tensor" and "Values" of nanograd.h.

import CNanograd
import Nanograd

@_cdecl("ng_variable") @implementation
public func ng_variable(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ data: UnsafeRawPointer?,
  _ tag: UnsafePointer<CChar>?
) -> Handle? {
  made {
    try filled(Tensor(variable: dtype(code), dimensions(rank, shape), tag: text(tag)), data)
  }
}

@_cdecl("ng_parameter") @implementation
public func ng_parameter(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ data: UnsafeRawPointer?,
  _ tag: UnsafePointer<CChar>?
) -> Handle? {
  made {
    try filled(Tensor(parameter: dtype(code), dimensions(rank, shape), tag: text(tag)), data)
  }
}

/// A new leaf, with data unless it is to hold zeros.
private func filled(_ leaf: Tensor, _ data: UnsafeRawPointer?) throws -> Tensor {
  if let data { try leaf.write(data, bytes: leaf.size * leaf.dtype.size) }
  return leaf
}

@_cdecl("ng_to_variable") @implementation
public func ng_to_variable(_ value: Handle?, _ tag: UnsafePointer<CChar>?) -> Handle? {
  made { try Tensor.leaf(tensor(value), isParameter: false, tag: text(tag)) }
}

@_cdecl("ng_to_parameter") @implementation
public func ng_to_parameter(_ value: Handle?, _ tag: UnsafePointer<CChar>?) -> Handle? {
  made { try Tensor.leaf(tensor(value), isParameter: true, tag: text(tag)) }
}

@_cdecl("ng_constant") @implementation
public func ng_constant(_ code: ng_dtype, _ value: Double) -> Handle? {
  made { try full(dtype(code), [], value) }
}

@_cdecl("ng_zeros") @implementation
public func ng_zeros(_ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?) -> Handle? {
  made { try full(dtype(code), dimensions(rank, shape), 0) }
}

@_cdecl("ng_ones") @implementation
public func ng_ones(_ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?) -> Handle? {
  made { try full(dtype(code), dimensions(rank, shape), 1) }
}

@_cdecl("ng_full") @implementation
public func ng_full(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ value: Double
) -> Handle? {
  made { try full(dtype(code), dimensions(rank, shape), value) }
}

@_cdecl("ng_arange") @implementation
public func ng_arange(_ code: ng_dtype, _ start: Double, _ stop: Double, _ step: Double) -> Handle?
{
  made { try arange(dtype(code), from: start, to: stop, step: step) }
}

@_cdecl("ng_seed") @implementation
public func ng_seed(_ seed: UInt64) {
  Thread.current.random = Random(seed: seed)
}

@_cdecl("ng_normal") @implementation
public func ng_normal(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ mean: Double,
  _ deviation: Double
) -> Handle? {
  made {
    try Tensor.normal(
      dtype(code), dimensions(rank, shape), mean: mean, deviation: deviation,
      using: &Thread.current.random)
  }
}

@_cdecl("ng_uniform") @implementation
public func ng_uniform(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ low: Double, _ high: Double
) -> Handle? {
  made {
    try Tensor.uniform(
      dtype(code), dimensions(rank, shape), low: low, high: high, using: &Thread.current.random)
  }
}

@_cdecl("ng_bernoulli") @implementation
public func ng_bernoulli(
  _ code: ng_dtype, _ rank: Int32, _ shape: UnsafePointer<Int64>?, _ probability: Double
) -> Handle? {
  made {
    try Tensor.bernoulli(
      dtype(code), dimensions(rank, shape), probability: probability,
      using: &Thread.current.random)
  }
}

@_cdecl("ng_permutation") @implementation
public func ng_permutation(_ count: Int64) -> Handle? {
  made { try Tensor.permutation(Int(count), using: &Thread.current.random) }
}

@_cdecl("ng_dtype_of") @implementation
public func ng_dtype_of(_ handle: Handle?) -> ng_dtype {
  number { try ng_dtype(tensor(handle).dtype.rawValue) }
}

@_cdecl("ng_rank") @implementation
public func ng_rank(_ handle: Handle?) -> Int32 {
  number { try Int32(tensor(handle).rank) }
}

@_cdecl("ng_dim") @implementation
public func ng_dim(_ handle: Handle?, _ axis: Int32) -> Int64 {
  number { try Int64(tensor(handle).dimension(Int(axis))) }
}

@_cdecl("ng_shape") @implementation
public func ng_shape(
  _ handle: Handle?, _ capacity: Int32, _ shape: UnsafeMutablePointer<Int64>?
) -> ng_status {
  status {
    let tensor = try tensor(handle)
    guard tensor.rank <= capacity else {
      throw NanogradError(
        .argument, "room for \(capacity) dimensions, expected at least \(tensor.rank)")
    }
    guard tensor.rank > 0 else { return }
    let shape = try required(shape, "the shape")
    for axis in 0..<tensor.rank { shape[axis] = Int64(tensor.shape[axis]) }
  }
}

@_cdecl("ng_size") @implementation
public func ng_size(_ handle: Handle?) -> Int64 {
  number { try Int64(tensor(handle).size) }
}

@_cdecl("ng_is_parameter") @implementation
public func ng_is_parameter(_ handle: Handle?) -> Int32 {
  number { try tensor(handle).isParameter ? 1 : 0 }
}

@_cdecl("ng_is_variable") @implementation
public func ng_is_variable(_ handle: Handle?) -> Int32 {
  number { try tensor(handle).isVariable ? 1 : 0 }
}

@_cdecl("ng_is_same") @implementation
public func ng_is_same(_ a: Handle?, _ b: Handle?) -> Int32 {
  number { try tensor(a, "a") === tensor(b, "b") ? 1 : 0 }
}

@_cdecl("ng_eval") @implementation
public func ng_eval(_ list: UnsafePointer<Handle?>?, _ count: Int32) -> ng_status {
  status { try evaluate(tensors(list, count)) }
}

@_cdecl("ng_read") @implementation
public func ng_read(
  _ handle: Handle?, _ data: UnsafeMutableRawPointer?, _ bytes: Int64
) -> ng_status {
  status {
    let tensor = try tensor(handle)
    if bytes > 0 { _ = try required(data, "data") }
    try tensor.read(data, bytes: Int(bytes))
  }
}

@_cdecl("ng_write") @implementation
public func ng_write(_ handle: Handle?, _ data: UnsafeRawPointer?, _ bytes: Int64) -> ng_status {
  status {
    let tensor = try tensor(handle)
    if bytes > 0 { _ = try required(data, "data") }
    try tensor.write(data, bytes: Int(bytes))
  }
}

@_cdecl("ng_assign") @implementation
public func ng_assign(_ leaf: Handle?, _ value: Handle?) -> ng_status {
  status { try tensor(leaf, "the leaf").assign(tensor(value, "the value")) }
}

@_cdecl("ng_item") @implementation
public func ng_item(_ handle: Handle?) -> Double {
  number(failure: .nan) { try tensor(handle).item() }
}
