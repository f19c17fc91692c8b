import XCTest

@testable import Nanograd

final class CheckpointTests: XCTestCase {
  // MARK: Tensors and texts

  func testWhatIsSavedComesBack() throws {
    let checkpoint = Checkpoint()
    let w = try Tensor(parameter: [1, -0.0, .infinity] as [Float], [3, 1])
    let n = try Tensor(variable: [Int64.min, 0, Int64.max], [3])
    try checkpoint.add([("w", w), ("n", n)])
    try checkpoint.add("twice w", w * 2)
    try checkpoint.add("none", Tensor(variable: .float64, [0, 2]))
    try checkpoint.set("text", "first")
    try checkpoint.set("text", "\"é\"\n")
    try checkpoint.set("step", Int.min)
    try checkpoint.set("generator", Random(seed: .max, counter: 7))
    let file = try SafeTensors(bytes: checkpoint.bytes())
    XCTAssertEqual(file.names, ["n", "none", "w", "twice w"], "wide elements come first")
    XCTAssertEqual(file.metadata.map(\.key), ["text", "step", "generator"])
    XCTAssertEqual(
      try file.tensor("w").values(Float.self).map(\.bitPattern),
      [Float(1), -0.0, .infinity].map(\.bitPattern))
    XCTAssertEqual(try file.tensor("n").values(Int64.self), [.min, 0, .max])
    XCTAssertEqual(try file.tensor("twice w").values(Float.self), [2, 0, .infinity])
    XCTAssertEqual(try file.dimensions(of: "none"), [0, 2])
    XCTAssertEqual(try file.dtype(of: "none"), .float64)
    XCTAssertEqual(try file.tensor("w").tag, "w")
    XCTAssertEqual(try file.text("text"), "\"é\"\n")
    XCTAssertEqual(try file.integer("step"), .min)
    XCTAssertEqual(try file.random("generator"), Random(seed: .max, counter: 7))
    XCTAssertFalse(file.contains("v"))
  }

  func testNames() throws {
    let checkpoint = Checkpoint()
    let w = try Tensor(parameter: [1.0], [1])
    try checkpoint.add("w", w)
    // Alike to the eye, and to Swift, but not the same bytes.
    try checkpoint.add([("\u{E9}", w), ("e\u{301}", w)])
    for name in ["w", "\u{E9}", "__metadata__", "a\0b"] {
      XCTAssertEqual(code { try checkpoint.add(name, w) }, .argument)
      XCTAssertEqual(code { try checkpoint.add(name, Optimizer(.sgd, rate: 1)) }, .argument)
    }
    XCTAssertEqual(code { try checkpoint.add([("a", w), ("b", w), ("a", w)]) }, .argument)
    XCTAssertEqual(code { try checkpoint.set("a\0", "") }, .argument)
    XCTAssertEqual(code { try checkpoint.set("a", "\0") }, .argument)
    XCTAssertEqual(code { try checkpoint.save("/tmp/a\0b") }, .argument)
    XCTAssertEqual(code { _ = try SafeTensors(path: "/tmp/a\0b") }, .argument)
    XCTAssertEqual(
      try SafeTensors(bytes: checkpoint.bytes()).names.map { Array($0.utf8) },
      ["w", "\u{E9}", "e\u{301}"].map { Array($0.utf8) }, "refused names are not there")
  }

  func testErrorsNameTheirFunction() throws {
    func message(_ body: () throws -> Void) -> String {
      do {
        try body()
        return "no error"
      } catch { return "\(error)" }
    }
    let checkpoint = Checkpoint()
    XCTAssertTrue(
      message { _ = try SafeTensors(path: "/no such file") }.hasPrefix(
        "safetensors_open: '/no such"))
    XCTAssertTrue(
      message { _ = try SafeTensors(bytes: [1]) }.hasPrefix("safetensors_open_memory: 1 bytes"))
    XCTAssertTrue(
      message { try checkpoint.save("/no such folder/file") }.hasPrefix(
        "checkpoint_save: '/no such"))
    let file = try SafeTensors(bytes: checkpoint.bytes())
    try checkpoint.add("w", Tensor(parameter: [1.0], [1]))
    XCTAssertEqual(
      message { try checkpoint.load(file) },
      "checkpoint_load: no tensor 'w' in the file, which has none")
  }

  // MARK: Schedules as texts

  func testNumbersKeepTheirBits() throws {
    var random = Random(seed: 1)
    for _ in 0..<20000 {
      for bits in [random.next()[0], random.next()[1]] {
        let rate = Double(bitPattern: bits)
        let text = Schedule(floatLiteral: rate).text
        let read = try XCTUnwrap(Schedule(text: text)).rate(at: 0)
        XCTAssertTrue(read.bitPattern == bits || rate.isNaN && read.isNaN, text)
      }
    }
  }

