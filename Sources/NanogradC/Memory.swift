//  Chapter "Memory" of nanograd.h.

import CNanograd
import Nanograd

@_cdecl("ng_memory_stat") @implementation
public func ng_memory_stat(_ stat: Int32) -> Int64 {
  number {
    let use = memoryUse
    return switch Int(stat) {
    case NG_MEMORY_TOTAL: Int64(use.total)
    case NG_MEMORY_VALUES: Int64(use.values)
    case NG_MEMORY_WORKING: Int64(use.working)
    case NG_MEMORY_HANDLES: Int64(use.handles)
    case NG_MEMORY_PLANS: Int64(use.plans)
    case NG_MEMORY_POOL: Int64(use.pool)
    case NG_MEMORY_PEAK: Int64(use.peak)
    case NG_MEMORY_LIMIT: Int64(use.limit ?? 0)
    default:
      throw NanogradError(
        .argument, "stat \(stat), expected NG_MEMORY_TOTAL (1) to NG_MEMORY_LIMIT (8)")
    }
  }
}

@_cdecl("ng_set_memory_limit") @implementation
public func ng_set_memory_limit(_ bytes: Int64) -> ng_status {
  status {
    guard bytes >= 0 else {
      throw NanogradError(.argument, "\(bytes) bytes, expected at least 0 (for no limit)")
    }
    try setMemoryLimit(bytes == 0 ? nil : Int(bytes))
  }
}

@_cdecl("ng_reset_memory_peak") @implementation
public func ng_reset_memory_peak() {
  resetMemoryPeak()
}

@_cdecl("ng_release_caches") @implementation
public func ng_release_caches() {
  releaseCaches()
}
