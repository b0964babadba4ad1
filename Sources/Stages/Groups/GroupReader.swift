/// Readers of the forms in which retrieval data comes; each fills a `GroupBuilder`.
import Foundation
import JSONText
import Pipelines

/// The forms that `groups` reads.
enum GroupFormat: String, ParameterChoice {
  /// By the bound inputs, the folder's files, or the first record's fields.
  case auto
  /// Records with `query`, `passage` and, unless all are positives, `label`.
  case pairs
  /// Records with `query`, `positive` or `positives`, and `negative`, `negatives` or `negative_1`, `negative_2`, …; or
  /// with `original_positive` and `best_other_positive`, the negative.
  case tuples
  /// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/<part>.tsv`.
  case beir
  /// Questions that name their passages in `rule`, and the passages themselves at the port `passages`.
  case questions
  /// A folder with `<data_version>/<part>.csv`, of pairs or tuples.
  case preprocessed
}

struct GroupReader {
  let columns: Columns
  let passageColumns: Columns
  var recordFormat = RecordFormat.auto
  var encoding = FileEncoding.auto
  var quoting = Quoting.auto
  var queryForm = Template.plain
  var passageForm = Template.plain
  var rewrite = false
  /// Labels of this and more are positives; `nil`: labels are 0 or 1.
  var labelThreshold: Double?
  /// How many of a tuple's negatives are taken, from the first on; 0 takes all.
  var maxNegatives = 0
  /// The label of the file that is read, if there are several.
  var source: String?
  /// Told of what is unusual in a file.
  var context: StageContext?
  let fields = FieldUse()
  /// Told of each passage that the file of passages has, by its place among all, and of its record.
  var sawPassage: ((Int, Record) -> Void)?

  /// Names that `columns` may map.
  static let columnNames = [
    "id", "query", "type", "passage", "passage_id", "title", "category", "label", "positive", "positives", "negative",
    "negatives", "rule", "records",
  ]
  /// Names that `columns` may map where queries have no gold.
  static let queryColumnNames = ["id", "query", "records"]
  /// Names that `passage_columns` may map.
  static let passageColumnNames = ["id", "title", "text", "category", "records"]
  static let queryAliases = ["question", "anchor", "sentence", "input.question", "질문", "문제"]
  static let passageAliases = ["context", "text", "document", "지문", "규정"]
  static let positiveAliases = ["original_positive"]
  static let negativeAliases = ["best_other_positive"]
  static let labelAliases = ["score", "relevance", "정답", "라벨"]
  static let answerAliases = ["output.answer", "Answer", "정답", "답변"]
  static let typeAliases = ["question_type", "input.question_type", "유형"]
  static let idAliases = ["_id", "query_id", "query-id"]
  static let ruleAliases = ["rules", "rule_id", "positive_ids"]
  static let passageIDAliases = ["_id", "rule_id"]
  static let titleAliases = ["name", "제목"]
  static let textAliases = ["content", "내용", "passage"]

  func detect(_ url: URL, hasPassages: Bool) throws -> GroupFormat {
    if BEIRFolder.isOne(url) { return .beir }
    if url.isFolder { return .preprocessed }
    if hasPassages { return .questions }
    var format: GroupFormat?
    let file = try TextFile(url, encoding: encoding)
    try forEachRecord(of: file, format: recordFormat, quoting: quoting, list: columns.names["records"]) { record in
      if format != nil { return }
      if hasPositives(record) {
        format = .tuples
      } else if columns.find("passage", or: Self.passageAliases, in: record) != nil {
        format = .pairs
      } else {
        throw record.place.error(
          "neither `passage` (labelled pairs) nor `positive` or `positives` (tuples); map them with `columns`, "
            + "or bind the port `passages` if questions name theirs")
      }
    }
    guard let format else { throw DataError(url, "there are no records") }
    return format
  }

  func readPairs(_ url: URL, into builder: inout GroupBuilder) throws {
    var isLabelled = false
    var unlabelled: RecordPlace?
    try each(url) { record in
      fields.sawQuery(record)
      fields.sawPassage(record)
      guard let (path, value) = columns.source(of: "passage", or: Self.passageAliases, in: record) else {
        return try builder.gaps.add(.gold, columns.missing("passage", in: record))
      }
      if value == .null { return try builder.gaps.add(.gold, record.place.error("`\(path)` is null")) }
      guard let text = value.scalarText else {
        throw record.place.error("`\(path)` is \(value.kind), expected text")
      }
      if text.isBlank { return try builder.gaps.add(.gold, record.place.error("`\(path)` is empty")) }
      let query = try query(of: record, in: &builder)
      let title = columns.optionalText("title", in: record)
      let passage = try passage(
        id: id("passage_id", or: ["doc_id"], of: record), title: title, category: category(of: record, columns),
        text: text, of: record, isBare: true, in: &builder)
      let label = try label(of: record)
      if label == nil { unlabelled = unlabelled ?? record.place } else { isLabelled = true }
      builder.add(passage, to: query, isPositive: label ?? true)
    }
    if isLabelled, let unlabelled { throw unlabelled.error("there is no label, and other records have one") }
  }

