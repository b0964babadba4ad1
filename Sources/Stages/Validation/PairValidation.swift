/// A cross-encoder's validation: tells positives from negatives, and orders the passages of each query; of its own, or
/// those that a first stage finds in a corpus.
import Foundation
import Training

struct PairValidation {
  private let pairs: LabelledPairs
  private let lists: RerankedLists?

  init(_ pairs: LabelledPairs, reranking lists: RerankedLists? = nil) {
    self.pairs = pairs
    self.lists = lists
  }

  var positives: Int { pairs.positives }
  var negatives: Int { pairs.negatives }

  /// Without a loss where that would learn a teacher's logits and there are none.
  func run(_ encoder: CrossEncoder, _ loss: RerankerLoss) throws -> Validation {
    let outputs = try encoder.outputs(pairs.all.map(\.input))
    let logits = encoder.logits(outputs)
    let labels = pairs.all.map(\.label)
    let rankings = try lists?.rankings(encoder) ?? pairs.rankings(logits)
    let count = Double(max(1, rankings.count))
    var metrics: [ValidationMetric] = []
    if pairs.canTeach(loss) {
      let value = loss(
        outputs: outputs.map(Double.init), labels: encoder.labels, lists: pairs.lists.map { $0.map(\.judgement) }
      ).value
      metrics.append(ValidationMetric("loss", value, higherIsBetter: false))
    }
    metrics += [
      ValidationMetric("ap", averagePrecision(logits, labels: labels.map { $0 == 1 })),
      ValidationMetric("ndcg@10", rankings.reduce(0) { $0 + $1.ndcg(10) } / count),
      ValidationMetric("mrr@10", rankings.reduce(0) { $0 + $1.reciprocalRank(10) } / count),
    ]
    func scores(_ label: Double) -> [Double] {
      zip(labels, logits).compactMap { $0 == label ? Double($1) : nil }
    }
    let pool = ScorePool(name: "validation", positives: scores(1), negatives: scores(0))
    if !pool.isEmpty { metrics.append(ValidationMetric("auc", pool.auc)) }
    return Validation(metrics, queries: rankings.map { $0.ndcg(10) })
  }

  /// nDCG@10 of each query in a first stage's order of the same passages.
  func ndcg(_ first: some Retriever, _ pool: PassagePool) -> [Double] {
    (lists?.firstRankings ?? pairs.rankings(first, pool)).map { $0.ndcg(10) }
  }
}

/// Every positive and negative of some groups as a pair with its query.
struct LabelledPairs {
  let all: [LabelledPair]
  private let groups: [QueryGroup]
  /// The pairs of each query.
  private let ranges: [Range<Int>]
  var positives: Int { all.count { $0.label == 1 } }
  var negatives: Int { all.count - positives }

  init(_ records: [LabelledRecord], _ encoder: CrossEncoder) throws {
    var texts: [(query: String, passage: String)] = []
    var names: [String] = []
    var labels: [Double] = []
    var logits: [Double?] = []
    var isHard: [Bool] = []
    var ranges: [Range<Int>] = []
    for record in records {
      let group = record.group
      let start = texts.count
      for (label, passages) in [(1.0, group.positives), (0.0, group.negatives)] {
        for passage in passages {
          texts.append((group.query, passage.text))
          names.append("\(group.id)/\(passage.id)")
          labels.append(label)
          logits.append(record.logits?[passage.id])
          isHard.append(label == 0 && record.hard.contains(passage.id))
        }
      }
      ranges.append(start..<texts.count)
    }
    let inputs = try encoder.tokenize(texts) { "query/passage \(names[$0])" }
    all = inputs.indices.map {
      LabelledPair(
        record: names[$0], input: inputs[$0], label: labels[$0], logit: logits[$0], isHard: isHard[$0])
    }
    groups = records.map(\.group)
    self.ranges = ranges
  }

  /// Those of each query.
  var lists: [[LabelledPair]] { ranges.map { Array(all[$0]) } }

  /// Whether they have what a loss learns.
  func canTeach(_ loss: RerankerLoss) -> Bool {
    loss.kind != .marginMSE || all.allSatisfy { $0.judgement.logit != nil }
  }

  /// The passages of each query in the order of their pairs' scores.
  func rankings(_ scores: [Float]) -> [QueryRanking] {
    ranges.map { range in
      // An equal score counts against the positive.
      let positives = range.filter { all[$0].label == 1 }.sorted { scores[$0] > scores[$1] }
      return QueryRanking(
        ranks: positives.enumerated().map { place, positive in
          1 + place + range.count { all[$0].label == 0 && scores[$0] >= scores[positive] }
        })
    }
  }

