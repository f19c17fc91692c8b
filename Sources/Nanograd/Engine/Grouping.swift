//  Which products run together. In a recurrence, x_t·W for every t needs no state and is one pass over
//  W; only h·U has to wait its turn. And a B that serves many rows is packed into panels, once.

import NanogradKernelTable

extension Lowering {
  /// The most products for which the work below is done: it looks at every step for every B.
  private static var mostProducts: Int { 4096 }

  /// Splits sums into products that share their B with independent others, which become one contraction,
  /// and those that wait for each other.
  mutating func groupProducts() throws {
    let shared = independentFactors()
    guard !shared.isEmpty else { return }
    var groups: [GroupKey: Int] = [:]
    var grouped: [Step] = []
    for s in steps.indices {
      guard case .contraction(var contraction) = steps[s].work else { continue }
      var block = contraction.blocks[0]
      let early = block.products.filter { shared.contains(contraction.factor($0)) }
        .sorted { ($0.b.buffer, $0.b.offset) < ($1.b.buffer, $1.b.offset) }
      guard !early.isEmpty else { continue }
      let late = block.products.filter { !shared.contains(contraction.factor($0)) }
      // What is left adds to what the group wrote.
      var target = block.target
      if !late.isEmpty {
        target = try buffer(
          .step, Shape([contraction.rows, contraction.columns]), contraction.dtype)
        buffers[block.target].continues = target
      }
      let key = GroupKey(rows: contraction.rows, factors: early.map { contraction.factor($0) })
      let member = Contraction.Block(target: target, accumulates: false, products: early)
      if let g = groups[key], case .contraction(var group) = grouped[g].work {
        group.blocks.append(member)
        grouped[g].work = .contraction(group)
      } else {
        groups[key] = grouped.count
        grouped.append(
          Step(
            work: .contraction(
              Contraction(
                dtype: contraction.dtype, rows: contraction.rows, columns: contraction.columns,
                blocks: [member])),
            rows: contraction.rows, reads: [], writes: []))
      }
      if late.isEmpty {
        contraction.blocks = []
      } else {
        block = Contraction.Block(target: block.target, accumulates: true, products: late)
        contraction.blocks = [block]
      }
      steps[s].work = .contraction(contraction)
    }
    steps.removeAll {
      if case .contraction(let contraction) = $0.work { contraction.blocks.isEmpty } else { false }
    }
    steps.append(contentsOf: grouped)
    refreshContractions()
  }

  private struct GroupKey: Hashable {
    let rows: Int
    let factors: [Factor]
  }

  /// The B that serve several products none of which, through its A, waits for another of them.
  private func independentFactors() -> Set<Factor> {
    var products: [Factor: [(step: Int, a: Int)]] = [:]
    var producer = [Int](repeating: -1, count: buffers.count)
    var count = 0
    for (s, step) in steps.enumerated() {
      for target in step.writes { producer[target] = s }
      guard case .contraction(let contraction) = step.work else { continue }
      for product in contraction.blocks[0].products {
        products[contraction.factor(product), default: []].append((s, product.a.buffer))
        count += 1
      }
    }
    guard count <= Lowering.mostProducts else { return [] }
    var result: Set<Factor> = []
    var reached = [Bool](repeating: false, count: steps.count)
    for (b, list) in products where list.count > 1 {
      // Which steps depend on a product with this B.
      let members = Set(list.map(\.step))
      for s in list[0].step..<steps.count {
        reached[s] =
          members.contains(s)
          || steps[s].reads.contains { producer[$0.buffer] >= 0 && reached[producer[$0.buffer]] }
      }
      if list.allSatisfy({ producer[$0.a] < 0 || !reached[producer[$0.a]] }) { result.insert(b) }
      for s in list[0].step..<steps.count { reached[s] = false }
    }
    return result
  }

