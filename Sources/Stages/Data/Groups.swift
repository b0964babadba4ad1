/// The types that stages hand on in JSON lines: groups, candidates, scored candidates, corpus passages.
import Foundation
import JSONText

/// A passage, or any text with an id: a line of a corpus, `{"id":"p1","text":"…"}`.
package struct Passage: Hashable, Sendable {
  package let id: String
  package let text: String
  /// What it is about, where that is known: negatives may be drawn from a positive's own.
  package let category: String?

  package init(id: String, text: String, category: String? = nil) {
    self.id = id
    self.text = text
    self.category = category
  }
}

/// A query with the passages that answer it and, where known, passages that do not. At least one positive.
package struct QueryGroup: Hashable, Sendable {
  package let id: String
  package let query: String
  package let positives: [Passage]
  package let negatives: [Passage]
  /// The kind of question, by which an evaluation may be divided.
  package let type: String?
  /// The file it comes from, where there were several.
  package let source: String?
  /// How much to the point each positive is, above 0; `nil`: all alike. Only nDCG asks.
  package let grades: [Double]?

  package init(
    id: String, query: String, positives: [Passage], negatives: [Passage] = [], type: String? = nil,
    source: String? = nil, grades: [Double]? = nil
  ) {
    self.id = id
    self.query = query
    self.positives = positives
    self.negatives = negatives
    self.type = type
    self.source = source
    self.grades = grades
  }
}

/// Where a candidate came from.
package enum CandidateSource: String, Sendable, Codable {
  case positive, given, random, rows, category, nearest, bm25

  /// Whether it was looked for among what resembles an answer.
  var isHard: Bool { [.category, .nearest, .bm25].contains(self) }
}

/// A passage that a teacher is to judge for a query.
package struct Candidate: Hashable, Sendable {
  package let passage: Passage
  /// Whether it is one of the query's positives; `label` 1 or 0 in the file.
  package let isPositive: Bool
  package let source: CandidateSource

  package init(passage: Passage, isPositive: Bool, source: CandidateSource) {
    self.passage = passage
    self.isPositive = isPositive
    self.source = source
  }
}

/// A query with its candidates, positives first.
package struct CandidateList: Hashable, Sendable {
  package let id: String
  package let query: String
  package let candidates: [Candidate]
  package let type: String?

  package init(id: String, query: String, candidates: [Candidate], type: String? = nil) {
    self.id = id
    self.query = query
    self.candidates = candidates
    self.type = type
  }
}

/// A candidate with the teacher's judgement.
package struct ScoredCandidate: Hashable, Sendable {
  package let candidate: Candidate
  package let logit: Float
  /// σ(logit), in (0, 1).
  package let score: Float
  /// A language model's of the answer, given the passage.
  package let perplexity: Float?

  package init(candidate: Candidate, logit: Float, score: Float, perplexity: Float? = nil) {
    self.candidate = candidate
    self.logit = logit
    self.score = score
    self.perplexity = perplexity
  }
}

/// A query with its scored candidates, in the order of the candidate file.
package struct ScoredList: Hashable, Sendable {
  package let id: String
  package let query: String
  package let candidates: [ScoredCandidate]
  package let type: String?
  /// What a language model was asked for, unless that was the query, and its perplexity without a passage.
  package let answer: String?
  package let baselinePerplexity: Float?

  package init(
    id: String, query: String, candidates: [ScoredCandidate], type: String? = nil, answer: String? = nil,
    baselinePerplexity: Float? = nil
  ) {
    self.id = id
    self.query = query
    self.candidates = candidates
    self.type = type
    self.answer = answer
    self.baselinePerplexity = baselinePerplexity
  }
}

extension Passage: LineRecord {
  package static let keys = ["id", "text", "category"]
  package init(reading object: LineObject) throws {
    self.init(
      id: try object.text("id"), text: try object.text("text"), category: try object.optionalText("category"))
  }
  package var json: JSONValue {
    .object(
      [JSONMember("id", .string(id)), JSONMember("text", .string(text))]
        + (category.map { [JSONMember("category", .string($0))] } ?? []))
  }
}

