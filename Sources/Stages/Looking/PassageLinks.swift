/// Finds the column of one file that names passages of another, and the column there that it names them by.
import Basics
import Foundation
import Pipelines

struct PassageLinks {
  let guess: ColumnGuess
  let bookGuess: ColumnGuess
  /// Of the names, how many lead to a passage; 0 to 1.
  let share: Double
  let why: String
  var rank: Double { share + (guess.has("query") ? 1 : 0) }

  /// `nil` if less than half of any column's values are names of passages; the column that the user names needs one.
  init?(from file: FileLook, to book: FileLook, _ hints: DataLook.Hints) throws {
    var bookGuess = try Self.guess(book, hints.passageColumns)
    let keys = try Self.keys(of: book, bookGuess)
    let given = try hints.columns["rule"].map { try file.profile(at: $0) }
    var best: (column: ColumnProfile, key: Key, share: Double)?
    for column in given.map({ $0.map { [$0] } ?? [] }) ?? file.columns where !column.hasObjects {
      for key in keys {
        let share = Double(column.sample.count(where: key.contains)) / Double(max(1, column.sample.count))
        // Where most records name none, chance must not.
        let least = given != nil ? 0 : column.filled * 2 >= file.records ? 0.5 : column.filled >= 5 ? 0.9 : .infinity
        if share >= least, share > best?.share ?? 0 { best = (column, key, share) }
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
      let texts = file.columns.filter {
        !$0.isInList && $0.isText && !$0.hasLists && $0.name != best.column.name && $0.distinct > 1
      }
      if texts.count == 1 { guess.add("query", texts[0], "by its values: the only column of texts besides") }
    }
    guess.find(RoleWords(role: "type", known: GroupReader.typeAliases, synonyms: ["종류", "분류", "category"])) {
      $0.isText && $0.distinct <= 50 && $0.meanLength < 30
    }
    bookGuess.dropAmbiguousID()
    self.guess = guess
    self.bookGuess = bookGuess
    share = best.share
    let first = best.column.isInList && best.column.name.contains(".0.") ? ", of each list the first," : ""
    why = """
      `\(best.column.name)` names\(first) passages of \(book.url.lastPathComponent) by \(best.key.name): \
      \(Int((best.share * 100).rounded(.down))) % of \(best.column.sample.count) values looked at are there
      """
  }

  /// The form of passages that have a title.
  static let titleAndText = "{title}. {text}"

  static func guess(_ book: FileLook, _ given: [String: String]) throws -> ColumnGuess {
    var guess = ColumnGuess(book, given: given)
    guess.find(.text) { $0.isText && !$0.hasLists && $0.meanLength >= 8 }
    if !guess.has("text"),
      let longest = book.columns.filter({ $0.isText && !$0.hasLists && !$0.isInList }).max(by: {
        $0.meanLength < $1.meanLength
      }),
      longest.meanLength >= 8
    {
      guess.add("text", longest, "by its values: the longest texts, \(Int(longest.meanLength)) characters on average")
    }
    let texts = guess["text"]?.name
    try guess.find(.id) { try book.identifies($0, texts: texts) }
    guess.find(.title) { $0.isText && !$0.hasLists }
    return guess
  }

  /// What passages can be named by.
  private struct Key {
    let role: String
    let column: ColumnProfile?
    let names: Set<String>
    var name: String { column.map { "`\($0.name)`" } ?? "id, title or text" }
    func contains(_ value: String) -> Bool { column?.contains(value) ?? names.contains(value) }
  }

  private static func keys(of book: FileLook, _ guess: ColumnGuess) throws -> [Key] {
    if book.isTree {
      let reader = GroupReader(
        columns: Columns([:]), passageColumns: Columns(guess.mapping))
      var builder = GroupBuilder()
      try reader.readPassages(book.url, into: &builder)
      return [
        Key(
          role: "id", column: nil,
          names: Set(builder.passages.flatMap { [$0.id, $0.title, $0.text].compactMap(\.self) }))
      ]
    }
    guard let text = guess["text"] else { return [] }
    func key(_ role: String, _ column: ColumnProfile) -> Key { Key(role: role, column: column, names: []) }
    let title = try guess["title"].flatMap { try book.identifies($0, texts: text.name) ? $0 : nil }
    // Where there is no id, any column that is different in each record may be what passages go by.
    let others =
      guess.has("id")
      ? []
      : book.columns.filter {
        $0.distinct == book.records && !$0.hasLists && !$0.isInList && $0.name != text.name && $0.name != title?.name
      }
    return (guess["id"].map { [key("id", $0)] } ?? []) + (title.map { [key("title", $0)] } ?? [])
      + others.map { key("id", $0) } + [key("text", text)]
  }

  /// The column that the user named names nothing.
  static func nothing(at rule: String, _ files: [FileLook]) throws -> CannotTell {
    let names = files.map(\.url.lastPathComponent).joined(separator: " and ")
    guard let column = try files.lazy.compactMap({ try $0.profile(at: rule) }).first else {
      let columns = files.flatMap(\.columns).map(\.name)
      return CannotTell(
        "`--columns rule=\(rule)`: no record of \(names) has that\(didYouMean(nearest(to: rule, in: columns)))")
    }
    if column.hasObjects {
      return CannotTell(
        "`--columns rule=\(rule)` holds objects: name what of them names a passage, as `\(rule).0.title` or `\(rule).*.title`"
      )
    }
    let example = column.examples.first.map { ", as `\($0.prefix(60))`," } ?? ""
    return CannotTell(
      "`--columns rule=\(rule)`: none of its \(column.sample.count) values looked at\(example) is an id, a title or a text "
        + "of the other file; what these are there, `--passage-columns id=…`, `title=…` and `text=…` say")
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
