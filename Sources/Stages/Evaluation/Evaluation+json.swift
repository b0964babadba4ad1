/// The results file and the lines of queries. Keys of the results:
///
/// - of a bi-encoder's triplets the ten of `TripletScores`, and `first_row`: its texts with `raw` and `normalized` scores.
/// - `method`: `bi-encoder`, `cross-encoder`, `bm25`; `queries`, `passages`: how many.
/// - `ranking`: means over queries. `accuracy@k`: some positive is among the first k (top-1, top-5); `precision@k`,
///   `recall@k`; `mrr@10`, `mrr` (whole ranking); `ndcg@10`; `map@100` divides by min(100, positives),
///   `map_cut_100` by the number of positives; `mean_rank` of the best positive. Equal scores: ids descending.
/// - `by_type`: the same for each type of question.
/// - `score_scale`: how raw scores become 0…1: `cosine` (s + 1)/2, `logit` σ(s), `unbounded` not at all.
/// - `pool`: the pool of negatives that is quoted as a metric; `pools`: for each pool (`given`: the data's own negatives,
///   `corpus`: every other passage, `reranked`: what the cross-encoder judged) the `positives` and `negatives` (`mean`,
///   `std`, quantiles), `margin` (mean positive − mean negative), `raw_margin` (of cosines), `auc`,
///   `negatives_above_half`, `variance` of all scores, `thresholds`, and `best_threshold` by balanced accuracy.
/// - `negatives_stride`: each so many passages stand for the corpus in the distributions; 1 is all.
/// - `margin_limit`: N/(2(N − 1)), the largest mean margin if N positives are, balanced, each other's negatives.
/// - `uniformity`: ln mean exp(−2‖x − y‖²) over passages' vectors (Wang and Isola); lower is more even.
/// - `dimensions`: where they were asked for, the ranking metrics of vectors' first 64, 128, … elements, scaled again.
/// - `samples`: your own pairs with `raw` and `normalized` scores.
///
/// Several sets have `method`, `queries` and `passages` of all, the means over sets at `ranking` and `dimensions`, and at
/// `sets` all of the above for each, by its name.
import Foundation
import JSONText

extension Evaluation {
  var json: JSONValue {
    .object((triplets?.json ?? []) + (figures.members ?? []))
  }

  private var figures: JSONValue {
    var figures: JSONValue = [
      "method": .string(method),
      "queries": .int(queryCount),
      "passages": .int(passages.count),
      "ranking": metricObject(ranking),
      "by_type": .object(
        types.map { type in
          JSONMember(
            type.name, .object([JSONMember("queries", .int(type.count))] + metricFields(type.ranking)))
        }),
      "score_scale": .string(scale.rawValue),
      "pool": pools.first.map { .string($0.name) } ?? .null,
      "pools": .object(pools.map { JSONMember($0.name, $0.json(scale)) }),
      "negatives_stride": .int(negativesStride),
      "margin_limit": .optional(scale == .unbounded ? nil : marginLimit),
      "uniformity": .optional(uniformity),
      "first_row": firstRow?.json ?? .null,
      "samples": .array(samples.map(\.json)),
    ]
    if !prefixes.isEmpty { figures["dimensions"] = prefixObject(prefixes) }
    return figures
  }

  /// One line a query, worst first: `rank` of the best positive, `gold`, the `top` five, `margin`.
  /// - Parameter set: the name of the set, of several.
  func perQuery(of set: String?) -> [JSONValue] {
    worstFirst.map { query in
      let group = groups[query]
      let judgement = judgements[query]
      let gold = Set(judgement.positives.map(\.passage))
      var line: JSONValue = [
        "id": .string(group.id),
        "query": .string(group.query),
        "type": group.type.map { .string($0) } ?? .null,
        "rank": judgement.ranking.ranks.first.map { .int($0) } ?? .null,
        "margin": .optional(margin(query)),
        "gold": .array(
          judgement.positives.map { positive in
            var found: JSONValue = [
              "id": .string(passages[positive.passage].id), "text": .string(passages[positive.passage].text),
              "rank": .int(positive.rank), "score": .float(positive.score),
            ]
            if let grade = grade(query, positive.passage) { found["grade"] = .double(grade) }
            return found
          }),
        "top": .array(
          judgement.top.map { top in
            [
              "id": .string(passages[top.passage].id), "text": .string(passages[top.passage].text),
              "score": top.score.map { .float($0) } ?? .null, "relevant": .bool(gold.contains(top.passage)),
            ]
          }),
      ]
      if let set { line["set"] = .string(set) }
      return line
    }
  }
}

func prefixObject(_ prefixes: [(width: Int, ranking: [(name: String, value: Double)])]) -> JSONValue {
  .object(prefixes.map { JSONMember("\($0.width)", metricObject($0.ranking)) })
}

private func metricFields(_ metrics: [(name: String, value: Double)]) -> [JSONMember] {
  metrics.map { JSONMember($0.name, .double($0.value)) }
}

func metricObject(_ metrics: [(name: String, value: Double)]) -> JSONValue { .object(metricFields(metrics)) }

extension Distribution {
  var json: JSONValue {
    .object(
      [
        JSONMember("count", .int(count)), JSONMember("mean", .double(mean)),
        JSONMember("std", .double(variance.squareRoot())),
      ] + zip(Self.quantileNames, quantiles).map { JSONMember($0, .double($1)) })
  }
}

extension ScorePool {
  func json(_ scale: ScoreScale) -> JSONValue {
    var fields = [
      JSONMember("positives", positive.json), JSONMember("negatives", negative.json), JSONMember("auc", .double(auc)),
      JSONMember("best_threshold", .double(bestThreshold)),
    ]
    if scale != .unbounded {
      fields += [
        JSONMember("margin", .double(margin)),
        JSONMember("variance", .double(variance)),
        JSONMember("negatives_above_half", .double(Self.share(of: negatives, atLeast: 0.5.nextUp))),
        JSONMember("thresholds", .array((1...9).map { thresholdJSON(Double($0) / 10) })),
      ]
    }
    // s = 2·s̃ − 1
    if scale == .cosine { fields.append(JSONMember("raw_margin", .double(2 * margin))) }
    return .object(fields)
  }

  private func thresholdJSON(_ threshold: Double) -> JSONValue {
    [
      "threshold": .double(threshold),
      "positives_at_or_above": .double(Self.share(of: positives, atLeast: threshold)),
      "negatives_at_or_above": .double(Self.share(of: negatives, atLeast: threshold)),
      "balanced_accuracy": .double(balancedAccuracy(threshold)),
    ]
  }
}

extension SampleScore {
  var json: JSONValue {
    [
      "query": .string(query), "passage": .string(passage), "raw": .float(raw),
      "normalized": .optional(scale == .unbounded ? nil : scale.normalize(raw)),
    ]
  }
}
