/// Whether labels look better than chance: found out before anyone trains on them, from words alone.
import Basics
import Pipelines

/// A query's own positives are held against those of the other queries, by BM25: were labels drawn by lot, its own would
/// be the more alike as often as not. What all queries share, and passages that are the positives of many, cancel out.
struct LabelCheck {
  /// Queries whose words tell passages apart; those of another language than the passages' do not.
  let queries: Int
  /// Mean share of the other queries' positives that are less like a query than its own, ties counting half; 0.5 is
  /// chance.
  let share: Double
  /// What the randomisation test of the shares gives, two-sided.
  let p: Double
  /// With fewer queries even good labels often look like chance: of our own questions 30 do in one sample of six, 40 in
  /// one of twenty.
  static let fewest = 40
  /// Queries that stand for all where there are more, regularly spaced.
  static let most = 1000

  init(_ groups: [QueryGroup]) {
    let step = (groups.count + Self.most - 1) / Self.most
    let chosen = stride(from: 0, to: groups.count, by: max(1, step)).map { groups[$0] }
    var passages: [String] = []
    var places: [String: Int] = [:]
    let positives = chosen.map { group in
      group.positives.map { passage in
        let place = places[passage.text] ?? passages.count
        if place == passages.count {
          places[passage.text] = place
          passages.append(passage.text)
        }
        return place
      }
    }
    let index = BM25(passages)
    let shares = zip(chosen, positives).compactMap { group, own -> Double? in
      let scores = index.scores(group.query)
      guard scores.contains(where: { $0 != scores[0] }) else { return nil }
      func best(_ places: [Int]) -> Float { places.reduce(0) { max($0, scores[$1]) } }
      let mine = best(own)
      let wins = positives.reduce(0.0) { wins, other in
        let theirs = best(other)
        return wins + (theirs < mine ? 1 : theirs == mine ? 0.5 : 0)
      }
      return (wins - 0.5) / Double(positives.count - 1)  // without its own tie
    }
    queries = shares.count
    share = shares.reduce(0, +) / Double(max(1, queries))
    p = RandomisationTest(differences: shares.map { $0 - 0.5 }).p
  }

  /// What to say of labels that look like chance; `nil` where they do not, or where too little is known.
  var warning: String? {
    guard queries >= Self.fewest, share <= 0.5 || p >= Verdict.alpha else { return nil }
    return "the labels look no better than chance: a query has more words in common with the passages that are said to "
      + "answer it than with another query's in \(decimal(100 * share, 0)) % of cases, and lots drawn would give 50 % "
      + "(\(queries) queries, p \(decimal(p, 2))). A model that is trained on them learns noise, and a test on them "
      + "measures nothing. Read some by hand: are they a program's guesses, or is a column taken for another? Where "
      + "queries and passages are in two languages this says little."
  }
}