  /// The same by a retriever of the groups' queries over a pool that has their passages. Words in common are often
  /// none, so ties are in the order of ids, as `evaluate` has them, and not all against the positive.
  func rankings(_ retriever: some Retriever, _ pool: PassagePool) -> [QueryRanking] {
    let order = TieOrder(ids: pool.ids)
    var rankings: [QueryRanking] = []
    retriever.forEachQuery { query, scores in
      let positives = pool.indices(of: groups[query].positives)
      let others = pool.indices(of: groups[query].positives + groups[query].negatives)
      let first = scores.startIndex
      rankings.append(
        QueryRanking(
          ranks: positives.map { own in
            1 + others.count { order.ranks($0, scores[first + $0], before: own, scores[first + own]) }
          }))
    }
    return rankings
  }
}

/// For each query the best passages of a first stage, as a cross-encoder reads them.
struct RerankedLists {
  private let pairs: [[LabelledPair]]
  private let passages: [[Int]]
  /// Ranks of each query's positives in the first stage's order.
  private let firstRanks: [[(passage: Int, rank: Int)]]
  private let order: TieOrder

  init(
    _ groups: [QueryGroup], _ pool: PassagePool, _ first: some Retriever, depth: Int, _ encoder: CrossEncoder
  ) throws {
    let order = TieOrder(ids: pool.ids)
    var passages: [[Int]] = []
    var firstRanks: [[(passage: Int, rank: Int)]] = []
    first.forEachQuery { query, scores in
      passages.append(order.top(depth, of: scores))
      firstRanks.append(pool.indices(of: groups[query].positives).map { ($0, order.rank(of: $0, in: scores)) })
    }
    pairs = try zip(groups, passages).map { group, passages in
      let inputs = try encoder.tokenize(passages.map { (group.query, pool.passages[$0].text) }) {
        "query/passage \(group.id)/\(pool.ids[passages[$0]])"
      }
      return inputs.map { LabelledPair(record: group.id, input: $0, label: 0) }
    }
    self.order = order
    self.passages = passages
    self.firstRanks = firstRanks
  }

  var firstRankings: [QueryRanking] { firstRanks.map { QueryRanking(ranks: $0.map(\.rank)) } }

  /// In the order of the cross-encoder; what it was not shown follows as the first stage had it.
  func rankings(_ encoder: CrossEncoder) throws -> [QueryRanking] {
    var logits = try encoder.logits(pairs.joined().map(\.input))[...]
    return passages.indices.map { query in
      let own = Array(logits.prefix(passages[query].count))
      logits = logits.dropFirst(own.count)
      let sorted = own.indices.sorted {
        order.ranks(passages[query][$0], own[$0], before: passages[query][$1], own[$1])
      }.map { passages[query][$0] }
      return QueryRanking(
        ranks: firstRanks[query].map { passage, rank in sorted.firstIndex(of: passage).map { $0 + 1 } ?? rank })
    }
  }
}

/// Σ over thresholds of (recall − recall before)·precision, as scikit-learn's `average_precision_score`.
func averagePrecision(_ scores: [Float], labels: [Bool]) -> Double {
  let order = scores.indices.sorted { scores[$0] > scores[$1] }
  var (positives, seen, sum) = (0, 0, 0.0)
  while seen < order.count {
    let threshold = scores[order[seen]]
    let before = positives
    while seen < order.count, scores[order[seen]] == threshold {
      positives += labels[order[seen]] ? 1 : 0
      seen += 1
    }
    sum += Double(positives - before) * Double(positives) / Double(seen)
  }
  return positives == 0 ? 0 : sum / Double(positives)
}

/// Half the width of an AUC's 95 % interval (J. A. Hanley, B. J. McNeil, The meaning and use of the area under a receiver
/// operating characteristic (ROC) curve, Radiology 143, 1982).
func halfInterval(ofAUC auc: Double, positives: Int, negatives: Int) -> Double {
  let (p, n) = (Double(positives), Double(negatives))
  let both = (p - 1) * (auc / (2 - auc) - auc * auc) + (n - 1) * (2 * auc * auc / (1 + auc) - auc * auc)
  return 1.96 * ((auc * (1 - auc) + both) / (p * n)).squareRoot()
}
