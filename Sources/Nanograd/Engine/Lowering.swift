//  From nodes to steps: movements become views, sums of products contractions, the rest maps,
//  reductions, or the plain evaluator's own loops.

import NanogradKernelTable

/// A graph on its way to a plan. Nodes are in topological order, equal ones are one, and inputs have no
/// operands.
struct Lowering {
  let nodes: [Tensor]
  /// For each node, the node it equals (itself if none before).
  let same: [Int]
  let operands: [[Int]]
  /// Which nodes bring their values with them.
  let isInput: [Bool]
  let results: [Int]

  var buffers: [Buffer] = []
  var steps: [Step] = []
  var views: [View?]
  var uses: [Int]
  /// Numbers that are the same in every element.
  private var uniform: [Double?]
  /// Which nodes are computed as part of a sum of products.
  var absorbed: [Bool] = []

  init(nodes: [Tensor], same: [Int], operands: [[Int]], isInput: [Bool], results: [Int]) {
    self.nodes = nodes
    self.same = same
    self.operands = operands
    self.isInput = isInput
    self.results = results
    views = Array(repeating: nil, count: nodes.count)
    uses = Array(repeating: 0, count: nodes.count)
    uniform = Array(repeating: nil, count: nodes.count)
  }

  /// Makes all steps.
  mutating func run() throws {
    for result in results { uses[same[result]] += 1 }
    for i in nodes.indices.reversed() where uses[i] > 0 && !isInput[i] {
      for operand in operands[i] { uses[same[operand]] += 1 }
    }
    absorbed = absorbedTerms()
    for i in nodes.indices where uses[i] > 0 && same[i] == i && !absorbed[i] {
      views[i] = try lower(i)
    }
    for (number, result) in results.enumerated() { try deliver(same[result], as: number) }
  }

  // MARK: Nodes

  private mutating func lower(_ i: Int) throws -> View {
    let node = nodes[i]
    if isInput[i] {
      return dense(buffer(.input(i), node), node.shape)
    }
    if let number = uniformValue(i) {
      uniform[i] = number
      return try constant(number, node)
    }
    switch node.op {
    case .named, .stopGradient: return operand(i, 0)
    case .reshape:
      let shape = nodes[same[operands[i][0]]].shape
      let source = operand(i, 0)
      if let strides = reshaped(source.strides, shape, to: node.shape) {
        return View(buffer: source.buffer, offset: source.offset, strides: strides)
      }
      return dense(try materialized(source, shape, node.dtype), node.shape)
    case .permute:
      let source = operand(i, 0)
      let order = node.attributes.order
      return View(
        buffer: source.buffer, offset: source.offset,
        strides: (0..<node.rank).map { source.strides[Int(order[$0])] })
    case .broadcast: return broadcast(operand(i, 0), node[0].shape, to: node.shape)
    case .slice:
      let source = operand(i, 0)
      let window = node.attributes.window
      let offset = (0..<node.rank).reduce(source.offset) {
        $0 + window.start[$1] * source.strides[$1]
      }
      return View(
        buffer: source.buffer, offset: offset,
        strides: (0..<node.rank).map { window.step[$0] * source.strides[$0] })
    default: break
    }
    guard node.dtype.isFloat, node.size > 0 else { return try general(i) }
    switch node.op {
    case .add:
      if let sum = try sumOfProducts(i) { return sum }
      return elementwise(i)
    case .matmul: return try sumOfProducts(i) ?? general(i)
    case .sum, .max, .min: return try reduction(i)
    case .multiply, .divide:
      // A gradient begins with ones.
      for k in 0...(node.op == .multiply ? 1 : 0) {
        let other = same[operands[i][1 - k]]
        let one = same[operands[i][node.op == .multiply ? k : 1]]
        let kept = node.op == .multiply ? other : same[operands[i][0]]
        if uniform[one] == 1, nodes[kept].shape == node.shape, let view = views[kept] {
          return view
        }
      }
      return elementwise(i)
    default:
      return node.isElementwise ? elementwise(i) : try general(i)
    }
  }

  func operand(_ i: Int, _ k: Int) -> View { views[same[operands[i][k]]]! }

  /// The number that fills a node, if it is known now.
  private func uniformValue(_ i: Int) -> Double? {
    let node = nodes[i]
    guard node.dtype.isFloat else { return nil }
    let sources = operands[i].map { uniform[same[$0]] }
    switch node.op {
    case .constant: return node.constant.map { node.dtype == .float32 ? Double(Float($0)) : $0 }
    case .broadcast, .reshape, .permute, .slice, .named, .stopGradient: return sources[0]
    case .negate: return sources[0].map { -$0 }
    case .add, .subtract, .multiply, .divide:
      guard let a = sources[0], let b = sources[1] else { return nil }
      return node.dtype == .float32
        ? Double(folded(node.op, Float(a), Float(b))) : folded(node.op, a, b)
    default: return nil
    }
  }

  private func folded<T: BinaryFloatingPoint>(_ op: Operator, _ a: T, _ b: T) -> T {
    switch op {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    default: a / b
    }
  }

