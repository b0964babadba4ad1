/// `groups`: brings retrieval data of any form to groups of query, positives and negatives.
import Foundation
import Pipelines

struct MakeGroups: Stage {
  static let kind = StageKind("groups", revision: 3)
  static let abstract =
    "Brings pairs, tuples, BEIR folders or a book with questions to groups: query, positives, negatives."
  static let metrics = [
    MetricDescription("groups", "Groups that were made.", nil),
    MetricDescription("positives", "Their positives.", nil),
    MetricDescription("negatives", "Their negatives.", nil),
  ]

  @Input(
    "Pairs, tuples, questions, or a folder (BEIR, preprocessed); of several, groups name theirs in `source`.", .handsOn)
  var data: [DataFile]
  @Input("The passages that questions refer to: a grammar book, or any records with `id` and `text`.")
  var passages: DataFile?
  @Parameter("The data's form.") var format = GroupFormat.auto
  @Parameter(
    "Your names for `query`, `passage`, `label`, `id`, `type`, `rule`, …: headers or dotted JSON paths, `a.0.b` for the first of a list, `a.*.b` for all."
  )
  var columns: [String: String] = [:]
  @Shared var reading: ReadingParameters
  @Parameter("The folder's version, where it is `<data_version>/<part>.csv`.") var dataVersion = "supervised_only"
  @Parameter("The folder's part: `train`, `val`, `test`.", role: .part) var part = "train"
  @Parameter("Labels of this and more mean that the passage answers; absent: labels are 0 or 1.")
  var labelThreshold: Double?
  @Parameter("Negatives of a tuple to keep, the first; 0: all of them.", in: 0...1_000_000, neutral: 0)
  var maxNegatives = 0
  @Parameter("Whether groups of a BEIR folder keep the grades of its judgements, by which nDCG counts.", neutral: false)
  var grades = false
  @Parameter("What to do about records that name no passage.") var missingGold = GapPolicy.skip
  @Output("The groups.", file: "groups.jsonl") var groups: GroupFile
  @Output("Every passage once, templates applied.", file: "corpus.jsonl") var corpus: CorpusFile

  func problems() -> [String] {
    reading.problems + Columns.problems(columns, known: GroupReader.columnNames)
  }

  func run(_ context: StageContext) async throws {
    let (form, builder) = try reading.read(
      columns: columns, labelThreshold: labelThreshold, maxNegatives: maxNegatives, gold: missingGold,
      data: data[0].url, passages: passages?.url, context, for: "groups", read)
    let (made, corpus, withoutPositive) = builder.finish(graded: grades)
    guard !made.isEmpty else { throw builder.gaps.first ?? DataError(data[0].url, "no query has a positive passage") }
    try QueryGroup.write(made, to: groups.url)
    try Passage.write(corpus, to: self.corpus.url)

    let positives = made.lazy.map(\.positives.count).reduce(0, +)
    let negatives = made.lazy.map(\.negatives.count).reduce(0, +)
    context.log(
      "[groups] Format: \(form) | Groups: \(made.count) | Positives: \(positives) | Negatives: \(negatives) | "
        + "Passages: \(corpus.count)")
    if builder.answersRepeatQueries {
      context.warn(
        "[groups] most queries stand word for word in their passages, or these in them: a search for words finds them, "
          + "and a model learns little; are `query` and `passage` the right columns?")
    }
    if let warning = LabelCheck(made).warning { context.warn("[groups] \(warning)") }
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

  private func read(_ reader: GroupReader, into builder: inout GroupBuilder) throws -> String {
    if let passages { try reader.readPassages(passages.url, into: &builder) }
    var forms: [GroupFormat] = []
    var reader = reader
    for (file, label) in data.map({ ($0.url, $0.label) }) {
      reader.source = label
      let form = format == .auto ? try reader.detect(file, hasPassages: passages != nil) : format
      switch form {
      case .auto, .pairs: try reader.readPairs(file, into: &builder)
      case .tuples: try reader.readTuples(file, into: &builder)
      case .beir: try reader.readBEIR(BEIRFolder(file, part: part), into: &builder)
      case .questions: try reader.readQuestions(file, into: &builder)
      case .preprocessed: try reader.readPreprocessed(file, version: dataVersion, part: part, into: &builder)
      }
      if !forms.contains(form) { forms.append(form) }
    }
    return forms.map(\.rawValue).joined(separator: ", ")
  }
}
