/// Finds the column of one file that names passages of another, and the column there that it names them by.
import Foundation
import Pipelines

struct PassageLinks {
  let guess: ColumnGuess
  let bookGuess: ColumnGuess
  /// Of the names, how many lead to a passage; 0 to 1.
  let share: Double
  let why: String
  var rank: Double { share + (guess.has("query") ? 1 : 0) }

  /// `nil` if less than half of any column's values are names of passages.
  init?(from file: FileLook, to book: FileLook, _ hints: DataLook.Hints) throws {
    var bookGuess = Self.guess(book, hints.passageColumns)
    let keys = try Self.keys(of: book, bookGuess)
    var best: (column: ColumnProfile, key: Key, share: Double)?
    for column in file.columns where !column.hasObjects && hints.columns["rule"].map({ $0 == column.name }) ?? true {
      for key in keys where column.filled * 2 >= file.records {
        let share = Double(column.sample.count(where: key.contains)) / Double(max(1, column.sample.count))
        if share >= 0.5, share > best?.share ?? 0 { best = (column, key, share) }
      }
    }
    guard let best else { return nil }
    if let column = best.key.column, best.key.role == "id" && !bookGuess.has("id") {
      bookGuess.add("id", column, "its values are what \(file.url.lastPathComponent) names")
    }
    var guess = ColumnGuess(file, given: hints.columns)
    if !guess.has("rule") { guess.add(.rule, best.column, "its values name passages of \(book.url.lastPathComponent)") }
    guess.find(.query) { $0.isText && !$0.hasLists }
    if !guess.has("query") {
      // The longest texts of records about passages are what is asked.
      let texts = file.columns.filter { $0.isText && !$0.hasLists && $0.name != best.column.name && $0.distinct > 1 }
      if texts.count == 1 { guess.add("query", texts[0], "by its values: the only column of texts besides") }
    }
    guess.find(RoleWords(role: "type", known: GroupReader.typeAliases, synonyms: ["종류", "분류", "category"])) {
      $0.isText && $0.distinct <= 50 && $0.meanLength < 30
    }
    self.guess = guess
    self.bookGuess = bookGuess
    share = best.share
    why = """
      `\(best.column.name)` names passages of \(book.url.lastPathComponent) by \(best.key.name): \
      \(Int((best.share * 100).rounded(.down))) % of \(best.column.sample.count) values looked at are there
      """
  }

  static func guess(_ book: FileLook, _ given: [String: String]) -> ColumnGuess {
    var guess = ColumnGuess(book, given: given)
    guess.find(.text) { $0.isText && !$0.hasLists && $0.meanLength >= 8 }
    if !guess.has("text"),
      let longest = book.columns.filter({ $0.isText && !$0.hasLists }).max(by: { $0.meanLength < $1.meanLength }),
      longest.meanLength >= 8
    {
      guess.add("text", longest, "by its values: the longest texts, \(Int(longest.meanLength)) characters on average")
    }
    guess.find(.id) { $0.distinct == book.records && !$0.hasLists }
    guess.find(.title) { $0.isText && !$0.hasLists }
    return guess
  }

  /// What passages can be named by.
  private struct Key {
    let role: String
    let column: ColumnProfile?
    let names: Set<String>
    var name: String { column.map { "`\($0.name)`" } ?? "id or title" }
    func contains(_ value: String) -> Bool { column?.contains(value) ?? names.contains(value) }
  }

  private static func keys(of book: FileLook, _ guess: ColumnGuess) throws -> [Key] {
    if book.isTree {
      let reader = GroupReader(
        columns: Columns([:]), passageColumns: Columns(guess.mapping), recordFormat: .auto, encoding: .auto,
        context: .silent)
      var builder = GroupBuilder()
      try reader.readPassages(book.url, into: &builder)
      return [
        Key(role: "id", column: nil, names: Set(builder.passages.flatMap { [$0.id] + ($0.title.map { [$0] } ?? []) }))
      ]
    }
    guard guess.has("text") else { return [] }
    let text = guess["text"]?.name
    if let id = guess["id"] {
      return [Key(role: "id", column: id, names: [])]
        + (guess["title"].map { [Key(role: "title", column: $0, names: [])] } ?? [])
    }
    // Any column that is different in each record may be what passages go by.
    return book.columns.filter { $0.distinct == book.records && !$0.hasLists && $0.name != text }
      .map { Key(role: $0.name == guess["title"]?.name ? "title" : "id", column: $0, names: []) }
  }

  static func nothing(between files: [FileLook]) -> String {
    func columns(_ file: FileLook) -> String {
      let shown = file.columns.map { "`\($0.name)` (\($0.examples.first.map { String($0.prefix(20)) } ?? ""))" }
      return "\(file.url.lastPathComponent): \(file.isTree ? "a JSON tree" : shown.joined(separator: ", "))"
    }
    return """
      cannot tell how \(files.map(\.url.lastPathComponent).joined(separator: " and ")) belong together. Looked for a column of \
      one whose values are ids or titles of the other, and for pairs or tuples beside a file of passages; found
      \(files.map { "  \(columns($0))" }.joined(separator: "\n"))
      Say which column names passages, --columns rule=YOURS, and what they go by, --passage-columns id=YOURS \
      --passage-columns text=YOURS; they become `columns` and `passage_columns` of `groups`.
      """
  }
}

extension StageContext {
  /// For reading data outside a run.
  static let silent = StageContext(
    threads: 1, memory: 1 << 30, precision: "fp32", scratch: URL(filePath: "/nonexistent"), report: { _ in })
}
