import XCTest

@testable import Nanograd

final class OptimizerTests: XCTestCase {
  /// The update of one Parameter as the manual writes it, in Double.
  private struct Reference {
    let kind: Optimizer.Kind
    let settings: Optimizer.Settings
    var w: [Double]
    var m: [Double]
    var v: [Double]
    var t = 0.0

    init(_ kind: Optimizer.Kind, _ settings: Optimizer.Settings, _ w: [Double]) {
      (self.kind, self.settings, self.w) = (kind, settings, w)
      m = w.map { _ in 0 }
      v = m
    }

    mutating func update(_ gradient: [Double], rate: Double, scale: Double) {
      let s = settings
      t += 1
      for i in w.indices {
        var g = gradient[i]
        if s.clipValue > 0 { g = min(max(g, -s.clipValue), s.clipValue) }
        g *= scale
        let decay = rate * s.weightDecay * w[i]
        if kind != .adamW { g += s.weightDecay * w[i] }
        if kind == .sgd {
          v[i] = s.momentum * v[i] + g
          w[i] -= rate * (s.nesterov ? g + s.momentum * v[i] : v[i])
        } else {
          m[i] = s.beta1 * m[i] + (1 - s.beta1) * g
          v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g
          let (mean, square) = (m[i] / (1 - pow(s.beta1, t)), v[i] / (1 - pow(s.beta2, t)))
          w[i] -= rate * mean / (square.squareRoot() + s.epsilon) + (kind == .adamW ? decay : 0)
        }
      }
    }
  }

  func testUpdatesFollowTheManual() throws {
    let cases: [(Optimizer.Kind, (Optimizer) throws -> Void)] = [
      (.sgd, { _ in }),
      (.sgd, { try $0.setMomentum(0.9) }),
      (.sgd, { try $0.setMomentum(0.9, nesterov: true) }),
      (.sgd, { try $0.setWeightDecay(0.1) }),
      (.sgd, { try $0.setClipNorm(1.5) }),
      (.sgd, { try $0.setClipValue(0.5) }),
      (
        .sgd,
        {
          try $0.setMomentum(0.5)
          try $0.setWeightDecay(0.1)
          try $0.setClipNorm(0.7)
          try $0.setClipValue(0.5)
        }
      ),
      (.adam, { _ in }),
      (.adam, { try $0.setBetas(0.5, 0.9, epsilon: 1e-3) }),
      (.adam, { try $0.setWeightDecay(0.1) }),
      (.adam, { try $0.setBetas(0, 0) }),
      (.adamW, { _ in }),
      (
        .adamW,
        {
          try $0.setWeightDecay(0.2)
          try $0.setClipNorm(0.5)
        }
      ),
    ]
    for dtypes in [[DType.float64, .float64], [.float32, .float32], [.float32, .float64]] {
      let accuracy = dtypes.contains(.float32) ? 1e-5 : 1e-13
      for (number, (kind, set)) in cases.enumerated() {
        let rates = try Schedule.linear(steps: 4, from: 0.1, to: 0.02)
        let optimizer = Optimizer(kind, rate: rates)
        try set(optimizer)
        let starts = [[1, -2, 3], [0.5, 0.25]]
        let w = try zip(dtypes, starts).map { try Tensor.floats($0, $1, isParameter: true) }
        try optimizer.add(w)
        var references = starts.map { Reference(kind, optimizer.settings, $0) }
        for step in 0..<6 {
          let gradients = starts.map { $0.map { sin(Double(step) + 3 * $0) } }
          for (w, g) in zip(w, gradients) { try w.setGradient(g) }
          let s = optimizer.settings
          let limit = s.clipValue > 0 ? s.clipValue : .infinity
          let norm = gradients.joined().reduce(0) { $0 + pow(min(abs($1), limit), 2) }.squareRoot()
          let scale = s.clipNorm > 0 && norm > s.clipNorm ? s.clipNorm / norm : 1
          for i in w.indices {
            references[i].update(gradients[i], rate: rates.rate(at: step), scale: scale)
          }
          XCTAssertEqual(optimizer.rate, rates.rate(at: step))
          try optimizer.step()
          for i in w.indices {
            for (a, b) in zip(try w[i].doubles(), references[i].w) {
              XCTAssertEqual(a, b, accuracy: accuracy, "case \(number), step \(step), \(dtypes)")
            }
            for (a, b) in zip(try w[i].grad!.doubles(), gradients[i]) {
              XCTAssertEqual(a, b, accuracy: accuracy, "the gradient stays")
            }
          }
          if s.clipNorm > 0 {
            XCTAssertEqual(optimizer.gradNorm, norm, accuracy: accuracy)
          } else {
            XCTAssert(optimizer.gradNorm.isNaN)
          }
        }
        XCTAssertEqual(optimizer.steps, 6)
      }
    }
  }

