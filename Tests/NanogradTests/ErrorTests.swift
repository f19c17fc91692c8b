//  Every way to be refused: the right code, a message that names what was given, and never a trap.

import XCTest

@testable import Nanograd

final class ErrorTests: XCTestCase {
  private let huge = [Int.min, Int.min + 1, -(1 << 62), -1, 1 << 59, 1 << 62, Int.max]

  func testLeaves() throws {
    for n in huge {
      assertThrows(.shape) { try Tensor(variable: .float32, [n]) }
      assertThrows(.shape) { try Tensor(parameter: .float64, [2, n]) }
      assertThrows(.shape) { try full(.float64, [n], 1) }
    }
    assertThrows(.shape, "rank 9") { try Tensor(variable: .int32, Array(repeating: 1, count: 9)) }
    for dtype in [DType.int32, .int64] {
      assertThrows(.dtype, "parameter", "\(dtype)", "float32") { try Tensor(parameter: dtype, [2]) }
      for x in [0.5, .nan, .infinity, 1e30] {
        assertThrows(.argument, "\(dtype)") { try Tensor(constant: x, dtype) }
        assertThrows(.argument, "\(dtype)") { try Tensor(variable: dtype, [2]) + x }
      }
    }
    assertThrows(.argument, "int32") { try Tensor(constant: 2_147_483_648, .int32) }
  }

  func testData() throws {
    let (x, y) = try (vector([1, 2, 3]), vector([1, 2]))
    assertThrows(.shape, "write", "16", "24", "[3]") { try x.write([1.0, 2]) }
    assertThrows(.shape, "24", "16") { try Tensor(variable: [1.0, 2, 3], [2]) }
    assertThrows(.dtype, "write", "float32", "float64") { try x.write([Float(1), 2, 3]) }
    assertThrows(.dtype, "read", "int64", "float64") { try x.values(Int64.self) }
    assertThrows(.shape, "read", "8", "24") { try x.read(nil, bytes: 8) }
    for count in huge { assertThrows(.shape, "read") { try x.read(nil, bytes: count) } }
    assertThrows(.state, "write", "negate") { try (-x).write([1.0, 2, 3]) }
    assertThrows(.state, "assign", "add") { try (x + 1).assign(x) }
    assertThrows(.shape, "assign", "[3]", "[2]") { try x.assign(y) }
    assertThrows(.dtype, "assign", "float32") { try x.assign(cast(x, to: .float32)) }
    assertThrows(.shape, "item", "[3]", "3 elements") { try x.item() }
    try assertEqual(x, Dense([3], [1, 2, 3]), "no failure has changed it")
  }

  func testElementwise() throws {
    let (a, b) = try (Tensor.leaf(.random([2, 3])), Tensor.leaf(.random([4])))
    let binary: [(String, (Tensor, Tensor) throws -> Tensor)] = [
      ("add", { try $0 + $1 }), ("subtract", { try $0 - $1 }), ("multiply", { try $0 * $1 }),
      ("divide", { try $0 / $1 }), ("power", { try power($0, $1) }),
      ("maximum", { try maximum($0, $1) }),
      ("minimum", { try minimum($0, $1) }), ("equal", { try equal($0, $1) }),
      ("equal", { try notEqual($0, $1) }),
      ("less", { try less($0, $1) }), ("less", { try greater($0, $1) }),
      ("less_equal", { try lessEqual($0, $1) }), ("less_equal", { try greaterEqual($0, $1) }),
      ("where", { try select($0, $0, $1) }),
    ]
    for (name, apply) in binary {
      assertThrows(.shape, name, "[2, 3]", "[4]") { try apply(a, b) }
      assertThrows(.dtype, name, "float64", "float32") {
        try apply(a, Tensor(variable: .float32, [2, 3]))
      }
      assertThrows(.dtype, "float64", "int32") { try apply(a, Tensor(variable: .int32, [2, 3])) }
    }
    let integers = try Tensor(variable: .int64, [2, 3])
    let unary: [(String, (Tensor) throws -> Tensor)] = [
      ("exp", { try exp($0) }), ("log", { try log($0) }), ("log1p", { try log1p($0) }),
      ("expm1", { try expm1($0) }), ("sqrt", { try sqrt($0) }), ("sin", { try sin($0) }),
      ("cos", { try cos($0) }), ("tanh", { try tanh($0) }), ("sigmoid", { try sigmoid($0) }),
      ("divide", { try $0 / $0 }), ("divide", { try reciprocal($0) }),
      ("power", { try power($0, 2) }),
      ("matmul", { try $0 • transpose($0) }), ("divide", { try mean($0) }),
      ("exp", { try logSumExp($0) }), ("exp", { try softmax($0, axis: 0) }),
      ("exp", { try logSoftmax($0, axis: 0) }), ("power", { try ridge($0) }),
    ]
    for (name, apply) in unary {
      assertThrows(.dtype, name, "int64", "cast") { try apply(integers) }
    }
    assertThrows(.argument, "clamp", "2", "1") { try clamp(a, 2, 1) }
    assertThrows(.argument, "clamp") { try clamp(a, .nan, 1) }
    assertThrows(.argument, "clamp") { try clamp(a, 0, .nan) }
    assertThrows(.argument, "int64") { try clamp(integers, 0.5, 1) }
  }

