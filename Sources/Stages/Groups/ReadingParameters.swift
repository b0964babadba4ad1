/// What `groups` and `retrieve` let a person say of their files, and the reading by it.
import Foundation
import Pipelines

struct ReadingParameters: ParameterGroup {
  @Parameter("Your names for the passages' `id`, `title`, `text`, and for a `category` that `mine` may draw from.")
  var passageColumns: [String: String] = [:]
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

  /// Queries and passages, collected by `body`, which also names the data's form.
  /// - Parameters:
  ///   - columns: your names for the queries' fields.
  ///   - maxNegatives: of a tuple; 0: all.
  ///   - data: the file of queries.
  ///   - passages: the file of passages, if it is another one.
  ///   - stage: what warnings begin with.
  func read(
    columns: [String: String], labelThreshold: Double? = nil, maxNegatives: Int = 0, gold: GapPolicy = .skip, data: URL,
    passages: URL?, _ context: StageContext, for stage: String,
    _ body: (GroupReader, inout GroupBuilder) throws -> String
  ) throws -> (form: String, builder: GroupBuilder) {
    try GroupReader.guessingIDs { ignored, conflicts in
      var reader = GroupReader(
        columns: Columns(columns, ignoring: ignored.queries),
        passageColumns: Columns(passageColumns, ignoring: ignored.passages), recordFormat: fileFormat,
        encoding: encoding, quoting: quoting, queryForm: try Template(queryTemplate),
        passageForm: try Template(passageTemplate), rewrite: rewrite, labelThreshold: labelThreshold)
      reader.maxNegatives = maxNegatives
      if conflicts.isEmpty { reader.context = context }
      var builder = GroupBuilder(gaps: Gaps(gold: gold, passages: missingPassages))
      let form = try body(reader, &builder)
      if builder.drafted == 0, let conflict = conflicts.first { throw conflict.error }
      try reader.checkUse(form: form, data: data, passages: passages, builder, context, stage)
      for warning in conflicts.map(\.warning) + builder.gaps.warnings { context.warn("[\(stage)] \(warning)") }
      if builder.repeats > 0 {
        context.warn("[\(stage)] \(builder.repeats) passages repeat the text of another; they count as one with it")
      }
      return (form, builder)
    }
  }
}
