//  Chapters "Versions", "Types", "Errors", "Handles and scopes" and "How it runs" of nanograd.h.

import CNanograd
import Nanograd

/// A text that lives as long as the process.
private struct StaticText: @unchecked Sendable {
  let pointer: UnsafePointer<CChar>
  init(_ text: String) {
    let bytes = Array(text.utf8CString)
    let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    memory.initialize(from: bytes, count: bytes.count)
    pointer = UnsafePointer(memory)
  }
}

private let versionText = StaticText("\(NG_VERSION_MAJOR).\(NG_VERSION_MINOR).\(NG_VERSION_PATCH)")
private let isaText = StaticText(instructionSet)
private let dtypeTexts = DType.allCases.map { StaticText($0.description) }
private let unknownText = StaticText("unknown")
private let emptyText = StaticText("")
private let textlessText = StaticText("no memory for the message")

@_cdecl("ng_version") @implementation
public func ng_version() -> UnsafePointer<CChar>? {
  versionText.pointer
}

@_cdecl("ng_version_number") @implementation
public func ng_version_number() -> Int32 {
  Int32(NG_VERSION_MAJOR * 10000 + NG_VERSION_MINOR * 100 + NG_VERSION_PATCH)
}

@_cdecl("ng_dtype_name") @implementation
public func ng_dtype_name(_ code: ng_dtype) -> UnsafePointer<CChar>? {
  guard let known = try? dtype(code) else { return unknownText.pointer }
  return dtypeTexts[Int(known.rawValue) - 1].pointer
}

@_cdecl("ng_dtype_size") @implementation
public func ng_dtype_size(_ code: ng_dtype) -> Int64 {
  Int64((try? dtype(code))?.size ?? 0)
}

@_cdecl("ng_error") @implementation
public func ng_error() -> ng_status {
  Thread.current.code
}

@_cdecl("ng_error_message") @implementation
public func ng_error_message() -> UnsafePointer<CChar>? {
  let thread = Thread.current
  if let message = thread.message { return UnsafePointer(message) }
  return thread.code == 0 ? emptyText.pointer : textlessText.pointer
}

@_cdecl("ng_clear_error") @implementation
public func ng_clear_error() {
  Thread.current.clearError()
}

@_cdecl("ng_scope_begin") @implementation
public func ng_scope_begin() -> ng_status {
  Thread.withCurrent { $0.beginScope() }
  return 0
}

@_cdecl("ng_scope_end") @implementation
public func ng_scope_end() -> ng_status {
  status { try Thread.withCurrent { try $0.endScope() } }
}

@_cdecl("ng_keep") @implementation
public func ng_keep(_ handle: Handle?) -> Handle? {
  do {
    _ = try tensor(handle)
    Thread.current.keep(UInt64(UInt(bitPattern: handle)))
    return handle
  } catch {
    record(error, "ng_keep")
    return nil
  }
}

@_cdecl("ng_release") @implementation
public func ng_release(_ handle: Handle?) -> ng_status {
  status { try release(handle, .tensor) }
}

@_cdecl("ng_live_handles") @implementation
public func ng_live_handles() -> Int64 {
  Int64(Handles.count)
}

@_cdecl("ng_live_bytes") @implementation
public func ng_live_bytes() -> Int64 {
  Int64(liveBytes)
}

@_cdecl("ng_num_threads") @implementation
public func ng_num_threads() -> Int32 {
  Int32(numberOfThreads)
}

@_cdecl("ng_set_num_threads") @implementation
public func ng_set_num_threads(_ count: Int32) -> ng_status {
  status { try setNumberOfThreads(Int(count)) }
}

@_cdecl("ng_isa") @implementation
public func ng_isa() -> UnsafePointer<CChar>? {
  isaText.pointer
}
