/// What `retort search` found, for people and as JSON.
import Escaping
import Foundation
import Reports
import Stages

extension Search.Found {
  /// - Parameter columns: of the terminal.
  func report(columns: Int) -> String {
    let kinds: [(header: String, value: (RankedPassage) -> String?)] = [
      ("score", { String(format: "%.4f", $0.score) }),
      ("reranked", { $0.rerankScore.map { String(format: "%.4f", $0) } }),
      ("probability", { $0.probability.map { String(format: "%.4f", $0) } }),
      ("title", { $0.title?.inOneLine.shortened(toColumns: 24) }),
    ]
    // Columns that no hit has are left out.
    let shown = kinds.filter { kind in hits.contains { kind.value($0) != nil } }
    let numbers = Set([0] + shown.indices.filter { shown[$0].header != "title" }.map { $0 + 1 })
    func table(_ text: (RankedPassage) -> String) -> Table {
      var table = Table(["rank"] + shown.map(\.header) + ["text"], numbers: numbers)
      for hit in hits { table.add(["\(hit.rank)"] + shown.map { $0.value(hit) ?? "" } + [text(hit)]) }
      return table
    }
    let width = table { _ in "" }.text.split(separator: "\n").map { String($0).terminalColumns }.max() ?? 0
    let lines = table { $0.text.inOneLine.shortened(toColumns: max(20, columns - width - 2)) }.text
    if hits.isEmpty { return "no passage has a word in common with the question" }
    guard let threshold else { return lines }
    let sure = hits.count { $0.probability ?? 0 >= threshold }
    return lines + "\n\(sure) of \(hits.count) at or above the threshold \(formatted(metric: threshold))"
  }
}

/// `retort search --json`. A hit has the keys of a line of `retrieve`.
struct SearchReport: Encodable {
  struct Hit: Encodable {
    enum CodingKeys: String, CodingKey {
      case rank, passage, title, text, score, rerankScore = "rerank_score", probability
    }
    var rank: Int, passage: String, title: String?, text: String, score: Float, rerankScore: Float?,
      probability: Double?
  }
  var question: String
  /// `model` or `bm25`.
  var method: String
  var threshold: Double?
  var hits: [Hit]
  var warnings: [String]

  init(_ found: Search.Found, _ question: String, isModel: Bool) {
    self.question = question
    method = isModel ? "model" : "bm25"
    threshold = found.threshold
    hits = found.hits.map {
      Hit(
        rank: $0.rank, passage: $0.passage, title: $0.title, text: $0.text, score: $0.score,
        rerankScore: $0.rerankScore, probability: $0.probability)
    }
    warnings = found.warnings
  }
}
