//  Which of the three builds of the kernels runs here.

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
      let tables = [
        NanogradKernels.kernels, NanogradKernelsAVX2.kernels, NanogradKernelsAVX512.kernels,
      ]
      let level = Int(ngp_instruction_level())
      let wish = getenv("NANOGRAD_ISA").flatMap { name in
        tables.firstIndex { $0.name == String(cString: name) }
      }
      return tables[Swift.min(wish ?? level, level)]
    #else
      return NanogradKernels.kernels
    #endif
  }()
}

/// `avx512`, `avx2` or `baseline`: the instruction set in use.
public var instructionSet: String { KernelTable.chosen.name }
