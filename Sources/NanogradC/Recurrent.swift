//  Chapter "Recurrent networks" of nanograd.h. Nothing here computes: it checks, converts and calls.

import CNanograd
import Nanograd

@_cdecl("ng_rnn_cell") @implementation
public func ng_rnn_cell(
  _ x: Handle?, _ h: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?, _ rb: Handle?,
  _ flags: Int32
) -> Handle? {
  made {
    try Nanograd.rnnCell(
      tensor(x, "x"), tensor(h, "h"), weights(w, r, wb, rb), options(flags, ofCell: .relu))
  }
}

@_cdecl("ng_gru_cell") @implementation
public func ng_gru_cell(
  _ x: Handle?, _ h: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?, _ rb: Handle?,
  _ flags: Int32
) -> Handle? {
  made {
    try Nanograd.gruCell(
      tensor(x, "x"), tensor(h, "h"), weights(w, r, wb, rb),
      options(flags, ofCell: [.resetAfter, .updateTakes]))
  }
}

@_cdecl("ng_lstm_cell") @implementation
public func ng_lstm_cell(
  _ x: Handle?, _ h: Handle?, _ c: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?,
  _ rb: Handle?, _ flags: Int32, _ next: UnsafeMutablePointer<Handle?>?
) -> Handle? {
  made(and: [next]) {
    let states = try Nanograd.lstmCell(
      tensor(x, "x"), tensor(h, "h"), tensor(c, "c"), weights(w, r, wb, rb),
      options(flags, ofCell: []))
    return [states.h, states.c]
  }
}

@_cdecl("ng_rnn") @implementation
public func ng_rnn(
  _ x: Handle?, _ h: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?, _ rb: Handle?,
  _ lengths: Handle?, _ flags: Int32, _ last: UnsafeMutablePointer<Handle?>?
) -> Handle? {
  made(and: [last]) {
    let result = try Nanograd.rnn(
      tensor(x, "x"), optional(h, "h"), weights(w, r, wb, rb),
      lengths: optional(lengths, "lengths"), options(flags, ofSequence: .relu))
    return [result.outputs, result.last]
  }
}

@_cdecl("ng_gru") @implementation
public func ng_gru(
  _ x: Handle?, _ h: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?, _ rb: Handle?,
  _ lengths: Handle?, _ flags: Int32, _ last: UnsafeMutablePointer<Handle?>?
) -> Handle? {
  made(and: [last]) {
    let result = try Nanograd.gru(
      tensor(x, "x"), optional(h, "h"), weights(w, r, wb, rb),
      lengths: optional(lengths, "lengths"),
      options(flags, ofSequence: [.resetAfter, .updateTakes]))
    return [result.outputs, result.last]
  }
}

@_cdecl("ng_lstm") @implementation
public func ng_lstm(
  _ x: Handle?, _ h: Handle?, _ c: Handle?, _ w: Handle?, _ r: Handle?, _ wb: Handle?,
  _ rb: Handle?, _ lengths: Handle?, _ flags: Int32, _ lastH: UnsafeMutablePointer<Handle?>?,
  _ lastC: UnsafeMutablePointer<Handle?>?
) -> Handle? {
  made(and: [lastH, lastC]) {
    let result = try Nanograd.lstm(
      tensor(x, "x"), optional(h, "h"), optional(c, "c"), weights(w, r, wb, rb),
      lengths: optional(lengths, "lengths"), options(flags, ofSequence: []))
    return [result.outputs, result.h, result.c]
  }
}

private func weights(_ w: Handle?, _ r: Handle?, _ wb: Handle?, _ rb: Handle?) throws
  -> GateWeights
{
  try GateWeights(
    input: tensor(w, "w"), state: tensor(r, "r"), inputBias: optional(wb, "wb"),
    stateBias: optional(rb, "rb"))
}

/// The tensor behind a handle; nil for NULL.
private func optional(_ handle: Handle?, _ name: String) throws -> Tensor? {
  handle == nil ? nil : try tensor(handle, name)
}

private func options(_ flags: Int32, ofSequence allowed: RecurrentOptions) throws
  -> RecurrentOptions
{
  let options = try options(flags, ofCell: allowed.union([.reverse, .bidirectional]))
  guard !options.isSuperset(of: [.reverse, .bidirectional]) else {
    throw NanogradError(
      .argument, "flags \(flags), expected NG_RECURRENT_REVERSE or _BIDIRECTIONAL, not both")
  }
  return options
}

private func options(_ flags: Int32, ofCell allowed: RecurrentOptions) throws -> RecurrentOptions {
  let options = RecurrentOptions(rawValue: flags)
  guard options.isSubset(of: allowed) else {
    throw NanogradError(
      .argument,
      "flags \(flags), of which \(flags & ~allowed.rawValue) does not apply here")
  }
  return options
}

/// An export that returns a tensor and writes others through pointers, as far as these are not NULL.
private func made(
  and pointers: [UnsafeMutablePointer<Handle?>?], _ function: StaticString = #function,
  _ body: () throws -> [Tensor]
) -> Handle? {
  do {
    let tensors = try body()
    var handles: [Handle?] = []
    do {
      for (i, tensor) in tensors.enumerated() where i == 0 || pointers[i - 1] != nil {
        handles.append(try handle(tensor, .tensor))
      }
    } catch {
      for handle in handles { try? release(handle, .tensor) }
      throw error
    }
    for (pointer, handle) in zip(pointers.compactMap { $0 }, handles.dropFirst()) {
      pointer.pointee = handle
    }
    return handles[0]
  } catch {
    record(error, function)
    return nil
  }
}