  func testOnlyWhatHasAGradientIsUpdated() throws {
    let a = try Tensor(parameter: [1.0], [1])
    let b = try Tensor(parameter: [1.0], [1])
    let optimizer = Optimizer(.adam, rate: 0.1)
    try optimizer.add([a])
    try optimizer.step()
    XCTAssertEqual([optimizer.steps, try a.values() == [1.0] ? 1 : 0], [1, 1])
    try a.setGradient([3])
    try optimizer.step()
    try optimizer.step()
    // b comes later: its own first update is corrected as a first one, by the whole rate.
    try optimizer.add([b, a])
    XCTAssertEqual(optimizer.parameters.count, 2)
    try b.setGradient([-5])
    try optimizer.step()
    XCTAssertEqual(try a.item(), 0.7, accuracy: 1e-6)
    XCTAssertEqual(try b.item(), 1.1, accuracy: 1e-6)
    optimizer.zeroGrad()
    let before = try [a.item(), b.item()]
    try optimizer.step()
    XCTAssertEqual(try [a.item(), b.item()], before)
    XCTAssertEqual(optimizer.steps, 5)
  }

  func testClippingDoesNotHideNaN() throws {
    for (bad, isFinite) in [(Double.nan, true), (.infinity, false)] {
      let w = try Tensor(parameter: [1.0, 1, 1], [3])
      let optimizer = Optimizer(.sgd, rate: 1)
      try optimizer.add([w])
      try optimizer.setClipNorm(1)
      try w.setGradient([0.5, 0, 0])
      w.grad!.leaf!.replace(try Tensor(variable: [0.5, bad, 0], [3]).evaluated())
      try optimizer.step()
      XCTAssert(try w.values(Double.self)[1].isNaN)
      XCTAssertEqual(try w.values(Double.self)[0], isFinite ? 0.5 : 1)
      XCTAssertFalse(optimizer.gradNorm.isFinite)
      try w.write([1.0, 1, 1])
      try optimizer.setClipNorm(0)
      try optimizer.setClipValue(0.25)
      try optimizer.step()
      XCTAssertEqual(try w.values(Double.self)[1].isNaN, bad.isNaN)
    }
  }

  func testANormWithinTheLimitChangesNothing() throws {
    let w = try Tensor(parameter: [1 as Float, 2], [2])
    let optimizer = Optimizer(.sgd, rate: 1)
    try optimizer.add([w])
    try optimizer.setClipNorm(5)
    try w.setGradient([3, 4])
    try optimizer.step()
    XCTAssertEqual(try w.values(), [-2 as Float, -2])
    XCTAssertEqual(optimizer.gradNorm, 5)
  }

  func testAFailureChangesNothing() throws {
    let w = try Tensor(parameter: [1.0], [1])
    // Zeros need no memory as long as nobody asks for them, but no machine has room for these.
    let huge = try Tensor(parameter: .float64, [1 << 55])
    let optimizer = Optimizer(.adam, rate: 0.1)
    try optimizer.add([w, huge])
    try w.setGradient([1])
    try optimizer.step()
    let before = try w.item()
    _ = huge.grad
    huge.leaf!.hasGradient = true
    for _ in 0..<2 { XCTAssertEqual(code { try optimizer.step() }, .memory) }
    XCTAssertEqual([try w.item(), Double(optimizer.steps)], [before, 1])
    huge.zeroGrad()
    optimizer.setRate(try .step(interval: 1, from: 1, factor: 1e200))
    try optimizer.step()
    try optimizer.step()
    let after = try w.item()
    XCTAssertEqual(code { try optimizer.step() }, .argument, "an infinite rate")
    XCTAssertEqual([try w.item(), Double(optimizer.steps)], [after, 3])
  }

  func testARateStartsAtTheNextStep() throws {
    let optimizer = Optimizer(.sgd, rate: 0.5)
    for _ in 0..<3 { try optimizer.step() }
    optimizer.setRate(try .linear(steps: 2, from: 4, to: 2))
    var rates: [Double] = []
    for _ in 0..<3 {
      rates.append(optimizer.rate)
      try optimizer.step()
    }
    XCTAssertEqual(rates, [4, 3, 2])
  }

  func testMemoryDoesNotGrow() throws {
    let w = try Tensor(parameter: .float32, [1000])
    let optimizer = Optimizer(.adam, rate: 0.1)
    try optimizer.add([w])
    try optimizer.setClipNorm(1)
    try w.setGradient(Array(repeating: 1, count: 1000))
    try optimizer.step()
    let live = liveBytes
    for _ in 0..<10 { try optimizer.step() }
    XCTAssertEqual(liveBytes, live)
    XCTAssertLessThan(live, 1 << 30)
  }

  func testValuesThatOthersHoldStay() throws {
    let w = try Tensor(parameter: [1.0, 2], [2])
    let row = try reshape(w, [1, 2])
    try evaluate([row])
    let (held, copy) = (try w.evaluated(), try Tensor(variable: .float64, [2]))
    try copy.assign(w)
    let optimizer = Optimizer(.sgd, rate: 1)
    try optimizer.add([w])
    try w.setGradient([1, 1])
    try optimizer.step()
    XCTAssertEqual(held.elements(Double.self)[1], 2)
    XCTAssertEqual(try copy.values(), [1.0, 2])
    XCTAssertEqual(try row.values(), [0.0, 1])
    try w.write([7.0, 7])
    XCTAssertEqual(try w.grad!.values(), [1.0, 1])
    try optimizer.step()
    XCTAssertEqual(try row.values(), [6.0, 6])
  }

