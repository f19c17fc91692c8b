//  A plan in words, for people who want to know what their graph became and where its time goes.

import Glibc

/// What computing some tensors together is compiled to: segments, between which threads wait for each
/// other; in each, loops over rows; in each loop, its steps with operators, bytes and arithmetic. Nothing
/// is computed, and a value that still holds is not planned for.
public func planDescription(of tensors: [Tensor]) throws -> String {
  let request = try Request(tensors.filter { $0.leaf == nil })
  guard !request.results.isEmpty else { return "Nothing to compute.\n" }
  guard let plan = try request.plan else {
    return "\(request.count) tensors, one at a time, by the plain evaluator.\n"
  }
  return plan.description
}

/// The same with the time that each step takes, the median of some runs on the calling thread alone. The
/// tensors are computed, values that still hold aside.
public func planProfile(of tensors: [Tensor], runs: Int) throws -> String {
  try require(runs >= 1, .argument, "\(runs) runs, expected at least 1", in: "plan_profile")
  let request = try Request(tensors.filter { $0.leaf == nil })
  guard !request.results.isEmpty, let plan = try request.plan else {
    return try planDescription(of: tensors)
  }
  let values = try plan.inputs.map(request.value)
  var profile: Profile? = Profile(plan)
  for _ in 0...runs { _ = try plan.run({ values[$0] }, &profile) }
  return plan.text(profile)
}

/// How long the steps of a plan took.
struct Profile {
  /// The times of each step in nanoseconds, run after run; the first is a warm-up.
  private var times: [[[[Int]]]]

  init(_ plan: Plan) {
    times = plan.parts.map { $0.map { $0.steps.map { _ in [] } } }
  }

  mutating func run(_ segment: Int, _ chains: [Plan.Run], _ context: Context) {
    for (c, chain) in chains.enumerated() {
      for (l, loop) in chain.loops.list.enumerated() {
        let start = nanoseconds()
        loop.run(0..<chain.rows, context, context.scratch.pointer)
        times[segment][c][l].append(nanoseconds() - start)
      }
    }
  }

  func median(_ segment: Int, _ chain: Int, _ step: Int) -> Double {
    let sorted = times[segment][chain][step].dropFirst().sorted()
    return sorted.isEmpty ? 0 : 1e-9 * Double(sorted[sorted.count / 2])
  }
}

extension Plan: CustomStringConvertible {
  var description: String { text(nil) }

  func text(_ profile: Profile?) -> String {
    var text =
      "\(parts.count) segments, \(bytesText(arenaSize)) of intermediates, "
      + "\(numberText(parts.joined().reduce(0) { $0 + work($1) }))FLOP\n"
    for (s, segment) in parts.enumerated() {
      text += "segment \(s + 1)\n"
      for (c, chain) in segment.enumerated() {
        let steps = chain.steps.count == 1 ? "1 step" : "\(chain.steps.count) steps"
        text += chain.rows.map { "  rows 0..<\($0), \(steps)\n" } ?? "  \(steps)\n"
        for (i, step) in chain.steps.enumerated() {
          let time = profile.map { ", \(timeText($0.median(s, c, i)))" } ?? ""
          text += "    \(line(step))\(time)\n"
        }
      }
    }
    return text
  }

  private func work(_ chain: Chain) -> Double { chain.steps.reduce(0) { $0 + work($1) } }

  /// Additions, multiplications and function values, each counted as one.
  private func work(_ step: Step) -> Double {
    switch step.work {
    case .map(let map):
      Double(map.shape.size) * Double(map.instructions.count + map.reductions.count)
    case .contraction(let contraction):
      contraction.blocks.flatMap(\.products).reduce(0) {
        $0 + 2 * Double(contraction.rows) * Double(contraction.columns) * Double($1.depth)
      }
    case .pack: 0
    case .reduceRuns(_, let source, _, _, _, _), .reduceRows(_, let source, _, _, _, _):
      Double(buffers[source].size)
    case .general(_, _, let target): Double(buffers[target].size)
    }
  }

  private func line(_ step: Step) -> String {
    let read = Set(step.reads.map(\.buffer)).reduce(0) { $0 + buffers[$1].bytes }
    let written = step.writes.reduce(0) { $0 + buffers[$1].bytes }
    let traffic =
      "reads \(bytesText(read)), writes \(bytesText(written)), \(numberText(work(step)))FLOP"
    return "\(title(step)): \(traffic)"
  }

  private func title(_ step: Step) -> String {
    switch step.work {
    case .map(let map):
      let names = map.instructions.map(\.kind.name) + map.reductions.map { "\($0.code) of rows" }
      let shown = names.prefix(12).joined(separator: " ") + (names.count > 12 ? " …" : "")
      return "map \(map.shape) of \(names.count) operators (\(shown))"
    case .contraction(let contraction):
      let products = contraction.blocks[0].products
      let depths = products.map { "\($0.depth)" }.joined(separator: " + ")
      return "contraction \(contraction.blocks.count) × [\(contraction.rows), "
        + "\(contraction.columns)] over \(depths)" + (products[0].packed == nil ? "" : ", packed")
    case .pack(let factor, _, _): return "pack [\(factor.depth), \(factor.columns)]"
    case .reduceRuns(let code, _, let length, _, _, _): return "\(code) of runs of \(length)"
    case .reduceRows(let code, _, let length, let columns, _, _):
      return "\(code) of \(length) rows of \(columns)"
    case .general(_, _, let target): return "operator by itself, \(buffers[target].size) elements"
    }
  }

  private func timeText(_ seconds: Double) -> String { "\((seconds * 1e7).rounded() / 10) µs" }

  private func bytesText(_ bytes: Int) -> String { numberText(Double(bytes)) + "B" }

  /// A number to three digits, with a prefix.
  private func numberText(_ number: Double) -> String {
    var (number, prefix) = (number, 0)
    while number >= 1000 && prefix < 4 { (number, prefix) = (number / 1000, prefix + 1) }
    let digits = number >= 100 || prefix == 0 ? "\(Int(number))" : "\((number * 10).rounded() / 10)"
    return digits + " " + ["", "k", "M", "G", "T"][prefix]
  }
}

extension Map.Kind {
  fileprivate var name: String {
    switch self {
    case .unary(let code): "\(code)"
    case .binary(let code): "\(code)"
    case .select: "where"
    }
  }
}
