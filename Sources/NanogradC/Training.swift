//  Chapters "Gradients", "Schedules" and "Optimizers" of nanograd.h.

import CNanograd
import Nanograd

@_cdecl("ng_backward") @implementation
public func ng_backward(_ loss: Handle?) -> ng_status {
  status { try tensor(loss, "the loss").backward() }
}

@_cdecl("ng_backward_eval") @implementation
public func ng_backward_eval(
  _ loss: Handle?, _ list: UnsafePointer<Handle?>?, _ count: Int32
) -> ng_status {
  status { try tensor(loss, "the loss").backward(evaluating: tensors(list, count)) }
}

@_cdecl("ng_grad") @implementation
public func ng_grad(_ parameter: Handle?) -> Handle? {
  made {
    guard let gradient = try tensor(parameter, "the parameter").grad else {
      throw NanogradError(.state, "the tensor is no Parameter, so nothing is accumulated for it")
    }
    return gradient
  }
}

@_cdecl("ng_zero_grad") @implementation
public func ng_zero_grad(_ list: UnsafePointer<Handle?>?, _ count: Int32) -> ng_status {
  status { for parameter in try parameters(list, count) { parameter.zeroGrad() } }
}

/// A C array of handles to Parameters.
private func parameters(_ list: UnsafePointer<Handle?>?, _ count: Int32) throws -> [Tensor] {
  let tensors = try tensors(list, count)
  for (i, tensor) in tensors.enumerated() where !tensor.isParameter {
    throw NanogradError(.state, "tensor \(i) is no Parameter")
  }
  return tensors
}

@_cdecl("ng_gradients") @implementation
public func ng_gradients(
  _ y: Handle?, _ seed: Handle?, _ list: UnsafePointer<Handle?>?, _ count: Int32,
  _ result: UnsafeMutablePointer<Handle?>?
) -> ng_status {
  status {
    let targets = try tensors(list, count)
    let made = try gradients(
      of: tensor(y, "y"), withRespectTo: targets,
      seed: seed == nil ? nil : tensor(seed, "the seed"))
    guard !made.isEmpty else { return }
    let result = try required(result, "gradients")
    var handles: [Handle?] = []
    do {
      for gradient in made { handles.append(try handle(gradient, .tensor)) }
    } catch {
      for handle in handles { try? release(handle, .tensor) }
      throw error
    }
    for (i, handle) in handles.enumerated() { result[i] = handle }
  }
}

@_cdecl("ng_check_gradients") @implementation
public func ng_check_gradients(
  _ loss: Handle?, _ step: Double, _ error: UnsafeMutablePointer<Double>?
) -> ng_status {
  status {
    let loss = try tensor(loss, "the loss")
    let error = try required(error, "error")
    error.pointee = try checkGradients(of: loss, step: step)
  }
}

/// A schedule-returning export.
private func scheduled(
  _ function: StaticString = #function, _ body: () throws -> Schedule
) -> Handle? {
  do {
    return try handle(Box(body()), .schedule)
  } catch {
    record(error, function)
    return nil
  }
}

@_cdecl("ng_schedule_constant") @implementation
public func ng_schedule_constant(_ steps: Int64, _ rate: Double) -> Handle? {
  scheduled { try .constant(rate, steps: Int(steps)) }
}

@_cdecl("ng_schedule_linear") @implementation
public func ng_schedule_linear(_ steps: Int64, _ from: Double, _ to: Double) -> Handle? {
  scheduled { try .linear(steps: Int(steps), from: from, to: to) }
}

@_cdecl("ng_schedule_cosine") @implementation
public func ng_schedule_cosine(_ steps: Int64, _ from: Double, _ to: Double) -> Handle? {
  scheduled { try .cosine(steps: Int(steps), from: from, to: to) }
}

@_cdecl("ng_schedule_exponential") @implementation
public func ng_schedule_exponential(_ steps: Int64, _ from: Double, _ to: Double) -> Handle? {
  scheduled { try .exponential(steps: Int(steps), from: from, to: to) }
}

@_cdecl("ng_schedule_step") @implementation
public func ng_schedule_step(_ interval: Int64, _ from: Double, _ factor: Double) -> Handle? {
  scheduled { try .step(interval: Int(interval), from: from, factor: factor) }
}

@_cdecl("ng_schedule_chain") @implementation
public func ng_schedule_chain(_ first: Handle?, _ second: Handle?) -> Handle? {
  scheduled { try schedule(first, "the first schedule") + schedule(second, "the second schedule") }
}

