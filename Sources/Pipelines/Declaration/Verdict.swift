/// What a training was worth: its model held against where it began, query by query. It enters neither keys nor results.
import Foundation

package struct Verdict: Hashable, Sendable, Codable {
  package enum Outcome: String, Sendable, Codable {
    case better, worse
    /// No clear difference: what there is may be chance.
    case unclear
  }
  /// What the end is compared with.
  package enum Start: String, Sendable, Codable {
    /// The model as it was before training.
    case start
    /// BM25's order of the passages.
    case bm25
    /// The order that a bi-encoder finds them in.
    case firstStage = "first_stage"
  }
  package var outcome: Outcome
  /// The metric's name: `ndcg@10`.
  package var metric: String
  /// Means over the validation queries.
  package var start: Double
  package var end: Double
  /// Validation queries.
  package var queries: Int
  /// Those whose values differ.
  package var differing: Int
  /// What the two-sided paired randomisation test gives.
  package var p: Double
  package var against: Start

  /// A difference counts where p is below it: here and in comparisons.
  package static let alpha = 0.05

  /// - Parameters:
  ///   - start: the mean at the start; `end` that of the trained model. A higher one is better.
  ///   - differing: queries whose values differ.
  package init(
    metric: String, start: Double, end: Double, queries: Int, differing: Int, p: Double, against: Start
  ) {
    outcome = p >= Self.alpha || start == end ? .unclear : end > start ? .better : .worse
    self.metric = metric
    self.start = start
    self.end = end
    self.queries = queries
    self.differing = differing
    self.p = p
    self.against = against
  }

  /// `better than where it began: nDCG@10 0.4321 → 0.5512 on 200 validation queries (p 0.0003)`
  package var sentence: String {
    let other =
      switch against {
      case .start: "where it began"
      case .bm25: "BM25"
      case .firstStage: "its first stage"
      }
    let name = metric == "ndcg@10" ? "nDCG@10" : metric
    let number = counted(queries, "validation query", "validation queries")
    return "\(comparison) \(other): \(name) \(short(start)) → \(short(end)) on \(number) (p \(shownP)\(hint))"
  }

  /// The same of a model, as a whole sentence without its full stop: `It is better than where it began: …`
  package var claim: String { "It \(outcome == .unclear ? "shows" : "is") \(sentence)" }

  private var comparison: String {
    switch outcome {
    case .better: "better than"
    case .worse: "worse than"
    case .unclear: "no clear difference from"
    }
  }

  /// p with four decimals.
  package var shownP: String { p < 0.00005 ? "< 0.0001" : short(p) }

  /// n differences have 2ⁿ⁻¹ pairs of signs: with five of them even the most extreme one is no rarer than 1 in 16.
  private var hint: String {
    outcome == .unclear && differing <= 5
      ? "; \(differing) of them \(differing == 1 ? "differs" : "differ"), and fewer than 6 can show nothing: validate on more"
      : ""
  }
}

/// Four decimals, whatever the machine's language.
private func short(_ value: Double) -> String { String(format: "%.4f", value) }
