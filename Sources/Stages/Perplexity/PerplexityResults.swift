/// Passages by perplexity, in the form of the first users' result files.
import Foundation
import JSONText

struct RankedByPerplexity {
  private let asked: AskedQuery
  private let scored: ScoredList
  /// Candidates by ascending perplexity; equal ones as they came.
  let order: [Int]

  init(_ asked: AskedQuery, _ scored: ScoredList) {
    (self.asked, self.scored) = (asked, scored)
    let perplexities = scored.candidates.map { $0.perplexity ?? .infinity }
    order = perplexities.indices.sorted { (perplexities[$0], $0) < (perplexities[$1], $1) }
  }

  var baseline: Float { scored.baselinePerplexity ?? .nan }
  var lowest: Float? { order.first.flatMap { scored.candidates[$0].perplexity } }
  var hasPositive: Bool { asked.hasPositive }
  /// The best positive's place, from 1; nil if none was scored.
  var rank: Int? { order.firstIndex { scored.candidates[$0].candidate.isPositive }.map { $0 + 1 } }

  func json(most: Int, _ ranking: Perplexity.Ranking, _ fields: [String: PassageFields]) -> JSONValue {
    let baseline = Double(baseline)
    let passages = order.prefix(most).enumerated().map { place, index in
      let (passage, context) = (
        scored.candidates[index].candidate.passage, Double(scored.candidates[index].perplexity ?? .nan)
      )
      let fields = fields[passage.id]
      return JSONValue.object(
        [
          JSONMember("rank", .int(place + 1)), JSONMember("rule_id", .string(fields?.ruleID ?? passage.id)),
          JSONMember("category", (fields?.category ?? passage.category).map { .string($0) } ?? .null),
          JSONMember("title", fields?.title.map { .string($0) } ?? .null),
          JSONMember("description", .string(passage.text)), JSONMember("context_ppl", .float(Float(context))),
          JSONMember("delta_ppl", .float(Float(baseline - context))),
          JSONMember("improvement_ratio", .float(Float((baseline - context) / baseline))),
        ])
    }
    return .object(
      [JSONMember("Question_ID", .string(scored.id)), JSONMember("Question", .string(scored.query))]
        + (asked.answer.map { [JSONMember("Answer", .string($0))] } ?? []) + [
          JSONMember("baseline_ppl", .float(Float(baseline))), JSONMember(ranking.key, .array(passages)),
        ])
  }
}

extension Perplexity.Ranking {
  /// The source's name of the list, however long that is.
  fileprivate var key: String { self == .lowestContext ? "Top-3_Lowest_context_PPL" : "Top-3_Highest_delta_PPL" }
}
