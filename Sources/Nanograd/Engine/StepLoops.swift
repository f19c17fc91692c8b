//  The other steps as they are run.

import Glibc
import NanogradKernelTable

/// A step as it is run: a loop over rows, any of which may be run on any thread. A class, not a protocol, for the sake
/// of `StepLoops`.
class StepLoop {
  /// About how long all rows take, in nanoseconds.
  final let cost: Double
  /// Bytes of memory that a thread needs meanwhile.
  final let scratch: Int

  init(cost: Double, scratch: Int = 0) {
    self.cost = cost
    self.scratch = scratch
  }

  func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {}
}

/// Loops that run one after the other. Nobody counts references to one as it runs: threads that do so at the same
/// time wait for each other, a tenth of a microsecond each time where the cores share no cache.
final class StepLoops {
  let list: [StepLoop]
  private let start: UnsafeMutablePointer<Unmanaged<StepLoop>>
  private let count: Int

  init(_ list: [StepLoop]) {
    self.list = list
    count = list.count
    start = .allocate(capacity: count + 1)
    for (i, loop) in list.enumerated() {
      (start + i).initialize(to: .passUnretained(loop))
    }
  }

  deinit { start.deallocate() }

  func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    for i in 0..<count {
      start[i]._withUnsafeGuaranteedRef { $0.run(rows, context, scratch) }
    }
  }
}

/// The memory of one run of a plan.
final class Context: @unchecked Sendable {
  /// Whether the cores that this runs on have no cache in common.
  var isFar = false
  let arena: Value
  /// One stretch per thread.
  let scratch: Value
  /// Where each buffer is; behind the arena in its memory.
  private let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  /// What is read, for the time of a run.
  private var values: [Value] = []
  private let failure = AtomicReference<Failure>()
  /// Who does what of each segment.
  let divisions: [Division]
  let threads: Int

  /// What a step could not do.
  private final class Failure {
    let error: NanogradError
    init(_ error: NanogradError) { self.error = error }
  }

  init(arena size: Int, scratch: Int, buffers: Int, divisions: [Division], threads: Int) throws {
    let table = (size + 63) & ~63
    let count = Swift.max(buffers, 1)
    arena = try Value(
      bytes: table + count * MemoryLayout<UnsafeMutableRawPointer>.stride, for: .working)
    self.scratch = try Value(bytes: scratch, for: .working)
    self.divisions = divisions
    self.threads = threads
    pointers = (arena.pointer + table).bindMemory(
      to: UnsafeMutableRawPointer.self, capacity: count)
    pointers.initialize(repeating: arena.pointer, count: count)
  }

  var bytes: Int { arena.bytes + scratch.bytes }

  func bind(_ buffer: Int, _ pointer: UnsafeMutableRawPointer) { pointers[buffer] = pointer }
  /// Binds a value that somebody else may let go of meanwhile.
  func bind(_ buffer: Int, keeping value: consuming Value) {
    pointers[buffer] = value.pointer
    values.append(value)
  }
  func dropValues() { values.removeAll(keepingCapacity: true) }
  func pointer<T>(_ buffer: Int, _ type: T.Type) -> UnsafeMutablePointer<T> {
    pointers[buffer].assumingMemoryBound(to: T.self)
  }
  func memory(_ buffer: Int) -> UnsafeMutableRawPointer { pointers[buffer] }
  /// What is at an offset of the arena.
  func place(_ offset: Int?) -> UnsafeMutableRawPointer { arena.pointer + (offset ?? 0) }

  /// Notes what a step could not do; the first error counts.
  func fail(_ error: any Error) {
    failure.putFirst(Failure(error as? NanogradError ?? NanogradError(.state, "\(error)")))
  }

  /// Throws what a step noted.
  func check() throws {
    guard !failure.isEmpty, let error = failure.take()?.error else { return }
    throw error
  }
}

/// A row is a panel.
final class PackLoop<T: FloatElement>: StepLoop {
  private let factor: Factor
  private let target: Int
  /// How much depth is packed at a time where that goes past the caches.
  private static var piece: Int { 64 }

