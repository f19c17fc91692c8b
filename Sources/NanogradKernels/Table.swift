//  The kernels of this instruction set.

internal import CMoves
import NanogradKernelTable

private func table<V: Lanes, E: Accumulator>(_: V.Type, _: E.Type) -> ScalarKernels<V.Scalar>
where E.Scalar == V.Scalar {
  ScalarKernels(
    unary: { unary($0, V.self) },
    binary: { binary($0, V.self) },
    select: select(V.self), chain: chain(V.self),
    reduce: { reduction($0, V.self) }, sumOfSquares: sumOfSquares(V.self),
    transpose: { x, stride, rows, columns, y in transpose(x, stride, rows, columns, y, rows) },
    matmul: matmul(V.self, E.self),
    matmulWorkspace: Blocking.workspace, mostTransposedRows: Blocking.rowsToTranspose,
    matrixVector: matrixVector(V.self, E.self),
    contract: contraction(V.self), pack: packing(V.self),
    packRows: { packRows(V.self, $0, $1, $2, $3, $4, $5) },
    stream: { ngp_stream($1, $0, $2 * MemoryLayout<V.Scalar>.size) },
    readsInPlace: TileShape.readsInPlace,
    panelWidth: TileShape.width * V.count,
    cacheBlock: TileShape.cacheBytes / MemoryLayout<V.Scalar>.size)
}

#if NANOGRAD_AVX512
  private let name = "avx512"
#elseif NANOGRAD_AVX2
  private let name = "avx2"
#else
  private let name = "baseline"
#endif

/// Every kernel, compiled for this module's instruction set.
public let kernels = KernelTable(
  name: name, float32: table(SIMD16<Float>.self, Float.self),
  float64: table(SIMD8<Double>.self, Double.self))
