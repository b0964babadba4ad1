/// What one record gives: a query, a passage, a label.
import Foundation
import JSONText

extension GroupReader {
  /// A grammar book, or any passages: records; or a JSON tree, in which every object with a text is a passage, and an
  /// object of nothing but texts maps titles to them.
  func readPassages(_ url: URL, into builder: inout GroupBuilder) throws {
    let file = try open(url)
    if let tree = try jsonTree(of: file, format: recordFormat), passageColumns.names["records"] == nil {
      var number = 0
      try readPassages(in: tree, name: nil, of: file.url, number: &number, into: &builder)
      if number == 0 { throw DataError(url, "no object in it has a `\(passageColumns.names["text"] ?? "text")`") }
    } else {
      try forEachRecord(
        of: file, format: recordFormat, quoting: quoting, list: passageColumns.names["records"]
      ) { record in
        fields.sawPassage(record)
        try readPassage(record, name: nil, into: &builder)
      }
    }
    if builder.passages.isEmpty, let gap = builder.gaps.first { throw gap }
  }

  private func readPassage(_ record: Record, name: String?, into builder: inout GroupBuilder) throws {
    let text = passageColumns.optionalText("text", or: Self.textAliases, in: record)
    // A template need not ask for the text.
    guard text != nil || !passageForm.fields.contains(where: { $0.path == "text" }) else {
      let error =
        passageColumns.find("text", or: Self.textAliases, in: record) == nil
        ? passageColumns.missing("text", in: record)
        : record.place.error("`\(passageColumns.names["text"] ?? "text")` is empty")
      return try builder.gaps.add(.text, error)
    }
    let id = passageID(of: record)
    let title = passageColumns.optionalText("title", or: Self.titleAliases, in: record) ?? name
    let shown = try show(text: text, title: title, of: record)
    guard !shown.isBlank else {
      return try builder.gaps.add(.text, record.place.error("`passage_template` gives no text"))
    }
    let named = name.map { ReadID(value: $0, column: "its key", isGuess: false, isPassages: true) }
    let index = try builder.passage(
      id: id ?? named, title: title, text: text ?? shown, shown: shown, category: category(of: record, passageColumns),
      at: record.place)
    sawPassage?(index, record)
  }

  private func readPassages(
    in value: JSONValue, name: String?, of file: URL, number: inout Int, into builder: inout GroupBuilder
  ) throws {
    switch value {
    case .array(let elements):
      for element in elements { try readPassages(in: element, name: nil, of: file, number: &number, into: &builder) }
    case .object(let members):
      let place = RecordPlace(file: file, line: 1, number: number + 1)
      let record = Record(value: value, place: place, isTabular: false)
      if passageColumns.find("text", or: Array(Self.textAliases.dropLast()), in: record)?.scalarText != nil {
        number += 1
        fields.sawPassage(record)
        try readPassage(record, name: name, into: &builder)
      } else if !members.isEmpty, members.allSatisfy({ $0.value.kind == "a string" }) {
        for member in members {
          number += 1
          let object: JSONValue = ["text": member.value]
          let place = RecordPlace(file: file, line: 1, number: number)
          try readPassage(
            Record(value: object, place: place, isTabular: false), name: member.key, into: &builder)
        }
        return
      }
      for member in members {
        try readPassages(in: member.value, name: member.key, of: file, number: &number, into: &builder)
      }
    default: break
    }
  }

  /// - Parameter isBare: whether the text is all that there is of the passage.
  func passage(
    id: ReadID?, title: String?, category: String? = nil, text: String, of record: Record, isBare: Bool = false,
    in builder: inout GroupBuilder
  ) throws -> Int {
    let shown = try show(text: text, title: title, of: record)
    return try builder.passage(
      id: id, title: title, text: text, shown: shown, category: category, isBare: isBare, at: record.place)
  }

  /// `nil` unless a person has named the field.
  func category(of record: Record, _ columns: Columns) -> String? {
    columns.names["category"] == nil ? nil : columns.optionalText("category", in: record)
  }

