//  Chapter "Reductions" and "Losses" of nanograd.h. Nothing here computes: it checks, converts and calls.

import CNanograd
import Nanograd

@_cdecl("ng_sum") @implementation
public func ng_sum(_ a: Handle?, _ count: Int32, _ list: UnsafePointer<Int32>?, _ keep: Int32)
  -> Handle?
{
  made { try Nanograd.sum(tensor(a, "a"), axes: axes(count, list), keep: keep != 0) }
}

@_cdecl("ng_mean") @implementation
public func ng_mean(_ a: Handle?, _ count: Int32, _ list: UnsafePointer<Int32>?, _ keep: Int32)
  -> Handle?
{
  made { try Nanograd.mean(tensor(a, "a"), axes: axes(count, list), keep: keep != 0) }
}

@_cdecl("ng_max") @implementation
public func ng_max(_ a: Handle?, _ count: Int32, _ list: UnsafePointer<Int32>?, _ keep: Int32)
  -> Handle?
{
  made { try Nanograd.max(tensor(a, "a"), axes: axes(count, list), keep: keep != 0) }
}

@_cdecl("ng_min") @implementation
public func ng_min(_ a: Handle?, _ count: Int32, _ list: UnsafePointer<Int32>?, _ keep: Int32)
  -> Handle?
{
  made { try Nanograd.min(tensor(a, "a"), axes: axes(count, list), keep: keep != 0) }
}

@_cdecl("ng_logsumexp") @implementation
public func ng_logsumexp(_ a: Handle?, _ count: Int32, _ list: UnsafePointer<Int32>?, _ keep: Int32)
  -> Handle?
{
  made { try Nanograd.logSumExp(tensor(a, "a"), axes: axes(count, list), keep: keep != 0) }
}

@_cdecl("ng_argmax") @implementation
public func ng_argmax(_ a: Handle?, _ axis: Int32, _ keep: Int32) -> Handle? {
  made { try Nanograd.argmax(tensor(a, "a"), axis: Int(axis), keep: keep != 0) }
}

@_cdecl("ng_softmax") @implementation
public func ng_softmax(_ a: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.softmax(tensor(a, "a"), axis: Int(axis)) }
}

@_cdecl("ng_log_softmax") @implementation
public func ng_log_softmax(_ a: Handle?, _ axis: Int32) -> Handle? {
  made { try Nanograd.logSoftmax(tensor(a, "a"), axis: Int(axis)) }
}

@_cdecl("ng_squared_error") @implementation
public func ng_squared_error(_ y: Handle?, _ t: Handle?) -> Handle? {
  made { try Nanograd.squaredError(tensor(y, "y"), tensor(t, "t")) }
}

@_cdecl("ng_binary_cross_entropy") @implementation
public func ng_binary_cross_entropy(_ y: Handle?, _ t: Handle?) -> Handle? {
  made { try Nanograd.binaryCrossEntropy(tensor(y, "y"), tensor(t, "t")) }
}

@_cdecl("ng_binary_cross_entropy_logits") @implementation
public func ng_binary_cross_entropy_logits(_ z: Handle?, _ t: Handle?) -> Handle? {
  made { try Nanograd.binaryCrossEntropy(logits: tensor(z, "z"), tensor(t, "t")) }
}

@_cdecl("ng_cross_entropy") @implementation
public func ng_cross_entropy(_ y: Handle?, _ t: Handle?) -> Handle? {
  made { try Nanograd.crossEntropy(tensor(y, "y"), tensor(t, "t")) }
}

@_cdecl("ng_cross_entropy_logits") @implementation
public func ng_cross_entropy_logits(_ z: Handle?, _ t: Handle?) -> Handle? {
  made { try Nanograd.crossEntropy(logits: tensor(z, "z"), tensor(t, "t")) }
}

@_cdecl("ng_cross_entropy_indices") @implementation
public func ng_cross_entropy_indices(_ y: Handle?, _ indices: Handle?) -> Handle? {
  made { try Nanograd.crossEntropy(tensor(y, "y"), indices: tensor(indices, "indices")) }
}

@_cdecl("ng_cross_entropy_logits_indices") @implementation
public func ng_cross_entropy_logits_indices(_ z: Handle?, _ indices: Handle?) -> Handle? {
  made { try Nanograd.crossEntropy(logits: tensor(z, "z"), indices: tensor(indices, "indices")) }
}

@_cdecl("ng_ridge") @implementation
public func ng_ridge(_ w: Handle?) -> Handle? {
  made { try Nanograd.ridge(tensor(w, "w")) }
}

@_cdecl("ng_lasso") @implementation
public func ng_lasso(_ w: Handle?) -> Handle? {
  made { try Nanograd.lasso(tensor(w, "w")) }
}
