//  Chapter "Elementwise operators" of nanograd.h. Nothing here computes: it checks, converts and calls.

import CNanograd
import Nanograd

@_cdecl("ng_add") @implementation
public func ng_add(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try tensor(a, "a") + tensor(b, "b") }
}

@_cdecl("ng_subtract") @implementation
public func ng_subtract(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try tensor(a, "a") - tensor(b, "b") }
}

@_cdecl("ng_multiply") @implementation
public func ng_multiply(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try tensor(a, "a") * tensor(b, "b") }
}

@_cdecl("ng_divide") @implementation
public func ng_divide(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try tensor(a, "a") / tensor(b, "b") }
}

@_cdecl("ng_power") @implementation
public func ng_power(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.power(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_maximum") @implementation
public func ng_maximum(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.maximum(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_minimum") @implementation
public func ng_minimum(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.minimum(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_equal") @implementation
public func ng_equal(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.equal(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_not_equal") @implementation
public func ng_not_equal(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.notEqual(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_less") @implementation
public func ng_less(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.less(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_less_equal") @implementation
public func ng_less_equal(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.lessEqual(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_greater") @implementation
public func ng_greater(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.greater(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_greater_equal") @implementation
public func ng_greater_equal(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.greaterEqual(tensor(a, "a"), tensor(b, "b")) }
}

@_cdecl("ng_add_scalar") @implementation
public func ng_add_scalar(_ a: Handle?, _ value: Double) -> Handle? {
  made { try tensor(a, "a") + value }
}

@_cdecl("ng_multiply_scalar") @implementation
public func ng_multiply_scalar(_ a: Handle?, _ value: Double) -> Handle? {
  made { try tensor(a, "a") * value }
}

@_cdecl("ng_power_scalar") @implementation
public func ng_power_scalar(_ a: Handle?, _ exponent: Double) -> Handle? {
  made { try Nanograd.power(tensor(a, "a"), exponent) }
}

@_cdecl("ng_negate") @implementation
public func ng_negate(_ a: Handle?) -> Handle? {
  made { try -tensor(a, "a") }
}

@_cdecl("ng_abs") @implementation
public func ng_abs(_ a: Handle?) -> Handle? {
  made { try Nanograd.abs(tensor(a, "a")) }
}

@_cdecl("ng_sign") @implementation
public func ng_sign(_ a: Handle?) -> Handle? {
  made { try Nanograd.sign(tensor(a, "a")) }
}

@_cdecl("ng_exp") @implementation
public func ng_exp(_ a: Handle?) -> Handle? {
  made { try Nanograd.exp(tensor(a, "a")) }
}

@_cdecl("ng_log") @implementation
public func ng_log(_ a: Handle?) -> Handle? {
  made { try Nanograd.log(tensor(a, "a")) }
}

@_cdecl("ng_log1p") @implementation
public func ng_log1p(_ a: Handle?) -> Handle? {
  made { try Nanograd.log1p(tensor(a, "a")) }
}

@_cdecl("ng_expm1") @implementation
public func ng_expm1(_ a: Handle?) -> Handle? {
  made { try Nanograd.expm1(tensor(a, "a")) }
}

@_cdecl("ng_sqrt") @implementation
public func ng_sqrt(_ a: Handle?) -> Handle? {
  made { try Nanograd.sqrt(tensor(a, "a")) }
}

@_cdecl("ng_reciprocal") @implementation
public func ng_reciprocal(_ a: Handle?) -> Handle? {
  made { try Nanograd.reciprocal(tensor(a, "a")) }
}

@_cdecl("ng_sin") @implementation
public func ng_sin(_ a: Handle?) -> Handle? {
  made { try Nanograd.sin(tensor(a, "a")) }
}

@_cdecl("ng_cos") @implementation
public func ng_cos(_ a: Handle?) -> Handle? {
  made { try Nanograd.cos(tensor(a, "a")) }
}

@_cdecl("ng_tanh") @implementation
public func ng_tanh(_ a: Handle?) -> Handle? {
  made { try Nanograd.tanh(tensor(a, "a")) }
}

@_cdecl("ng_sigmoid") @implementation
public func ng_sigmoid(_ a: Handle?) -> Handle? {
  made { try Nanograd.sigmoid(tensor(a, "a")) }
}

@_cdecl("ng_relu") @implementation
public func ng_relu(_ a: Handle?) -> Handle? {
  made { try Nanograd.relu(tensor(a, "a")) }
}

@_cdecl("ng_stop_gradient") @implementation
public func ng_stop_gradient(_ a: Handle?) -> Handle? {
  made { try Nanograd.stopGradient(tensor(a, "a")) }
}

@_cdecl("ng_clamp") @implementation
public func ng_clamp(_ a: Handle?, _ low: Double, _ high: Double) -> Handle? {
  made { try Nanograd.clamp(tensor(a, "a"), low, high) }
}

@_cdecl("ng_where") @implementation
public func ng_where(_ condition: Handle?, _ a: Handle?, _ b: Handle?) -> Handle? {
  made {
    try Nanograd.select(
      tensor(condition, "the condition"), tensor(a, "a"), tensor(b, "b"))
  }
}

@_cdecl("ng_cast") @implementation
public func ng_cast(_ a: Handle?, _ code: ng_dtype) -> Handle? {
  made { try Nanograd.cast(tensor(a, "a"), to: dtype(code)) }
}

@_cdecl("ng_matmul") @implementation
public func ng_matmul(_ a: Handle?, _ b: Handle?) -> Handle? {
  made { try Nanograd.matmul(tensor(a, "a"), tensor(b, "b")) }
}