  private mutating func constant(_ number: Double, _ node: Tensor) throws -> View {
    let value = try Value(bytes: node.dtype.size, for: .plans)
    if node.dtype == .float32 {
      value.elements(Float.self).pointee = Float(number)
    } else {
      value.elements(Double.self).pointee = number
    }
    buffers.append(
      Buffer(source: .constant(value), elementSize: node.dtype.size, size: 1, rows: 1))
    return View(buffer: buffers.count - 1, strides: Array(repeating: 0, count: node.rank))
  }

  // MARK: Buffers and views

  mutating func buffer(_ source: Buffer.Source, _ node: Tensor) -> Int {
    buffer(source, node.shape, node.dtype)
  }

  mutating func buffer(_ source: Buffer.Source, _ shape: Shape, _ dtype: DType) -> Int {
    buffers.append(
      Buffer(
        source: source, elementSize: dtype.size, size: shape.size,
        rows: shape.rank > 0 ? shape[0] : 1))
    return buffers.count - 1
  }

  func dense(_ buffer: Int, _ shape: Shape) -> View {
    let strides = shape.strides
    return View(buffer: buffer, strides: (0..<shape.rank).map { strides[$0] })
  }

  /// Whether a view is its whole buffer, in order.
  private func isDense(_ view: View, _ shape: Shape) -> Bool {
    let strides = shape.strides
    return view.offset == 0 && buffers[view.buffer].size == shape.size
      && (0..<shape.rank).allSatisfy { shape[$0] == 1 || view.strides[$0] == strides[$0] }
  }

  func broadcast(_ view: View, _ shape: Shape, to target: Shape) -> View {
    let offset = target.rank - shape.rank
    return View(
      buffer: view.buffer, offset: view.offset,
      strides: (0..<target.rank).map {
        $0 < offset || shape[$0 - offset] == 1 ? 0 : view.strides[$0 - offset]
      })
  }

  /// Strides for the same elements in another shape, if regular ones exist.
  private func reshaped(_ strides: [Int], _ shape: Shape, to target: Shape) -> [Int]? {
    guard shape.size > 0 else { return target.map { _ in 0 } }
    // Runs of axes that are walked with one stride, from the last.
    var runs: [(size: Int, stride: Int)] = []
    for axis in (0..<shape.rank).reversed() where shape[axis] != 1 {
      if let last = runs.last, strides[axis] == last.stride * last.size {
        runs[runs.count - 1].size *= shape[axis]
      } else {
        runs.append((shape[axis], strides[axis]))
      }
    }
    var result = [Int](repeating: 0, count: target.rank)
    var run = 0
    var taken = 1
    for axis in (0..<target.rank).reversed() where target[axis] != 1 {
      while run < runs.count, taken == runs[run].size { (run, taken) = (run + 1, 1) }
      guard run < runs.count, runs[run].size % (taken * target[axis]) == 0 else { return nil }
      result[axis] = runs[run].stride * taken
      taken *= target[axis]
    }
    return result
  }

  /// A buffer with the elements of a view in order.
  private mutating func materialized(_ view: View, _ shape: Shape, _ dtype: DType) throws -> Int {
    // Of no elements, any buffer holds all.
    if shape.size == 0 || isDense(view, shape) { return view.buffer }
    let target = buffer(.step, shape, dtype)
    // A copy cares for the size of elements only.
    appendMap(
      Map(
        shape: shape, dtype: dtype.size == 4 ? .float32 : .float64, inputs: [view],
        instructions: [.init(kind: .unary(.copy), operands: [.input(0)], output: target)]))
    return target
  }

  /// Gives a result a buffer of its own.
  private mutating func deliver(_ i: Int, as number: Int) throws {
    let node = nodes[i]
    guard let view = views[i] else { return }
    let produced = isDense(view, node.shape) && buffers[view.buffer].result == nil
    var target = view.buffer
    if !produced || !isStep(view.buffer) {
      target = buffer(.step, node.shape, node.dtype)
      if node.size > 0 {
        appendMap(
          Map(
            shape: node.shape, dtype: node.dtype.size == 4 ? .float32 : .float64, inputs: [view],
            instructions: [.init(kind: .unary(.copy), operands: [.input(0)], output: target)]))
      }
    }
    buffers[target].result = number
  }

  private func isStep(_ buffer: Int) -> Bool {
    if case .step = buffers[buffer].source { true } else { false }
  }

  // MARK: Steps

  mutating func appendMap(_ map: Map) {
    let rows = map.shape.rank > 0 ? map.shape[0] : 1
    steps.append(
      Step(
        work: .map(map), rows: rows,
        reads: map.inputs.map { read($0, map.shape, rows) },
        writes: map.instructions.map(\.output)))
  }

  func read(_ view: View, _ shape: Shape, _ rows: Int) -> Step.Read {
    let buffer = buffers[view.buffer]
    return Step.Read(
      buffer: view.buffer,
      isAligned: buffer.rows == rows
        && (shape.rank == 0
          ? view.offset == 0 : view.isAligned(shape, rows: rows, rowSize: buffer.rowSize))
    )
  }

