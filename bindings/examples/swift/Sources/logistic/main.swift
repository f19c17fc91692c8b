// A logistic regression in Swift, with the package and no C in between. There are no handles:
// tensors are released by reference counting.
import Foundation
import Nanograd

/// The same numbers in every language: see ../../../c/logistic.c.
struct Numbers {
  var state = 1
  mutating func next() -> Int {
    state = state * 16807 % 2_147_483_647
    return state % 2001 - 1000
  }
}

var numbers = Numbers()
var examples: [Double] = []
var targets: [Double] = []
for _ in 0..<500 {
  let (a, b, c, noise) = (numbers.next(), numbers.next(), numbers.next(), numbers.next())
  examples += [a, b, c].map { Double($0) / 1000 }
  targets.append(3 * a - 2 * b + c + noise > 0 ? 1 : 0)
}
let x = try Tensor(variable: examples, [500, 3], tag: "x")
let t = try Tensor(variable: targets, [500, 1], tag: "t")
let w = try Tensor(parameter: [0, 0, 0] as [Double], [3, 1], tag: "w")
let b = try Tensor(parameter: [0] as [Double], [], tag: "b")
let optimizer = Optimizer(.sgd, rate: 0.5)
try optimizer.add([w, b])

for step in 0...200 {
  let loss = try binaryCrossEntropy(logits: matmul(x, w) + b, t)
  if step % 100 == 0 {
    print(String(format: "step %3d  loss %.12f", step, try loss.item()))
  }
  try loss.backward()
  try optimizer.step()
  optimizer.zeroGrad()
}

do {
  let a = try Tensor(variable: .float64, [2, 3])
  _ = try matmul(a, a)
} catch let error as NanogradError {
  print("error: \(error)")
}