extension QueryGroup: LineRecord {
  package static let keys = ["id", "query", "positives", "negatives", "type", "source", "grades"]
  package init(reading object: LineObject) throws {
    self.init(
      id: try object.text("id"), query: try object.text("query"), positives: try object.list("positives"),
      negatives: try object.list("negatives"), type: try object.optionalText("type"),
      source: try object.optionalText("source"), grades: try object.optionalNumbers("grades"))
    if let grades, grades.count != positives.count || !grades.allSatisfy({ $0 > 0 }) {
      throw object.place.error("`grades` needs a number above 0 for each of \(positives.count) positives")
    }
    if positives.isEmpty { throw object.place.error("query `\(id)` has no positive passage") }
  }
  package var json: JSONValue {
    .object(
      [
        JSONMember("id", .string(id)), JSONMember("query", .string(query)),
        JSONMember("positives", .array(positives.map(\.json))), JSONMember("negatives", .array(negatives.map(\.json))),
      ] + typeField(type) + (source.map { [JSONMember("source", .string($0))] } ?? [])
        + (grades.map { [JSONMember("grades", .array($0.map { .double($0) }))] } ?? []))
  }
}

extension Candidate: LineRecord {
  package static let keys = ["id", "text", "label", "source"]
  package init(reading object: LineObject) throws {
    let source = try object.text("source")
    guard let source = CandidateSource(rawValue: source) else {
      throw object.place.error("unknown source `\(source)`")
    }
    self.init(
      passage: try Passage(reading: object), isPositive: try object.number("label") == 1, source: source)
  }
  fileprivate var fields: [JSONMember] {
    [
      JSONMember("id", .string(passage.id)), JSONMember("text", .string(passage.text)),
      JSONMember("label", .int(isPositive ? 1 : 0)), JSONMember("source", .string(source.rawValue)),
    ]
  }
  package var json: JSONValue { .object(fields) }
}

extension ScoredCandidate: LineRecord {
  package static let keys = Candidate.keys + ["logit", "score", "context_ppl"]
  package init(reading object: LineObject) throws {
    self.init(
      candidate: try Candidate(reading: object), logit: try object.float("logit"), score: try object.float("score"),
      perplexity: try object.has("context_ppl") ? object.float("context_ppl") : nil)
  }
  package var json: JSONValue {
    .object(
      candidate.fields + [JSONMember("logit", .float(logit)), JSONMember("score", .float(score))]
        + (perplexity.map { [JSONMember("context_ppl", .float($0))] } ?? []))
  }
}

extension CandidateList: LineRecord {
  package static let keys = ["id", "query", "candidates", "type"]
  package init(reading object: LineObject) throws {
    self.init(
      id: try object.text("id"), query: try object.text("query"), candidates: try object.list("candidates"),
      type: try object.optionalText("type"))
  }
  package var json: JSONValue { .object(listFields(id, query, candidates.map(\.json), type)) }
}

extension ScoredList: LineRecord {
  package static let keys = CandidateList.keys + ["answer", "baseline_ppl"]
  package init(reading object: LineObject) throws {
    self.init(
      id: try object.text("id"), query: try object.text("query"), candidates: try object.list("candidates"),
      type: try object.optionalText("type"), answer: try object.optionalText("answer"),
      baselinePerplexity: try object.has("baseline_ppl") ? object.float("baseline_ppl") : nil)
  }
  package var json: JSONValue {
    .object(
      listFields(id, query, candidates.map(\.json), type) + (answer.map { [JSONMember("answer", .string($0))] } ?? [])
        + (baselinePerplexity.map { [JSONMember("baseline_ppl", .float($0))] } ?? []))
  }
}

private func listFields(_ id: String, _ query: String, _ candidates: [JSONValue], _ type: String?) -> [JSONMember] {
  [JSONMember("id", .string(id)), JSONMember("query", .string(query)), JSONMember("candidates", .array(candidates))]
    + typeField(type)
}

private func typeField(_ type: String?) -> [JSONMember] { type.map { [JSONMember("type", .string($0))] } ?? [] }
