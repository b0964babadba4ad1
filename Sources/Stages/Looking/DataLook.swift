/// Looks at somebody's data: which of the forms of `groups` it is, or only queries.
import Foundation
import Pipelines

/// What data turned out to be, and the parameters with which `groups` reads it, or `retrieve` if it has no gold.
package struct DataLook: Sendable {
  package let form: String
  /// Why it was taken for that.
  package let why: String
  package let data: URL
  /// The file of passages beside it.
  package let passages: URL?
  package let recognised: [Recognised]
  package let recognisedInPassages: [Recognised]
  /// Of a folder: what its files divide it into, of train, val, dev, test.
  package let parts: [String]
  /// Of `groups`, besides `part`, or of `retrieve`.
  package let parameters: [String: ParameterValue]
  /// A `passage_template` with all that the passages' records say; `nil` if that is a text alone.
  package let fullTemplate: String?

  /// What queries are called of which nobody says what answers them.
  private static let queries = "queries"
  package var hasGold: Bool { form != Self.queries }
  /// For BM25, which passages serve best with all that they say.
  var lexicalParameters: [String: ParameterValue] {
    fullTemplate.map { parameters.merging(["passage_template": .string($0)]) { $1 } } ?? parameters
  }
}

/// Why data was not understood: what was looked for, and how to say it.
package struct CannotTell: Error, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}

extension DataLook {
  /// What the user says of columns, `columns` and `passage_columns` of `groups`.
  package struct Hints: Sendable {
    package var columns: [String: String]
    package var passageColumns: [String: String]
    package var labelThreshold: Double?
    package init(
      columns: [String: String] = [:], passageColumns: [String: String] = [:], labelThreshold: Double? = nil
    ) {
      self.columns = columns
      self.passageColumns = passageColumns
      self.labelThreshold = labelThreshold
    }
    /// Whether they say that the data holds passages, and does not name them.
    fileprivate var sayPassages: Bool {
      ["passage", "positive", "positives", "negative", "negatives", "label"].contains { columns[$0] != nil }
    }
    /// What is wrong with the names.
    package var problems: [String] {
      Columns.problems(columns, known: GroupReader.columnNames)
        + Columns.problems(passageColumns, known: GroupReader.passageColumnNames, of: "passage_columns")
    }
  }

  /// The files to look at: what was named, or what lies in a BEIR folder. Throws what is wrong with a file.
  package static func files(_ urls: [URL], hints: Hints) throws -> [FileLook] {
    let lists = [hints.columns["records"], hints.passageColumns["records"]]
    return try urls.enumerated().flatMap { place, url in
      guard url.isFolder else {
        // Either file may be the one whose list is named.
        return [try FileLook(url, list: place < 2 ? lists[place] : nil)]
      }
      return try DataFolder(url).files.map { try FileLook($0) }
    }
  }

  /// - Parameters:
  ///   - urls: as they were named.
  ///   - files: what `files` made of them.
  /// - Throws: `CannotTell`.
  package init(_ urls: [URL], _ files: [FileLook], hints: Hints) throws {
    if let folder = urls.first(where: \.isFolder) {
      guard urls.count == 1 else {
        throw CannotTell("a folder holds queries and passages: name it alone, or name files")
      }
      self = try DataLook(try DataFolder(folder), files, hints)
    } else if files.count == 2 {
      self = try DataLook(pair: files, hints)
    } else if files.count == 1 {
      self = try DataLook(single: files[0], hints)
    } else {
      throw CannotTell("\(files.count) files: name one of queries, and one of passages if the queries refer to them")
    }
  }

  private init(_ folder: DataFolder, _ files: [FileLook], _ hints: Hints) throws {
    form = folder.form.rawValue
    data = folder.url
    passages = nil
    recognisedInPassages = []
    fullTemplate = nil
    parts = folder.parts
    var columns = hints.columns
    if folder.form == .preprocessed, let first = files.first {
      let (_, guess, why) = try Self.pairsOrTuples(first, hints)
      columns = guess.mapping
      recognised = guess.found
      self.why = "\(folder.why); \(why)"
    } else {
      recognised = []
      why = folder.why
    }
    var parameters = Self.parameters(folder.form, columns, hints.passageColumns, hints)
    if let version = folder.version { parameters["data_version"] = .string(version) }
    self.parameters = parameters
  }

  private init(single file: FileLook, _ hints: Hints) throws {
    if let rule = hints.columns["rule"], !hints.sayPassages {
      throw CannotTell(
        "`--columns rule=\(rule)` says that \(file.url.lastPathComponent) names passages: name the file that holds them, too"
      )
    }
    let (form, guess, why) = try Self.pairsOrTuples(file, hints)
    self.init(form, why, file, guess, nil, nil, hints)
  }