  private mutating func elementwise(_ i: Int) -> View {
    let node = nodes[i]
    var inputs: [View] = []
    let list = operands[i].indices.map { k -> Map.Operand in
      let view = broadcast(operand(i, k), nodes[same[operands[i][k]]].shape, to: node.shape)
      if let known = inputs.firstIndex(of: view) { return .input(known) }
      inputs.append(view)
      return .input(inputs.count - 1)
    }
    let target = buffer(.step, node)
    let kind: Map.Kind =
      node.op.unary.map { .unary($0) } ?? node.op.binary.map { .binary($0) } ?? .select
    appendMap(
      Map(
        shape: node.shape, dtype: node.dtype, inputs: inputs,
        instructions: [
          .init(kind: kind, operands: list, output: target)
        ]))
    return dense(target, node.shape)
  }

  private mutating func general(_ i: Int) throws -> View {
    let node = nodes[i]
    let sources = try operands[i].indices.map { k in
      let source = nodes[same[operands[i][k]]]
      return try materialized(operand(i, k), source.shape, source.dtype)
    }
    let target = buffer(.step, node)
    let size = ([target] + sources).reduce(0) { $0 + Swift.min(buffers[$1].size, 1 << 40) }
    steps.append(
      Step(
        work: .general(i, sources: sources, target: target), rows: rows(size),
        reads: sources.map { Step.Read(buffer: $0, isAligned: false) }, writes: [target]))
    return dense(target, node.shape)
  }

  private mutating func reduction(_ i: Int) throws -> View {
    let node = nodes[i]
    let shape = nodes[same[operands[i][0]]].shape
    let axes = node.attributes.axes
    guard shape.size > 0, let code = node.op.reduction else { return try general(i) }
    let reduced = (0..<shape.rank).filter { axes.contains($0) && shape[$0] != 1 }
    guard let first = reduced.first, let last = reduced.last else {
      // Nothing is reduced: the same elements.
      let source = operand(i, 0)
      if let strides = reshaped(source.strides, shape, to: node.shape) {
        return View(buffer: source.buffer, offset: source.offset, strides: strides)
      }
      return dense(try materialized(source, shape, node.dtype), node.shape)
    }
    // One stretch of neighbouring axes, at the end or at the beginning.
    let isStretch = (first...last).allSatisfy { axes.contains($0) || shape[$0] == 1 }
    let isTrailing = shape[(last + 1)...].allSatisfy { $0 == 1 }
    let isLeading = shape[..<first].allSatisfy { $0 == 1 }
    guard isStretch, isTrailing || isLeading else { return try general(i) }
    let source = try materialized(operand(i, 0), shape, node.dtype)
    let target = buffer(.step, node)
    if isTrailing && first > 0 && !isLeading {
      let rows = shape[0]
      let length = shape[first...].reduce(1, *)
      let runs = shape.size / length / rows
      buffers[target] = Buffer(
        source: .step, elementSize: node.dtype.size, size: node.size, rows: rows)
      steps.append(
        Step(
          work: .reduceRuns(
            code, source: source, length: length, runs: runs, dtype: node.dtype, target: target),
          rows: rows,
          reads: [read(dense(source, shape), shape, rows)], writes: [target]))
    } else if isTrailing {
      try reduceAll(code, source, shape, node.dtype, target)
    } else {
      let columns = shape[(last + 1)...].reduce(1, *)
      steps.append(
        Step(
          work: .reduceRows(
            code, source: source, length: shape.size / columns, columns: columns,
            dtype: node.dtype, target: target),
          rows: columns <= ReduceRowsLoop<Float>.stretch ? rows(shape.size) : nil,
          reads: [Step.Read(buffer: source, isAligned: false)], writes: [target]))
    }
    return dense(target, node.shape)
  }

  /// Reduces everything to one element: rows first, in step with what computes them, then the rest.
  private mutating func reduceAll(
    _ code: ReductionCode, _ source: Int, _ shape: Shape, _ dtype: DType, _ target: Int
  ) throws {
    var from = source
    // Rows that are short are not worth a loop each.
    let rows = shape.rank > 1 && shape.size / shape[0] >= 64 ? shape[0] : 1
    if rows > 1 {
      from = buffer(.step, try Shape([rows]), dtype)
      steps.append(
        Step(
          work: .reduceRuns(
            code, source: source, length: shape.size / rows, runs: 1, dtype: dtype, target: from),
          rows: rows, reads: [read(dense(source, shape), shape, rows)], writes: [from]))
    }
    steps.append(
      Step(
        work: .reduceRuns(
          code, source: from, length: rows > 1 ? rows : shape.size, runs: 1, dtype: dtype,
          target: target),
        rows: self.rows(rows > 1 ? rows : shape.size),
        reads: [Step.Read(buffer: from, isAligned: false)], writes: [target]))
  }

  /// A small step is the one row of a chain of such steps, a large one a loop of its own.
  private func rows(_ size: Int) -> Int? { size <= 16384 ? 1 : nil }
}

extension Tensor {
  /// Whether this is elementwise work that maps can do.
  var isElementwise: Bool { op.unary != nil || op.binary != nil || op == .select }
}
