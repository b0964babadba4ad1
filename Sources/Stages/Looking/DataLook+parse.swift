/// Runs `groups` itself on the data, or `retrieve`, so that what is shown is what a pipeline gets.
import Foundation
import Pipelines

/// What `groups` made of the data, or `retrieve` of queries without gold.
package struct ParsedGroups: Sendable {
  /// Or queries.
  package let groups: Int
  package let positives: Int
  package let negatives: Int
  package let passages: Int
  /// Of the query that has most.
  package let mostPositives: Int
  package let examples: [QueryGroup]
  /// Of each example without gold, the best passages that BM25 finds.
  package let found: [[RankedPassage]]
  package let warnings: [String]
}

extension DataLook {
  /// Throws what `groups` or `retrieve` says of the data, with its place.
  package func parse() async throws -> ParsedGroups { hasGold ? try await parseGroups() : try await parseQueries() }

  private func parseGroups() async throws -> ParsedGroups {
    var parameters = parameters
    if let part = parts.first { parameters["part"] = .string(part) }
    var inputs = ["data": data]
    inputs["passages"] = passages
    let (parsed, warnings) = try await StageContext.alone { [parameters, inputs] context in
      let stage = try MakeGroups.alone(inputs, parameters, in: context)
      try await stage.run(context)
      return (groups: try QueryGroup.read(stage.groups.url), passages: try Passage.read(stage.corpus.url).count)
    }
    let groups = parsed.groups
    return ParsedGroups(
      groups: groups.count, positives: groups.reduce(0) { $0 + $1.positives.count },
      negatives: groups.reduce(0) { $0 + $1.negatives.count }, passages: parsed.passages,
      mostPositives: groups.map(\.positives.count).max() ?? 0, examples: Array(groups.prefix(3)), found: [],
      warnings: warnings)
  }

  private func parseQueries() async throws -> ParsedGroups {
    var inputs = ["queries": data]
    inputs["corpus"] = passages
    let ((queries, passages, ranking), warnings) = try await StageContext.alone { [lexicalParameters, inputs] context in
      let stage = try Retrieve.alone(inputs, lexicalParameters.merging(["top_k": .int(2)]) { $1 }, in: context)
      try await stage.run(context)
      let (queries, passages) = try await StageContext.alone { try stage.read($0) }.result
      return (queries, passages.count, try RankedPassage.read(stage.ranking.url))
    }
    let hits = Dictionary(grouping: ranking, by: \.id)
    let examples = queries.prefix(3)
    return ParsedGroups(
      groups: queries.count, positives: 0, negatives: 0, passages: passages, mostPositives: 0,
      examples: examples.map { QueryGroup(id: $0.id, query: $0.text, positives: []) },
      found: examples.map { hits[$0.id] ?? [] }, warnings: warnings)
  }
}
