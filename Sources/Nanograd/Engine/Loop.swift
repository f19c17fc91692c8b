//  Walking several dense tensors in step, through any strides.

/// Strides of up to eight axes, in elements.
typealias Strides = InlineArray<8, Int>

extension Shape {
  /// Dense and row-major.
  var strides: Strides {
    var strides = Strides(repeating: 0)
    var stride = 1
    for axis in (0..<rank).reversed() {
      strides[axis] = stride
      stride *= Swift.max(self[axis], 1)
    }
    return strides
  }

  /// The strides with which a dense tensor of this shape is read as if broadcast to another.
  func strides(broadcastTo target: Shape) -> Strides {
    let own = strides
    var strides = Strides(repeating: 0)
    let offset = target.rank - rank
    for axis in 0..<rank where self[axis] != 1 { strides[axis + offset] = own[axis] }
    return strides
  }
}

/// A nest of loops over a shape, with one stride per axis for each of up to four tensors, its axes merged
/// where that leaves the strides regular.
struct Loop {
  /// The innermost axis: its length, and each tensor's stride along it.
  private(set) var run = 1
  private(set) var step = InlineArray<4, Int>(repeating: 0)
  private var rank = 0
  private var dimensions = InlineArray<8, Int>(repeating: 1)
  private var strides = InlineArray<8, InlineArray<4, Int>>(repeating: .init(repeating: 0))
  private let isEmpty: Bool

  init(
    _ shape: Shape, _ a: Strides, _ b: Strides = .init(repeating: 0),
    _ c: Strides = .init(repeating: 0), _ d: Strides = .init(repeating: 0)
  ) {
    isEmpty = shape.size == 0
    for axis in 0..<shape.rank where shape[axis] != 1 {
      let stride: InlineArray<4, Int> = [a[axis], b[axis], c[axis], d[axis]]
      if rank > 0, (0..<4).allSatisfy({ strides[rank - 1][$0] == stride[$0] * shape[axis] }) {
        dimensions[rank - 1] *= shape[axis]
        strides[rank - 1] = stride
      } else {
        dimensions[rank] = shape[axis]
        strides[rank] = stride
        rank += 1
      }
    }
    if rank > 0 {
      rank -= 1
      run = dimensions[rank]
      step = strides[rank]
    }
  }

  /// Calls `body` with each tensor's offset at the beginning of every innermost run.
  func forEach(_ body: (InlineArray<4, Int>) throws -> Void) rethrows {
    guard !isEmpty else { return }
    var index = InlineArray<8, Int>(repeating: 0)
    var offset = InlineArray<4, Int>(repeating: 0)
    while true {
      try body(offset)
      var axis = rank - 1
      while axis >= 0 {
        index[axis] += 1
        for i in 0..<4 { offset[i] += strides[axis][i] }
        if index[axis] < dimensions[axis] { break }
        for i in 0..<4 { offset[i] -= strides[axis][i] * dimensions[axis] }
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}