  /// Queries and passages, in whichever order.
  private init(pair files: [FileLook], _ hints: Hints) throws {
    var best: (links: PassageLinks, file: FileLook, book: FileLook)?
    for (file, book) in [(files[0], files[1]), (files[1], files[0])] where !hints.sayPassages {
      guard let links = try PassageLinks(from: file, to: book, hints) else { continue }
      // Names of passages may stand in both files; that of queries has something to ask, too.
      if best.map({ links.rank > $0.links.rank }) ?? true { best = (links, file, book) }
    }
    if let (links, file, book) = best {
      let guess = links.guess
      guard guess.has("query") else { throw Self.cannotTell(file, guess, hints) }
      self.init(.questions, links.why, file, guess, book, links.bookGuess, hints)
      return
    }
    if let rule = hints.columns["rule"], !hints.sayPassages { throw try PassageLinks.nothing(at: rule, files) }
    // Passages that nothing refers to may still be more to search in.
    var noGold: (file: FileLook, book: FileLook, guess: ColumnGuess)?
    for (file, book) in [(files[0], files[1]), (files[1], files[0])] {
      var bookGuess = try PassageLinks.guess(book, hints.passageColumns)
      bookGuess.dropAmbiguousID()
      guard book.isTree || bookGuess.has("text") && !bookGuess.has("query") else { continue }
      guard let (form, guess, why) = Self.passagesOrNot(file, hints) else {
        if file.asks, !book.asks { noGold = noGold ?? (file, book, bookGuess) }
        continue
      }
      if form == .pairs, !hints.sayPassages, let answer = guess["passage"], RoleWords.isAnswer(answer.name) {
        self = try DataLook(queries: file, book, bookGuess, answer: answer.name, hints)
        return
      }
      let more = "\(why); \(book.url.lastPathComponent) holds more passages to search in"
      self.init(form, more, file, guess, book, bookGuess, hints)
      return
    }
    if let noGold {
      self = try DataLook(queries: noGold.file, noGold.book, noGold.guess, answer: nil, hints)
      return
    }
    throw CannotTell(PassageLinks.nothing(between: files))
  }

  /// Queries and a book beside them that nothing connects.
  /// - Parameter answer: the column of answers, which are not passages, if there is one.
  private init(
    queries file: FileLook, _ book: FileLook, _ bookGuess: ColumnGuess, answer: String?, _ hints: Hints
  ) throws {
    let (questions, passages) = (file.url.lastPathComponent, book.url.lastPathComponent)
    let others = hints.columns.keys.sorted().filter { !GroupReader.queryColumnNames.contains($0) }
      .map { "--columns \($0)=\(hints.columns[$0] ?? "")" }
    if let other = others.first ?? hints.labelThreshold.map({ "--label-threshold \($0)" }) {
      throw CannotTell(
        "nothing in \(questions) says which passage of \(passages) answers a question, so these can only be searched for, "
          + "to which `\(other)` says nothing")
    }
    var guess = ColumnGuess(file, given: hints.columns)
    guess.find(.query) { $0.isText && !$0.hasLists }
    guard guess.has("query") else { throw Self.cannotTell(file, guess, hints) }
    let noPassages = answer.map { ", and `\($0)` holds answers, which are no passages of it" } ?? ""
    let otherwise = answer.map { "; if the answers are to be the passages: --columns passage=\($0)" } ?? ""
    form = Self.queries
    why = """
      there is no gold. Nothing in \(questions) says which passage of \(passages) answers a question: no column's values are \
      ids, titles or texts of it\(noPassages). So nothing can be trained or tested; every question is searched for instead.
      If a column says what answers it, name it: --columns rule=YOURS\(otherwise)
      """
    data = file.url
    self.passages = book.url
    recognised = guess.found
    recognisedInPassages = bookGuess.found
    parts = []
    fullTemplate = bookGuess.fullTemplate(of: book)
    parameters = Self.named(guess.mapping, bookGuess.mapping).merging(Self.forms(guess, bookGuess)) { $1 }
  }

  private init(
    _ form: GroupFormat, _ why: String, _ file: FileLook, _ guess: ColumnGuess, _ book: FileLook?,
    _ bookGuess: ColumnGuess?, _ hints: Hints
  ) {
    self.form = form.rawValue
    self.why = why
    data = file.url
    passages = book?.url
    recognised = guess.found
    recognisedInPassages = bookGuess?.found ?? []
    parts = []
    fullTemplate = book.flatMap { book in bookGuess.flatMap { $0.fullTemplate(of: book) } }
    var parameters = Self.parameters(form, guess.mapping, bookGuess?.mapping ?? [:], hints)
    if form == .questions { parameters.merge(Self.forms(guess, bookGuess)) { $1 } }
    self.parameters = parameters
  }

