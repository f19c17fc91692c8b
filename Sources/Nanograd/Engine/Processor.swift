//  Which of the three builds of the kernels runs here, and how long things take.

import CPlatform
import Glibc
import NanogradKernelTable
import NanogradKernels

#if arch(x86_64)
  import NanogradKernelsAVX2
  import NanogradKernelsAVX512
#endif

extension KernelTable {
  /// The best that the processor can run, or less if `NANOGRAD_ISA` says so.
  static let chosen: KernelTable = {
    #if arch(x86_64)
      let wish = getenv("NANOGRAD_ISA").map { String(cString: $0) }
      let level = Swift.min(
        Int(ngp_instruction_level()),
        wish.flatMap { ["baseline", "avx2", "avx512"].firstIndex(of: $0) } ?? 2)
      // Only the table that is used is made: making one runs its instructions.
      switch level {
      case 2: return NanogradKernelsAVX512.kernels
      case 1: return NanogradKernelsAVX2.kernels
      default: return NanogradKernels.kernels
      }
    #else
      return NanogradKernels.kernels
    #endif
  }()
}

/// Nanoseconds on a clock that nobody sets.
func nanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// `avx512`, `avx2` or `baseline`: the instruction set in use.
public var instructionSet: String { KernelTable.chosen.name }
