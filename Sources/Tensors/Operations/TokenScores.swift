/// s[i] = z[i][t] - ln Σ_v exp(z[i][v]), z = h·Wᵀ: the logarithm of the probability that a model gives row i's target t
/// among all of a vocabulary. Backward: dz[i][v] = ds[i]·([v = t] - exp(z[i][v] - ln Σ)), dh = dz·W, dW = dzᵀ·h.
/// Logits are made block by block of the vocabulary, turned: W's rows stand on the left, so that W is laid out nowhere;
/// backward makes them anew. h [n, width], W [vocabulary, width], s [n, 1].
import Foundation

/// Running sums over blocks of the vocabulary.
package struct VocabularySums {
  package let targets: Tensor  // [n], i32
  /// Largest logit, Σ exp(logit - largest), and the target's logit.
  package let peaks, totals, chosen: Tensor  // [n]

  fileprivate init(_ targets: [Int32], on device: any Device) {
    self.targets = device.tensor(targets)
    peaks = device.uninitialized([targets.count])
    (totals, chosen) = (device.zeros([targets.count]), device.zeros([targets.count]))
    peaks.fill(-.infinity)
  }

  /// ln Σ exp of each row's logits.
  package var logSums: [Float] { zip(peaks.array, totals.array).map { $0 + log($1) } }
}

/// Rows' logits of a whole vocabulary, block by block, as `tokenScores` makes them.
package struct VocabularyLogits {
  /// Which tokens a block has, and their logits [block, n].
  package let blocks: [(tokens: Range<Int>, values: Tensor)]
  /// Each row's ln Σ exp over the whole vocabulary: a logit less it is that token's ln p. [n]
  package let logSums: [Float]
}

extension Tape {
  /// - Parameters:
  ///   - weight: the map to the vocabulary, as a table.
  ///   - block: how many tokens' logits there are at once.
  package func tokenScores(
    _ h: Variable, rows: Rows, weight: Weight, targets: [Int32], block: Int? = nil
  ) -> Variable {
    let (device, below, input) = (device, h.gradient, h.kept)
    precondition(
      targets.count == h.value.rows && targets.allSatisfy { (0..<Int32(weight.rows)).contains($0) }, "targets")
    let blocks = weight.blocks(of: block ?? logitsAtOnce)
    let flops = 2 * h.value.count * weight.rows
    let needed = records && (below != nil || weight.isTrainable)
    if needed { input.hold(h.value) }
    let sums = VocabularySums(targets, on: device)
    Profile.measure(.tokenScores, flops: flops) {
      let columns = Weight("hidden", h.value, decays: false)
      for block in blocks {
        device.add(Logits(block, weight, columns, on: device).values, from: block.lowerBound, to: sums)
      }
    }
    let logSums = sums.logSums
    let scores = zip(sums.chosen.array, logSums).map { $0 - $1 }
    return record(
      device.tensor(scores, [targets.count, 1]), needed: needed, as: .tokenScores, flops: 2 * flops
    ) { ds in
      let (hidden, logSums) = (input.value, device.tensor(logSums, [targets.count]))
      let columns = Weight("hidden", hidden, decays: false)
      columns.train()
      for block in blocks {
        let logits = Logits(block, weight, columns, on: device)
        device.spread(logits.values, from: block.lowerBound, sums, logSums: logSums, ds)
        device.addLinearGradients(
          logits.values, logits.pass, x: device.kept(logits.weights(on: device)), low: nil, du: nil)
        if weight.isTrainable { logits.addWeightGradient(to: weight, rows.chunks, on: device) }
      }
      if let gradient = columns.gradient { below?.add(gradient) }
    }
  }

  /// All logits z = h·Wᵀ, with the bits that `tokenScores` has: a row's do not depend on the others.
  package func logits(_ h: Variable, weight: Weight) -> VocabularyLogits {
    let device = device
    let sums = VocabularySums(Array(repeating: 0, count: h.value.rows), on: device)
    let columns = Weight("hidden", h.value, decays: false)
    let blocks = Profile.measure(.tokenScores, flops: 2 * h.value.count * weight.rows) {
      weight.blocks(of: logitsAtOnce).map { block in
        let values = Logits(block, weight, columns, on: device).values
        device.add(values, from: block.lowerBound, to: sums)
        return (block, values)
      }
    }
    return VocabularyLogits(blocks: blocks, logSums: sums.logSums)
  }
}

/// How many tokens' logits are made at once; decides how their sums are rounded.
private let logitsAtOnce = 4096

extension Weight {
  fileprivate func blocks(of size: Int) -> [Range<Int>] {
    stride(from: 0, to: rows, by: size).map { $0..<min($0 + size, rows) }
  }
}

/// A block's logits: those of the tokens `block` [block, n].
private struct Logits {
  private let tokens: Range<Int>
  private let weight, hidden: Weight  // W, h
  let pass: LinearPass
  let values: Tensor

  init(_ block: Range<Int>, _ weight: Weight, _ hidden: Weight, on device: any Device) {
    (tokens, self.weight, self.hidden) = (block, weight, hidden)
    pass = Self.pass(block.count, hidden)
    values = device.products(of: weight, block, with: hidden)
  }

  /// The block's rows of W as a table reads them.
  private func table(on device: any Device) -> EmbeddedTable {
    EmbeddedTable(table: weight, rows: device.tensor(tokens.map(Int32.init)))
  }

  /// [block, width]
  func weights(on device: any Device) -> Tensor { device.embed([table(on: device)]) }

  private static func pass(_ count: Int, _ hidden: Weight) -> LinearPass {
    let keys = Array(repeating: Rows.Key(sequence: 0, position: 0), count: count)
    return LinearPass(
      rows: Rows(keys: keys, chunks: [0..<count]), weight: hidden, bias: nil, adapter: nil, mask: nil,
      activation: .identity, rounds: false)
  }

  /// Adds dz·h, `values` being dz, chunk by chunk.
  func addWeightGradient(to weight: Weight, _ chunks: [Range<Int>], on device: any Device) {
    for chunk in chunks {
      let rows = EmbeddedTable(table: hidden, rows: device.tensor(chunk.map(Int32.init)))
      let part = Weight("hidden", device.embed([rows]), decays: false)
      let sum = device.uninitialized([tokens.count, part.columns])
      _ = device.linearBackward(
        device.columns(of: values, chunk), Self.pass(tokens.count, part), derivative: nil, to: (sum, false))
      device.addEmbeddingGradients(sum, [table(on: device)])
    }
  }
}