  /// Chooses how each B is read: by panels if it serves more than one product, and so those that are added to its
  /// products, and others where that pays. What is left is packed, if at all, where it is used, piece by piece.
  mutating func choosePanels() throws {
    var uses: [Factor: Int] = [:]
    for case .contraction(let contraction) in steps.map(\.work) {
      for product in contraction.blocks.flatMap(\.products) {
        uses[contraction.factor(product), default: 0] += 1
      }
    }
    var packs: [Factor: Int] = [:]
    var added: [Step] = []
    for s in steps.indices {
      guard case .contraction(var contraction) = steps[s].work else { continue }
      guard contraction.columns >= 16 else { continue }
      for i in contraction.blocks.indices {
        let factors = contraction.blocks[i].products.map(contraction.factor)
        // A block runs on panels, or on none.
        let hasPanels = zip(factors, contraction.blocks[i].products).contains {
          uses[$0, default: 0] > 1 || contraction.isWorthPacking($1, in: contraction.blocks[i])
        }
        guard hasPanels else { continue }
        for (p, factor) in factors.enumerated() {
          if factor.isReadInPlace(contraction.dtype),
            contraction.rows <= Contraction.mostRowsInPlace / Swift.max(uses[factor] ?? 1, 1)
          {
            contraction.blocks[i].products[p].panels = .inPlace
            continue
          }
          let width = (contraction.columns + 15) & ~15
          let target =
            try packs[factor]
            ?? buffer(.step, Shape([factor.depth * width]), contraction.dtype)
          contraction.blocks[i].products[p].panels = .packed(buffer: target)
          guard packs.updateValue(target, forKey: factor) == nil else { continue }
          added.append(
            Step(
              work: .pack(factor, dtype: contraction.dtype, target: target), rows: nil,
              reads: [Step.Read(buffer: factor.view.buffer, isAligned: false)],
              writes: [target]))
        }
      }
      steps[s].work = .contraction(contraction)
    }
    // A matrix that is packed as it is and transposed is read again while it is in a cache.
    added.sort { ($0.reads[0].buffer, $0.writes[0]) < ($1.reads[0].buffer, $1.writes[0]) }
    steps.append(contentsOf: added)
    refreshContractions()
  }

  /// Works out anew what contractions read and write.
  private mutating func refreshContractions() {
    for s in steps.indices {
      guard case .contraction(let contraction) = steps[s].work else { continue }
      steps[s].reads = reads(of: contraction)
      steps[s].writes = contraction.blocks.map(\.target)
      for block in contraction.blocks where block.accumulates {
        if let continued = buffers[block.target].continues {
          steps[s].reads.append(Step.Read(buffer: continued, isAligned: true))
        }
      }
    }
  }
}

extension DType {
  /// Whether kernels have tiles of several vectors, which leave time to read operands where they are.
  var hasWideTiles: Bool {
    self == .float32 ? Float.kernels.readsInPlace : Double.kernels.readsInPlace
  }
}

extension Factor {
  /// Whether panels of it can be read where it is: its columns lie side by side, whole vectors of them.
  fileprivate func isReadInPlace(_ dtype: DType) -> Bool {
    let vector = 64 / dtype.size
    let stride = view.strides[0]
    return dtype.hasWideTiles
      && view.strides[1] == 1 && view.offset % vector == 0 && columns % vector == 0
      && stride > 0 && stride % vector == 0 && spreads(stride, elementSize: dtype.size)
  }
}

extension Contraction {
  /// For more rows of A a B is better packed than read where it is, on one processor.
  fileprivate static var mostRowsInPlace: Int { 512 }

  /// The most bytes of a B that is packed for a single product: what is beyond, as a view may be by any number,
  /// is left to the kernel. It packs a piece at a time, on each thread for itself, but walks over A less often.
  private static var mostPacked: Int { 16 << 20 }

  /// The most elements of a transposed B that each thread packs for itself: to fetch what another has packed takes
  /// longer.
  private static var mostPackedByEach: Int { 1 << 16 }

  /// The most rows of a B that each thread packs for itself: with so little to add up for each element of C, a kernel
  /// that knows one product alone is faster.
  private static var mostDepthPackedByEach: Int { 64 }

  /// Whether a B that is used once is better packed for all rows, and by all threads, than by each thread
  /// for its own.
  fileprivate func isWorthPacking(_ product: Product, in block: Block) -> Bool {
    guard columns >= 32, product.depth <= Contraction.mostPacked / dtype.size / columns else {
      return false
    }
    if product.b.strides[1] == 1 {
      // A kernel of narrow tiles packs B on its way. It may do so where an element is but one chain, which has the same
      // bits in all kernels.
      let isOneChain =
        block.products.count == 1 && !block.accumulates
        && product.depth <= Contraction.stretchDepth
      if !dtype.hasWideTiles && product.a.strides[1] == 1 && isOneChain { return false }
      return rows >= 192 && product.depth > Contraction.mostDepthPackedByEach
    }
    // A transposed B for few rows is read where it is.
    let isWide = columns >= (product.a.strides[1] == 1 ? 2 * rows : rows)
    return product.depth * columns > Contraction.mostPackedByEach
      && rows > (isWide ? Float.kernels.mostTransposedRows : 15)
  }

  fileprivate func factor(_ product: Product) -> Factor {
    Factor(view: product.b, depth: product.depth, columns: columns)
  }
}
