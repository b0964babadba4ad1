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
  /// Records with `query`, `positive` or `positives`, and `negative`, `negatives` or `negative_1`, `negative_2`, …
  case tuples
  /// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/<part>.tsv`.
  case beir
  /// Questions that name their passages in `rule`, and the passages themselves at the port `passages`.
  case questions
  /// A folder with `<data_version>/<part>.csv`, of pairs.
  case preprocessed
}

struct GroupReader {
  let columns: Columns
  let passageColumns: Columns
  let recordFormat: RecordFormat
  let encoding: FileEncoding
  let context: StageContext

  /// Names that `columns` may map.
  static let columnNames = [
    "id", "query", "type", "passage", "passage_id", "title", "label", "positive", "positives", "negative", "negatives",
    "rule", "records",
  ]
  /// Names that `passage_columns` may map.
  static let passageColumnNames = ["id", "title", "text", "records"]
  static let queryAliases = ["question", "anchor", "sentence", "input.question", "질문", "문제"]
  static let passageAliases = ["context", "text", "document", "지문", "규정"]
  static let labelAliases = ["score", "relevance", "정답", "라벨"]
  static let typeAliases = ["question_type", "input.question_type", "유형"]
  static let idAliases = ["_id", "query_id", "query-id"]
  static let ruleAliases = ["rules", "rule_id", "positive_ids"]

  // MARK: - Forms