  func testMatrixProducts() throws {
    func random(_ shape: [Int]) throws -> Tensor { try Tensor(variable: .float32, shape) }
    for (s, t) in [
      ([2, 3], [2, 3]), ([3], [4]), ([2, 3], [4]), ([4], [3, 4]), ([2, 2, 3], [3, 3, 4]),
      ([3], [0]),
    ] {
      assertThrows(.shape, "matmul", "\(s.last!)") { try matmul(random(s), random(t)) }
    }
    assertThrows(.shape, "matmul", "[2, 3]", "[]") { try matmul(random([2, 3]), random([])) }
    assertThrows(.shape, "matmul", "too large") {
      try matmul(
        broadcastTo(random([1, 1]), [1 << 40, 1]), broadcastTo(random([1, 1]), [1, 1 << 40]))
    }
  }

  func testReductions() throws {
    let x = try Tensor.leaf(.random([2, 3]))
    let empty = try Tensor(variable: .float64, [2, 0])
    for axis in [2, -3, Int.min, Int.max] {
      for apply: (Tensor) throws -> Tensor in [
        { try sum($0, axes: [axis]) }, { try max($0, axes: [0, axis]) },
        { try min($0, axes: [axis]) },
        { try mean($0, axes: [axis]) }, { try logSumExp($0, axes: [axis]) },
        { try argmax($0, axis: axis) },
        { try softmax($0, axis: axis) }, { try logSoftmax($0, axis: axis) },
      ] {
        assertThrows(.argument, "\(axis)", "[2, 3]") { try apply(x) }
      }
    }
    assertThrows(.argument, "twice") { try sum(x, axes: [0, -2]) }
    assertThrows(.argument) { try sum(x, axes: Array(repeating: 0, count: 300)) }
    for (name, apply): (String, (Tensor) throws -> Tensor) in [
      ("max", { try max($0) }), ("min", { try min($0, axes: [1]) }),
      ("argmax", { try argmax($0, axis: 1) }),
      ("max", { try logSumExp($0) }),
    ] {
      assertThrows(.shape, name, "[2, 0]") { try apply(empty) }
    }
    assertThrows(.argument, "scalar") { try argmax(scalar(1), axis: 0) }
    assertThrows(.argument, "scalar") { try softmax(scalar(1), axis: -1) }
  }