  func testSchedulesAsTexts() throws {
    let rise = try Schedule.linear(steps: 3, from: 0, to: 0.1)
    let fall = try Schedule.exponential(steps: 5, from: 0.1, to: 1e-7)
    let both = try rise + fall
    let all = try (both + both) + (both + .step(interval: 2, from: 1, factor: 1 / 3))
    XCTAssertEqual(
      all.text,
      "linear 3 0.0 0.1; exponential 5 0.1 1e-07; chain 0 1; chain 2 2; "
        + "step 2 1.0 0.3333333333333333; chain 2 4; chain 3 5")
    let read = try XCTUnwrap(Schedule(text: all.text))
    for step in 0..<40 { XCTAssertEqual(read.rate(at: step), all.rate(at: step)) }
    XCTAssertEqual(read.text, all.text)
    XCTAssertNil(read.steps)
    XCTAssertEqual(try XCTUnwrap(Schedule(text: both.text)).steps, 8)
    for text in [
      "", " ", ";", "constant", "constant 1", "constant -1 1", "constant 1 1 1", "constant 1 x",
      "constant 1  1", "Constant 1 1", "linear 0 1 2", "linear 1 1", "linear 1 nan 1",
      "exponential 1 1 -1", "step 0 1 1", "chain 0 0", "constant 1 1; chain 0 1",
      "constant 1 1; chain -1 0", "constant 0 1; chain 0 0", "constant 1 1;chain 0 0",
      "constant 1 1; ", "constant 99999999999999999999 1", "chain 0 0 0",
    ] {
      XCTAssertNil(Schedule(text: text), text)
    }
  }

  // MARK: Optimizers

  func testResumedIsUninterrupted() throws {
    for kind in [Optimizer.Kind.sgd, .adam, .adamW] {
      /// Parameters, an optimizer for them, and what they belong to.
      func begin() throws -> ([Tensor], Optimizer, Checkpoint) {
        let parameters = try [
          Tensor(parameter: [1, 2, 3] as [Float], [3]), Tensor(parameter: [1, 2], [2]),
        ]
        let optimizer = try Optimizer(kind, rate: .cosine(steps: 9, from: 0.1, to: 0))
        if kind == .sgd { try optimizer.setMomentum(0.9) }
        try optimizer.setClipNorm(0.5)
        try optimizer.add(parameters)
        let checkpoint = Checkpoint()
        for (i, parameter) in parameters.enumerated() { try checkpoint.add("\(i)", parameter) }
        try checkpoint.add("optimizer", optimizer)
        return (parameters, optimizer, checkpoint)
      }
      func goOn(_ parameters: [Tensor], _ optimizer: Optimizer, _ steps: Range<Int>) throws {
        for step in steps {
          // The second one sits out some steps, so that updates are counted differently.
          let second = try ridge(parameters[1])
          let first = try cast(ridge(parameters[0]), to: .float64)
          try (step % 3 == 0 ? first : first * second).backward()
          try optimizer.step()
          optimizer.zeroGrad()
        }
      }
      func bits(_ parameters: [Tensor]) throws -> [UInt64] {
        try parameters[0].values(Float.self).map { UInt64($0.bitPattern) }
          + parameters[1].values(Double.self).map(\.bitPattern)
      }
      let (whole, optimizer, _) = try begin()
      try goOn(whole, optimizer, 0..<8)
      for stop in 0...8 {
        let (parameters, optimizer, checkpoint) = try begin()
        try goOn(parameters, optimizer, 0..<stop)
        let file = try SafeTensors(bytes: checkpoint.bytes())
        let (others, resumed, loaded) = try begin()
        try goOn(others, resumed, 0..<3)
        try loaded.load(file)
        XCTAssertEqual(resumed.steps, stop)
        XCTAssertEqual(resumed.rate, optimizer.rate)
        XCTAssertTrue(
          resumed.gradNorm == optimizer.gradNorm || stop == 0 && resumed.gradNorm.isNaN)
        try goOn(others, resumed, stop..<8)
        XCTAssertEqual(try bits(others), try bits(whole), "\(kind), \(stop)")
      }
    }
  }

  func testWhatIsRefusedChangesNothing() throws {
    let w = try Tensor(parameter: [1.0, 2], [2])
    let v = try Tensor(parameter: [3.0], [1])
    let saved = Checkpoint()
    try saved.add([("w", w), ("v", v)])
    let file = try SafeTensors(bytes: saved.bytes())
    let other = try Tensor(parameter: [5.0, 6], [2])
    let wrong = try Tensor(parameter: [7.0, 8], [2])
    let loaded = Checkpoint()
    try loaded.add([("w", other), ("v", wrong)])
    XCTAssertEqual(code { try loaded.load(file) }, .shape)
    XCTAssertEqual(try other.values(Double.self), [5, 6])
    let single = Checkpoint()
    try single.add("w", other)
    try single.load(file)
    XCTAssertEqual(try other.values(Double.self), [1, 2])
    XCTAssertEqual(try (other * 2).values(Double.self), [2, 4])
  }

  // MARK: Files

  func testAFileIsReplacedAtOnce() throws {
    var template = Array("/tmp/nanograd-tests-XXXXXX".utf8CString)
    let folder = try XCTUnwrap(template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) })
    let path = String(cString: folder) + "/file"
    let checkpoint = Checkpoint()
    let w = try Tensor(parameter: [1.0], [1])
    try checkpoint.add("w", w)
    try checkpoint.save(path)
    let first = try SafeTensors(path: path)
    try w.write([2.0])
    try checkpoint.save(path)
    XCTAssertEqual(try first.tensor("w").item(), 1, "what was opened stays")
    XCTAssertEqual(try SafeTensors(path: path).tensor("w").item(), 2)
    XCTAssertEqual(unlink(path), 0)
    XCTAssertEqual(rmdir(folder), 0, "nothing else is left there")
  }
}
