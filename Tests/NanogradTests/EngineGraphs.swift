//  Random graphs for the tests of the engine: every operator, over shapes that a plan treats in
//  different ways, with values that stay where a comparison means something.

@testable import Nanograd

/// A graph made from a seed: the same seed gives the same structure, with leaves of its own.
struct RandomGraph {
  /// What is known of a tensor's elements.
  struct Entry {
    let tensor: Tensor
    /// Larger than any element's magnitude.
    let bound: Double
    /// Whether every evaluator must give the same bits. Only of these are steps taken (a comparison,
    /// an index), or the last bit of a sum would decide about a whole element.
    let isExact: Bool

    var shape: [Int] { Array(tensor.shape) }
  }

  /// How large tensors may become.
  enum Scale {
    case small, large

    var mostElements: Int { self == .small ? 9_000 : 70_000 }
  }

  var random: SplitMix
  let scale: Scale
  let dtype: DType
  private let lengths: [Int]
  var pool: [Entry] = []
  private(set) var leaves: [Tensor] = []
  private(set) var indices: [(tensor: Tensor, below: Int)] = []
  /// What is to be computed: values, a scalar made from them, and its gradients.
  var roots: [Tensor] = []
  var isSingle: Bool { dtype == .float32 }

  init(seed: UInt64, scale: Scale = .small) throws {
    random = SplitMix(state: seed &* 0x2545_F491_4F6C_DD1D)
    self.scale = scale
    dtype = Bool.random(using: &random) ? .float32 : .float64
    var lengths: [Int] = []
    for _ in 0..<3 {
      let odd = scale == .large ? 2 : Int.random(in: 0..<10, using: &random)
      switch odd {
      case 0: lengths.append(0)
      case 1, 2: lengths.append([33, 48, 64, 130].randomElement(using: &random)!)
      default: lengths.append(Int.random(in: 1...7, using: &random))
      }
    }
    // At most one empty axis, and not in every tenth graph more.
    if seed % 4 != 0 { lengths = lengths.map { $0 == 0 ? 3 : $0 } }
    self.lengths = lengths
    for _ in 0..<2 { _ = try leaf(randomShape()) }
    for _ in 0..<(scale == .small ? int(3, 14) : int(4, 8)) { try grow() }
    try finish()
  }

  /// Writes every leaf's elements anew; with `specials`, some are zero, infinite or NaN.
  func write(seed: UInt64, specials: Bool = false) throws {
    var random = SplitMix(state: seed)
    for leaf in leaves {
      try leaf.fill(
        (0..<leaf.size).map { _ in
          specials && Int.random(in: 0..<12, using: &random) == 0
            ? [0, -0.0, .infinity, -.infinity, .nan].randomElement(using: &random)!
            : Double.random(in: -2...2, using: &random)
        })
    }
    for (tensor, below) in indices {
      try tensor.fill(
        (0..<tensor.size).map { _ in Double(Int.random(in: 0..<below, using: &random)) })
    }
  }

  // MARK: Choices

  mutating func int(_ low: Int, _ high: Int) -> Int {
    Int.random(in: low...Swift.max(low, high), using: &random)
  }

  mutating func chance(_ percent: Int) -> Bool { int(1, 100) <= percent }

  mutating func length() -> Int {
    chance(15) ? 1 : lengths.randomElement(using: &random)!
  }

  mutating func randomShape(rank: Int? = nil) -> [Int] {
    let rank = rank ?? (scale == .large ? 2 : int(0, 4))
    var shape = (0..<rank).map { _ in length() }
    while shape.reduce(1, *) > scale.mostElements,
      let large = shape.indices.max(by: { shape[$0] < shape[$1] })
    {
      shape[large] = int(1, 7)
    }
    return shape
  }

  mutating func leaf(_ shape: [Int]) throws -> Entry {
    let tensor =
      try chance(50) ? Tensor(parameter: dtype, shape) : Tensor(variable: dtype, shape)
    leaves.append(tensor)
    return add(tensor, 2, true)
  }

  mutating func index(_ shape: [Int], below: Int) throws -> Tensor {
    let tensor = try Tensor(variable: chance(50) ? .int32 : .int64, shape)
    indices.append((tensor, below))
    return tensor
  }