  func testViews() throws {
    let x = try Tensor.leaf(.random([2, 3]))
    let eight = try Tensor(variable: .float32, Array(repeating: 1, count: 8))
    assertThrows(.shape, "reshape", "[2, 3]", "[4]") { try reshape(x, [4]) }
    assertThrows(.shape, "reshape", "[2, 3]", "[4, -1]") { try reshape(x, [4, -1]) }
    assertThrows(.shape, "reshape", "[0, -1]") { try reshape(x, [0, -1]) }
    assertThrows(.shape, "-1") { try reshape(x, [-1, -1]) }
    assertThrows(.shape, "-2") { try reshape(x, [-2, 3]) }
    for n in huge where n != -1 { assertThrows(.shape) { try reshape(x, [n, -1]) } }
    assertThrows(.shape, "rank 9") { try reshape(eight, Array(repeating: 1, count: 9)) }
    assertThrows(.shape, "rank 9") { try expandDims(eight, axis: 0) }
    assertThrows(.shape, "rank 9") { try stack([eight], axis: 0) }
    assertThrows(.shape, "broadcast_to", "[2, 3]", "[3, 2]") { try broadcastTo(x, [3, 2]) }
    assertThrows(.shape, "broadcast_to", "[2, 3]", "[3]") { try broadcastTo(x, [3]) }
    for n in huge { assertThrows(.shape) { try broadcastTo(x, [n, 2, 3]) } }
    assertThrows(.shape, "squeeze", "[2, 3]", "1") { try squeeze(x, axis: 0) }
    assertThrows(.shape, "as_scalar", "[2, 3]", "6") { try item(x) as Tensor }
    assertThrows(.argument, "permute", "[2, 3]", "1") { try permute(x, [0]) }
    assertThrows(.argument, "twice") { try permute(x, [0, -2]) }
    for axis in [3, -4, Int.min, Int.max] {
      assertThrows(.argument, "\(axis)", "[2, 3]") { try squeeze(x, axis: axis) }
      assertThrows(.argument, "expand_dims", "\(axis)", "[2, 3]") { try expandDims(x, axis: axis) }
      assertThrows(.argument, "\(axis)", "[2, 3]") { try permute(x, [0, axis]) }
      assertThrows(.argument, "\(axis)", "[2, 3]") { try slice(x, axis: axis, 0, 1) }
      assertThrows(.argument, "\(axis)", "[2, 3]") { try select(x, axis: axis, index: 0) }
      assertThrows(.argument, "\(axis)", "[2, 3]") { try concatenate([x], axis: axis) }
      assertThrows(.argument, "\(axis)", "[2, 3]") { try stack([x], axis: axis) }
    }
  }

  func testSlicesAndPads() throws {
    let x = try Tensor.leaf(.random([2, 3]))
    assertThrows(.argument, "slice", "0") { try slice(x, axis: 0, 0, 1, step: 0) }
    // Other steps, the one that has no opposite included, and all bounds are clipped.
    for step in [Int.max, Int.min, -Int.max, 1 << 62, -(1 << 62)] {
      for bound in huge + [0, 1] {
        let y = try slice(x, axis: 1, bound, nil, step: step)
        let z = try slice(x, axis: 1, nil, bound, step: step)
        for part in [y, z] {
          XCTAssertLessThanOrEqual(part.shape[1], 1)
          _ = try gradients(of: sum(part * part), withRespectTo: [x])[0].dense()
        }
      }
    }
    for index in [2, -3] + huge where index != -1 {
      assertThrows(.argument, "select", "\(index)", "[2, 3]") {
        try select(x, axis: 0, index: index)
      }
    }
    assertThrows(.argument, "select", "empty") {
      try select(Tensor(variable: .float32, [0]), axis: 0, index: 0)
    }

    assertThrows(.argument, "pad", "[2, 3]", "1") { try pad(x, before: [1], after: [1, 2]) }
    for (before, after) in [
      (-1, 0), (0, -1), (Int.min, 0), (Int.max, 1), (Int.max, Int.max), (Int.min, Int.max),
      (0, Int.max),
    ] {
      assertThrows(.argument, "pad", "\(before)", "\(after)") {
        try pad(x, before: [0, before], after: [0, after])
      }
    }
    assertThrows(.shape, "too large") {
      try pad(x, before: [0, 1 << 60], after: [0, 0], value: 1)
    }
    assertThrows(.argument, "int32") {
      try pad(Tensor(variable: .int32, [1]), before: [1], after: [1], value: 0.5)
    }
  }

