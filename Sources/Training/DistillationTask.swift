/// The student's task: rank one positive and K − 1 negatives of each query as the teacher did.
import Tensors
import Tokenizers

/// A query and the candidates that a teacher has judged.
package struct JudgedQuery: Sendable {
  package struct Candidate: Sendable {
    /// Index into the passages.
    package var passage: Int
    package var isPositive: Bool
    /// The teacher's.
    package var logit: Double

    package init(passage: Int, isPositive: Bool, logit: Double) {
      self.passage = passage
      self.isPositive = isPositive
      self.logit = logit
    }
  }
  package var id: String
  package var query: Encoding
  package var candidates: [Candidate]

  package init(id: String, query: Encoding, candidates: [Candidate]) {
    self.id = id
    self.query = query
    self.candidates = candidates
  }
}

/// A query that cannot give a training group of K candidates.
package struct TooFewCandidates: Error, CustomStringConvertible {
  package var query: String
  package var positives: Int
  package var negatives: Int
  package var K: Int
  /// Queries in the same situation, this one included.
  package var affected: Int

  package var description: String {
    let others = affected > 1 ? " (and \(affected - 1) more queries like it)" : ""
    if positives == 0 { return "query \(query)\(others) has no positive among its scored candidates" }
    return """
      query \(query)\(others) has \(negatives) negatives, K: \(K) needs \(K - 1). Mine more: `num_negatives: \(K - 1)` \
      or higher in the `mine` stage, with a wider `range`; or lower K to \(negatives + 1)
      """
  }
}

package struct DistillationTask: TrainingTask {
  private let queries: [JudgedQuery]
  private let passages: [Encoding]
  private let positives: [[JudgedQuery.Candidate]]  // of each query
  private let negatives: [[JudgedQuery.Candidate]]
  private let K: Int
  private let loss: DistillationLoss
  private let width: Int
  private let draws: SeededDraws

  /// - Parameters:
  ///   - K: candidates of a training group.
  ///   - width: of the embeddings.
  /// - Throws: `TooFewCandidates`.
  package init(
    queries: [JudgedQuery], passages: [Encoding], K: Int, loss: DistillationLoss, width: Int, seed: UInt64
  ) throws {
    self.queries = queries
    self.passages = passages
    self.K = K
    self.loss = loss
    self.width = width
    draws = SeededDraws(seed: seed)
    positives = queries.map { $0.candidates.filter(\.isPositive) }
    negatives = queries.map { $0.candidates.filter { !$0.isPositive } }
    let poor = queries.indices.filter { positives[$0].isEmpty || negatives[$0].count < K - 1 }
    if let first = poor.first {
      throw TooFewCandidates(
        query: queries[first].id, positives: positives[first].count, negatives: negatives[first].count, K: K,
        affected: poor.count)
    }
  }

  package var itemCount: Int { queries.count }

  /// The positive first, then K − 1 negatives.
  func group(of query: Int, epoch: Int) -> [JudgedQuery.Candidate] {
    let (positive, others) = draws.candidates(
      positives: positives[query].count, negatives: K - 1, available: negatives[query].count, epoch: epoch,
      query: query)
    return [positives[query][positive]] + others.map { negatives[query][$0] }
  }

  package func batch(of items: [Int], epoch: Int) -> TrainingBatch {
    let groups = items.map { group(of: $0, epoch: epoch) }
    let candidates = groups.flatMap { $0 }
    let judged = JudgedGroups(
      candidates: K, logits: candidates.map(\.logit), labels: candidates.map(\.isPositive),
      passages: candidates.map(\.passage), knownPositives: items.map { Set(positives[$0].map(\.passage)) })
    let inputs = zip(items, groups).flatMap { item, group in
      [queries[item].query] + group.map { passages[$0.passage] }
    }
    let width = width
    return TrainingBatch(
      sequences: PackedBatch(inputs, chunkSize: groupsPerChunk * (K + 1)), records: items.map { queries[$0].id },
      loss: { embeddings in loss(embeddings: embeddings, width: width, groups: judged) })
  }

  /// Whole groups, at least as many sequences as other tasks' chunks.
  private var groupsPerChunk: Int { (sequencesPerChunk + K) / (K + 1) }

  package var heaviestChunk: [Int] { heaviestChunk(K: K) }

  package var remedies: [(change: String, chunk: [Int])] {
    let fewer = max(2, K / 2)
    return [("K: \(fewer)", heaviestChunk(K: fewer)), shorterInputs(heaviestChunk)]
  }

  private func heaviestChunk(K: Int) -> [Int] {
    let groups = queries.indices.map { index in
      let longestNegatives = negatives[index].map(tokens).sorted(by: >).prefix(K - 1)
      return [queries[index].query.ids.count, positives[index].map(tokens).max() ?? 0] + longestNegatives
    }
    let heaviest = groups.sorted { $0.reduce(0, +) > $1.reduce(0, +) }
    return heaviest.prefix((sequencesPerChunk + K) / (K + 1)).flatMap { $0 }
  }

  private func tokens(_ candidate: JudgedQuery.Candidate) -> Int { passages[candidate.passage].ids.count }
}