  /// A text, `{id, title, text}`, or a list of these; blank texts are none.
  func passages(_ value: JSONValue, at place: RecordPlace, in builder: inout GroupBuilder) throws -> [Int] {
    let record = Record(value: value, place: place, isTabular: false)
    switch value {
    case .array(let values): return try values.flatMap { try passages($0, at: place, in: &builder) }
    case .object:
      fields.sawPassage(record)
      return [
        try passage(
          id: passageID(of: record), title: passageColumns.optionalText("title", or: Self.titleAliases, in: record),
          category: category(of: record, passageColumns),
          text: try passageColumns.text("text", or: Self.textAliases, in: record), of: record, in: &builder)
      ]
    default:
      guard let text = value.texts?.first else { return [] }
      return [try passage(id: nil, title: nil, text: text, of: record, isBare: true, in: &builder)]
    }
  }

  func query(
    of record: Record, or aliases: [String] = Self.queryAliases, in builder: inout GroupBuilder
  ) throws -> Int {
    let text = try columns.text("query", or: aliases, in: record)
    return try builder.query(
      id: id("id", or: Self.idAliases, of: record), text: text, type: type(of: record), source: source, at: record.place
    ) { try show(query: text, of: record) }
  }

  func type(of record: Record) -> String? { columns.optionalText("type", or: Self.typeAliases, in: record) }

  func id(_ name: String, or aliases: [String], of record: Record) -> ReadID? {
    guard let (path, value) = columns.source(of: name, or: aliases, in: record), let text = value.texts?.first else {
      return nil
    }
    return ReadID(value: text, column: path, isGuess: columns.names[name] == nil)
  }

  private func passageID(of record: Record) -> ReadID? {
    guard let (path, value) = passageColumns.source(of: "id", or: Self.passageIDAliases, in: record),
      let text = value.texts?.first
    else { return nil }
    return ReadID(value: text, column: path, isGuess: passageColumns.names["id"] == nil, isPassages: true)
  }

  // MARK: - Templates

  func show(query text: String, of record: Record) throws -> String {
    try queryForm.fill { field in
      field.path == "text"
        ? [rewrite ? rewriteExamQuestion(text) : text] : try fields.texts(of: field, in: record, isQuery: true)
    }
  }

  private func show(text: String?, title: String?, of record: Record) throws -> String {
    try passageForm.fill { field in
      switch field.path {
      case "text": return text.map { [$0] } ?? []
      case "title":
        if title != nil { fields.sawTitle() }
        return title.map { [$0] } ?? []
      default: return try fields.texts(of: field, in: record, isQuery: false)
      }
    }
  }

  // MARK: - Labels

  /// `negative_1`, or the header that `columns` gives to `negative` with a number after it: `오답2`, `오답_2`.
  func isNumberedNegative(_ key: String) -> Bool {
    if key.hasPrefix("negative_") { return true }
    guard let name = columns.names["negative"], key.hasPrefix(name), key != name,
      key.dropFirst(name.count).drop(while: { $0 == "_" || $0 == " " }).allSatisfy(\.isWholeNumber)
    else { return false }
    columns.markFound("negative")
    return true
  }

  func hasPositives(_ record: Record) -> Bool {
    columns.find("positive", or: Self.positiveAliases, in: record) != nil
      || columns.find("positives", in: record) != nil
  }

  /// Whether a pair is a positive one; `nil` if it has no label, as pairs of which all are positives.
  func label(of record: Record) throws -> Bool? {
    if columns.names["label"]?.isEmpty == true { return nil }
    guard columns.names["label"] != nil || columns.find("label", or: Self.labelAliases, in: record) != nil else {
      return nil
    }
    let text = try columns.text("label", or: Self.labelAliases, in: record)
    switch text.lowercased() {
    case "true", "yes": return true
    case "false", "no": return false
    default:
      let number = try finite(text, of: record)
      if let labelThreshold { return number >= labelThreshold }
      guard number == 0 || number == 1 else {
        throw record.place.error(
          "the label is `\(text)`, expected 0, 1, true or false; of graded scores say from which on they mean yes, as "
            + "`label_threshold: 0.5`")
      }
      return number == 1
    }
  }

  func finite(_ text: String, of record: Record) throws -> Double {
    // European spreadsheets write a comma.
    guard let number = Double(text) ?? Double(text.replacing(",", with: ".")), number.isFinite else {
      throw record.place.error("the label is `\(text)`, expected a number, true or false")
    }
    return number
  }
}