  func testJoins() throws {
    let x = try Tensor.leaf(.random([2, 3]))
    assertThrows(.argument, "concatenate") { try concatenate([], axis: 0) }
    assertThrows(.argument, "concatenate") { try stack([], axis: 0) }
    assertThrows(.argument, "scalar") { try concatenate([scalar(1)], axis: 0) }
    for shape in [[2, 4], [3], [2, 3, 1], []] {
      let y = try Tensor(variable: .float64, shape)
      assertThrows(.shape, "concatenate", "[2, 3]", "\(shape)") {
        try concatenate([x, x, y], axis: 0)
      }
      assertThrows(.shape, "stack", "[2, 3]", "\(shape)") { try stack([x, y], axis: 0) }
    }
    assertThrows(.dtype, "concatenate", "float64", "int32") {
      try concatenate([x, x, x, Tensor(variable: .int32, [2, 3])], axis: 0)
    }
    let big = try broadcastTo(scalar(1), [1 << 58])
    assertThrows(.shape, "too large") { try concatenate([big, big, big], axis: 0) }
    assertThrows(.shape, "too large") { try concatenate(Array(repeating: big, count: 40), axis: 0) }
  }

  func testIndices() throws {
    try onBothEngines {
      let x = try Tensor.leaf(.random([2, 3]))
      func indices(_ shape: [Int]) throws -> Tensor { try Tensor(variable: .int64, shape) }
      for shape in [[2], [3, 3], [2, 3, 1], []] {
        assertThrows(.shape, "gather", "\(shape)", "[2, 3]") {
          try gather(x, at: indices(shape), axis: 1)
        }
      }
      assertThrows(.dtype, "gather", "float64", "int32") { try gather(x, at: x, axis: 0) }
      assertThrows(.dtype, "gather", "float64") { try indexSelect(x, at: vector([1]), axis: 0) }
      for axis in [2, Int.min, Int.max] {
        assertThrows(.argument, "\(axis)", "[2, 3]") {
          try gather(x, at: indices([2, 3]), axis: axis)
        }
        assertThrows(.argument, "\(axis)", "[2, 3]") {
          try indexSelect(x, at: indices([2]), axis: axis)
        }
      }
      assertThrows(.shape, "rank 9") {
        try indexSelect(x, at: indices(Array(repeating: 1, count: 8)), axis: 0)
      }
      assertThrows(.dtype, "one_hot", "float64") { try oneHot(x, depth: 2, .float32) }
      for depth in [-1, Int.min, 1 << 31, Int.max] {
        assertThrows(.argument, "one_hot", "\(depth)") {
          try oneHot(indices([2]), depth: depth, .float32)
        }
      }
      // Found on evaluation: each index, wherever it stands, and any index of an empty axis.
      for (type, bad) in [
        (DType.int32, [3.0, -1, -2_147_483_648, 2_147_483_647]),
        (.int64, [3, -1, -0x1p63, 0x1p62]),
      ] {
        for index in bad {
          let at = try Tensor.leaf(Dense([1, 4], [0, 1, 2, index]), type)
          let g = try scatterAdd(broadcastTo(scalar(1), [2, 4]), at, axis: 1, into: Shape([2, 3]))
          for y in try [gather(x, at: at, axis: 1), g] {
            assertThrows(
              .index, y.op == .gather ? "gather" : "scatter_add", "[2, 3]", "element 3", "0 to 2"
            ) {
              try evaluate([y])
            }
          }
        }
      }
      let none = try gather(Tensor(variable: .float32, [0]), at: indices([1]), axis: 0)
      assertThrows(.index, "gather", "[0]") { try evaluate([none]) }
    }
  }

