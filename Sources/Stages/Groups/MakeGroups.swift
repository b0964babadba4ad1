/// `groups`: brings retrieval data of any form to groups of query, positives and negatives.
import Foundation
import Pipelines

struct MakeGroups: Stage {
  static let kind = StageKind("groups", revision: 2)
  static let abstract =
    "Brings pairs, tuples, BEIR folders or a book with questions to groups: query, positives, negatives."

  @Input("Pairs, tuples, questions, or a folder (BEIR, preprocessed).") var data: DataFile
  @Input("The passages that questions refer to: a grammar book, or any records with `id` and `text`.")
  var passages: DataFile?
  @Parameter("The data's form.") var format = GroupFormat.auto
  @Parameter("Your names for `query`, `passage`, `label`, `id`, `type`, `rule`, …: headers or dotted JSON paths.")
  var columns: [String: String] = [:]
  @Parameter("Your names for the passages' `id`, `title`, `text`.") var passageColumns: [String: String] = [:]
  @Parameter("The folder's version, where it is `<data_version>/<part>.csv`.") var dataVersion = "supervised_only"
  @Parameter("The folder's part: `train`, `val`, `test`.") var part = "train"
  @Parameter("The form of a query, with `{text}`.") var queryTemplate = "{text}"
  @Parameter("The form of a passage, with `{text}` and, if wanted, `{title}`.") var passageTemplate = "{text}"
  @Parameter("Drop an exam's instructions from queries and expand `{a/b}` into `a, b`.") var rewrite = false
  @Parameter("The files' format.") var fileFormat = RecordFormat.auto
  @Parameter("The files' encoding.") var encoding = FileEncoding.auto
  @Output("The groups.") var groups: GroupFile
  @Output("Every passage once, templates applied.") var corpus: CorpusFile

  func problems() -> [String] {
    Template.problems(queryTemplate, named: "query_template")
      + Template.problems(passageTemplate, named: "passage_template")
      + Columns.problems(columns, known: GroupReader.columnNames)
      + Columns.problems(passageColumns, known: GroupReader.passageColumnNames)
  }

  func run(_ context: StageContext) async throws {
    let reader = GroupReader(
      columns: Columns(columns), passageColumns: Columns(passageColumns), recordFormat: fileFormat, encoding: encoding,
      context: context)
    var builder = GroupBuilder()
    if let passages { try reader.readPassages(passages.url, into: &builder) }
    let form = format == .auto ? try reader.detect(data.url, hasPassages: passages != nil) : format
    switch form {
    case .auto, .pairs: try reader.readPairs(data.url, into: &builder)
    case .tuples: try reader.readTuples(data.url, into: &builder)
    case .beir: try reader.readBEIR(data.url, part: part, into: &builder)
    case .questions: try reader.readQuestions(data.url, into: &builder)
    case .preprocessed: try reader.readPreprocessed(data.url, version: dataVersion, part: part, into: &builder)
    }

    let queryForm = Template(queryTemplate)
    let passageForm = Template(passageTemplate)
    let (made, corpus, withoutPositive) = builder.finish(
      query: { queryForm.fill(text: rewrite ? rewriteExamQuestion($0) : $0) },
      passage: { passageForm.fill(text: $0.text, title: $0.title) })
    guard !made.isEmpty else { throw DataError(data.url, "no query has a positive passage") }
    try QueryGroup.write(made, to: groups.url)
    try Passage.write(corpus, to: self.corpus.url)

    let positives = made.lazy.map(\.positives.count).reduce(0, +)
    let negatives = made.lazy.map(\.negatives.count).reduce(0, +)
    context.log(
      "[groups] Format: \(form.rawValue) | Groups: \(made.count) | Positives: \(positives) | Negatives: \(negatives) | "
        + "Passages: \(corpus.count)")
    if withoutPositive > 0 { context.warn("[groups] left out \(withoutPositive) queries without a positive passage") }
    if builder.contradictions > 0 {
      context.warn(
        "[groups] \(builder.contradictions) passages were labelled positive and negative for one query; "
          + "they count as positive")
    }
    for (name, count) in [("groups", made.count), ("positives", positives), ("negatives", negatives)] {
      context.metric(name, Double(count))
    }
  }
}
