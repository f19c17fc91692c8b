import XCTest

@testable import Nanograd

final class DrawingTests: XCTestCase {
  private let x = try! Tensor(variable: .float32, [100, 3], tag: "x")
  private let w = try! Tensor(parameter: .float32, [3, 1], tag: "w")
  private let t = try! Tensor(variable: .float32, [100, 1], tag: "t")

  private func lassoLoss() throws -> Tensor {
    let rate = try Tensor(variable: [0.1 as Float], [], tag: "λ")
    return try squaredError(matmul(x, w), t) + rate * lasso(w)
  }

  func testNotation() throws {
    let a = try Tensor(variable: .float32, [2, 3], tag: "a")
    let b = try Tensor(variable: .float32, [2, 3], tag: "$0 b")
    let i = try Tensor(variable: .int32, [2, 1], tag: "i")
    let cases: [(String, Tensor)] = [
      ("((x @ w) + t)", try matmul(x, w) + t),
      ("((a - $0 b) / (a * $0 b))", try (a - b) / (a * b)),
      ("((-a)^2)", try power(-a, 2)),
      ("((a^0.5) * (-1.5))", try power(a, 0.5) * -1.5),
      ("|a|", try abs(a)),
      ("a.T", try transpose(a)),
      ("permute(reshape(a.T))", try permute(reshape(transpose(a), [3, 2, 1]), [2, 0, 1])),
      ("Σexp(a)", try sum(exp(a), axes: [0])),
      ("max(a, max(a))", try maximum(a, max(a))),
      ("mean(log(a))", try mean(log(a))),
      ("a[:, 1:3]", try slice(a, axis: 1, 1)),
      ("concatenate(a, $0 b, a)", try concatenate([a, b, a], axis: 0)),
      ("gather(a, i)", try gather(a, at: i, axis: 1)),
      ("where(a, $0 b, 0)", try select(a, b, b.number(0))),
      ("softmax(a)", try softmax(a, axis: -1)),
      ("logsumexp(a)", try logSumExp(a)),
      ("clamp(a, (-1), 1)", try clamp(a, -1, 1)),
      ("float64(a)", try cast(a, to: .float64)),
      ("CrossEntropy(a, $0 b)", try crossEntropy(logits: a, b)),
      ("(a - $0 b)^2", try squaredError(a, b)),
      ("((Σ|w|))", try lasso(w)),
      ("(((x @ w) - t)^2 + (λ * ((Σ|w|))))", try lassoLoss()),
    ]
    for (expected, tensor) in cases {
      XCTAssertEqual(tensor.notation, expected)
      XCTAssertEqual("\(tensor)", expected)
    }
    XCTAssertEqual(try Tensor(variable: .float32, []).notation.prefix(9), "variable ")
  }

  func testNotationIsCutAtAWholeCharacter() throws {
    let letters = try ["λλ", "b"].map { try Tensor(variable: .float32, [], tag: $0) }
    let sum = try letters[0] + letters[1]
    let whole = "(λλ + b)"
    XCTAssertEqual(sum.notation(limit: whole.utf8.count), whole)
    for limit in -1..<whole.utf8.count {
      let cut = sum.notation(limit: limit)
      XCTAssert(cut.hasSuffix("…"))
      XCTAssert(whole.hasPrefix(cut.dropLast()))
      let isInsideCharacter = limit == 2 || limit == 4
      XCTAssertEqual(cut.dropLast().utf8.count, max(limit, 0) - (isInsideCharacter ? 1 : 0))
    }
  }

  func testLargeGraphsAreDrawn() {
    onSmallStack {
      do {
        let leaf = try Tensor(variable: .float32, [2, 2], tag: "a")
        var (sum, doubled, turned, chain) = (leaf, leaf, leaf, leaf)
        for _ in 0..<300_000 {
          sum = try sum + leaf
          chain = try exp(chain)
        }
        for _ in 0..<200 { doubled = try doubled + doubled }
        for _ in 0..<50_000 { turned = try transpose(turned) }
        for (tensor, beginning) in [(sum, "((((("), (doubled, "((((("), (chain, "exp(exp(")] {
          let notation = tensor.notation
          XCTAssert(notation.hasPrefix(beginning))
          XCTAssert(notation.hasSuffix("…"))
          XCTAssertEqual(notation.utf8.count, 1_000_003)
          XCTAssertEqual(try tensor.tree(limit: 10_000).utf8.count, 10_004, accuracy: 3)
        }
        XCTAssertEqual(turned.notation, "a" + String(repeating: ".T", count: 50_000))
        XCTAssertLessThan(turned.notation(limit: 20).utf8.count, 24)
        XCTAssertLessThanOrEqual(try turned.tree.utf8.count, 1_000_004)
        XCTAssertEqual(try doubled.dot.split(separator: "\n").count, 3 + 201 + 200)
      } catch {
        XCTFail("\(error)")
      }
    }
  }

  /// As the Python original drew it, with networkx.
  func testTree() throws {
    XCTAssertEqual(
      try lassoLoss().tree,
      """
      +-- (((x @ w) - t)^2 + (λ * ((Σ|w|))))
          |-> (λ * ((Σ|w|)))
          |   |-> ((Σ|w|))
          |   |   !
          |   |   (Σ|w|)
          |   |   !
          |   |   Σ|w|
          |   |   !
          |   |   |w|
          |   |   !
          |   |   w <- (x @ w)
          |   L-> λ
          L-> ((x @ w) - t)^2
              !
              (mean(((t - (x @ w))^2)))
              !
              mean(((t - (x @ w))^2))
              !
              ((t - (x @ w))^2)
              !
              (t - (x @ w))
              |-> (x @ w)
              |   |-> x
              |   L->  ...
              L-> t

      """)
  }

  /// Shared operands in every position; the text is networkx's for the same edges.
  func testTreeOfSharedOperands() throws {
    let a = try Tensor(variable: .float32, [], tag: "a")
    let b = try Tensor(variable: .float32, [], tag: "b")
    XCTAssertEqual(try a.tree, "+-- a\n")
    XCTAssertEqual(try (a * a).tree, "+-- (a * a)\n    !\n    a\n")
    let s = try a + b
    XCTAssertEqual(
      try (exp(s) * (s * 2 + a)).tree,
      """
      +-- (exp((a + b)) * (((a + b) * 2) + a))
          |-> (((a + b) * 2) + a)
          |   |-> a <- (a + b)
          |   L-> ((a + b) * 2)
          |       !
          |       (a + b) <- exp((a + b))
          |       |-> b
          |       L->  ...
          L-> exp((a + b))
              L->  ...

      """)
  }

  func testDot() throws {
    let odd = try Tensor(variable: .int32, [0, 2], tag: "say \"\\n\"\n")
    XCTAssertEqual(
      try (cast(odd, to: .float32) + w.number(1)).dot,
      #"""
      digraph nanograd {
        node [fontname="monospace"];
        n0 [label="(float32(say \"\\n\"\n) + 1)\n[0, 2]", shape=ellipse];
        n1 [label="float32(say \"\\n\"\n)\n[0, 2]", shape=ellipse];
        n2 [label="say \"\\n\"\n\n[0, 2]", shape=box];
        n1 -> n0;
        n2 -> n1;
      }

      """#)
    let dot = try matmul(x, w).dot
    XCTAssert(dot.contains(#"[label="w\n[3, 1]", shape=box, style=filled, fillcolor=lightblue];"#))
    XCTAssert(dot.contains(#"[label="x\n[100, 3]", shape=box];"#))
  }
}
