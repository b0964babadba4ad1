/// Evaluations of several sets: each with its figures, and their means, in which every set counts alike.
import Escaping
import Foundation
import JSONText

struct SeveralSets {
  private typealias Ranking = [(name: String, value: Double)]
  private struct Member {
    let name: String
    let queries: Int
    let passages: Int
    let ranking: Ranking
    let prefixes: [(width: Int, ranking: Ranking)]
    let json: JSONValue
  }
  private var members: [Member] = []
  /// `bi-encoder`, `cross-encoder`, `bm25`.
  private var method = ""
  var samples: [SampleScore] = []

  mutating func add(_ evaluation: Evaluation, of name: String) {
    method = evaluation.method
    members.append(
      Member(
        name: name, queries: evaluation.queryCount, passages: evaluation.passages.count, ranking: evaluation.ranking,
        prefixes: evaluation.prefixes, json: evaluation.json))
  }

  private func mean(_ rankings: [Ranking]) -> Ranking {
    (rankings.first ?? []).enumerated().map { place, metric in
      (metric.name, rankings.reduce(0) { $0 + $1[place].value } / Double(rankings.count))
    }
  }

  private var ranking: Ranking { mean(members.map(\.ranking)) }
  private var prefixes: [(width: Int, ranking: Ranking)] {
    (members.first?.prefixes ?? []).enumerated().map { place, prefix in
      (prefix.width, mean(members.map { $0.prefixes[place].ranking }))
    }
  }
  private var queries: Int { members.reduce(0) { $0 + $1.queries } }
  private var passages: Int { members.reduce(0) { $0 + $1.passages } }

  var metrics: [(String, Double)] {
    ranking + prefixes.flatMap { prefix in prefix.ranking.map { ("dim\(prefix.width).\($0.name)", $0.value) } }
      + members.flatMap { member in member.ranking.map { ("\(member.name).\($0.name)", $0.value) } }
  }

  var json: JSONValue {
    var json: JSONValue = [
      "method": .string(method), "queries": .int(queries), "passages": .int(passages), "ranking": metricObject(ranking),
    ]
    if !prefixes.isEmpty { json["dimensions"] = prefixObject(prefixes) }
    json["sets"] = .object(members.map { JSONMember($0.name, $0.json) })
    json["samples"] = .array(samples.map(\.json))
    return json
  }

  /// A line for each set, and their means.
  var report: [String] {
    let rows = members.map { ($0.name, "\($0.queries)", "\($0.passages)", $0.ranking) }
    let all = rows + [("mean of \(members.count) sets", "\(queries)", "\(passages)", ranking)]
    func width(_ texts: [String]) -> Int { texts.map(\.count).max() ?? 0 }
    let widths = (width(all.map(\.0)), width(all.map(\.1)), width(all.map(\.2)))
    func room(_ text: String, _ width: Int) -> String { String(repeating: " ", count: width - text.count) }
    return ["\(method), \(members.count) sets"]
      + all.map { name, queries, passages, ranking in
        name + room(name, widths.0) + "  " + room(queries, widths.1) + queries + " queries over "
          + room(passages, widths.2) + passages + " passages | " + inBrief(ranking)
      }
      + prefixes.map { "mean, the first \($0.width) elements of vectors alone | \(inBrief($0.ranking))" }
  }

  func picture(title: String) -> Picture {
    let subject = "\(method), \(members.count) sets, \(queries) queries"
    return Picture(
      title: title.isEmpty ? subject : "\(title) – \(subject)", panels: ["ndcg@10", "accuracy@1"].map(panel))
  }

  private func panel(_ metric: String) -> Panel {
    let bars = (members.map { ($0.name, $0.ranking) } + [("mean", ranking)]).map { name, ranking in
      (name, ranking.first { $0.name == metric }?.value ?? 0)
    }
    let names = bars.enumerated().map { "\(Escape.gnuplot($1.0)) \($0)" }.joined(separator: ", ")
    return Panel(
      settings: [
        "set title \(Escape.gnuplot(metric))", "set yrange [0:1.08]", "set xrange [-0.6:\(Double(bars.count) - 0.4)]",
        "set xtics (\(names)) rotate by -30", "set boxwidth 0.6", "unset key",
      ],
      tables: [("s", bars.enumerated().map { ["\($0)", decimal($1.1), "\"\(decimal($1.1, 3))\""] })],
      plots: [
        "$s using 1:2 with boxes lc \(Palette.plain) notitle",
        "$s using 1:2:3 with labels offset 0, 0.7 tc '#444444' notitle",
      ])
  }
}
