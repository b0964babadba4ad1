/// Losses that teach a bi-encoder from labels, or from margins that a teacher gives: which there are, and their sum over
/// the prefixes of vectors.
import Foundation
import Models

/// The dual encoder's loss of a batch, as sentence-transformers' losses of the same names compute them; τ is `1 / scale`
/// there.
package struct LabelLoss: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// Softmax over each query's own candidates.
    case ce
    /// Softmax over the batch: MultipleNegativesRankingLoss; with a guide GISTEmbedLoss.
    case mnr
    /// MarginMSELoss: the teacher's s₊ − s₋ of each query's positive and each of its negatives.
    case marginMSE = "margin_mse"
    /// CoSENTLoss: pairs in the order of their labels.
    case cosent
  }

  /// What `mnr` compares, besides each query with all documents of the batch.
  package enum Direction: String, Sendable, CaseIterable {
    case queryToDoc = "query_to_doc"
    case docToQuery = "doc_to_query"
    case queryToQuery = "query_to_query"
    /// A positive with all documents that are not its query's own.
    case docToDoc = "doc_to_doc"
    /// A positive with other positives: GISTEmbedLoss's `contrast_positives`.
    case positiveToPositive = "positive_to_positive"
  }

  package enum Partition: String, Sendable, CaseIterable {
    /// One softmax over all directions.
    case joint
    /// One softmax a direction, averaged.
    case perDirection = "per_direction"
  }

  /// Which negatives' logits grow by `hardnessStrength`·s, s taken as a constant (Lan et al., 2025).
  package enum Hardness: String, Sendable, CaseIterable {
    case none
    case inBatchNegatives = "in_batch_negatives"
    case hardNegatives = "hard_negatives"
    case allNegatives = "all_negatives"
  }

  /// Above which similarity to its query a negative is taken for a false one and left out (Solatorio, 2024).
  package enum FalseNegatives: Sendable {
    /// s₊ − margin
    case absolute(margin: Double)
    /// s₊ − |s₊|·margin
    case relative(margin: Double)

    func limit(_ positive: Double) -> Double {
      switch self {
      case .absolute(let margin): positive - margin
      case .relative(let margin): positive - abs(positive) * margin
      }
    }
  }

  package var kind = Kind.mnr
  package var similarity = Similarity.cosine
  package var directions: [Direction] = [.queryToDoc]
  package var partition = Partition.joint
  package var hardness = Hardness.none
  package var hardnessStrength = 0.0
  /// Absent: every negative counts.
  package var falseNegatives: FalseNegatives?
  /// Prefixes of the vectors that the loss is computed of, and what each counts (Kusupati et al., 2022); empty: the whole
  /// vector.
  package var matryoshka: [(dimensions: Int, weight: Double)] = []

  package init() {}

  /// - Parameters:
  ///   - embeddings: [rows, width], pooled, not normalised.
  ///   - logTemperature: ln τ.
  /// - Returns: `parameterGradients` has one number, dL/d ln τ.
  package func callAsFunction(
    embeddings: [Double], width: Int, batch: LabelledBatch, logTemperature: Double
  ) -> Loss {
    let prefixes = matryoshka.isEmpty ? [(dimensions: width, weight: 1.0)] : matryoshka
    var total = Loss(
      value: 0, parts: [], gradient: [Double](repeating: 0, count: embeddings.count), parameterGradients: [0])
    let starts = stride(from: 0, to: embeddings.count, by: width)
    for (dimensions, weight) in prefixes {
      let prefix = starts.flatMap { embeddings[$0..<$0 + dimensions] }
      var similarity = RowSimilarity(self.similarity, embeddings: prefix, width: dimensions)
      let (value, slope) = loss(&similarity, batch, tau: exp(logTemperature), weight: weight)
      total.value += weight * value
      total.parameterGradients[0] += slope
      for (row, gradient) in zip(starts, similarity.gradient().chunked(by: dimensions)) {
        for (index, gradient) in zip(row..., gradient) { total.gradient[index] += gradient }
      }
    }
    return total
  }

  /// Adds `weight` times the loss's gradient to the similarity's. Returns the loss, and `weight`·dL/d ln τ.
  private func loss(
    _ similarity: inout RowSimilarity, _ batch: LabelledBatch, tau: Double, weight: Double
  ) -> (value: Double, slope: Double) {
    switch kind {
    case .ce, .mnr: softmaxLoss(&similarity, batch, tau: tau, weight: weight)
    case .marginMSE: marginLoss(&similarity, batch, tau: tau, weight: weight)
    case .cosent: orderLoss(&similarity, batch, tau: tau, weight: weight)
    }
  }
}

/// What is known of the rows of a batch's embeddings. Each text has one row, however many queries it is a candidate of.
package struct LabelledBatch: Sendable {
  package struct Query: Sendable {
    /// Rows.
    package var query: Int
    package var positive: Int
    /// Its own.
    package var negatives: [Int]
    /// Documents of the batch that answer it, `positive` among them.
    package var known: Set<Int>
    /// The teacher's, of the positive and of each negative; labels where there is none.
    package var scores: [Double]

    package init(query: Int, positive: Int, negatives: [Int], known: Set<Int>, scores: [Double]) {
      self.query = query
      self.positive = positive
      self.negatives = negatives
      self.known = known
      self.scores = scores
    }
  }
  package var queries: [Query]
  /// The guide's similarity of two rows; absent: the model's own tells false negatives.
  package var guide: (@Sendable (Int, Int) -> Double)?

  package init(queries: [Query], guide: (@Sendable (Int, Int) -> Double)? = nil) {
    self.queries = queries
    self.guide = guide
  }
}

extension Array {
  /// Stretches of `size`, in order.
  fileprivate func chunked(by size: Int) -> some Sequence<ArraySlice<Element>> {
    stride(from: 0, to: count, by: size).lazy.map { self[$0..<$0 + size] }
  }
}