  @discardableResult
  mutating func add(_ tensor: Tensor, _ bound: Double, _ isExact: Bool) -> Entry {
    let entry = Entry(tensor: tensor, bound: bound, isExact: isExact)
    if tensor.dtype == dtype { pool.append(entry) }
    return entry
  }

  mutating func any() -> Entry { pool.randomElement(using: &random)! }

  /// A tensor that passes a test, if chance finds one.
  mutating func any(where passes: (Entry) -> Bool) -> Entry? {
    pool.filter(passes).randomElement(using: &random)
  }

  mutating func anyExact(where passes: (Entry) -> Bool = { _ in true }) -> Entry {
    any { $0.isExact && passes($0) } ?? any { $0.isExact }!
  }

  // MARK: Growth

  mutating func grow() throws {
    switch int(0, 21) {
    case 0...2: try growUnary()
    case 3...6: try growBinary()
    case 7: try growStep()
    case 8...10: try growMovement()
    case 11: try growSelection()
    case 12, 13: try growReduction()
    case 14: try growComposite()
    case 15...17: try growProduct()
    case 18: try growSumOfProducts()
    case 19: try growRecurrence()
    case 20: try growIntegers()
    default:
      // Nobody need read it: a dead branch, or a root.
      _ = try leaf(randomShape())
    }
    // What grows is brought back.
    if let last = pool.last, last.bound > 40 {
      pool.removeLast()
      add(
        try chance(50) ? tanh(last.tensor) : last.tensor * (1 / last.bound), 1, last.isExact)
    }
  }

  mutating func growUnary() throws {
    let x = any()
    let (a, m) = (x.tensor, x.bound)
    switch int(0, 13) {
    case 0: add(try -a, m, x.isExact)
    case 1: add(try exp(m < 4 ? a : tanh(a)), 60, x.isExact)
    case 2: add(try log(a * a + 0.75), 1 + 2 * m, x.isExact)
    case 3: add(try log1p(a * a), 1 + 2 * m, x.isExact)
    case 4: add(try expm1(-(a * a)), 1, x.isExact)
    case 5: add(try sqrt(a * a + 0.5), m + 1, x.isExact)
    case 6: add(try sin(a), 1, x.isExact)
    case 7: add(try cos(a), 1, x.isExact)
    case 8: add(try tanh(a), 1, x.isExact)
    case 9: add(try sigmoid(a), 1, x.isExact)
    case 10: add(try stopGradient(a), m, x.isExact)
    case 11: add(try reciprocal(1 + a * a), 1, x.isExact)
    case 12:
      let exponent = [0, 0.5, 1, 2, -1].randomElement(using: &random)!
      add(try power(a * a + 0.5, exponent), 2 + (m * m + 1) * (m * m + 1), x.isExact)
    default:
      // To the other float type and back.
      let other: DType = dtype == .float32 ? .float64 : .float32
      // Rounding is a step, and the narrower type loses what the comparison relies on.
      guard x.isExact else { return try growBinary() }
      add(try cast(sin(cast(a, to: other)), to: dtype), 1, true)
    }
  }

  /// A tensor that the shape broadcasts with: from the pool, or a new leaf with some axes 1 or missing.
  mutating func partner(_ x: Entry) throws -> Entry {
    let most = scale.mostElements
    if chance(70),
      let y = any(where: { y in
        (try? Shape.broadcast(x.tensor.shape, y.tensor.shape)).map { $0.size <= most } ?? false
      })
    {
      return y
    }
    var shape = x.shape
    for axis in shape.indices where chance(30) { shape[axis] = 1 }
    if chance(30) { shape.removeFirst(int(0, shape.count)) }
    // Where x is 1, the partner may be more: both are repeated.
    let own = x.shape.suffix(shape.count)
    for (axis, n) in zip(shape.indices, own) where n == 1 && x.tensor.size < 200 && chance(30) {
      shape[axis] = int(1, 6)
    }
    let result = try Shape.broadcast(x.tensor.shape, Shape(shape))
    return try result.size <= most ? leaf(shape) : x
  }

