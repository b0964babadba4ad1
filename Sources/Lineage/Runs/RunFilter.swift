/// The expressions of `retort runs --where`: `ndcg@10 > 0.7 and (tau = 0.1 or not pipeline = 'old')`, read into a tree.
///
///     condition  = all, { "or", all }
///     all        = one, { "and", one }
///     one        = "not", one | "(", condition, ")" | name, ("=" | "!=" | "<" | "<=" | ">" | ">="), value
///     name       = word | quoted
///     value      = number | word | quoted
///
/// A word goes up to a space, a parenthesis, a quote or an operator, so it may hold `@`, `.` and `-`. What is quoted, in
/// `'` or `"`, may hold anything but that quote.
import Basics
import Escaping
import Pipelines

package struct RunFilter: Sendable, Hashable {
  enum Operator: String, CaseIterable, Sendable {
    case equal = "=", unequal = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
  }
  enum Value: Sendable, Hashable {
    case number(Double, written: String)
    case text(String)
  }
  struct Comparison: Sendable, Hashable {
    var name: String
    var operation: Operator
    var value: Value
    /// Places in the expression, in Unicode scalars.
    var namePlace: Int
    var valuePlace: Int
  }
  indirect enum Condition: Sendable, Hashable {
    case comparison(Comparison)
    case not(Condition)
    case and([Condition])
    case or([Condition])
  }

  let text: String
  let root: Condition
  /// In the order in which they are written.
  private(set) var comparisons: [Comparison] = []

  // More than anybody writes by hand; they keep what SQLite gets within its limits: patterns of 50,000 bytes, and a parser
  // whose stack has 100 places, of which a level of nesting takes up to three.
  private static let mostComparisons = 100
  private static let mostCharacters = 10_000
  fileprivate static let mostLevels = 16

  /// Throws `RunFilterError` with the place.
  package init(_ text: String) throws(RunFilterError) {
    self.text = text
    guard text.unicodeScalars.count <= Self.mostCharacters else {
      throw RunFilterError("more than \(Self.mostCharacters) characters", in: text, at: Self.mostCharacters)
    }
    var parser = try FilterParser(text)
    root = try parser.whole()
    comparisons = parser.comparisons
    guard comparisons.count <= Self.mostComparisons else {
      throw RunFilterError(
        "more than \(Self.mostComparisons) comparisons", in: text, at: comparisons[Self.mostComparisons].namePlace)
    }
  }
}

extension RunFilter.Value {
  /// As it is written.
  var text: String {
    switch self {
    case .number(_, let text), .text(let text): text
    }
  }

  /// A time, or the beginning of one, as the database writes it; `nil` for any other text.
  var time: String? {
    let form = Array("0000-00-00 00:00:00.000".utf8)
    var time = Array(text.utf8)
    if time.count > 10, time[10] == UInt8(ascii: "T") {
      time[10] = UInt8(ascii: " ")
      if time.last == UInt8(ascii: "Z") { time.removeLast() }
    }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let isTime =
      [4, 7, 10, 13, 16, 19, 21, 22, 23].contains(time.count)
      && zip(time, form).allSatisfy { digits.contains($1) ? digits.contains($0) : $0 == $1 }
    return isTime ? String(decoding: time, as: UTF8.self) : nil
  }
}

/// What is wrong with an expression, and where; the program ends with exit code 2.
package struct RunFilterError: Error, CustomStringConvertible {
  package let message: String
  package let expression: String
  /// In Unicode scalars from the beginning.
  package let place: Int
  package var suggestion: String?

  init(_ message: String, in expression: String, at place: Int, suggestion: String? = nil) {
    (self.message, self.expression, self.place, self.suggestion) = (message, expression, place, suggestion)
  }

  /// So many characters are shown on either side of the place: a line that a terminal breaks would lose the caret.
  private static let context = 36

  package var description: String {
    // A line break would tear the caret from its place.
    let scalars = expression.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
    let (isCut, rest) = (place > Self.context, max(0, scalars.count - place - Self.context))
    let before = (isCut ? ["…"] : []) + scalars[..<place].suffix(Self.context)
    let after = scalars[place...].prefix(Self.context) + (rest > 0 ? ["…"] : [])
    let indent = before.terminalColumns
    return message + didYouMean(suggestion) + "\n  "
      + String(String.UnicodeScalarView(before + after)) + "\n  " + String(repeating: " ", count: indent) + "^"
  }
}

private struct FilterParser {
  private struct Token {
    enum Kind: Equatable { case word(String), quoted(String), operation(RunFilter.Operator), open, close, end }
    var kind: Kind
    var place: Int
  }

  private let text: String
  private var tokens: [Token]
  private var next = 0
  private var depth = 0
  private(set) var comparisons: [RunFilter.Comparison] = []

  init(_ text: String) throws(RunFilterError) {
    self.text = text
    tokens = try Self.tokens(of: text)
  }

