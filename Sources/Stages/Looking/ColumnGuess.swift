/// Guesses which column is which: by the names that `groups` knows, by names that mean the same, and by the values.
import Foundation

/// One column that was recognised.
package struct Recognised: Sendable, Hashable {
  /// As `columns` calls it: `query`, `passage`, …
  package let role: String
  package let column: String
  package let why: String
  /// Whether `groups` finds it by itself, so that `columns` need not say it.
  let isKnown: Bool
}

/// Words for a role, each compared without case, spaces and punctuation.
struct RoleWords {
  let role: String
  /// The names under which `groups` looks for it.
  let known: [String]
  let synonyms: [String]

  static let label = RoleWords(
    role: "label", known: GroupReader.labelAliases,
    synonyms: ["정답여부", "레이블", "관련여부", "관련도", "관련성", "적합도", "적합", "점수", "relevant", "target"])
  static let positive = RoleWords(
    role: "positive", known: ["positives"],
    synonyms: ["정답문서", "정답지문", "정답본문", "정답문장", "정답단락", "관련문서", "긍정", "pos", "positivepassage", "positivepassages"])
  static let negative = RoleWords(
    role: "negative", known: ["negatives", "negative_1"],
    synonyms: [
      "오답문서", "오답지문", "오답본문", "오답문장", "오답단락", "무관문서", "비관련문서", "오답", "부정", "neg", "hardnegative", "hardnegatives",
      "negativepassage", "negativepassages",
    ])
  static let query = RoleWords(
    role: "query", known: GroupReader.queryAliases,
    synonyms: ["질의", "질의문", "문항", "발문", "검색어", "쿼리", "물음", "q", "prompt", "instruction"])
  static let passage = RoleWords(
    role: "passage", known: GroupReader.passageAliases,
    synonyms: [
      "본문", "문서", "문단", "단락", "문맥", "답변", "답", "해설", "설명", "내용", "정답", "answer", "response", "paragraph", "content",
      "doc", "output",
    ])
  static let rule = RoleWords(
    role: "rule", known: GroupReader.ruleAliases,
    synonyms: ["규정", "규정번호", "규칙", "규칙번호", "조항", "조항번호", "근거", "근거조항", "정답규정", "reference", "evidence"])
  /// Whether a column's last word says that it holds answers, which are passages only where nothing else is.
  static func isAnswer(_ column: String) -> Bool {
    let answers = ["답변", "답", "정답", "해설", "answer", "response", "output"]
    return answers.contains(plain(String(column.split(separator: ".").last ?? "")))
  }

  static let id = RoleWords(
    role: "id", known: ["_id", "rule_id"], synonyms: ["번호", "규정번호", "규칙번호", "조항번호", "no", "code"])
  static let title = RoleWords(
    role: "title", known: ["name", "제목"], synonyms: ["표제", "표제어", "항목", "조항명", "규정명", "heading"])
  static let text = RoleWords(
    role: "text", known: ["content", "내용", "passage"],
    synonyms: ["본문", "설명", "해설", "규정", "문단", "단락", "지문", "문서", "body", "description", "paragraph"])
}

extension FileLook {
  /// Whether a column's name says that it holds questions.
  var asks: Bool {
    var guess = ColumnGuess(self, given: [:])
    guess.find(.query) { $0.isText && !$0.hasLists }
    return guess.has("query")
  }
}

struct ColumnGuess {
  private let file: FileLook
  private(set) var found: [Recognised] = []
  private var taken: Set<String> { Set(found.map(\.column)) }

  /// - Parameter given: what the user says, by role.
  init(_ file: FileLook, given: [String: String]) {
    self.file = file
    for (role, column) in given.sorted(by: { $0.key < $1.key }) {
      found.append(Recognised(role: role, column: column, why: "as you said", isKnown: false))
    }
  }

  subscript(role: String) -> ColumnProfile? { found.first { $0.role == role }.flatMap { file[$0.column] } }
  func has(_ role: String) -> Bool { found.contains { $0.role == role } }
  /// What `columns` has to say.
  var mapping: [String: String] {
    Dictionary(found.filter { !$0.isKnown }.map { ($0.role, $0.column) }) { first, _ in first }
  }

  /// Looks for a column of that name, among those that `fits` accepts.
  mutating func find(
    _ words: RoleWords, fits: (ColumnProfile) throws -> Bool = { $0.filled > 0 }
  ) rethrows {
    guard !has(words.role) else { return }
    // An id may be a title, too.
    let taken = Set(found.filter { !($0.role == "id" && words.role == "title") }.map(\.column))
    let free = try file.columns.filter { try !$0.isInList && !taken.contains($0.name) && fits($0) }
    if let known = ([words.role] + words.known).lazy.compactMap({ name in free.first { $0.name == name } }).first {
      found.append(Recognised(role: words.role, column: known.name, why: "a name that `groups` knows", isKnown: true))
      return
    }
    let all = ([words.role] + words.known + words.synonyms).map(plain)
    let same = all.lazy.compactMap { word in free.first { plain($0.name) == word } }.first
    // In a longer name only a word of some length means anything.
    let part = all.filter { $0.utf8.count > 4 }.lazy.compactMap { word in free.first { plain($0.name).contains(word) } }
      .first
    if let column = same ?? part { add(words.role, column, "by its name") }
  }