  func testLosses() throws {
    let (y, t) = try (Tensor.leaf(.random([2, 3])), Tensor.leaf(.random([3])))
    let losses: [(String, (Tensor, Tensor) throws -> Tensor)] = [
      ("squared_error", { try squaredError($0, $1) }),
      ("binary_cross_entropy", { try binaryCrossEntropy($0, $1) }),
      ("binary_cross_entropy_logits", { try binaryCrossEntropy(logits: $0, $1) }),
      ("cross_entropy", { try crossEntropy($0, $1) }),
      ("cross_entropy_logits", { try crossEntropy(logits: $0, $1) }),
    ]
    for (name, loss) in losses {
      assertThrows(.shape, name, "[2, 3]", "[3]") { try loss(y, t) }
      assertThrows(.dtype, "float64", "float32") {
        try loss(y, Tensor(variable: .float32, [2, 3]))
      }
    }
    assertThrows(.shape, "cross_entropy", "scalar") { try crossEntropy(scalar(1), scalar(1)) }
    assertThrows(.shape, "cross_entropy_logits", "scalar") {
      try crossEntropy(logits: scalar(1), scalar(1))
    }
    for shape in [[3], [2, 3], [2, 1], []] {
      let at = try Tensor(variable: .int32, shape)
      assertThrows(.shape, "cross_entropy_indices", "\(shape)", "[2, 3]", "[2]") {
        try crossEntropy(y, indices: at)
      }
      assertThrows(.shape, "cross_entropy_logits_indices", "\(shape)") {
        try crossEntropy(logits: y, indices: at)
      }
    }
    assertThrows(.shape, "cross_entropy_indices") {
      try crossEntropy(scalar(1), indices: Tensor(variable: .int32, []))
    }
    assertThrows(.dtype, "float64", "int32") {
      try crossEntropy(logits: y, indices: vector([0, 1]))
    }
  }

  func testGradients() throws {
    let x = try Tensor.leaf(.random([2, 3]), isParameter: true)
    let integers = try Tensor(variable: .int32, [2])
    assertThrows(.dtype, "gradients", "int32") { try gradients(of: integers, withRespectTo: [x]) }
    assertThrows(.shape, "gradients", "[3]", "[2, 3]") {
      try gradients(of: x * x, withRespectTo: [x], seed: vector([1, 2, 3]))
    }
    assertThrows(.dtype, "gradients", "float32", "float64") {
      try gradients(of: x * x, withRespectTo: [x], seed: Tensor(variable: .float32, [2, 3]))
    }
    assertThrows(.shape, "backward", "[2, 3]") { try (x * x).backward() }
    assertThrows(.shape, "backward", "[0]") { try Tensor(variable: .float32, [0]).backward() }
    assertThrows(.dtype, "backward", "int32") { try sum(integers).backward() }
    XCTAssertEqual(x.leaf?.hasGradient, false)
  }

  /// A shape may be larger than any memory; its value may not.
  func testMemory() throws {
    try onBothEngines {
      let large = try Tensor(variable: .float64, [1 << 55])
      let x = try scalar(2, isParameter: true)
      func fail() throws {
        for y in try [
          large, -large, broadcastTo(x, [1 << 50]), pad(vector([1]), before: [1 << 50], after: [0]),
          matmul(
            Tensor(variable: .float64, [1 << 20, 0]), Tensor(variable: .float64, [0, 1 << 30])),
        ] {
          assertThrows(.memory, "bytes") { try y.dense() }
          assertThrows(.memory, "bytes") { try (x * sum(exp(y))).backward() }
        }
      }
      // Plans keep a little memory once they are made.
      try fail()
      let kept = liveBytes
      try fail()
      XCTAssertEqual(liveBytes, kept)
      XCTAssertEqual(x.leaf?.hasGradient, false)
      XCTAssertEqual(try (x * x).item(), 4)
    }
  }

  func testDescription() {
    let error = NanogradError(.shape, "text")
    XCTAssertEqual(error.description, "text")
    XCTAssertEqual(error.found(by: "f").description, "f: text")
    XCTAssertEqual(error.found(by: "f").found(by: "g").description, "f: text")
    XCTAssertEqual((-8 ... -1).map { NanogradError.Code(rawValue: $0)?.rawValue }, Array(-8 ... -1))
  }
}