  mutating func whole() throws(RunFilterError) -> RunFilter.Condition {
    let condition = try disjunction()
    guard tokens[next].kind == .end else { throw expected("`and`, `or` or the end") }
    return condition
  }

  private mutating func disjunction() throws(RunFilterError) -> RunFilter.Condition {
    var all = [try conjunction()]
    while take("or") { all.append(try conjunction()) }
    return all.count == 1 ? all[0] : .or(all)
  }

  private mutating func conjunction() throws(RunFilterError) -> RunFilter.Condition {
    var all = [try one()]
    while take("and") { all.append(try one()) }
    return all.count == 1 ? all[0] : .and(all)
  }

  private mutating func one() throws(RunFilterError) -> RunFilter.Condition {
    depth += 1
    defer { depth -= 1 }
    guard depth <= RunFilter.mostLevels + 1 else {
      throw RunFilterError(
        "nested deeper than \(RunFilter.mostLevels) levels of `(` and `not`", in: text, at: tokens[next].place)
    }
    if take("not") { return .not(try one()) }
    if tokens[next].kind == .open {
      next += 1
      let condition = try disjunction()
      guard tokens[next].kind == .close else { throw expected("`)`, `and` or `or`") }
      next += 1
      return condition
    }
    return .comparison(try comparison())
  }

  private mutating func comparison() throws(RunFilterError) -> RunFilter.Comparison {
    let start = tokens[next].place
    let name: String
    switch tokens[next].kind {
    case .word(let word) where !Self.isKeyword(word): name = word
    case .quoted(let text): name = text
    default: throw expected("the name of a metric, a parameter or a field")
    }
    next += 1
    guard case .operation(let operation) = tokens[next].kind else {
      throw expected("one of \(RunFilter.Operator.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", "))")
    }
    next += 1
    let value: RunFilter.Value
    switch tokens[next].kind {
    case .word(let word) where !Self.isKeyword(word):
      value = Double(word).flatMap { $0.isFinite ? .number($0, written: word) : nil } ?? .text(word)
    case .quoted(let text): value = .text(text)
    default: throw expected("a number, a word or a quoted text")
    }
    let comparison = RunFilter.Comparison(
      name: name, operation: operation, value: value, namePlace: start, valuePlace: tokens[next].place)
    next += 1
    comparisons.append(comparison)
    return comparison
  }

  private static func isKeyword(_ word: String) -> Bool { ["and", "or", "not"].contains(word.lowercased()) }

  private mutating func take(_ keyword: String) -> Bool {
    guard case .word(let word) = tokens[next].kind, word.lowercased() == keyword else { return false }
    next += 1
    return true
  }

  private func expected(_ what: String) -> RunFilterError {
    let found =
      switch tokens[next].kind {
      case .word(let text), .quoted(let text): "`\(text)`"
      case .operation(let operation): "`\(operation.rawValue)`"
      case .open: "`(`"
      case .close: "`)`"
      case .end: "the end"
      }
    let meant = ["`&&`": "and", "`&`": "and", "`||`": "or", "`|`": "or"][found]
    return RunFilterError("expected \(what), found \(found)", in: text, at: tokens[next].place, suggestion: meant)
  }

  private static func tokens(of text: String) throws(RunFilterError) -> [Token] {
    let scalars = Array(text.unicodeScalars)
    func string(_ range: Range<Int>) -> String { String(String.UnicodeScalarView(scalars[range])) }
    var tokens: [Token] = []
    var place = 0
    while place < scalars.count {
      let start = place
      let scalar = scalars[place]
      place += 1
      switch scalar {
      case _ where scalar.properties.isWhitespace: continue
      case "(": tokens.append(Token(kind: .open, place: start))
      case ")": tokens.append(Token(kind: .close, place: start))
      case "'", "\"":
        guard let end = scalars[place...].firstIndex(of: scalar) else {
          throw RunFilterError("the quote is not closed", in: text, at: start)
        }
        tokens.append(Token(kind: .quoted(string(place..<end)), place: start))
        place = end + 1
      case "=", "!", "<", ">":
        if place < scalars.count, scalars[place] == "=" { place += 1 }
        let sign = string(start..<place)
        guard let operation = RunFilter.Operator(rawValue: sign == "==" ? "=" : sign) else {
          throw RunFilterError("`\(sign)` is no operator", in: text, at: start, suggestion: "!=")
        }
        tokens.append(Token(kind: .operation(operation), place: start))
      default:
        while place < scalars.count, !scalars[place].properties.isWhitespace,
          !"()'\"=!<>".unicodeScalars.contains(scalars[place])
        {
          place += 1
        }
        tokens.append(Token(kind: .word(string(start..<place)), place: start))
      }
    }
    return tokens + [Token(kind: .end, place: scalars.count)]
  }
}
