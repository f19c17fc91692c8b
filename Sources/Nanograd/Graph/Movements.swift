//  Primitives that move data and compute nothing.

/// Swaps the last two axes; a scalar or vector stays as it is. Gradient: g, swapped back.
public func transpose(_ a: Tensor) throws -> Tensor {
  guard a.rank >= 2 else { return a }
  var order = Attributes.sameOrder
  order.swapAt(a.rank - 1, a.rank - 2)
  return try permute(a, in: order)
}

/// Axis `i` of the result is axis `axes[i]` of a. Gradient: g, moved back.
public func permute(_ a: Tensor, _ axes: [Int]) throws -> Tensor {
  _ = try Axes(axes, of: a.shape)
  try require(
    axes.count == a.rank, .argument,
    "\(axes.count) axes for shape \(a.shape), expected \(a.rank)", in: "permute")
  var order = Attributes.sameOrder
  for (i, axis) in axes.enumerated() { order[i] = UInt8(try a.shape.axis(axis)) }
  return try permute(a, in: order)
}

/// With axes that are known to be a's, each once.
private func permute(_ a: Tensor, in order: Attributes.Order) throws -> Tensor {
  let shape = try Shape(rank: a.rank) { a.shape[Int(order[$0])] }
  return try Tensor(.permute, .one(a), .order(order), requested: shape)
}

/// The same elements in another shape, of which one dimension may be -1: worked out from the
/// others. Gradient: g in a's shape.
public func reshape(_ a: Tensor, _ dimensions: [Int]) throws -> Tensor {
  guard let open = dimensions.firstIndex(of: -1) else {
    return try reshape(a, to: Shape(dimensions))
  }
  let others = try Shape(rank: dimensions.count) { $0 == open ? 1 : dimensions[$0] }
  try require(
    others.size > 0 && a.size % others.size == 0, .shape,
    "no dimension in place of -1 makes \(dimensions) hold the \(a.size) elements of \(a.shape)",
    in: "reshape")
  return try reshape(a, to: others.replacing(open, with: a.size / others.size))
}

func reshape(_ a: Tensor, to shape: Shape) throws -> Tensor {
  try require(
    shape.size == a.size, .shape,
    "\(a.shape) has \(a.size) elements and \(shape) has \(shape.size), expected equal numbers",
    in: "reshape")
  return try Tensor(.reshape, .one(a), requested: shape)
}

/// A tensor of one element as a scalar.
public func item(_ a: Tensor) throws -> Tensor {
  try require(
    a.size == 1, .shape, "shape \(a.shape) has \(a.size) elements, expected one", in: "as_scalar")
  return try reshape(a, to: .scalar)
}

/// Adds an axis of 1 that will be axis `axis` of the result.
public func expandDims(_ a: Tensor, axis: Int) throws -> Tensor {
  let rank = a.rank + 1
  let at = try counted(
    axis, below: rank, "axis \(axis) for shape \(a.shape)", in: "expand_dims")
  let shape = try Shape(rank: rank) { $0 == at ? 1 : a.shape[$0 < at ? $0 : $0 - 1] }
  return try reshape(a, to: shape)
}

/// Removes an axis of 1.
public func squeeze(_ a: Tensor, axis: Int) throws -> Tensor {
  let at = try a.shape.axis(axis)
  try require(
    a.shape[at] == 1, .shape, "axis \(axis) of shape \(a.shape) is \(a.shape[at]), expected 1",
    in: "squeeze")
  return try reshape(a, to: Shape(rank: a.rank - 1) { a.shape[$0 < at ? $0 : $0 + 1] })
}

/// Repeats a to the given shape. Gradient: g, summed back.
public func broadcastTo(_ a: Tensor, _ dimensions: [Int]) throws -> Tensor {
  try broadcastTo(a, Shape(dimensions))
}

func broadcastTo(_ a: Tensor, _ shape: Shape) throws -> Tensor {
  try require(
    a.shape.broadcasts(to: shape), .shape, "shape \(a.shape) does not broadcast to \(shape)",
    in: "broadcast_to")
  return a.shape == shape ? a : try Tensor(.broadcast, .one(a), requested: shape)
}