  mutating func add(_ role: String, _ column: ColumnProfile, _ why: String) {
    found.append(Recognised(role: role, column: column.name, why: why, isKnown: false))
  }

  /// As `add`, of a column whose values tell; `groups` finds it by itself if it is the first of the names it knows.
  mutating func add(_ words: RoleWords, _ column: ColumnProfile, _ why: String) {
    let first = ([words.role] + words.known).first { file[$0] != nil }
    found.append(Recognised(role: words.role, column: column.name, why: why, isKnown: first == column.name))
  }

  /// Where a role's column is one of several that differ in their numbers, `오답1` and `오답2`: all, by what they share.
  mutating func joinNumbered(_ role: String) {
    guard let place = found.firstIndex(where: { $0.role == role && !$0.isKnown }) else { return }
    let name = found[place].column
    let stem = String(name.reversed().drop(while: \.isWholeNumber).drop { $0 == "_" || $0 == " " }.reversed())
    let alike = file.columns.filter { !$0.isInList }.map(\.name).filter {
      $0.hasPrefix(stem) && ($0.last?.isWholeNumber ?? false)
    }
    guard stem != name, !stem.isEmpty, alike.count > 1 else { return }
    found[place] = Recognised(
      role: role, column: stem, why: "\(alike.joined(separator: ", ")), by their names", isKnown: false)
  }

  /// `groups` takes an id for the query's: one that numbers rows would keep the rows of a query apart.
  mutating func dropRowNumbers() {
    guard !has("id"), let query = self["query"],
      let id = (["id"] + GroupReader.idAliases).lazy.compactMap({ [file] in file[$0] }).first,
      id.distinct > query.distinct
    else { return }
    found.append(
      Recognised(
        role: "id", column: "", why: "`\(id.name)` numbers rows, and a query has several", isKnown: false))
  }

  /// `groups` would take the first of these columns for the passages' id; where that cannot be, it is told of none.
  mutating func dropAmbiguousID() {
    guard !has("id"), let id = (["id"] + GroupReader.passageIDAliases).lazy.compactMap({ [file] in file[$0] }).first
    else { return }
    found.append(
      Recognised(
        role: "id", column: "",
        why:
          "`\(id.name)` has \(id.distinct) values in \(file.records) records, so it cannot tell them apart; `--passage-columns id=…` names another column",
        isKnown: false))
  }

  /// The title, the text, and what else the records of passages say in lists.
  func fullTemplate(of book: FileLook) -> String? {
    func isPlain(_ name: String) -> Bool { !name.utf8.contains { "{}:|\\".utf8.contains($0) } }
    let lists = book.columns.filter { isPlain($0.name) && $0.hasLists && !$0.hasObjects && !$0.isInList && $0.isText }
      .map { "{\($0.name): \($0.name): | / }" }
    let inner = book.columns.filter {
      isPlain($0.name) && $0.isInList && $0.isText && !$0.hasLists && $0.meanLength >= 8
    }
    .map { "{\($0.name.replacing(".0.", with: ".*.")): | }" }
    guard has("text"), !(lists + inner).isEmpty else { return nil }
    return (has("title") ? "{title}. " : "") + "{text}" + (lists + inner).joined()
  }

  /// Where names do not tell: the columns of texts that are left, if they are just as many as are wanted; the longest
  /// texts are passages.
  mutating func fillByValues() {
    let missing = ["query", "passage"].filter { !has($0) }
    let texts = file.columns.filter {
      !$0.isInList && !taken.contains($0.name) && $0.isText && !$0.hasLists && $0.distinct > 1
    }
    .sorted { $0.meanLength < $1.meanLength }
    guard texts.count == missing.count, !file.columns.contains(where: \.hasObjects),
      has("passage") || texts.last.map({ $0.meanLength >= 8 }) ?? false  // shorter ones are names of something
    else { return }
    for (role, column) in zip(missing, texts) {
      let other =
        missing.count == 1
        ? "the only other column of texts" : role == "query" ? "the shorter texts" : "the longer texts"
      add(role, column, "by its values: \(other), \(Int(column.meanLength)) characters on average")
    }
  }
}

/// Letters and digits alone, small.
func plain(_ name: String) -> String {
  let scalars = name.lowercased().unicodeScalars.filter { scalar in
    scalar.properties.isAlphabetic || scalar.properties.numericType != nil
  }
  return String(String.UnicodeScalarView(scalars))
}
