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
  number { try write(tensor(handle).checkedNotation(), buffer, capacity) }
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

// MARK: Pictures

@_cdecl("ng_graph_dot") @implementation
public func ng_graph_dot(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ flags: Int32, _ depth: Int32, _ limit: Int64,
  _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number {
    try write(picture(list, count, flags, depth, limit, dot(_:_:depth:limit:)), buffer, capacity)
  }
}

@_cdecl("ng_graph_mermaid") @implementation
public func ng_graph_mermaid(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ flags: Int32, _ depth: Int32, _ limit: Int64,
  _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number {
    try write(
      picture(list, count, flags, depth, limit, mermaid(_:_:depth:limit:)), buffer, capacity)
  }
}

@_cdecl("ng_graph_tree") @implementation
public func ng_graph_tree(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ flags: Int32, _ depth: Int32, _ limit: Int64,
  _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int64
) -> Int64 {
  number {
    try write(picture(list, count, flags, depth, limit, tree(_:_:depth:limit:)), buffer, capacity)
  }
}

private func picture(
  _ list: UnsafePointer<Handle?>?, _ count: Int32, _ flags: Int32, _ depth: Int32, _ limit: Int64,
  _ draw: ([Tensor], PictureOptions, Int, Int) throws -> String
) throws -> String {
  let options = try options(flags, depth, limit)
  return try draw(tensors(list, count), options, Int(depth), Int(limit))
}

private func options(_ flags: Int32, _ depth: Int32, _ limit: Int64) throws -> PictureOptions {
  let all: PictureOptions = [.shapes, .values, .gradients, .expressions]
  guard PictureOptions(rawValue: flags).isSubset(of: all) else {
    throw NanogradError(
      .argument, "flags \(flags), of which \(flags & ~all.rawValue) is none of NG_DRAW_…")
  }
  guard depth >= 0 else { throw NanogradError(.argument, "depth \(depth), expected at least 0") }
  guard limit >= 1 else { throw NanogradError(.argument, "limit \(limit), expected at least 1") }
  return PictureOptions(rawValue: flags)
}
