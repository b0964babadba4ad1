/// The dual encoder's task: find the passages that answer a query, as labels or a teacher's scores tell.
import Tensors
import Tokenizers

/// A query with the passages that answer it and passages that do not.
package struct LabelledQuery: Sendable {
  package var id: String
  package var input: Encoding
  /// Indices into the passages.
  package var positives: [Int]
  package var negatives: [Int]
  /// The teacher's logit of each passage; absent: 1 for a positive, 0 for a negative.
  package var logits: [Int: Double]?
  /// Which of the data sets it is of, from 0.
  package var set: Int

  package init(
    id: String, input: Encoding, positives: [Int], negatives: [Int], logits: [Int: Double]? = nil, set: Int = 0
  ) {
    self.id = id
    self.input = input
    self.positives = positives
    self.negatives = negatives
    self.logits = logits
    self.set = set
  }
}

package struct LabelTask: TrainingTask {
  /// How batches of several data sets follow each other.
  package enum Mix: String, Sendable, CaseIterable {
    /// By lot, all batches of all sets.
    case proportional
    /// One of each in turn, until a set has no more.
    case roundRobin = "round_robin"
  }

  private let queries: [LabelledQuery]
  private let passages: [Encoding]
  private let sets: [[Int]]  // the queries of each
  private let texts: [Int]  // of each query; equal for equal ones
  private let negatives: Int
  private let mix: Mix
  private let loss: LabelLoss
  private let guide: Guide?
  private let width: Int
  private let draws: SeededDraws
  package let temperature: Temperature?

  /// What a guide makes of all texts: rows of length 1.
  package struct Guide: Sendable {
    /// [queries][width]
    package var queries: [[Float]]
    package var passages: [[Float]]

    package init(queries: [[Float]], passages: [[Float]]) { (self.queries, self.passages) = (queries, passages) }

    /// The similarity of two rows of a batch, whose queries come before its passages.
    fileprivate func similarity(_ items: [Int], _ used: [Int]) -> @Sendable (Int, Int) -> Double {
      let rows = items.map { queries[$0] } + used.map { passages[$0] }
      return { left, right in
        var sum: Float = 0
        for (a, b) in zip(rows[left], rows[right]) { sum += a * b }
        return Double(sum)
      }
    }
  }

  /// - Parameters:
  ///   - negatives: of each query, drawn anew for each epoch; where it has fewer, all of them.
  ///   - width: of the embeddings.
  package init(
    queries: [LabelledQuery], passages: [Encoding], negatives: Int, mix: Mix, loss: LabelLoss,
    temperature: Temperature, guide: Guide? = nil, width: Int, seed: UInt64
  ) {
    self.queries = queries
    self.passages = passages
    self.negatives = negatives
    self.mix = mix
    self.loss = loss
    self.temperature = temperature
    self.guide = guide
    self.width = width
    draws = SeededDraws(seed: seed)
    sets = (0...(queries.map(\.set).max() ?? 0)).map { set in queries.indices.filter { queries[$0].set == set } }
    var places: [[Int32]: Int] = [:]
    texts = queries.map { query in
      let place = places[query.input.ids] ?? places.count
      places[query.input.ids] = place
      return place
    }
  }

  package var itemCount: Int { queries.count }

  // MARK: - Batches

  package func batches(of size: Int, epoch: Int, _ draws: SeededDraws) -> [[Int]] {
    let bySet = sets.enumerated().map { number, members in
      let order = draws.order(of: members.count, epoch: epoch, set: number).map { members[$0] }
      return loss.kind == .mnr ? withoutRepeats(order, of: size, epoch: epoch) : order.batches(of: size)
    }
    switch mix {
    case _ where bySet.count == 1: return bySet[0]
    case .proportional:
      let all = bySet.flatMap(\.self)
      return draws.mixture(of: all.count, epoch: epoch).map { all[$0] }
    case .roundRobin:
      return (0..<(bySet.map(\.count).min() ?? 0)).flatMap { turn in bySet.map { $0[turn] } }
    }
  }

  package func batchCount(of size: Int, epoch: Int, _ draws: SeededDraws) -> Int {
    batches(of: size, epoch: epoch, draws).count
  }

  /// Batches in which no query and no positive occurs twice: what would is put off to the next ones.
  private func withoutRepeats(_ order: [Int], of size: Int, epoch: Int) -> [[Int]] {
    var batches: [[Int]] = []
    var putOff: [Int] = []
    var next = 0
    while next < order.count || !putOff.isEmpty {
      var batch: [Int] = []
      var (seenTexts, seenPositives) = (Set<Int>(), Set<Int>())
      func fits(_ item: Int) -> Bool {
        let positive = candidates(of: item, epoch: epoch).positive
        guard batch.count < size, !seenTexts.contains(texts[item]), !seenPositives.contains(positive) else {
          return false
        }
        seenTexts.insert(texts[item])
        seenPositives.insert(positive)
        batch.append(item)
        return true
      }
      putOff = putOff.filter { !fits($0) }
      while next < order.count, batch.count < size {
        if !fits(order[next]) { putOff.append(order[next]) }
        next += 1
      }
      batches.append(batch)
    }
    return batches
  }

  private func candidates(of item: Int, epoch: Int) -> (positive: Int, negatives: [Int]) {
    let query = queries[item]
    let (positive, others) = draws.candidates(
      positives: query.positives.count, negatives: min(negatives, query.negatives.count),
      available: query.negatives.count, epoch: epoch, query: item)
    return (query.positives[positive], others.map { query.negatives[$0] })
  }

  /// Every passage once, after the queries.
  package func batch(of items: [Int], epoch: Int) -> TrainingBatch {
    var rows: [Int: Int] = [:]
    var inputs = items.map { queries[$0].input }
    var used: [Int] = []  // passages, in the order of their rows
    func row(_ passage: Int) -> Int {
      if let row = rows[passage] { return row }
      rows[passage] = inputs.count
      used.append(passage)
      inputs.append(passages[passage])
      return inputs.count - 1
    }
    var labelled: [LabelledBatch.Query] = []
    for (place, item) in items.enumerated() {
      let query = queries[item]
      let (positive, negatives) = candidates(of: item, epoch: epoch)
      let labels = query.logits.map { logits in ([positive] + negatives).map { logits[$0] ?? 0 } }
      labelled.append(
        LabelledBatch.Query(
          query: place, positive: row(positive), negatives: negatives.map(row), known: [],
          scores: labels ?? [1] + negatives.map { _ in 0 }))
    }
    // Only now is it known which of them the batch has.
    for (place, item) in items.enumerated() {
      labelled[place].known = Set(queries[item].positives.compactMap { rows[$0] })
    }
    let batch = LabelledBatch(queries: labelled, guide: guide?.similarity(items, used))
    let (loss, width, temperature) = (loss, width, temperature)
    return TrainingBatch(
      sequences: PackedBatch(inputs, chunkSize: sequencesPerChunk), records: items.map { queries[$0].id },
      loss: { embeddings in
        loss(embeddings: embeddings, width: width, batch: batch, logTemperature: temperature?.logarithm ?? 0)
      })
  }

  // MARK: - Memory

  package var heaviestChunk: [Int] {
    Array((queries.map { $0.input.ids.count } + passages.map { $0.ids.count }).sorted(by: >).prefix(sequencesPerChunk))
  }

  package var remedies: [(change: String, chunk: [Int])] { [shorterInputs(heaviestChunk)] }
}
