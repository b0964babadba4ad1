/// The sets of queries that a stage evaluates, and what a person may say of their files.
import Foundation
import Pipelines

/// One of the sets that an evaluation is of.
struct EvaluationSet {
  let name: String
  let file: URL
  let data: EvaluationData
  /// `nil` if it has none of its own.
  var corpus: [Passage]?

  /// - Parameter corpus: what is searched; absent: the set's own, or else the passages of its groups.
  func judge(corpus searched: CorpusFile?) throws -> Judge {
    guard !data.groups.isEmpty else { throw DataError(file, "there are no queries to evaluate") }
    if let searched { return try Judge(data, pool: PassagePool(Passage.read(searched.url), file: searched.url)) }
    return try Judge(
      data, pool: corpus.map { try PassagePool($0, file: file) } ?? PassagePool(of: data.groups, file: file))
  }
}

struct EvaluationReading: ParameterGroup {
  @Parameter("The part of a BEIR folder's judgements; absent: `test`.", neutral: .some(nil), role: .part)
  var part: String? = nil
  @Parameter("Your names for a table's `query`, `positive`, `negative`.") var columns: [String: String] = [:]
  @Parameter("The form of a table's or a BEIR folder's query, with `{text}`.") var queryTemplate = "{text}"
  @Parameter("The form of a table's or a BEIR folder's passages, with `{text}`; `{title}` is one of BEIR's.")
  var passageTemplate = "{text}"

  init() {}

  /// - Parameter names: what `columns` may map besides.
  func problems(knowing names: [String] = []) -> [String] {
    Template.problems(queryTemplate, named: "query_template")
      + Template.problems(passageTemplate, named: "passage_template")
      + Columns.problems(columns, known: GroupReader.columnNames + names)
  }

  /// All sets that there are, each with a name of its own.
  /// - Parameter stage: what messages begin with.
  func sets(_ files: [EvaluationFile], _ context: StageContext, for stage: String) throws -> [EvaluationSet] {
    let sets = try files.flatMap { try read($0, context, stage) }
    for (place, set) in sets.enumerated() where sets[..<place].contains(where: { $0.name == set.name }) {
      throw StageInputError("two sets of `data` are called `\(set.name)`: their metrics need names of their own")
    }
    return sets
  }

  private func read(_ file: EvaluationFile, _ context: StageContext, _ stage: String) throws -> [EvaluationSet] {
    switch try file.kind() {
    case .folder:
      let folders = try BEIRFolder.all(in: file.url, part: part ?? "test")
      guard !folders.isEmpty else {
        throw DataError(
          file.url,
          "is no folder of BEIR: looked for corpus.jsonl, queries.jsonl and qrels/, in it and in the folders in it")
      }
      return try folders.map { folder in
        let builder = try read(file.url, form: "beir", context, stage) { try $0.readBEIR(folder, into: &$1) }
        let data = EvaluationData(builder)
        return EvaluationSet(name: folder.name, file: folder.judgements, data: data, corpus: builder.finish().corpus)
      }
    case .groups:
      if queryTemplate != "{text}" || passageTemplate != "{text}" || !columns.isEmpty {
        context.warn("[\(stage)] templates and `columns` are for tables; the `groups` stage gives groups their form")
      }
      return [
        EvaluationSet(name: file.name, file: file.url, data: EvaluationData(groups: try QueryGroup.read(file.url)))
      ]
    default:
      let builder = try read(file.url, form: "tuples", context, stage) { try $0.readTuples(file.url, into: &$1) }
      return [EvaluationSet(name: file.name, file: file.url, data: EvaluationData(builder))]
    }
  }

  private func read(
    _ url: URL, form: String, _ context: StageContext, _ stage: String,
    _ body: (GroupReader, inout GroupBuilder) throws -> Void
  ) throws -> GroupBuilder {
    let builder = try GroupReader.guessingIDs { ignored, conflicts in
      var reader = GroupReader(
        columns: Columns(columns, ignoring: ignored.queries), passageColumns: Columns([:], ignoring: ignored.passages),
        queryForm: try Template(queryTemplate), passageForm: try Template(passageTemplate))
      if conflicts.isEmpty { reader.context = context }
      var builder = GroupBuilder()
      try body(reader, &builder)
      if builder.drafted == 0, let reason = conflicts.first?.error ?? builder.gaps.first { throw reason }
      try reader.checkUse(form: form, data: url, passages: nil, builder, context, stage)
      return builder
    }
    for warning in builder.gaps.warnings { context.warn("[\(stage)] \(warning)") }
    return builder
  }
}