/// Elements start, start + step, … before `stop` along an axis, as Python's `a[start:stop:step]`:
/// negative bounds count from the end, bounds are clipped, and nil stands for the end in the step's
/// direction. Gradient: g, in zeros.
public func slice(
  _ a: Tensor, axis: Int, _ start: Int? = nil, _ stop: Int? = nil, step: Int = 1
) throws -> Tensor {
  let axis = try a.shape.axis(axis)
  let n = a.shape[axis]
  try require(step != 0, .argument, "step 0, expected another number", in: "slice")
  // The one step whose opposite is no number; it selects what its neighbour does.
  let step = Swift.max(step, -Int.max)
  // Python's rule: bounds lie between the ends as seen in the step's direction.
  let (lowest, highest) = step > 0 ? (0, n) : (-1, n - 1)
  func bound(_ i: Int) -> Int { Swift.min(Swift.max(i < 0 ? i + n : i, lowest), highest) }
  let first = start.map(bound) ?? (step > 0 ? lowest : highest)
  let last = stop.map(bound) ?? (step > 0 ? highest : lowest)
  let distance = step > 0 ? last - first : first - last
  // Divided before it is rounded up: distance + step may overflow.
  let stride = Swift.abs(step)
  let count = distance > 0 ? (distance - 1) / stride + 1 : 0
  if count == n && step == 1 { return a }
  var (starts, steps) = (PerAxis(repeating: 0), PerAxis(repeating: 1))
  starts[axis] = count == 0 ? 0 : first
  // A step longer than the axis selects at most one element and must not overflow later.
  steps[axis] = count <= 1 ? 1 : step
  let shape = try a.shape.replacing(axis, with: count)
  return try sliced(a, Window(start: starts, step: steps), to: shape)
}

/// The part at one index (negative: from the end) of an axis, without that axis.
public func select(_ a: Tensor, axis: Int, index: Int) throws -> Tensor {
  let at = try a.shape.axis(axis)
  let i = try counted(
    index, below: a.shape[at], "index \(index) on axis \(axis) of shape \(a.shape)", in: "select")
  return try squeeze(slice(a, axis: at, i, i + 1), axis: at)
}

func sliced(_ a: Tensor, _ window: Window, to shape: Shape) throws -> Tensor {
  try Tensor(.slice, .one(a), .window(window), requested: shape)
}

func placed(_ a: Tensor, _ window: Window, in shape: Shape) throws -> Tensor {
  try Tensor(.place, .one(a), .window(window), requested: shape)
}

/// Surrounds a with `value`: before[i] and after[i] elements on axis i. Gradient: g without the
/// surrounds.
public func pad(_ a: Tensor, before: [Int], after: [Int], value: Double = 0) throws -> Tensor {
  try require(
    before.count == a.rank && after.count == a.rank, .argument,
    "\(before.count) and \(after.count) widths for shape \(a.shape), expected \(a.rank)", in: "pad")
  var start = PerAxis(repeating: 0)
  let shape = try Shape(rank: a.rank) { axis in
    start[axis] = before[axis]
    let (sum, overflow) = before[axis].addingReportingOverflow(after[axis])
    let (total, overflows) = sum.addingReportingOverflow(a.shape[axis])
    try require(
      before[axis] >= 0 && after[axis] >= 0 && !overflow && !overflows, .argument,
      "widths \(before[axis]) and \(after[axis]) on axis \(axis), expected at least 0 and a sum "
        + "that is a number", in: "pad")
    return total
  }
  let window = Window(start: start)
  let inner = try placed(a, window, in: shape)
  guard value != 0 else { return inner }
  let inside = try placed(full(1, like: a), window, in: shape)
  return try select(inside, inner, Tensor(constant: value, a.dtype))
}

