//  Plans against the plain evaluator on random graphs: values and gradients.

import XCTest

@testable import Nanograd

final class EngineRandomGraphTests: EngineTestCase {
  /// Each graph is run with three sets of leaves, built a second time, and run in parts.
  func testThousandsOfRandomGraphs() throws {
    var failures = 0
    for seed in seeds() where failures < 10 {
      try setNumberOfThreads(1 + Int(seed % 3))
      do {
        guard let text = try problem(seed) else { continue }
        XCTFail("seed \(seed): \(text)")
      } catch {
        XCTFail("seed \(seed): \(error)")
      }
      failures += 1
    }
  }

  /// 1 to 4,000; NANOGRAD_TEST_GRAPHS=first:last looks elsewhere.
  private func seeds() -> ClosedRange<UInt64> {
    let wish = ProcessInfo.processInfo.environment["NANOGRAD_TEST_GRAPHS"] ?? ""
    let ends = wish.split(separator: ":").compactMap { UInt64($0) }
    return ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : 1...4_000
  }

  /// What goes wrong with the graph of a seed.
  private func problem(_ seed: UInt64) throws -> String? {
    let graph = try RandomGraph(seed: seed)
    let tolerance = graph.isSingle ? 1e-4 : 1e-12
    try graph.write(seed: seed)
    let (first, plan) = try planned(graph.roots)
    if let text = difference(first, try plain(graph.roots), tolerance: tolerance) { return text }

    try graph.write(seed: seed + 1_000_000)
    let (second, again) = try planned(graph.roots)
    guard again === plan else { return "another plan for other leaves" }
    if let text = difference(second, try plain(graph.roots), tolerance: tolerance) {
      return "with other leaves, \(text)"
    }

    try graph.write(seed: seed + 2_000_000, specials: true)
    let special = try planned(graph.roots).values
    if let text = difference(special, try plain(graph.roots), tolerance: tolerance) {
      return "with NaN and infinities, \(text)"
    }

    let rebuilt = try RandomGraph(seed: seed)
    try rebuilt.write(seed: seed)
    let (third, found) = try planned(rebuilt.roots)
    guard found === plan else { return "another plan for a graph built again" }
    for (x, y) in zip(first, third) where x.bytes != y.bytes {
      return "other bits when built again"
    }
    return seed % 4 == 0 ? try problemInParts(rebuilt, first, tolerance) : nil
  }

  /// Some roots first, so that what is below the others has values already; then all.
  private func problemInParts(
    _ graph: RandomGraph, _ want: [Evaluated], _ tolerance: Double
  ) throws -> String? {
    try evaluate(graph.roots.enumerated().filter { $0.offset % 3 == 1 }.map(\.element))
    try evaluate(graph.roots)
    // What has no elements is in no plan.
    for root in graph.roots where root.size == 0 {
      guard try root.evaluated().bytes == 0 else { return "elements where there are none" }
    }
    var seen = Set<ObjectIdentifier>()
    let distinct = try graph.roots.filter {
      $0.leaf == nil && $0.size > 0 && seen.insert(ObjectIdentifier($0)).inserted
    }
    .map { Evaluated(root: $0, value: try $0.evaluated()) }
    return difference(distinct, want, tolerance: tolerance).map { "in parts, \($0)" }
  }
}
