//  Transposed copies, in blocks of 8 × 8 that stay in registers.

internal import CMoves

/// `y[c * strideY + r] = x[r * strideX + c]` for 8 columns and 8 rows, of which those from `rows` on are zero.
@inline(__always)
private func transposeBlock<T>(
  _ x: UnsafePointer<T>, _ strideX: Int, _ rows: Int, _ y: UnsafeMutablePointer<T>, _ strideY: Int
) {
  let (source, target) = (UnsafeRawPointer(x), UnsafeMutableRawPointer(y))
  if MemoryLayout<T>.size == 4 {
    ngp_transpose_float(
      source.assumingMemoryBound(to: Float.self), strideX, rows,
      target.assumingMemoryBound(to: Float.self), strideY)
  } else {
    ngp_transpose_double(
      source.assumingMemoryBound(to: Double.self), strideX, rows,
      target.assumingMemoryBound(to: Double.self), strideY)
  }
}

/// `y[c * strideY + r] = x[r * strideX + c]`. Not inlined: beside what its callers hold, rows would have no
/// registers.
@inline(never)
func transpose<T: SIMDScalar & Numeric>(
  _ x: UnsafePointer<T>, _ strideX: Int, _ rows: Int, _ columns: Int,
  _ y: UnsafeMutablePointer<T>, _ strideY: Int
) {
  var r = 0
  while r &+ 8 <= rows {
    // Two blocks one above the other fill whole lines of memory.
    let height = r &+ 16 <= rows ? 16 : 8
    var c = 0
    while c &+ 8 <= columns {
      let source = x + (r &* strideX &+ c)
      if c &* MemoryLayout<T>.stride % 64 == 0 {
        // The rows that come next, into the second level: the first has no room for them until then.
        for i in height..<(2 &* height) { ngp_prefetch(source + i &* strideX) }
      }
      let target = y + (c &* strideY &+ r)
      if height == 16 && c &+ 24 <= columns {
        // What was written here before, other cores may have read. What lies beyond is theirs.
        for i in 16..<24 { ngp_prefetch_to_write(target + i &* strideY) }
      }
      transposeBlock(source, strideX, 8, target, strideY)
      if height == 16 {
        transposeBlock(source + 8 &* strideX, strideX, 8, target + 8, strideY)
      }
      c &+= 8
    }
    while c < columns {
      for i in r..<(r &+ height) { y[c &* strideY &+ i] = x[i &* strideX &+ c] }
      c &+= 1
    }
    r &+= height
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
