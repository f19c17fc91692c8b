//  What a map's program consists of: loops over tiles.

import NanogradKernelTable

/// One instruction over a tile. `sources` are the tiles of the program, `steps` their strides.
class TileOperation<T: FloatElement> {
  typealias Sources = UnsafeMutablePointer<UnsafeMutablePointer<T>>
  let a: Int
  let y: Int

  init(a: Int, y: Int) {
    self.a = a
    self.y = y
  }

  func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {}
}

final class UnaryOperation<T: FloatElement>: TileOperation<T> {
  // A constant of an object is called without counting references, unlike an element of an array.
  private let kernel: ScalarKernels<T>.Unary

  init(_ code: UnaryCode, a: Int, y: Int) {
    kernel = T.kernels.unary(code)
    super.init(a: a, y: y)
  }

  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    kernel(sources[a], sources[y], count)
  }
}

final class BinaryOperation<T: FloatElement>: TileOperation<T> {
  private let kernel: ScalarKernels<T>.Binary
  private let b: Int

  init(_ code: BinaryCode, a: Int, b: Int, y: Int) {
    kernel = T.kernels.binary(code)
    self.b = b
    super.init(a: a, y: y)
  }

  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    kernel(sources[a], steps[a], sources[b], steps[b], sources[y], count)
  }
}

final class SelectOperation<T: FloatElement>: TileOperation<T> {
  private let kernel = T.kernels.select
  private let b: Int
  private let c: Int

  init(a: Int, b: Int, c: Int, y: Int) {
    self.b = b
    self.c = c
    super.init(a: a, y: y)
  }

  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    kernel(
      sources[a], steps[a], sources[b], steps[b], sources[c], steps[c], sources[y], count)
  }
}

/// Simple instructions, carried out one after the other for a few vectors at a time.
final class ChainOperation<T: FloatElement>: TileOperation<T> {
  private let kernel = T.kernels.chain
  private let program: UnsafeMutablePointer<ChainInstruction>

  init(_ instructions: [ChainInstruction]) {
    program = .allocate(capacity: instructions.count + 1)
    for (i, instruction) in instructions.enumerated() {
      (program + i).initialize(to: instruction)
    }
    (program + instructions.count).initialize(to: ChainInstruction(.end))
    super.init(a: 0, y: 0)
  }

  deinit { program.deallocate() }

  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    kernel(program, sources, count)
  }
}

/// Collects elements that lie apart into a tile.
final class CollectOperation<T: FloatElement>: TileOperation<T> {
  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    let (x, y, stride) = (sources[a], sources[y], steps[a])
    for i in 0..<count { y[i] = x[i * stride] }
  }
}

/// Reduces rows of a tile to an element each, or a tile that is a part of a row into the element of its row.
final class ReduceOperation<T: FloatElement>: TileOperation<T> {
  private let kernel: ScalarKernels<T>.Reduce
  private let combine: ScalarKernels<T>.Binary
  private let rowLength: Int

  /// `ofSquares`: a sum of what the tile's elements are squared.
  init(_ code: ReductionCode, ofSquares: Bool, a: Int, y: Int, rowLength: Int) {
    kernel = ofSquares ? T.kernels.sumOfSquares : T.kernels.reduce(code)
    combine = T.kernels.binary(code.pairwise)
    self.rowLength = rowLength
    super.init(a: a, y: y)
  }

  override func run(_ sources: Sources, _ steps: UnsafePointer<Int>, _ count: Int) {
    let (x, y) = (sources[a], sources[y])
    if count < rowLength {
      var part = kernel(x, count)
      combine(y, 1, &part, 1, y, 1)
      return
    }
    var (row, start) = (0, 0)
    while start < count {
      y[row] = kernel(x + start, rowLength)
      row += 1
      start += rowLength
    }
  }
}
