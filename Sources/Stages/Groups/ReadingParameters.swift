/// What `groups` and `retrieve` let a person say of their files, and the reading by it.
import Foundation
import Pipelines

struct ReadingParameters: ParameterGroup {
  @Parameter("Your names for the passages' `id`, `title`, `text`.") var passageColumns: [String: String] = [:]
  @Parameter("The form of a query, with `{text}` and, if wanted, other fields of its record.")
  var queryTemplate = "{text}"
  @Parameter(
    "The form of a passage, with `{text}`, `{title}` or other fields: `{path}`, or `{path:prefix|separator}` for lists."
  )
  var passageTemplate = "{text}"
  @Parameter("Drop an exam's instructions from queries and expand `{a/b}` into `a, b`.") var rewrite = false
  @Parameter("What to do about passages that are named and not there, or have no text.")
  var missingPassages = GapPolicy.skip
  @Parameter("The files' format.") var fileFormat = RecordFormat.auto
  @Parameter("Whether quotes enclose fields of tables or are text.") var quoting = Quoting.auto
  @Parameter("The files' encoding.") var encoding = FileEncoding.auto

  init() {}

  var problems: [String] {
    Template.problems(queryTemplate, named: "query_template")
      + Template.problems(passageTemplate, named: "passage_template")
      + Columns.problems(passageColumns, known: GroupReader.passageColumnNames, of: "passage_columns")
  }

  /// Queries and passages, collected by `body`, which also names the data's form. A column that only looks like one of
  /// ids is found out by two texts under one of them; then all is read again.
  /// - Parameters:
  ///   - columns: your names for the queries' fields.
  ///   - data: the file of queries.
  ///   - passages: the file of passages, if it is another one.
  ///   - stage: what warnings begin with.
  func read(
    columns: [String: String], labelThreshold: Double? = nil, gold: GapPolicy = .skip, data: URL, passages: URL?,
    _ context: StageContext, for stage: String, _ body: (GroupReader, inout GroupBuilder) throws -> String
  ) throws -> (form: String, builder: GroupBuilder) {
    var ignored: [Bool: Set<String>] = [:]
    var conflicts: [IDConflict] = []
    while true {
      var reader = GroupReader(
        columns: Columns(columns, ignoring: ignored[false] ?? []),
        passageColumns: Columns(passageColumns, ignoring: ignored[true] ?? []), recordFormat: fileFormat,
        encoding: encoding, quoting: quoting, queryForm: try Template(queryTemplate),
        passageForm: try Template(passageTemplate), rewrite: rewrite, labelThreshold: labelThreshold)
      if conflicts.isEmpty { reader.context = context }
      var builder = GroupBuilder(gaps: Gaps(gold: gold, passages: missingPassages))
      do {
        let form = try body(reader, &builder)
        if builder.drafted == 0, let conflict = conflicts.first { throw conflict.error }
        try check(reader, form, builder, data: data, passages: passages ?? data)
        if reader.fields.lacksTitles(reader.passageForm) {
          context.warn("[\(stage)] no passage has a title, so `{title}` of `passage_template` stands for nothing")
        }
        for warning in conflicts.map(\.warning) + builder.gaps.warnings { context.warn("[\(stage)] \(warning)") }
        if builder.repeats > 0 {
          context.warn("[\(stage)] \(builder.repeats) passages repeat the text of another; they count as one with it")
        }
        return (form, builder)
      } catch let conflict as IDConflict {
        guard conflict.id.isGuess else { throw conflict.error }
        ignored[conflict.id.isPassages, default: []].insert(conflict.id.column)
        conflicts.append(conflict)
      }
    }
  }

  /// Nothing that was asked for may come to nothing unsaid.
  private func check(
    _ reader: GroupReader, _ form: String, _ builder: GroupBuilder, data: URL, passages: URL
  ) throws {
    let fields = reader.fields
    for (url, problem) in [
      (data, reader.columns.unused(of: "columns", form: form, keys: fields.keys(ofQueries: true))),
      (
        passages,
        reader.passageColumns.unused(of: "passage_columns", form: form, keys: fields.keys(ofQueries: false))
      ),
      (data, fields.missing(in: reader.queryForm, isQuery: true)),
      (passages, fields.missing(in: reader.passageForm, isQuery: false)),
    ] {
      // Where nothing could be read, what is wrong with the records says more.
      if let problem, builder.drafted > 0 || builder.gaps.first == nil { throw DataError(url, problem) }
    }
  }
}
