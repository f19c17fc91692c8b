//  A schedule as text: its sections one after the other, chains naming theirs by number.

extension Schedule {
  /// Such as "linear 100 0.0 0.5; cosine 900 0.5 0.0; chain 0 1". The last is the whole. Numbers are
  /// written with as many digits as it takes to read the same bits again.
  var text: String {
    // Chains share sections, and may be deep: each is written once, and none by a nested call.
    var lines: [String] = []
    var numbers: [ObjectIdentifier: Int] = [:]
    var list = [root]
    while let section = list.last {
      if numbers[ObjectIdentifier(section)] != nil {
        list.removeLast()
        continue
      }
      switch section.content {
      case .curve(let curve): lines.append(curve.text(steps: section.steps))
      case .chain(let first, _, let second):
        guard let i = numbers[ObjectIdentifier(first)], let j = numbers[ObjectIdentifier(second)]
        else {
          list += [second, first]
          continue
        }
        lines.append("chain \(i) \(j)")
      }
      numbers[ObjectIdentifier(section)] = lines.count - 1
      list.removeLast()
    }
    return lines.joined(separator: "; ")
  }

  init?(text: String) {
    var made: [Schedule] = []
    for (i, line) in parts(of: text, between: ";").enumerated() {
      var words = parts(of: line, between: " ")
      if i > 0, words.removeFirst() != "" { return nil }
      guard words.count >= 3, let next = try? Schedule.section(words, made) else { return nil }
      made.append(next)
    }
    guard let last = made.last else { return nil }
    self = last
  }

  private static func section(_ words: [String], _ made: [Schedule]) throws -> Schedule? {
    guard let count = Int(words[1]) else { return nil }
    if words[0] == "chain" {
      guard words.count == 3, let other = Int(words[2]), made.indices.contains(count),
        made.indices.contains(other)
      else { return nil }
      return try .chain(made[count], made[other])
    }
    let numbers = words[2...].compactMap { Double($0) }
    guard numbers.count == words.count - 2 else { return nil }
    switch (words[0], numbers.count) {
    // A rate that is no number is reported by the step that would use it.
    case ("constant", 1):
      return count < 0 ? nil : Schedule(.constant(numbers[0]), steps: count == 0 ? nil : count)
    case ("linear", 2): return try .linear(steps: count, from: numbers[0], to: numbers[1])
    case ("cosine", 2): return try .cosine(steps: count, from: numbers[0], to: numbers[1])
    case ("exponential", 2): return try .exponential(steps: count, from: numbers[0], to: numbers[1])
    case ("step", 2): return try .step(interval: count, from: numbers[0], factor: numbers[1])
    default: return nil
    }
  }
}

/// What stands between separators. The standard library's way with texts as separators brings its
/// whole engine for regular expressions along, a megabyte.
func parts(of text: String, between separator: Unicode.Scalar) -> [String] {
  text.utf8.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: false)
    .map { String(Substring($0)) }
}

extension Double {
  /// As many digits as it takes to read the same bits again; of NaN, only that it is one.
  var text: String { isNaN ? "nan" : description }
}

extension Curve {
  fileprivate func text(steps: Int?) -> String {
    switch self {
    case .constant(let rate): "constant \(steps ?? 0) \(rate.text)"
    case .linear(let from, let to): "linear \(steps ?? 0) \(from.text) \(to.text)"
    case .cosine(let from, let to): "cosine \(steps ?? 0) \(from.text) \(to.text)"
    case .exponential(let from, let to): "exponential \(steps ?? 0) \(from.text) \(to.text)"
    case .stairs(let from, let factor, let interval): "step \(interval) \(from.text) \(factor.text)"
    }
  }
}
