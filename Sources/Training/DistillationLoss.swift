/// The loss that teaches a bi-encoder a cross-encoder's judgement: its settings and its sum.
import Basics

/// w_kl·KL(teacher ‖ student) + w_c·contrastive + w_n·negative penalty, over groups of one query and K judged candidates.
package struct DistillationLoss: Sendable {
  package enum StudentScores: String, Sendable, CaseIterable { case normalized, cosine, relu }
  package enum TeacherScores: String, Sendable, CaseIterable { case sigmoid, logit }
  package enum Contrastive: String, Sendable, CaseIterable { case margin, infonce }
  package enum PositivesFrom: String, Sendable, CaseIterable { case labels, teacher }

  /// Softmax temperature of the student's scores.
  package var tau = 0.05
  /// Softmax temperature of the teacher's; absent: 1 of its logits, `tau` of its sigmoid scores.
  package var teacherTau: Double?
  /// Whether the KL term is multiplied by tau², which keeps its gradient's size when tau changes.
  package var scaleByTauSquared = false
  /// What the KL term compares: s̃, or the cosine itself. s̃ = (cos + 1)/2, with `relu` max(cos, 0), and so in all terms.
  package var studentScores = StudentScores.cosine
  package var teacherScores = TeacherScores.logit
  package var klWeight = 0.3
  package var contrastiveWeight = 1.0
  package var contrastive = Contrastive.infonce
  /// Least distance of the mean s̃ of positives from that of negatives.
  package var margin = 0.7
  /// Temperature of InfoNCE.
  package var contrastiveTemperature = 0.05
  package var positivesFrom = PositivesFrom.labels
  /// The teacher's score above which a candidate is a positive, where `positivesFrom` is the teacher.
  package var positiveThreshold = 0.5
  package var negativePenaltyWeight = 0.0
  /// The s̃ below which a negative is not pushed any further.
  package var negativeTarget = 0.15

  package init() {}

  /// - Parameters:
  ///   - embeddings: [Q·(K + 1), width], pooled, not normalised: each query followed by its candidates.
  ///   - groups: what is known of the Q groups.
  package func callAsFunction(embeddings: [Double], width: Int, groups: JudgedGroups) -> Loss {
    precondition(embeddings.count == groups.queries * (groups.candidates + 1) * width, "a query and K candidates each")
    var similarity = RowSimilarity(embeddings: embeddings, width: width)
    var scores = ScoreMatrix(
      groups: groups, similarity: similarity, inBatch: contrastive == .infonce,
      clamped: studentScores == .relu)
    let positives = isPositive(groups)

    let divergence = self.divergence(&scores, groups)
    let contrast =
      switch contrastive {
      case .margin: marginLoss(&scores, positives)
      case .infonce: infoNCE(&scores, positives, groups)
      }
    let penalty = negativePenalty(&scores, positives)

    scores.addGradients(to: &similarity)
    return Loss(
      value: klWeight * divergence + contrastiveWeight * contrast + negativePenaltyWeight * penalty,
      parts: [
        .init(name: "kl", value: divergence), .init(name: "contrastive", value: contrast),
        .init(name: "negative_penalty", value: penalty),
      ],
      gradient: similarity.gradient())
  }

  /// [Q·K].
  private func isPositive(_ groups: JudgedGroups) -> [Bool] {
    switch positivesFrom {
    case .labels: groups.labels
    case .teacher: groups.logits.map { sigmoid($0) > positiveThreshold }
    }
  }
}

/// Candidates of a batch's queries as the teacher judged them; K of each of Q queries, row by row.
package struct JudgedGroups: Sendable {
  /// K.
  package var candidates: Int
  /// The teacher's, [Q·K].
  package var logits: [Double]
  /// Whether the data call a candidate a positive, [Q·K].
  package var labels: [Bool]
  /// Equal for equal passages, [Q·K].
  package var passages: [Int]
  /// Every passage known to answer the query, drawn into the batch or not, [Q].
  package var knownPositives: [Set<Int>]

  package init(candidates: Int, logits: [Double], labels: [Bool], passages: [Int], knownPositives: [Set<Int>]) {
    self.candidates = candidates
    self.logits = logits
    self.labels = labels
    self.passages = passages
    self.knownPositives = knownPositives
  }

  package var queries: Int { candidates == 0 ? 0 : logits.count / candidates }
}