/// Joins tensors along an axis; all other dimensions are equal. Gradients: g's parts.
public func concatenate(_ tensors: [Tensor], axis: Int) throws -> Tensor {
  try require(
    !tensors.isEmpty, .argument, "no tensors, expected at least one", in: "concatenate")
  let first = tensors[0]
  let axis = try first.shape.axis(axis)
  var length = 0
  for tensor in tensors {
    try require(
      tensor.rank == first.rank
        && (0..<first.rank).allSatisfy { $0 == axis || tensor.shape[$0] == first.shape[$0] },
      .shape,
      "shapes \(first.shape) and \(tensor.shape), expected equal ones but for axis \(axis)",
      in: "concatenate")
    let (sum, overflow) = length.addingReportingOverflow(tensor.shape[axis])
    try require(!overflow, .shape, "too large", in: "concatenate")
    length = sum
  }
  let shape = try first.shape.replacing(axis, with: length)
  return try Tensor(.concatenate, .many(tensors), .axis(axis), requested: shape)
}

/// Joins tensors of one shape along a new axis. Gradients: g's parts.
public func stack(_ tensors: [Tensor], axis: Int) throws -> Tensor {
  for tensor in tensors { try requireEqualShapes(tensors[0], tensor, in: "stack") }
  return try concatenate(tensors.map { try expandDims($0, axis: axis) }, axis: axis)
}

/// Picks elements along an axis: y[…, j, …] = a[…, indices[…, j, …], …]. The other dimensions of
/// `indices` equal a's or are 1. Indices are checked on evaluation. Gradient: g, added at the
/// indices.
public func gather(_ a: Tensor, at indices: Tensor, axis: Int) throws -> Tensor {
  let axis = try a.shape.axis(axis)
  let shape = try a.shape.replacing(axis, with: indices.shape[axis])
  try require(
    indices.rank == a.rank && indices.shape.broadcasts(to: shape), .shape,
    "indices of shape \(indices.shape) for shape \(a.shape), expected equal dimensions or 1 but "
      + "for axis \(axis)", in: "gather")
  return try Tensor(.gather, .two(a, indices), .axis(axis), requested: shape)
}

func scatterAdd(_ a: Tensor, _ indices: Tensor, axis: Int, into shape: Shape) throws -> Tensor {
  try Tensor(.scatterAdd, .two(a, indices), .axis(axis), requested: shape)
}

// MARK: For derivatives

extension Tensor {
  /// The same elements in another shape, unless that is this one already.
  func reshaped(to shape: Shape) throws -> Tensor {
    self.shape == shape ? self : try reshape(self, to: shape)
  }

  /// A reduction's result, or a tensor of its shape, with the reduced axes as 1.
  func keepingAxes(_ g: Tensor) throws -> Tensor {
    try g.reshaped(to: attributes.axes.reduce(operands[0].shape, keep: true))
  }

  /// Operand `i` of this matrix product as a matrix: a vector is a row on the left, a column on the
  /// right.
  func matrix(_ i: Int) throws -> Tensor {
    let a = operands[i]
    return a.rank == 1 ? try reshape(a, to: Shape(i == 0 ? [1, a.size] : [a.size, 1])) : a
  }

  /// A gradient of this matrix product, with the axes that its vectors lost.
  func asProduct(_ g: Tensor) throws -> Tensor {
    var dimensions = Array(g.shape)
    if operands[1].rank == 1 { dimensions.append(1) }
    if operands[0].rank == 1 { dimensions.insert(1, at: dimensions.count - 1) }
    return try g.reshaped(to: Shape(dimensions))
  }

  /// A gradient for operand `i` as a matrix, as one for the vector that it may have been.
  func undone(_ g: Tensor, _ i: Int) throws -> Tensor {
    guard operands[i].rank == 1 else { return g }
    return try g.summed(to: matrix(i).shape).reshaped(to: operands[i].shape)
  }

  /// Moves axes back to where they were before this permutation.
  func permutingBack(_ g: Tensor) throws -> Tensor {
    var axes = Array(0..<rank)
    for i in 0..<rank { axes[Int(attributes.order[i])] = i }
    return try permute(g, axes)
  }

  /// Sums over what broadcasting repeated, back to the shape that was broadcast.
  func summed(to target: Shape) throws -> Tensor {
    guard shape != target else { return self }
    var axes = Axes()
    let offset = rank - target.rank
    for axis in 0..<rank where axis < offset || (target[axis - offset] == 1 && shape[axis] != 1) {
      axes.insert(axis)
    }
    return try reduction(.sum, self, axes, keep: true).reshaped(to: target)
  }
}