  func testRegressionIsLearnt() throws {
    var random = Random(seed: 1)
    let x = try Tensor.normal(.float64, [50, 3], using: &random)
    let truth = try Tensor(variable: [1.0, -2, 0.5], [3])
    let t = try matmul(x, truth)
    for kind in [Optimizer.Kind.sgd, .adam, .adamW] {
      let w = try Tensor(parameter: .float64, [3])
      let loss = try squaredError(matmul(x, w), t)
      let optimizer = Optimizer(kind, rate: try .cosine(steps: 400, from: 0.1, to: 0.001))
      try optimizer.add([w])
      for _ in 0..<400 {
        optimizer.zeroGrad()
        try loss.backward()
        try optimizer.step()
      }
      XCTAssertLessThan(try loss.item(), 1e-3)
    }
  }

  func testRefusals() throws {
    let (sgd, adam) = (Optimizer(.sgd, rate: 1), Optimizer(.adam, rate: 1))
    XCTAssertEqual(code { try adam.setMomentum(0.5) }, .state)
    XCTAssertEqual(code { try sgd.setBetas(0.5, 0.5) }, .state)
    for bad in [-0.1, 1, .nan, .infinity] {
      XCTAssertEqual(code { try sgd.setMomentum(bad) }, .argument)
      XCTAssertEqual(code { try adam.setBetas(bad, 0.5) }, .argument)
      XCTAssertEqual(code { try adam.setBetas(0.5, bad) }, .argument)
    }
    for bad in [0, -1, .nan, Double.infinity] {
      XCTAssertEqual(code { try adam.setBetas(0.5, 0.5, epsilon: bad) }, .argument)
    }
    for bad in [-1, .nan, Double.infinity] {
      XCTAssertEqual(code { try sgd.setWeightDecay(bad) }, .argument)
      XCTAssertEqual(code { try sgd.setClipNorm(bad) }, .argument)
      XCTAssertEqual(code { try sgd.setClipValue(bad) }, .argument)
    }
    XCTAssertEqual(sgd.settings, Optimizer.Settings())
    let good = try Tensor(parameter: [1.0], [1])
    let bad = try Tensor(variable: [1.0], [1])
    XCTAssertEqual(code { try sgd.add([good, bad]) }, .state)
    XCTAssert(sgd.parameters.isEmpty, "none is added if one is refused")
  }

  // MARK: Gradient checks

  func testGradientCheck() throws {
    let w = try Tensor(parameter: [0.3, -1.5, 2], [3])
    let b = try Tensor(parameter: [0.7], [1])
    let loss = try sum(sin(w * b) + exp(w))
    try w.setGradient([1, 2, 3])
    let value = try w.evaluated()
    XCTAssertLessThan(try checkGradients(of: loss), 1e-9)
    XCTAssert(try w.evaluated() === value, "the very same data as before")
    XCTAssertEqual(try w.grad!.values(), [1.0, 2, 3])
    XCTAssertEqual(try loss.item(), try sum(sin(w * b) + exp(w)).item())
    // A gradient of w where 2w is right.
    let c = try Tensor(parameter: [3.0], [1])
    XCTAssertEqual(try checkGradients(of: sum(c * stopGradient(c))), 0.5, accuracy: 1e-6)
    // NaN where the first element is moved below 0, and not where the second is moved.
    let d = try Tensor(parameter: [1e-9, 1], [2])
    XCTAssert(try checkGradients(of: sum(log(d))).isNaN)
    let single = try Tensor(parameter: [0.5 as Float, 1], [2])
    XCTAssertLessThan(try checkGradients(of: sum(sin(single)), step: 1e-2), 1e-3)
    XCTAssertEqual(try checkGradients(of: Tensor(variable: [1.0], [])), 0, "no Parameter")
  }

  func testGradientCheckRestoresAfterAnError() throws {
    // Moved up by h, the Parameter is an index out of range.
    let w = try Tensor(parameter: [1 - 1e-7], [1])
    let loss = try sum(gather(Tensor(variable: [5.0], [1]), at: cast(w, to: .int64), axis: 0))
    XCTAssertEqual(code { _ = try checkGradients(of: loss) }, .index)
    XCTAssertEqual(try w.item(), 1 - 1e-7)
    XCTAssertEqual(code { _ = try checkGradients(of: Tensor(variable: .float64, [2])) }, .shape)
    XCTAssertEqual(code { _ = try checkGradients(of: loss, step: 0) }, .argument)
    XCTAssertEqual(code { _ = try checkGradients(of: loss, step: .nan) }, .argument)
  }
}