  /// How queries and passages of a book are shown to models.
  private static func forms(_ guess: ColumnGuess, _ bookGuess: ColumnGuess?) -> [String: ParameterValue] {
    var forms: [String: ParameterValue] = [:]
    let questions = guess["query"]?.sample ?? []
    // An exam's questions say what to do, which no passage says.
    if questions.count(where: { rewriteExamQuestion($0) != $0 }) * 2 > questions.count {
      forms["rewrite"] = .bool(true)
    }
    if bookGuess?.has("title") == true { forms["passage_template"] = .string(PassageLinks.titleAndText) }
    return forms
  }

  private static func parameters(
    _ form: GroupFormat, _ columns: [String: String], _ passageColumns: [String: String], _ hints: Hints
  ) -> [String: ParameterValue] {
    var parameters = named(columns, passageColumns)
    parameters["format"] = .string(form.rawValue)
    parameters["label_threshold"] = hints.labelThreshold.map { .double($0) }
    return parameters
  }

  private static func named(
    _ columns: [String: String], _ passageColumns: [String: String]
  ) -> [String: ParameterValue] {
    var parameters: [String: ParameterValue] = [:]
    if !columns.isEmpty { parameters["columns"] = columns.parameterValue }
    if !passageColumns.isEmpty { parameters["passage_columns"] = passageColumns.parameterValue }
    return parameters
  }

  // MARK: - One file of its own

  /// `nil` if the file holds no passages.
  private static func passagesOrNot(
    _ file: FileLook, _ hints: Hints
  ) -> (form: GroupFormat, guess: ColumnGuess, why: String)? {
    do { return try pairsOrTuples(file, hints) } catch { return nil }  // `CannotTell`, which another reading may not be
  }

  private static func pairsOrTuples(
    _ file: FileLook, _ hints: Hints
  ) throws -> (form: GroupFormat, guess: ColumnGuess, why: String) {
    var guess = ColumnGuess(file, given: hints.columns)
    guess.find(.negative) { $0.filled > 0 && !$0.isLabel }
    guess.joinNumbered("negative")
    guess.find(.positive) { $0.filled > 0 && !$0.isLabel }
    guess.find(.label) { $0.filled == file.records && $0.isLabel }
    guess.find(.query) { $0.isText && !$0.hasLists }
    guess.find(RoleWords(role: "type", known: GroupReader.typeAliases, synonyms: ["종류", "분류", "category"])) {
      $0.isText && $0.distinct <= 50 && $0.meanLength < 30
    }
    if guess.has("positive") || guess.has("positives") {
      guard guess.has("query") else { throw cannotTell(file, guess, hints) }
      let given = guess.has("negative") ? "and texts that do not" : "and no others"
      return (.tuples, guess, "each record has a query, texts that answer it, \(given)")
    }
    guess.find(.passage) { $0.isText && !$0.hasLists }
    if !guess.has("passage") { guess.find(.rule) { $0.meanLength < 20 } }
    guess.fillByValues()
    guard guess.has("query"), guess.has("passage") else { throw cannotTell(file, guess, hints) }
    guess.dropRowNumbers()
    let label = guess.has("label") ? "a label says whether it does" : "there is no column of labels, so all do"
    return (.pairs, guess, "each record has a query and one text that may answer it; \(label)")
  }

  private static func cannotTell(_ file: FileLook, _ guess: ColumnGuess, _ hints: Hints) -> CannotTell {
    func names(_ words: RoleWords) -> String { ([words.role] + words.known).map { "`\($0)`" }.joined(separator: ", ") }
    let columns = file.columns.map { "`\($0.name)`" }.joined(separator: ", ")
    let known = guess.found.map { "`\($0.role)` is \($0.column)" }.joined(separator: ", ")
    let links =
      guess.has("rule") || file["rule"] != nil
      ? " It names passages in `\(guess["rule"]?.name ?? "rule")`: name the file that holds these, too." : ""
    return CannotTell(
      """
      cannot tell what \(file.url.lastPathComponent) is; it has \(columns.isEmpty ? "no columns" : columns)\
      \(known.isEmpty ? "" : "; found: \(known)").\(links)
      Looked for
        the query: \(names(.query)), or a name that means the same, or the shorter one of two columns of texts;
        pairs: one text a record, \(names(.passage)), perhaps with a label, \(names(.label)), from 0 to 1;
        tuples: the texts that answer it, \(names(.positive)), and those that do not, `negative`, `negatives`, `negative_1` …;
        questions: a second file, whose ids or titles a column of this one names.
      Say which column is which: --columns query=YOURS --columns passage=YOURS; it becomes `columns: {query: YOURS, …}`
      of `groups`, and may be a dotted path into JSON.
      """)
  }
}