  mutating func growBinary() throws {
    let x = any()
    let y = try partner(x)
    let isExact = x.isExact && y.isExact
    let (a, b) = chance(50) ? (x, y) : (y, x)
    switch int(0, 5) {
    case 0, 1: add(try a.tensor + b.tensor, a.bound + b.bound, isExact)
    case 2: add(try a.tensor - b.tensor, a.bound + b.bound, isExact)
    case 3: add(try a.tensor * b.tensor, a.bound * b.bound, isExact)
    case 4: add(try a.tensor / (1 + b.tensor * b.tensor), a.bound, isExact)
    default:
      let base = try sigmoid(a.tensor) + 0.5
      add(try power(base, tanh(b.tensor)), 2, isExact)
    }
  }

  /// Operators that jump, of what has the same bits everywhere.
  mutating func growStep() throws {
    let x = anyExact()
    var y = try partner(x)
    if !y.isExact { y = x }
    let (a, b, m) = (x.tensor, y.tensor, Swift.max(x.bound, y.bound))
    switch int(0, 12) {
    case 0: add(try abs(a), m, true)
    case 1: add(try sign(a), 1, true)
    case 2: add(try relu(a), m, true)
    case 3: add(try maximum(a, b), m, true)
    case 4: add(try minimum(b, a), m, true)
    case 5: add(try equal(a, b), 1, true)
    case 6: add(try less(a, b), 1, true)
    case 7: add(try lessEqual(b, a), 1, true)
    case 8: add(try select(less(a, b), a * 0.5, b), m, true)
    case 9: add(try clamp(a, -0.5, 1.25), m, true)
    case 10 where a.rank > 0 && a.size > 0:
      add(try max(a, axes: [int(0, a.rank - 1)], keep: chance(50)), m, true)
    case 11 where a.size > 0: add(try min(a, keep: chance(50)), m, true)
    default:
      let c = any { (try? Shape.broadcast($0.tensor.shape, a.shape)) == a.shape } ?? x
      add(try select(greater(a, a.number(0)), c.tensor, a), Swift.max(m, c.bound), c.isExact)
    }
  }

  mutating func growMovement() throws {
    let x = any()
    let a = x.tensor
    var result = a
    switch int(0, 9) {
    case 0, 1: result = try permute(a, Array(0..<a.rank).shuffled(using: &random))
    case 2: result = try reshape(a, factors(of: a.size))
    case 3: result = try transpose(a)
    case 4 where a.rank > 0:
      let axis = int(0, a.rank - 1)
      let n = a.shape[axis]
      let step = [-3, -2, -1, 1, 2].randomElement(using: &random)!
      let bounds = (int(0, n), int(0, n))
      result = try slice(
        a, axis: axis, chance(40) ? nil : bounds.0, chance(40) ? nil : bounds.1, step: step)
    case 5 where a.rank > 0 && a.shape.contains { $0 > 0 }:
      let axis = a.shape.indices.filter { a.shape[$0] > 0 }.randomElement(using: &random)!
      result = try select(a, axis: axis, index: int(0, a.shape[axis] - 1))
    case 6 where a.rank < 4:
      let wide = try Shape([int(1, 4)] + a.shape)
      if wide.size <= scale.mostElements { result = try broadcastTo(a, Array(wide)) }
    case 7 where a.rank > 0:
      let axis = int(0, a.rank - 1)
      let others = pool.filter { y in
        y.tensor.rank == a.rank
          && a.shape.indices.allSatisfy { $0 == axis || y.shape[$0] == a.shape[$0] }
      }
      let parts = (0..<int(1, 3)).map { _ in others.randomElement(using: &random)! }
      guard parts.reduce(0, { $0 + $1.tensor.size }) <= scale.mostElements else { return }
      add(
        try concatenate(parts.map(\.tensor), axis: axis), parts.map(\.bound).max()!,
        parts.allSatisfy(\.isExact))
      return
    case 8 where a.size < 2_000:
      let widths = (0..<a.rank).map { _ in (int(0, 2), int(0, 2)) }
      result = try pad(
        a, before: widths.map(\.0), after: widths.map(\.1), value: chance(50) ? 0 : 1.5)
      if result.size > scale.mostElements { return }
    default: result = try expandDims(a, axis: 0)
    }
    if result.rank <= 5 { add(result, Swift.max(x.bound, 1.5), x.isExact) }
  }

