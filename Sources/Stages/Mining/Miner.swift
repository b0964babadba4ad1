/// Chooses negatives for queries among a pool of passages, never a known positive.
import Basics

struct Miner {
  /// Negatives of each query, given ones included, where there are enough.
  var wanted: Int
  /// Places in the ranking that may be taken, from 0.
  var range = 0..<Int.max
  /// Only passages that score at most so.
  var maxScore: Float?
  /// Only passages that score at most the lowest positive minus this.
  var absoluteMargin: Float?
  /// Only passages that score at most s₊ − |s₊|·m, s₊ the lowest positive's score.
  var relativeMargin: Float?
  /// Draw from what is left instead of taking the best.
  var drawsAtRandom = false
  let seed: UInt64
  let groups: [QueryGroup]
  let pool: [Passage]
  private let known: [String: Set<String>]

  /// A query that occurs twice (after NFC) has the positives of both.
  init(groups: [QueryGroup], pool: [Passage], wanted: Int, seed: UInt64) {
    self.groups = groups
    self.pool = pool
    self.wanted = wanted
    self.seed = seed
    known = Dictionary(groups.map { ($0.query, Set($0.positives.flatMap { ["id " + $0.id, "text " + $0.text] })) }) {
      $0.union($1)
    }
  }

  /// Whether a passage may become a negative of a group: neither a positive nor a given negative, by id or by text.
  private func eligibility(of group: QueryGroup) -> (Passage) -> Bool {
    let taken = known[group.query, default: []].union(group.negatives.flatMap { ["id " + $0.id, "text " + $0.text] })
    return { !taken.contains("id " + $0.id) && !taken.contains("text " + $0.text) }
  }

  /// Negatives drawn without regard to scores.
  func random(_ number: Int, accept: ([Int]) throws -> [Bool]) rethrows -> [Int] {
    let isEligible = eligibility(of: groups[number])
    var lottery = Lottery(pool.count, SplitMix64(seed: seed, stream: UInt64(number)))
    return try take(for: number) {
      while let drawn = lottery.next() { if isEligible(pool[drawn]) { return drawn } }
      return nil
    } accept: {
      try accept($0)
    }
  }

  /// Positives and negatives of other groups' rows, drawn by lot, one row for every two places; then passages of the
  /// pool, drawn by lot, for what is left.
  func fromRows(_ number: Int, _ rows: [Row], accept: ([Int]) throws -> [Bool]) rethrows -> [Int] {
    let isEligible = eligibility(of: groups[number])
    let places = max(0, wanted - groups[number].negatives.count)
    var rowLottery = Lottery(rows.count, SplitMix64(seed: ~seed, stream: UInt64(number)))
    var others: [Row] = []
    while others.count < places / 2, let drawn = rowLottery.next() {
      if rows[drawn].group != number { others.append(rows[drawn]) }
    }
    var passages = others.flatMap(\.passages).filter { isEligible(pool[$0]) }.makeIterator()
    var lottery = Lottery(pool.count, SplitMix64(seed: seed, stream: UInt64(number)))
    return try take(for: number) {
      if let passage = passages.next() { return passage }
      while let drawn = lottery.next() { if isEligible(pool[drawn]) { return drawn } }
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

  /// Negatives by score. `accept` judges many at once, best first: the teacher's filter.
  func ranked(
    _ number: Int, scores: ArraySlice<Float>, positiveScores: [Float], order: TieOrder,
    accept: ([Int]) throws -> [Bool]
  ) rethrows -> [Int] {
    let isEligible = eligibility(of: groups[number])
    let positive = positiveScores.min() ?? .infinity
    let limit =
      [
        maxScore, absoluteMargin.map { positive - $0 }, relativeMargin.map { positive - abs(positive) * $0 },
      ].compactMap(\.self).min() ?? .infinity
    let base = scores.startIndex
    let eligible = pool.indices.filter { isEligible(pool[$0]) }
    // Places are counted among eligible passages, before limits are applied.
    var candidates = eligible.sorted { order.ranks($0, scores[base + $0], before: $1, scores[base + $1]) }
      .prefix(range.upperBound).dropFirst(range.lowerBound)
      .filter { scores[base + $0] <= limit }
    if drawsAtRandom { candidates = candidates.shuffled(seed: seed, stream: UInt64(number)) }
    var rest = candidates.makeIterator()
    return try take(for: number) {
      rest.next()
    } accept: {
      try accept($0)
    }
  }
}