  init(_ factor: Factor, target: Int) {
    self.factor = factor
    self.target = target
    super.init(
      cost: 50 + 0.2 * Double(factor.depth) * Double(factor.columns),
      scratch: PackLoop.piece * T.kernels.panelWidth * MemoryLayout<T>.size)
  }

  @_specialize(where T == Float)
  @_specialize(where T == Double)
  override func run(_ panels: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    let view = factor.view
    let b = context.pointer(view.buffer, T.self) + view.offset
    let (rowStride, columnStride) = (view.strides[0], view.strides[1])
    for panel in panels {
      let panel = T.kernels.panel(panel, of: factor.columns)
      let source = b + panel.lowerBound * columnStride
      let y = context.pointer(target, T.self) + panel.lowerBound * factor.depth
      guard context.isFar else {
        T.kernels.pack(source, rowStride, columnStride, factor.depth, panel.count, y)
        continue
      }
      // All threads read it next.
      let width = T.kernels.panelStride(panel.count)
      for start in stride(from: 0, to: factor.depth, by: PackLoop.piece) {
        let depth = Swift.min(PackLoop.piece, factor.depth - start)
        T.kernels.pack(
          source + start * rowStride, rowStride, columnStride, depth, panel.count,
          scratch.assumingMemoryBound(to: T.self))
        T.kernels.stream(
          scratch.assumingMemoryBound(to: T.self), y + start * width, depth * width)
      }
    }
  }
}

final class ReduceRunsLoop<T: FloatElement>: StepLoop {
  private let kernel: ScalarKernels<T>.Reduce
  private let source: Int
  private let length: Int
  private let runs: Int
  private let target: Int

  init(_ code: ReductionCode, source: Int, length: Int, runs: Int, rows: Int, target: Int) {
    kernel = T.kernels.reduce(code)
    self.source = source
    self.length = length
    self.runs = runs
    self.target = target
    super.init(cost: 20 + 0.15 * Double(rows * runs * length))
  }

  @_specialize(where T == Float)
  @_specialize(where T == Double)
  override func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    let x = context.pointer(source, T.self)
    let y = context.pointer(target, T.self)
    for i in rows.lowerBound * runs..<rows.upperBound * runs {
      y[i] = kernel(x + i * length, length)
    }
  }
}

/// A row is a stretch of columns.
final class ReduceRowsLoop<T: FloatElement>: StepLoop {
  static var stretch: Int { 256 }
  private let kernel: ScalarKernels<T>.Binary
  private let source: Int
  private let length: Int
  private let columns: Int
  private let target: Int

  init(_ code: ReductionCode, source: Int, length: Int, columns: Int, target: Int) {
    kernel = T.kernels.binary(code.pairwise)
    self.source = source
    self.length = length
    self.columns = columns
    self.target = target
    super.init(cost: 20 + 0.15 * Double(length * columns))
  }

  @_specialize(where T == Float)
  @_specialize(where T == Double)
  override func run(_ stretches: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer)
  {
    let first = stretches.lowerBound * Self.stretch
    let count = Swift.min(stretches.upperBound * Self.stretch, columns) - first
    let x = context.pointer(source, T.self) + first
    let y = context.pointer(target, T.self) + first
    y.update(from: x, count: count)
    for row in 1..<Swift.max(length, 1) { kernel(y, 1, x + row * columns, 1, y, count) }
  }
}

/// An operator that the plain evaluator computes.
final class GeneralLoop: StepLoop {
  private let node: Tensor
  private let sources: [(buffer: Int, bytes: Int)]
  private let target: Int

  init(_ node: Tensor, sources: [(buffer: Int, bytes: Int)], target: Int) {
    self.node = node
    self.sources = sources
    self.target = target
    super.init(cost: 100 + Double(node.bytes + sources.reduce(0) { $0 + $1.bytes }))
  }

  override func run(_ rows: Range<Int>, _ context: Context, _ scratch: UnsafeMutableRawPointer) {
    do {
      let value = try node.compute(
        sources.map { Value(borrowing: context.memory($0.buffer), bytes: $0.bytes) })
      context.memory(target).copyMemory(from: value.pointer, byteCount: node.bytes)
    } catch let error as NanogradError {
      context.fail(error.found(by: node.op.definition.name))
    } catch {
      context.fail(error)
    }
  }
}
