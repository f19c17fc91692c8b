//  Movements of the plain evaluator: strided copies that do not care what the bytes mean.

extension Tensor {
  /// A permutation, broadcast, slice, its reverse, or a concatenation, of elements of T's size.
  func move<T>(_ x: [Value], _ type: T.Type) throws -> Value {
    let y = try op == .place ? zeroed() : result()
    switch op {
    case .permute:
      let own = self[0].shape.strides
      let strides = Strides { $0 < rank ? own[Int(attributes.order[$0])] : 0 }
      copy(shape, x[0].elements(T.self), strides, y.elements(T.self), shape.strides)
    case .broadcast:
      copy(
        shape, x[0].elements(T.self), self[0].shape.strides(broadcastTo: shape),
        y.elements(T.self), shape.strides)
    case .slice:
      let (start, strides) = windowed(self[0].shape)
      copy(shape, x[0].elements(T.self) + start, strides, y.elements(T.self), shape.strides)
    case .place:
      let (start, strides) = windowed(shape)
      let part = self[0].shape
      copy(part, x[0].elements(T.self), part.strides, y.elements(T.self) + start, strides)
    default:
      var start = 0
      let strides = shape.strides
      for (i, value) in x.enumerated() {
        let part = self[i].shape
        copy(part, value.elements(T.self), part.strides, y.elements(T.self) + start, strides)
        start += part[attributes.axis] * strides[attributes.axis]
      }
    }
    return y
  }

  /// Where a window begins in a dense tensor of some shape, and its strides there.
  private func windowed(_ whole: Shape) -> (start: Int, strides: Strides) {
    let window = attributes.window
    let own = whole.strides
    let start = (0..<whole.rank).reduce(0) { $0 + window.start[$1] * own[$1] }
    return (start, Strides { window.step[$0] * own[$0] })
  }

  private func copy<T>(
    _ shape: Shape, _ source: UnsafePointer<T>, _ sourceStrides: Strides,
    _ target: UnsafeMutablePointer<T>, _ targetStrides: Strides
  ) {
    let loop = Loop(shape, sourceStrides, targetStrides)
    let (from, to) = (loop.step[0], loop.step[1])
    loop.forEach { offset in
      let (s, t) = (source + offset[0], target + offset[1])
      if from == 1 && to == 1 {
        t.update(from: s, count: loop.run)
      } else {
        for i in 0..<loop.run { t[i * to] = s[i * from] }
      }
    }
  }
}
