//  Transposed copies, in blocks of 8 × 8 that stay in registers.

extension SIMD8 {
  /// The first halves of both, lane by lane in turn.
  @inline(__always) fileprivate func interleavingLow(_ b: Self) -> Self {
    Self(self[0], b[0], self[1], b[1], self[2], b[2], self[3], b[3])
  }

  @inline(__always) fileprivate func interleavingHigh(_ b: Self) -> Self {
    Self(self[4], b[4], self[5], b[5], self[6], b[6], self[7], b[7])
  }
}

private typealias Eight<T: SIMDScalar> = (
  SIMD8<T>, SIMD8<T>, SIMD8<T>, SIMD8<T>, SIMD8<T>, SIMD8<T>, SIMD8<T>, SIMD8<T>
)

/// Interleaves row i with row i + 4. Three times over, this transposes.
@inline(__always)
private func shuffle<T: SIMDScalar>(_ r: Eight<T>) -> Eight<T> {
  (
    r.0.interleavingLow(r.4), r.0.interleavingHigh(r.4),
    r.1.interleavingLow(r.5), r.1.interleavingHigh(r.5),
    r.2.interleavingLow(r.6), r.2.interleavingHigh(r.6),
    r.3.interleavingLow(r.7), r.3.interleavingHigh(r.7)
  )
}

/// `y[c * strideY + r] = x[r * strideX + c]` for 8 columns and 8 rows, of which those from `rows` on are zero.
@inline(__always)
private func transposeBlock<T: SIMDScalar & Numeric>(
  _ x: UnsafePointer<T>, _ strideX: Int, _ rows: Int, _ y: UnsafeMutablePointer<T>, _ strideY: Int
) {
  @inline(__always) func row(_ r: Int) -> SIMD8<T> {
    r < rows
      ? UnsafeRawPointer(x + r &* strideX).loadUnaligned(as: SIMD8<T>.self)
      : SIMD8(repeating: 0)
  }
  @inline(__always) func put(_ c: Int, _ v: SIMD8<T>) {
    UnsafeMutableRawPointer(y + c &* strideY).storeBytes(of: v, as: SIMD8<T>.self)
  }
  let rows = (row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7))
  let columns = shuffle(shuffle(shuffle(rows)))
  put(0, columns.0)
  put(1, columns.1)
  put(2, columns.2)
  put(3, columns.3)
  put(4, columns.4)
  put(5, columns.5)
  put(6, columns.6)
  put(7, columns.7)
}

/// `y[c * strideY + r] = x[r * strideX + c]`.
@inline(__always)
func transpose<T: SIMDScalar & Numeric>(
  _ x: UnsafePointer<T>, _ strideX: Int, _ rows: Int, _ columns: Int,
  _ y: UnsafeMutablePointer<T>, _ strideY: Int
) {
  var r = 0
  while r &+ 8 <= rows {
    var c = 0
    while c &+ 8 <= columns {
      transposeBlock(x + (r &* strideX &+ c), strideX, 8, y + (c &* strideY &+ r), strideY)
      c &+= 8
    }
    while c < columns {
      for i in r..<(r &+ 8) { y[c &* strideY &+ i] = x[i &* strideX &+ c] }
      c &+= 1
    }
    r &+= 8
  }
  while r < rows {
    for c in 0..<columns { y[c &* strideY &+ r] = x[r &* strideX &+ c] }
    r &+= 1
  }
}

/// The same, and zeros for the rows up to `strideY`, a multiple of 8.
@inline(__always)
func transposePadded<T: SIMDScalar & Numeric>(
  _ x: UnsafePointer<T>, _ strideX: Int, _ rows: Int, _ columns: Int,
  _ y: UnsafeMutablePointer<T>, _ strideY: Int
) {
  let whole = rows &- rows % 8
  transpose(x, strideX, whole, columns, y, strideY)
  for r in stride(from: whole, to: strideY, by: 8) {
    let present = Swift.max(rows &- r, 0)
    let source = x + Swift.min(r, rows) &* strideX
    var c = 0
    while c &+ 8 <= columns {
      transposeBlock(source + c, strideX, present, y + (c &* strideY &+ r), strideY)
      c &+= 8
    }
    while c < columns {
      for i in 0..<8 { y[c &* strideY &+ r &+ i] = i < present ? source[i &* strideX &+ c] : 0 }
      c &+= 1
    }
  }
}