  func readTuples(_ url: URL, into builder: inout GroupBuilder) throws {
    try each(url) { record in
      fields.sawQuery(record)
      let positives = [("positive", Self.positiveAliases), ("positives", [])].compactMap {
        columns.find($0.0, or: $0.1, in: record)
      }
      guard !positives.allSatisfy({ $0.texts?.isEmpty == true }) else {
        return try builder.gaps.add(
          .gold, positives.isEmpty ? columns.missing("positive", in: record) : record.place.error("no positive passage")
        )
      }
      let query = try query(of: record, in: &builder)
      var negatives = [("negative", Self.negativeAliases), ("negatives", [])].compactMap {
        columns.find($0.0, or: $0.1, in: record)
      }
      if case .object(let fields) = record.value {
        negatives += fields.filter { isNumberedNegative($0.key) }.map(\.value)
      }
      let right = try passages(.array(positives), at: record.place, in: &builder)
      if maxNegatives > 0 { negatives = Array(negatives.flatMap { $0.elements ?? [$0] }.prefix(maxNegatives)) }
      let wrong = try passages(.array(negatives), at: record.place, in: &builder)
      builder.add(positives: right, negatives: wrong, to: query)
    }
  }

  func readBEIR(_ folder: BEIRFolder, into builder: inout GroupBuilder) throws {
    let ids = ["_id"]
    func id(of record: Record) throws -> ReadID {
      ReadID(value: try columns.text("id", or: ids, in: record), column: columns.names["id"] ?? "_id", isGuess: false)
    }
    try each(folder.corpus) { record in
      fields.sawPassage(record)
      let title = columns.optionalText("title", in: record)
      guard let text = columns.optionalText("text", in: record) ?? title else {
        return try builder.gaps.add(.text, record.place.error("`title` and `text` are both empty"))
      }
      _ = try passage(
        id: id(of: record), title: title == text ? nil : title, category: category(of: record, columns), text: text,
        of: record, in: &builder)
    }
    var queries: [String: Record] = [:]
    try each(folder.queries) { record in
      fields.sawQuery(record)
      queries[try columns.text("id", or: ids, in: record)] = record
    }
    let names = Columns([:])
    let judgements = try TextFile(folder.judgements, encoding: encoding)
    let isTable = folder.judgements.pathExtension == "tsv"
    try forEachRecord(of: judgements, format: isTable ? .tsv : .jsonl) { record in
      let id = try names.text("query-id", in: record)
      guard let query = queries[id] else {
        return try builder.gaps.add(
          .reference, record.place.error("\(folder.queries.lastPathComponent) has no query `\(id)`"))
      }
      // NanoBEIR's judgements are all of what answers.
      let isScored = isTable || names.find("score", in: record) != nil
      let score = isScored ? try finite(names.text("score", in: record), of: record) : 1
      guard let passage = try builder.passage(named: names.text("corpus-id", in: record), at: record.place) else {
        return
      }
      let text = try columns.text("query", or: ["text"], in: query)
      let draft = try builder.query(
        id: ReadID(value: id, column: "query-id", isGuess: false), text: text, type: type(of: query), source: source,
        at: query.place
      ) { try show(query: text, of: query) }
      builder.add(passage, to: draft, isPositive: score > 0, grade: score)
    }
  }

  func readQuestions(_ url: URL, into builder: inout GroupBuilder) throws {
    try each(url) { record in
      fields.sawQuery(record)
      guard let (path, value) = columns.source(of: "rule", or: Self.ruleAliases, in: record) else {
        return try builder.gaps.add(.gold, columns.missing("rule", in: record))
      }
      guard let names = value.texts else {
        throw record.place.error(
          "`\(path)` holds objects, expected names of passages; say which field of them has the name, as "
            + "`columns: {rule: \(path).0.title}` for the first one's title or `\(path).*.title` for all")
      }
      if names.isEmpty { return try builder.gaps.add(.gold, record.place.error("`\(path)` is empty")) }
      let found = try names.compactMap { try builder.passage(named: $0, at: record.place) }
      guard !found.isEmpty else { return }
      let query = try query(of: record, in: &builder)
      for passage in found { builder.add(passage, to: query, isPositive: true) }
    }
  }

  /// Queries alone, whatever answers them.
  func readQueries(_ url: URL, into builder: inout GroupBuilder) throws {
    try each(url) { record in
      fields.sawQuery(record)
      _ = try query(of: record, or: Self.queryAliases + ["text"], in: &builder)
    }
  }

  func readPreprocessed(_ folder: URL, version: String, part: String, into builder: inout GroupBuilder) throws {
    let inner = folder.appending(path: version)
    let file = (inner.isFolder ? inner : folder).appending(path: "\(part).csv")
    try requirePart(file, part)
    if try detect(file, hasPassages: false) == .tuples {
      try readTuples(file, into: &builder)
    } else {
      try readPairs(file, into: &builder)
    }
  }

  private func requirePart(_ file: URL, _ part: String) throws {
    if !FileManager.default.fileExists(atPath: file.path) { throw Self.missing(file, part: part) }
  }

  static func missing(_ file: URL, part: String) -> DataError {
    let folder = file.deletingLastPathComponent()
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []  // only for the message
    return DataError(
      file, "there is no such file for `part: \(part)`; the folder has \(files.sorted().joined(separator: ", "))")
  }

  func open(_ url: URL) throws -> TextFile {
    let file = try TextFile(url, encoding: encoding)
    if let context { file.report(to: context, format: recordFormat, quoting: quoting) }
    return file
  }

  func each(_ url: URL, _ body: (Record) throws -> Void) throws {
    try forEachRecord(
      of: open(url), format: recordFormat, quoting: quoting, list: columns.names["records"], body)
  }
}

extension URL {
  var isFolder: Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}