@_cdecl("ng_schedule_rate") @implementation
public func ng_schedule_rate(_ handle: Handle?, _ step: Int64) -> Double {
  number(failure: .nan) {
    let schedule = try schedule(handle)
    guard step >= 0 else { throw NanogradError(.argument, "step \(step), expected at least 0") }
    return schedule.rate(at: Int(step))
  }
}

@_cdecl("ng_schedule_release") @implementation
public func ng_schedule_release(_ handle: Handle?) -> ng_status {
  status { try release(handle, .schedule) }
}

/// An optimizer-returning export.
private func optimizing(
  _ function: StaticString = #function, _ body: () throws -> Optimizer
) -> Handle? {
  do {
    return try handle(body(), .optimizer)
  } catch {
    record(error, function)
    return nil
  }
}

@_cdecl("ng_sgd") @implementation
public func ng_sgd(_ rate: Double) -> Handle? {
  optimizing { try Optimizer(.sgd, rate: .constant(rate)) }
}

@_cdecl("ng_adam") @implementation
public func ng_adam(_ rate: Double) -> Handle? {
  optimizing { try Optimizer(.adam, rate: .constant(rate)) }
}

@_cdecl("ng_adamw") @implementation
public func ng_adamw(_ rate: Double) -> Handle? {
  optimizing { try Optimizer(.adamW, rate: .constant(rate)) }
}

@_cdecl("ng_optimizer_add") @implementation
public func ng_optimizer_add(
  _ handle: Handle?, _ list: UnsafePointer<Handle?>?, _ count: Int32
) -> ng_status {
  status { try optimizer(handle).add(parameters(list, count)) }
}

@_cdecl("ng_optimizer_set_rate") @implementation
public func ng_optimizer_set_rate(_ handle: Handle?, _ rate: Double) -> ng_status {
  status { try optimizer(handle).setRate(.constant(rate)) }
}

@_cdecl("ng_optimizer_set_schedule") @implementation
public func ng_optimizer_set_schedule(_ handle: Handle?, _ rates: Handle?) -> ng_status {
  status { try optimizer(handle).setRate(schedule(rates)) }
}

@_cdecl("ng_optimizer_set_momentum") @implementation
public func ng_optimizer_set_momentum(
  _ handle: Handle?, _ momentum: Double, _ nesterov: Int32
) -> ng_status {
  status { try optimizer(handle).setMomentum(momentum, nesterov: nesterov != 0) }
}

@_cdecl("ng_optimizer_set_betas") @implementation
public func ng_optimizer_set_betas(
  _ handle: Handle?, _ beta1: Double, _ beta2: Double, _ epsilon: Double
) -> ng_status {
  status { try optimizer(handle).setBetas(beta1, beta2, epsilon: epsilon) }
}

@_cdecl("ng_optimizer_set_weight_decay") @implementation
public func ng_optimizer_set_weight_decay(_ handle: Handle?, _ decay: Double) -> ng_status {
  status { try optimizer(handle).setWeightDecay(decay) }
}

@_cdecl("ng_optimizer_set_clip_norm") @implementation
public func ng_optimizer_set_clip_norm(_ handle: Handle?, _ max: Double) -> ng_status {
  status { try optimizer(handle).setClipNorm(max) }
}

@_cdecl("ng_optimizer_set_clip_value") @implementation
public func ng_optimizer_set_clip_value(_ handle: Handle?, _ max: Double) -> ng_status {
  status { try optimizer(handle).setClipValue(max) }
}

@_cdecl("ng_optimizer_step") @implementation
public func ng_optimizer_step(_ handle: Handle?) -> ng_status {
  status { try optimizer(handle).step() }
}

@_cdecl("ng_optimizer_zero_grad") @implementation
public func ng_optimizer_zero_grad(_ handle: Handle?) -> ng_status {
  status { try optimizer(handle).zeroGrad() }
}

@_cdecl("ng_optimizer_rate") @implementation
public func ng_optimizer_rate(_ handle: Handle?) -> Double {
  number(failure: .nan) { try optimizer(handle).rate }
}

@_cdecl("ng_optimizer_grad_norm") @implementation
public func ng_optimizer_grad_norm(_ handle: Handle?) -> Double {
  number(failure: .nan) { try optimizer(handle).gradNorm }
}

@_cdecl("ng_optimizer_steps") @implementation
public func ng_optimizer_steps(_ handle: Handle?) -> Int64 {
  number { try Int64(optimizer(handle).steps) }
}

@_cdecl("ng_optimizer_release") @implementation
public func ng_optimizer_release(_ handle: Handle?) -> ng_status {
  status { try release(handle, .optimizer) }
}
