/// Asks a corpus one question: `retrieve` once, without a pipeline.
import Foundation
import JSONText
import Pipelines

package struct Search: Sendable {
  /// `nil`: BM25.
  package let model: URL?
  /// What the model changes, if it is an adapter.
  package var base: URL?
  package let corpus: URL
  package var reranker: URL?
  package var calibration: URL?
  package let topK: Int
  /// Names for the passages' `id`, `title` and `text`; what is absent is guessed, as `retort new` does.
  package var passageColumns: [String: String] = [:]
  /// Absent: the title, if passages have some, before the text; and all else that they say, for BM25.
  package var passageTemplate: String?
  package var queryTemplate: String?
  package var threads = 1

  package init(model: URL?, corpus: URL, topK: Int) {
    self.model = model
    self.corpus = corpus
    self.topK = topK
  }

  package struct Found: Sendable {
    /// With BM25 only passages that have a word in common with the question.
    package let hits: [RankedPassage]
    /// Probabilities of this and more are to be believed.
    package let threshold: Double?
    package let warnings: [String]
  }

  /// What is wrong with names and templates.
  package var problems: [String] {
    Columns.problems(passageColumns, known: GroupReader.passageColumnNames, of: "passage_columns")
      + (passageTemplate.map { Template.problems($0, named: "passage_template") } ?? [])
      + (queryTemplate.map { Template.problems($0, named: "query_template") } ?? [])
  }

  /// Throws what is wrong with a file, with its place.
  package func hits(for question: String) async throws -> Found {
    let (parameters, threshold) = (try parameters, try calibration.map { try Calibration(contentsOf: $0).threshold })
    let (hits, warnings) = try await StageContext.alone(threads: threads) { context in
      let queries = context.scratch.appending(path: "queries.jsonl")
      try Data(JSONValue.object([JSONMember("query", .string(question))]).text().utf8).write(to: queries)
      var inputs = ["queries": queries, "corpus": corpus]
      inputs["model"] = model
      inputs["base"] = base
      inputs["reranker"] = reranker
      inputs["calibration"] = calibration
      let stage = try Retrieve.alone(inputs, parameters, in: context)
      try await stage.run(context)
      return try RankedPassage.read(stage.ranking.url).filter { model != nil || $0.score > 0 }
    }
    return Found(hits: hits, threshold: threshold, warnings: warnings)
  }

  private var parameters: [String: ParameterValue] {
    get throws {
      let book = try FileLook(corpus, list: passageColumns["records"])
      var guess = try PassageLinks.guess(book, passageColumns)
      guess.dropAmbiguousID()
      let template =
        passageTemplate ?? (model == nil ? guess.fullTemplate(of: book) : nil)
        ?? (guess.has("title") ? PassageLinks.titleAndText : nil)
      var parameters: [String: ParameterValue] = ["top_k": .int(topK)]
      if !guess.mapping.isEmpty { parameters["passage_columns"] = guess.mapping.parameterValue }
      parameters["passage_template"] = template.map { .string($0) }
      parameters["query_template"] = queryTemplate.map { .string($0) }
      return parameters
    }
  }
}
