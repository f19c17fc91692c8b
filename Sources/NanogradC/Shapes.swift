//  Chapter "Shapes" of nanograd.h. Nothing here computes: it checks, converts and calls.

import CNanograd
import Nanograd

@_cdecl("ng_transpose") @implementation
public func ng_transpose(_ a: Handle?) -> Handle? {
  made { try Nanograd.transpose(tensor(a, "a")) }
}

@_cdecl("ng_permute") @implementation
public func ng_permute(_ a: Handle?, _ count: Int32, _ axes: UnsafePointer<Int32>?) -> Handle? {
  made { try Nanograd.permute(tensor(a, "a"), perAxis(count, axes)) }
}

@_cdecl("ng_reshape") @implementation
public func ng_reshape(_ a: Handle?, _ rank: Int32, _ shape: UnsafePointer<Int64>?) -> Handle? {
  made { try Nanograd.reshape(tensor(a, "a"), dimensions(rank, shape)) }
}

@_cdecl("ng_broadcast_to") @implementation
public func ng_broadcast_to(_ a: Handle?, _ rank: Int32, _ shape: UnsafePointer<Int64>?) -> Handle?
{
  made { try Nanograd.broadcastTo(tensor(a, "a"), dimensions(rank, shape)) }
}

@_cdecl("ng_expand_dims") @implementation
public func ng_expand_dims(_ a: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.expandDims(tensor(a, "a"), axis: Int(axis)) }
}

@_cdecl("ng_squeeze") @implementation
public func ng_squeeze(_ a: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.squeeze(tensor(a, "a"), axis: Int(axis)) }
}

@_cdecl("ng_as_scalar") @implementation
public func ng_as_scalar(_ a: Handle?) -> Handle? {
  made { try Nanograd.item(tensor(a, "a")) }
}

@_cdecl("ng_slice") @implementation
public func ng_slice(_ a: Handle?, _ axis: Int32, _ start: Int64, _ stop: Int64, _ step: Int64)
  -> Handle?
{
  made {
    try Nanograd.slice(tensor(a, "a"), axis: Int(axis), Int(start), Int(stop), step: Int(step))
  }
}

@_cdecl("ng_select") @implementation
public func ng_select(_ a: Handle?, _ axis: Int32, _ index: Int64) -> Handle? {
  made { try Nanograd.select(tensor(a, "a"), axis: Int(axis), index: Int(index)) }
}

@_cdecl("ng_concatenate") @implementation
public func ng_concatenate(_ list: UnsafePointer<Handle?>?, _ count: Int32, _ axis: Int32)
  -> Handle?
{
  made { try Nanograd.concatenate(tensors(list, count), axis: Int(axis)) }
}

@_cdecl("ng_stack") @implementation
public func ng_stack(_ list: UnsafePointer<Handle?>?, _ count: Int32, _ axis: Int32) -> Handle? {
  made { try Nanograd.stack(tensors(list, count), axis: Int(axis)) }
}

@_cdecl("ng_pad") @implementation
public func ng_pad(
  _ a: Handle?, _ count: Int32, _ before: UnsafePointer<Int64>?, _ after: UnsafePointer<Int64>?,
  _ value: Double
) -> Handle? {
  made {
    try Nanograd.pad(
      tensor(a, "a"), before: perAxis(count, before), after: perAxis(count, after), value: value)
  }
}

@_cdecl("ng_gather") @implementation
public func ng_gather(_ a: Handle?, _ indices: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.gather(tensor(a, "a"), at: tensor(indices, "indices"), axis: Int(axis)) }
}

@_cdecl("ng_index_select") @implementation
public func ng_index_select(_ a: Handle?, _ indices: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.indexSelect(tensor(a, "a"), at: tensor(indices, "indices"), axis: Int(axis)) }
}

@_cdecl("ng_one_hot") @implementation
public func ng_one_hot(_ indices: Handle?, _ depth: Int64, _ code: ng_dtype) -> Handle? {
  made { try Nanograd.oneHot(tensor(indices, "indices"), depth: Int(depth), dtype(code)) }
}
