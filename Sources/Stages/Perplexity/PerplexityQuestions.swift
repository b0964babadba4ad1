/// The queries of a perplexity, what is asked of them, and the passages that each is scored with.
import Basics
import Foundation
import JSONText
import Pipelines

/// A query and the passages to score it with.
struct AskedQuery {
  let candidates: CandidateList
  /// What is scored; absent: the query.
  let answer: String?
  /// Whether any passage is known to answer it, be it among the candidates or not.
  let hasPositive: Bool

  var target: String { answer ?? candidates.query }

  /// - Parameter perplexities: without a passage, and with each candidate.
  func scored(_ perplexities: (baseline: Float, candidates: [Float])) -> ScoredList {
    let baseline = log(Double(perplexities.baseline))
    return ScoredList(
      id: candidates.id, query: candidates.query,
      candidates: zip(candidates.candidates, perplexities.candidates).map { candidate, perplexity in
        let logit = Float(baseline - log(Double(perplexity)))
        return ScoredCandidate(
          candidate: candidate, logit: logit, score: Float(logistic(Double(logit))), perplexity: perplexity)
      }, type: candidates.type, answer: answer, baselinePerplexity: perplexities.baseline)
  }
}

/// What result files say of a passage.
struct PassageFields {
  var ruleID, category, title: String?
}

struct PerplexityQuestions {
  private(set) var lists: [AskedQuery] = []
  /// By the passages' ids.
  private(set) var fields: [String: PassageFields] = [:]

  init(
    _ data: QuestionFile, passages: DataFile?, pairs: PairFile?, target: Perplexity.Target,
    columns: [String: String], _ reading: ReadingParameters, _ context: StageContext
  ) throws {
    let kind = try data.kind()
    let chosen = try pairs?.passages()
    if kind == .records || kind == .json || kind == .file {
      guard let passages else {
        throw StageInputError("`data` are records of queries: bind what they are scored with to the port `passages`")
      }
      try read(data.url, passages.url, target, columns, reading, context)
    } else {
      guard target == .query else {
        throw StageInputError(
          "`target: answer` needs records with an answer; \(kind.rawValue) have none: `target: query`")
      }
      lists =
        try kind == .groups
        ? Self.lists(of: QueryGroup.read(data.url))
        : CandidateList.read(data.url)
          .map { AskedQuery(candidates: $0, answer: nil, hasPositive: $0.candidates.contains(where: \.isPositive)) }
      if let passages {
        let corpus = try Passage.read(passages.url)
        lists = lists.map { list in list.with(corpus) }
      }
    }
    if let chosen {
      lists = lists.map { $0.only(chosen[$0.candidates.id] ?? []) }
    }
    lists = lists.filter { !$0.candidates.candidates.isEmpty }
    guard !lists.isEmpty else { throw DataError(data.url, "there are no queries with passages to score") }
  }

  private static func lists(of groups: [QueryGroup]) -> [AskedQuery] {
    groups.map { group in
      AskedQuery(
        candidates: CandidateList(
          id: group.id, query: group.query,
          candidates: group.positives.map { Candidate(passage: $0, isPositive: true, source: .positive) }
            + group.negatives.map { Candidate(passage: $0, isPositive: false, source: .given) }, type: group.type),
        answer: nil, hasPositive: true)
    }
  }

  private mutating func read(
    _ data: URL, _ passages: URL, _ target: Perplexity.Target, _ columns: [String: String],
    _ reading: ReadingParameters, _ context: StageContext
  ) throws {
    var asked: [(query: Int, answer: String?, positives: [Int])] = []
    var named: [Int: PassageFields] = [:]
    let (_, builder) = try reading.read(
      columns: columns, data: data, passages: passages, context, for: "perplexity"
    ) { reader, builder in
      (asked, named) = ([], [:])
      var reader = reader
      reader.sawPassage = { named[$0] = named[$0] ?? PassageFields($1) }
      try reader.readPassages(passages, into: &builder)
      try reader.readAsked(data, needsAnswer: target == .answer, into: &builder) { asked.append($0) }
      return "questions"
    }
    let (_, corpus, _) = builder.finish()
    guard !corpus.isEmpty else { throw DataError(passages, "there are no passages") }
    for (index, passage) in corpus.enumerated() { fields[passage.id] = named[index] }
    var seen: Set<Int> = []
    for question in asked where seen.insert(question.query).inserted {
      let (id, query, type) = builder.query(question.query)
      let positives = Set(asked.lazy.filter { $0.query == question.query }.flatMap(\.positives))
      let list = CandidateList(
        id: id, query: query,
        candidates: corpus.enumerated().map { index, passage in
          Candidate(
            passage: passage, isPositive: positives.contains(index),
            source: positives.contains(index) ? .positive : .given)
        }, type: type)
      lists.append(
        AskedQuery(candidates: list, answer: target == .answer ? question.answer : nil, hasPositive: !positives.isEmpty)
      )
    }
  }
}

extension AskedQuery {
  fileprivate func only(_ ids: Set<String>) -> AskedQuery {
    changed { $0.filter { ids.contains($0.passage.id) } }
  }

  /// With every passage of a corpus that it lacks, too.
  fileprivate func with(_ corpus: [Passage]) -> AskedQuery {
    let own = Set(candidates.candidates.map(\.passage.id))
    return changed {
      $0 + corpus.filter { !own.contains($0.id) }.map { Candidate(passage: $0, isPositive: false, source: .given) }
    }
  }

  private func changed(_ change: ([Candidate]) -> [Candidate]) -> AskedQuery {
    AskedQuery(
      candidates: CandidateList(
        id: candidates.id, query: candidates.query, candidates: change(candidates.candidates), type: candidates.type),
      answer: answer, hasPositive: hasPositive)
  }
}

extension PassageFields {
  fileprivate init(_ record: Record) {
    func text(_ key: String) -> String? { record.value[key]?.scalarText }
    self.init(ruleID: text("rule_id") ?? text("id"), category: text("category"), title: text("title"))
  }
}

extension GroupReader {
  /// Queries with their answers and, of those that name passages, the positives.
  fileprivate func readAsked(
    _ url: URL, needsAnswer: Bool, into builder: inout GroupBuilder,
    _ body: ((query: Int, answer: String?, positives: [Int])) -> Void
  ) throws {
    try each(url) { record in
      fields.sawQuery(record)
      let answer = columns.optionalText("answer", or: Self.answerAliases, in: record)
      if needsAnswer, answer == nil {
        throw columns.find("answer", or: Self.answerAliases, in: record) == nil
          ? columns.missing("answer", in: record) : record.place.error("the answer is empty, or no text")
      }
      let names = columns.find("rule", or: Self.ruleAliases, in: record)?.texts ?? []
      let positives = try names.compactMap { try builder.passage(named: $0, at: record.place) }
      body((try query(of: record, or: Self.queryAliases + ["text"], in: &builder), answer, positives))
    }
  }
}
