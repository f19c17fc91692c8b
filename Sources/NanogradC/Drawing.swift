//  Chapter "Drawing" of nanograd.h, and descriptions of plans, which follow its rules.

import CNanograd
import Nanograd

@_cdecl("ng_tag") @implementation
public func ng_tag(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64)
  -> Int64
{
  number { try write(tensor(handle).tag ?? "", buffer, capacity) }
}

@_cdecl("ng_notation") @implementation
public func ng_notation(
  _ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number { try write(tensor(handle).notation, buffer, capacity) }
}

@_cdecl("ng_tree") @implementation
public func ng_tree(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64)
  -> Int64
{
  number { try write(tensor(handle).tree, buffer, capacity) }
}

@_cdecl("ng_dot") @implementation
public func ng_dot(_ handle: Handle?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64)
  -> Int64
{
  number { try write(tensor(handle).dot, buffer, capacity) }
}

@_cdecl("ng_plan_describe") @implementation
public func ng_plan_describe(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ buffer: UnsafeMutablePointer<CChar>?,
  _ capacity: Int64
) -> Int64 {
  number { try write(planDescription(of: tensors(list, count)), buffer, capacity) }
}

@_cdecl("ng_plan_profile") @implementation
public func ng_plan_profile(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ runs: Int32,
  _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number { try write(planProfile(of: tensors(list, count), runs: Int(runs)), buffer, capacity) }
}
