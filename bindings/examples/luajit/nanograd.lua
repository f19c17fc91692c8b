-- nanograd for LuaJIT: handles that the collector releases, operators, and Lua's errors. A sketch to
-- start from: what it does not wrap is wrapped like its neighbours.
--
-- The collector sees a few bytes of Lua where the library holds a tensor, and comes too late. So a loop
-- makes its temporaries inside nanograd.scope, at whose end they are released.

local ffi = require("ffi")

ffi.cdef([[
typedef struct ng_tensor ng_tensor;
typedef struct ng_optimizer ng_optimizer;
int32_t ng_error(void);
const char *ng_error_message(void);
void ng_clear_error(void);
int32_t ng_scope_begin(void);
int32_t ng_scope_end(void);
ng_tensor *ng_keep(ng_tensor *tensor);
int32_t ng_release(ng_tensor *tensor);
int64_t ng_live_handles(void);
ng_tensor *ng_variable(int32_t dtype, int32_t rank, const int64_t *shape, const void *data,
                       const char *tag);
ng_tensor *ng_parameter(int32_t dtype, int32_t rank, const int64_t *shape, const void *data,
                        const char *tag);
ng_tensor *ng_zeros(int32_t dtype, int32_t rank, const int64_t *shape);
int32_t ng_write(ng_tensor *leaf, const void *data, int64_t bytes);
double ng_item(ng_tensor *tensor);
ng_tensor *ng_add(ng_tensor *a, ng_tensor *b);
ng_tensor *ng_subtract(ng_tensor *a, ng_tensor *b);
ng_tensor *ng_multiply(ng_tensor *a, ng_tensor *b);
ng_tensor *ng_matmul(ng_tensor *a, ng_tensor *b);
ng_tensor *ng_binary_cross_entropy_logits(ng_tensor *z, ng_tensor *t);
int32_t ng_backward(ng_tensor *loss);
ng_optimizer *ng_sgd(double rate);
int32_t ng_optimizer_add(ng_optimizer *optimizer, ng_tensor *const *parameters, int32_t count);
int32_t ng_optimizer_step(ng_optimizer *optimizer);
int32_t ng_optimizer_zero_grad(ng_optimizer *optimizer);
int32_t ng_optimizer_release(ng_optimizer *optimizer);
]])

local C = ffi.load(os.getenv("NANOGRAD_LIBRARY") or "nanograd")
local FLOAT64 = 2
local nanograd, Tensor, Optimizer = {}, {}, {}
Tensor.__index, Optimizer.__index = Tensor, Optimizer

-- Raises what is on record as a Lua error, and leaves the record clear for the next call.
local function raise()
  local message = ffi.string(C.ng_error_message())
  C.ng_clear_error()
  error(message, 3)
end

local function check(status)
  if status < 0 then raise() end
end

local open_scopes = 0

-- In a scope the handle belongs to that; else it belongs to the collector.
local function tensor(handle)
  if handle == nil then raise() end
  if open_scopes == 0 then handle = ffi.gc(handle, C.ng_release) end
  return setmetatable({ handle = handle }, Tensor)
end

-- Calls `body`, then releases all tensors made in it but the one that it returns, if it does.
function nanograd.scope(body)
  check(C.ng_scope_begin())
  open_scopes = open_scopes + 1
  local ok, result = pcall(body)
  local is_tensor = ok and getmetatable(result) == Tensor
  if is_tensor then C.ng_keep(result.handle) end
  open_scopes = open_scopes - 1
  check(C.ng_scope_end())
  if not ok then error(result, 0) end
  -- A tensor made outside has an owner already: setting the same finalizer again changes nothing.
  if is_tensor and open_scopes == 0 then ffi.gc(result.handle, C.ng_release) end
  return result
end

local function int64s(numbers)
  return ffi.new("int64_t[?]", #numbers, numbers)
end

-- The library cannot see how long `data` is, so ng_write is given it with its size.
local function leaf(make, shape, data, tag)
  local made = tensor(make(FLOAT64, #shape, int64s(shape), nil, tag))
  local doubles = ffi.new("double[?]", #data, data)
  check(C.ng_write(made.handle, doubles, ffi.sizeof(doubles)))
  return made
end

function nanograd.variable(shape, data, tag) return leaf(C.ng_variable, shape, data, tag) end
function nanograd.parameter(shape, data, tag) return leaf(C.ng_parameter, shape, data, tag) end
function nanograd.zeros(shape) return tensor(C.ng_zeros(FLOAT64, #shape, int64s(shape))) end
function nanograd.live_handles() return tonumber(C.ng_live_handles()) end

function Tensor.__add(a, b) return tensor(C.ng_add(a.handle, b.handle)) end
function Tensor.__sub(a, b) return tensor(C.ng_subtract(a.handle, b.handle)) end
function Tensor.__mul(a, b) return tensor(C.ng_multiply(a.handle, b.handle)) end
function Tensor.matmul(a, b) return tensor(C.ng_matmul(a.handle, b.handle)) end
function Tensor.binary_cross_entropy_logits(z, t)
  return tensor(C.ng_binary_cross_entropy_logits(z.handle, t.handle))
end
function Tensor:backward() check(C.ng_backward(self.handle)) end

-- NaN may be a value, so the record is asked whether it is one.
function Tensor:item()
  local value = C.ng_item(self.handle)
  if value ~= value and C.ng_error() ~= 0 then raise() end
  return value
end

function nanograd.sgd(rate)
  local handle = C.ng_sgd(rate)
  if handle == nil then raise() end
  return setmetatable({ handle = ffi.gc(handle, C.ng_optimizer_release) }, Optimizer)
end

function Optimizer:add(parameters)
  local handles = ffi.new("ng_tensor *[?]", #parameters)
  for i, parameter in ipairs(parameters) do handles[i - 1] = parameter.handle end
  check(C.ng_optimizer_add(self.handle, handles, #parameters))
end

function Optimizer:step() check(C.ng_optimizer_step(self.handle)) end
function Optimizer:zero_grad() check(C.ng_optimizer_zero_grad(self.handle)) end

return nanograd
