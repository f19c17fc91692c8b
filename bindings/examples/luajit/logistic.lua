-- A logistic regression in LuaJIT. Temporaries are released by a scope, the rest by the collector.
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local ng = require("nanograd")

-- The same numbers in every language: see ../c/logistic.c.
local state = 1
local function following()
  state = state * 16807 % 2147483647
  return state % 2001 - 1000
end

local function train()
  local examples, targets = {}, {}
  for row = 1, 500 do
    local a, b, c, noise = following(), following(), following(), following()
    for _, feature in ipairs({ a, b, c }) do examples[#examples + 1] = feature / 1000 end
    targets[row] = 3 * a - 2 * b + c + noise > 0 and 1 or 0
  end
  local x = ng.variable({ 500, 3 }, examples, "x")
  local t = ng.variable({ 500, 1 }, targets, "t")
  local w = ng.parameter({ 3, 1 }, { 0, 0, 0 }, "w")
  local b = ng.parameter({}, { 0 }, "b")
  local optimizer = ng.sgd(0.5)
  optimizer:add({ w, b })

  for step = 0, 200 do
    ng.scope(function()
      local loss = (x:matmul(w) + b):binary_cross_entropy_logits(t)
      if step % 100 == 0 then
        print(("step %3d  loss %.12f"):format(step, loss:item()))
      end
      loss:backward()
      optimizer:step()
      optimizer:zero_grad()
    end)
  end
end

train()
local ok, message = pcall(function()
  local a = ng.zeros({ 2, 3 })
  return a:matmul(a)
end)
if not ok then print("error: " .. message:gsub("^[^:]*:%d+: ", "")) end
for _ = 1, 1000 do ng.zeros({ 100 }) end -- outside of scopes: the collector's
collectgarbage()
collectgarbage()
print("handles alive: " .. ng.live_handles())