  func detect(_ url: URL, hasPassages: Bool) throws -> GroupFormat {
    let files = FileManager.default
    if files.fileExists(atPath: url.appending(path: "queries.jsonl").path) { return .beir }
    if url.isFolder { return .preprocessed }
    if hasPassages { return .questions }
    var format: GroupFormat?
    try each(url) { record in
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
    try each(url) { record in
      let query = try query(of: record, in: &builder)
      let passage = try builder.passage(
        id: columns.optionalText("passage_id", or: ["doc_id"], in: record),
        title: columns.optionalText("title", in: record),
        text: try columns.text("passage", or: Self.passageAliases, in: record), at: record.place)
      builder.add(passage, to: query, isPositive: try label(of: record))
    }
  }

  func readTuples(_ url: URL, into builder: inout GroupBuilder) throws {
    try each(url) { record in
      let query = try query(of: record, in: &builder)
      guard hasPositives(record) else {
        _ = try columns.require("positive", in: record)  // throws, naming what the record has
        return
      }
      for (names, isPositive) in [(["positive", "positives"], true), (["negative", "negatives"], false)] {
        var values = names.compactMap { columns.find($0, in: record) }
        if !isPositive, case .object(let fields) = record.value {
          values += fields.filter { isNumberedNegative($0.key) }.map(\.value)
        }
        for value in values {
          for passage in try passages(value, at: record.place, in: &builder) {
            builder.add(passage, to: query, isPositive: isPositive)
          }
        }
      }
    }
  }

  func readBEIR(_ folder: URL, part: String, into builder: inout GroupBuilder) throws {
    let ids = ["_id"]
    try each(folder.appending(path: "corpus.jsonl")) { record in
      let title = columns.optionalText("title", in: record)
      let text = columns.optionalText("text", in: record)
      guard let text = text ?? title else { throw record.place.error("`title` and `text` are both empty") }
      _ = try builder.passage(
        id: try columns.text("id", or: ids, in: record), title: title == text ? nil : title, text: text,
        at: record.place)
    }
    var queries: [String: (text: String, type: String?, place: RecordPlace)] = [:]
    try each(folder.appending(path: "queries.jsonl")) { record in
      let id = try columns.text("id", or: ids, in: record)
      queries[id] = (
        try columns.text("query", or: ["text"], in: record), type(of: record), record.place
      )
    }
    let judgements = folder.appending(path: "qrels/\(part).tsv")
    try requirePart(judgements, part)
    try forEachRecord(of: TextFile(judgements, encoding: encoding), format: .tsv) { record in
      let id = try columns.text("query-id", in: record)
      guard let query = queries[id] else { throw record.place.error("queries.jsonl has no query `\(id)`") }
      let passage = try builder.passage(named: try columns.text("corpus-id", in: record), at: record.place)
      let draft = try builder.query(id: id, text: query.text, type: query.type, at: query.place)
      builder.add(passage, to: draft, isPositive: try number("score", in: record) > 0)
    }
  }

  func readQuestions(_ url: URL, into builder: inout GroupBuilder) throws {
    try each(url) { record in
      let query = try query(of: record, in: &builder)
      let value = try columns.require("rule", or: Self.ruleAliases, in: record)
      let names =
        if case .array(let values) = value { values.compactMap(\.scalarText) } else { [value.scalarText ?? ""] }
      for name in names {
        builder.add(try builder.passage(named: name, at: record.place), to: query, isPositive: true)
      }
    }
  }

  func readPreprocessed(_ folder: URL, version: String, part: String, into builder: inout GroupBuilder) throws {
    let inner = folder.appending(path: version)
    let file = (inner.isFolder ? inner : folder).appending(path: "\(part).csv")
    try requirePart(file, part)
    try readPairs(file, into: &builder)
  }

  /// A grammar book, or any passages: records; or a JSON tree, in which every object with a text is a passage, and an
  /// object of nothing but texts maps titles to them.
  func readPassages(_ url: URL, into builder: inout GroupBuilder) throws {
    let file = try open(url)
    if let tree = try jsonTree(of: file, format: recordFormat), passageColumns.names["records"] == nil {
      var number = 0
      try readPassages(in: tree, name: nil, of: file.url, number: &number, into: &builder)
      if number == 0 { throw DataError(url, "no object in it has a `\(passageColumns.names["text"] ?? "text")`") }
    } else {
      try forEachRecord(of: file, format: recordFormat, list: passageColumns.names["records"]) { record in
        _ = try builder.passage(
          id: passageColumns.optionalText("id", or: ["_id", "rule_id"], in: record),
          title: passageColumns.optionalText("title", or: ["name", "제목"], in: record),
          text: try passageColumns.text("text", or: ["content", "내용", "passage"], in: record), at: record.place)
      }
    }
  }

  // MARK: - Parts

  private func readPassages(
    in value: JSONValue, name: String?, of file: URL, number: inout Int, into builder: inout GroupBuilder
  ) throws {
    switch value {
    case .array(let elements):
      for element in elements { try readPassages(in: element, name: nil, of: file, number: &number, into: &builder) }
    case .object(let fields):
      let place = RecordPlace(file: file, line: 1, number: number + 1)
      let record = Record(value: value, place: place, isTabular: false)
      if passageColumns.find("text", or: ["content", "내용"], in: record)?.scalarText != nil {
        number += 1
        _ = try builder.passage(
          id: passageColumns.optionalText("id", or: ["_id", "rule_id"], in: record) ?? name,
          title: passageColumns.optionalText("title", or: ["name", "제목"], in: record) ?? name,
          text: try passageColumns.text("text", or: ["content", "내용"], in: record), at: place)
      } else if !fields.isEmpty, fields.allSatisfy({ $0.value.kind == "a string" }) {
        for field in fields {
          number += 1
          guard let text = field.value.scalarText, !text.isBlank else { throw place.error("`\(field.key)` is empty") }
          _ = try builder.passage(id: field.key, title: field.key, text: text, at: place)
        }
        return
      }
      for field in fields {
        try readPassages(in: field.value, name: field.key, of: file, number: &number, into: &builder)
      }
    default: break
    }
  }

  private func open(_ url: URL) throws -> TextFile {
    let file = try TextFile(url, encoding: encoding)
    file.report(to: context)
    return file
  }

  private func each(_ url: URL, _ body: (Record) throws -> Void) throws {
    try forEachRecord(of: open(url), format: recordFormat, list: columns.names["records"], body)
  }

  private func query(of record: Record, in builder: inout GroupBuilder) throws -> Int {
    try builder.query(
      id: columns.optionalText("id", or: Self.idAliases, in: record),
      text: try columns.text("query", or: Self.queryAliases, in: record), type: type(of: record), at: record.place)
  }

  private func type(of record: Record) -> String? { columns.optionalText("type", or: Self.typeAliases, in: record) }

  /// `negative_1`, or the header that `columns` gives to `negative` with a number after it: `오답2`, `오답_2`.
  private func isNumberedNegative(_ key: String) -> Bool {
    if key.hasPrefix("negative_") { return true }
    guard let name = columns.names["negative"], key.hasPrefix(name), key != name else { return false }
    return key.dropFirst(name.count).drop { $0 == "_" || $0 == " " }.allSatisfy(\.isWholeNumber)
  }

  private func hasPositives(_ record: Record) -> Bool {
    columns.find("positive", in: record) != nil || columns.find("positives", in: record) != nil
  }

  /// A text, `{id, title, text}`, or a list of these.
  private func passages(_ value: JSONValue, at place: RecordPlace, in builder: inout GroupBuilder) throws -> [Int] {
    switch value {
    case .array(let values): return try values.flatMap { try passages($0, at: place, in: &builder) }
    case .object:
      let record = Record(value: value, place: place, isTabular: false)
      return [
        try builder.passage(
          id: passageColumns.optionalText("id", or: ["_id"], in: record),
          title: passageColumns.optionalText("title", in: record),
          text: try passageColumns.text("text", in: record), at: place)
      ]
    case .null: return []
    default:
      guard let text = value.scalarText, !text.isBlank else { throw place.error("a passage is empty") }
      return [try builder.passage(id: nil, text: text, at: place)]
    }
  }

  /// Whether a pair is a positive one; without any label column every pair is.
  private func label(of record: Record) throws -> Bool {
    guard columns.names["label"] != nil || columns.find("label", or: Self.labelAliases, in: record) != nil else {
      return true
    }
    let text = try columns.text("label", or: Self.labelAliases, in: record)
    switch text.lowercased() {
    case "true", "yes": return true
    case "false", "no": return false
    default:
      guard let number = Double(text) else {
        throw record.place.error("the label is `\(text)`, expected a number (0.5 or more is a positive), true or false")
      }
      return number >= 0.5
    }
  }

  private func number(_ name: String, in record: Record) throws -> Double {
    let text = try columns.text(name, in: record)
    guard let number = Double(text) else { throw record.place.error("`\(name)` is `\(text)`, expected a number") }
    return number
  }

  private func requirePart(_ file: URL, _ part: String) throws {
    guard !FileManager.default.fileExists(atPath: file.path) else { return }
    let folder = file.deletingLastPathComponent()
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []  // only for the message
    throw DataError(
      file, "there is no such file for `part: \(part)`; the folder has \(files.sorted().joined(separator: ", "))")
  }
}

extension URL {
  var isFolder: Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}