  /// Some shape of so many elements.
  mutating func factors(of size: Int) -> [Int] {
    guard size > 0 else { return [0, int(1, 3)] }
    var rest = size
    var shape: [Int] = []
    while rest > 1 && shape.count < 3 {
      let divisors = (1...Swift.min(rest, 200)).filter { rest % $0 == 0 }
      let divisor = divisors.randomElement(using: &random)!
      shape.append(divisor)
      rest /= divisor
    }
    return shape + (rest > 1 || chance(20) ? [rest] : [])
  }

  mutating func growSelection() throws {
    guard let x = any(where: { $0.tensor.rank > 0 && $0.tensor.size > 0 }) else { return }
    let a = x.tensor
    let axis = int(0, a.rank - 1)
    if chance(50) {
      let shape = (0..<a.rank).map { $0 == axis ? int(0, 5) : (chance(50) ? 1 : a.shape[$0]) }
      let at = try index(shape, below: a.shape[axis])
      let result = try gather(a, at: at, axis: axis)
      if result.size <= scale.mostElements { add(result, x.bound, x.isExact) }
    } else if a.rank < 4, a.size < 2_000 {
      let at = try index(randomShape(rank: int(0, 1)), below: a.shape[axis])
      let result = try indexSelect(a, at: at, axis: axis)
      if result.size <= scale.mostElements { add(result, x.bound, x.isExact) }
    }
  }

  mutating func growReduction() throws {
    let x = any()
    let axes = (0..<x.tensor.rank).filter { _ in chance(50) }
    let length = axes.reduce(1.0) { $0 * Double(x.shape[$1]) }
    if chance(60) {
      add(try sum(x.tensor, axes: axes, keep: chance(50)), x.bound * Swift.max(length, 1), false)
    } else if length > 0 {
      add(try mean(x.tensor, axes: axes, keep: chance(50)), x.bound, false)
    }
  }

  mutating func growComposite() throws {
    guard let x = any(where: { $0.tensor.rank > 0 }) else { return }
    let a = x.tensor
    let axis = int(0, a.rank - 1)
    switch int(0, 4) {
    case 0: add(try softmax(a, axis: axis), 1, false)
    case 1: add(try logSoftmax(a, axis: axis), 2 * x.bound + 6, false)
    case 2 where a.size > 0:
      add(try logSumExp(a, axes: [axis], keep: chance(50)), x.bound + 6, false)
    case 3 where a.size > 0: add(try ridge(a), x.bound * x.bound * Double(a.size), false)
    default:
      guard a.size > 0 else { return }
      let labels = try index(Array(a.shape.dropLast()), below: a.shape[a.rank - 1])
      add(try crossEntropy(logits: a, indices: labels), 2 * x.bound + 6, false)
    }
  }

  // MARK: Roots

  mutating func finish() throws {
    for _ in 0..<int(1, 4) { roots.append(any().tensor) }
    roots.append(pool[pool.count - 1].tensor)
    if chance(30) { roots.append(roots[0]) }
    if chance(30), let x = pool.last(where: { $0.tensor.rank > 0 }) {
      // A root of which another is a view, and an equal one that is another node.
      roots.append(try transpose(x.tensor))
      roots.append(try transpose(x.tensor))
    }
    var loss = try Tensor(constant: 0, dtype)
    for _ in 0..<int(1, 3) {
      let x = any()
      let weight = 1 / Swift.max(x.bound * Double(x.tensor.size), 1)
      loss = try loss + sum(chance(50) ? x.tensor : x.tensor * x.tensor) * weight
    }
    if let last = pool.last, last.tensor.size > 0 { loss = try loss + mean(last.tensor * 0.1) }
    let within = pool.filter { $0.tensor.leaf == nil }.randomElement(using: &random)
    var targets = leaves + (within.map { [$0.tensor] } ?? [])
    if leaves.count > 8 { targets.removeFirst(leaves.count - 8) }
    let slopes = try gradients(of: loss, withRespectTo: targets)
    roots.append(loss)
    roots += slopes
    // Gradients of a gradient, now and then, of what is small.
    if chance(8), leaves.allSatisfy({ $0.size < 300 }), leaves.count < 6 {
      let slope = try slopes.reduce(Tensor(constant: 0, dtype)) { try $0 + sum($1 * $1) }
      roots += try gradients(of: slope, withRespectTo: leaves)
    }
  }
}
