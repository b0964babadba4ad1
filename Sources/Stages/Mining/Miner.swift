/// Chooses negatives for queries among a pool of passages, never a known positive.
import Basics

struct Miner {
  /// Negatives of each query, given ones included, where there are enough.
  var wanted: Int
  /// Places in the ranking that may be taken, from 0.
  var range = 0..<Int.max
  /// Only passages that score at most so.
  var maxScore: Float?
  /// Only passages that score at least so.
  var minScore: Float?
  /// Only passages that score at most the lowest positive minus this.
  var absoluteMargin: Float?
  /// Only passages that score at most s₊ − |s₊|·m, s₊ the lowest positive's score.
  var relativeMargin: Float?
  /// Draw from what is left instead of taking the best.
  var drawsAtRandom = false
  let seed: UInt64
  let groups: [QueryGroup]
  let pool: [Passage]
  private let byID, byText: [String: [Int]]
  /// Places in the pool.
  private var known: [String: Set<Int>] = [:]

  /// A query that occurs twice (after NFC) has the positives of both.
  init(groups: [QueryGroup], pool: [Passage], wanted: Int, seed: UInt64) {
    self.groups = groups
    self.pool = pool
    self.wanted = wanted
    self.seed = seed
    byID = Dictionary(grouping: pool.indices) { pool[$0].id }
    byText = Dictionary(grouping: pool.indices) { pool[$0].text }
    for group in groups { known[group.query, default: []].formUnion(places(of: group.positives)) }
  }

  /// Where a passage, by id or by text, is in the pool.
  private func places(of passages: [Passage]) -> [Int] {
    passages.flatMap { byID[$0.id, default: []] + byText[$0.text, default: []] }
  }

  /// Places that cannot become a group's negatives: its positives and its given negatives.
  private func taken(_ group: QueryGroup) -> Set<Int> {
    known[group.query, default: []].union(places(of: group.negatives))
  }

  /// Negatives drawn without regard to scores.
  func random(_ number: Int, accept: ([Int]) throws -> [Bool]) rethrows -> [Int] {
    try drawn(number, after: [], accept: accept)
  }

  /// Positives and negatives of other groups' rows, drawn by lot, one row for every two places; then any passages.
  func fromRows(_ number: Int, _ rows: [Row], accept: ([Int]) throws -> [Bool]) rethrows -> [Int] {
    let places = max(0, wanted - groups[number].negatives.count)
    var rowLottery = Lottery(rows.count, SplitMix64(seed: ~seed, stream: UInt64(number)))
    var others: [Row] = []
    while others.count < places / 2, let drawn = rowLottery.next() {
      if rows[drawn].group != number { others.append(rows[drawn]) }
    }
    return try drawn(number, after: others.flatMap(\.passages), accept: accept)
  }

  /// Passages of some categories, drawn by lot; then any passages.
  func fromCategories(
    _ number: Int, _ categories: [Int], accept: ([Int]) throws -> [Bool]
  ) rethrows -> [Int] {
    try drawn(number, after: categories.shuffled(seed: ~seed, stream: UInt64(number)), accept: accept)
  }

  /// Those of `first` that may be taken, then passages of the pool, drawn by lot, for what is left.
  private func drawn(
    _ number: Int, after first: [Int], accept: ([Int]) throws -> [Bool]
  ) rethrows -> [Int] {
    let taken = taken(groups[number])
    var passages = first.filter { !taken.contains($0) }.makeIterator()
    var lottery = Lottery(pool.count, SplitMix64(seed: seed, stream: UInt64(number)))
    return try take(for: number) {
      if let passage = passages.next() { return passage }
      while let drawn = lottery.next() { if !taken.contains(drawn) { return drawn } }
      return nil
    } accept: {
      try accept($0)
    }
  }

  /// A row of triplets: a positive of a group and, if it has some, one of its negatives.
  struct Row {
    let group: Int
    /// Places in the pool.
    let passages: [Int]
  }

  /// - Parameter indices: places in the pool.
  func rows(_ indices: ([Passage]) -> [Int]) -> [Row] {
    groups.enumerated().flatMap { number, group in
      let pairs = group.pairs.map { [$0.positive, $0.negative] }
      return (pairs.isEmpty ? group.positives.map { [$0] } : pairs).map { Row(group: number, passages: indices($0)) }
    }
  }

  /// As many as are missing, each text once, of those that `next` brings and `accept` judges good.
  private func take(
    for number: Int, next: () -> Int?, accept: ([Int]) throws -> [Bool]
  ) rethrows -> [Int] {
    let missing = max(0, wanted - groups[number].negatives.count)
    var texts: Set<String> = []
    var chosen: [Int] = []
    while chosen.count < missing {
      var batch: [Int] = []
      while batch.count < missing - chosen.count, let passage = next() {
        if texts.insert(pool[passage].text).inserted { batch.append(passage) }
      }
      if batch.isEmpty { break }
      chosen += zip(batch, try accept(batch)).filter(\.1).map(\.0)
    }
    return chosen
  }

  /// Why a passage is left out.
  enum Limit: String, CaseIterable {
    case absoluteMargin = "absolute_margin"
    case relativeMargin = "relative_margin"
    case maxScore = "max_score"
    case minScore = "min_score"
  }

  /// The first limit that a score breaks, in the order of sentence-transformers' `mine_hard_negatives`.
  /// - Parameter positive: the lowest positive's score.
  private func broken(by score: Float, positive: Float) -> Limit? {
    if let absoluteMargin, score > positive - absoluteMargin { return .absoluteMargin }
    if let relativeMargin, score > positive - abs(positive) * relativeMargin { return .relativeMargin }
    if let maxScore, score > maxScore { return .maxScore }
    if let minScore, score < minScore { return .minScore }
    return nil
  }

  /// Negatives by score. `accept` judges many at once, best first: the teacher's filter. `judged` hears of each passage
  /// within the range which limit it breaks.
  func ranked(
    _ number: Int, scores: ArraySlice<Float>, positiveScores: [Float], order: TieOrder,
    judged: (Limit?) -> Void = { _ in }, accept: ([Int]) throws -> [Bool]
  ) rethrows -> [Int] {
    let taken = taken(groups[number])
    let positive = positiveScores.min() ?? .infinity
    let base = scores.startIndex
    // Ranks are counted among passages that may be taken, before limits are applied.
    let reach = min(range.upperBound, pool.count - taken.count)
    var candidates = order.top(reach + taken.count, of: scores).filter { !taken.contains($0) }
      .prefix(reach).dropFirst(range.lowerBound)
      .filter {
        let limit = broken(by: scores[base + $0], positive: positive)
        judged(limit)
        return limit == nil
      }
    if drawsAtRandom { candidates = candidates.shuffled(seed: seed, stream: UInt64(number)) }
    var rest = candidates.makeIterator()
    return try take(for: number) {
      rest.next()
    } accept: {
      try accept($0)
    }
  }
}
