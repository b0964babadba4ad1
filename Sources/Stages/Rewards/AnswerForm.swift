/// The form that an answer has to have, and the parts of one that has it.
import Foundation

/// A text with parts, `{sentence}`, which are a character at least, or `{reason?}`, which may be empty, and choices, `{이|가}`.
/// A space stands for any white space, for none too in front of a part that may be empty. `{{` and `}}` are braces.
struct AnswerForm: Sendable {
  enum Quotes: String, Sendable, CaseIterable {
    /// `"` for `“`, `”`, `„` and `＂`, too, `'` for `‘`, `’` and `‚`.
    case any
    /// Only what the pattern has.
    case straight
  }

  struct Malformed: Error {
    let character: Int
    let message: String
  }

  private enum Part: Sendable, Equatable {
    case scalar(Unicode.Scalar)
    case space
    case field(String, mayBeEmpty: Bool)
    case choice([[Unicode.Scalar]])
  }

  private let parts: [Part]
  private let quotes: Quotes
  private let agrees: Bool

  /// Names of the parts.
  var fields: [String] {
    parts.compactMap { part in if case .field(let name, _) = part { name } else { nil } }
  }

  /// - Parameter agrees: whether the first of two choices stands after a final consonant, the second after none.
  init(_ pattern: String, quotes: Quotes = .any, agrees: Bool = false) throws(Malformed) {
    var parts: [Part] = []
    let scalars = Array(pattern.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      let isDoubled = index + 1 < scalars.count && scalars[index + 1] == scalar
      if scalar == "{" || scalar == "}", isDoubled {
        parts.append(.scalar(scalar))
        index += 2
      } else if scalar == "{" {
        guard let end = scalars[index...].firstIndex(of: "}") else {
          throw Malformed(character: index + 1, message: "a `{` that no `}` closes; write `{{` for a brace")
        }
        let part = try Self.part(scalars[index + 1..<end], at: index + 1)
        if case .field(let name, _) = part, case .field? = parts.last {
          throw Malformed(
            character: index + 1, message: "`{\(name)}` right behind another part: nothing tells them apart")
        }
        parts.append(part)
        index = end + 1
      } else if scalar == "}" {
        throw Malformed(character: index + 1, message: "a `}` that closes nothing; write `}}` for a brace")
      } else {
        let isSpace = scalar.properties.isWhitespace
        if !isSpace || parts.last != .space { parts.append(isSpace ? .space : .scalar(scalar)) }
        index += 1
      }
    }
    (self.parts, self.quotes, self.agrees) = (parts, quotes, agrees)
    let names = fields
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw Malformed(character: 1, message: "the part `{\(twice)}` twice")
    }
  }

  private static func part(_ inner: ArraySlice<Unicode.Scalar>, at place: Int) throws(Malformed) -> Part {
    if inner.contains("|") {
      return .choice(inner.split(separator: "|", omittingEmptySubsequences: false).map(Array.init))
    }
    let mayBeEmpty = inner.last == "?"
    let name = mayBeEmpty ? inner.dropLast() : inner
    guard !name.isEmpty,
      name.allSatisfy({ $0.properties.isAlphabetic || $0 == "_" || $0.properties.numericType != nil })
    else {
      throw Malformed(
        character: place, message: "a part without a name of letters, as `{reason}`, or a choice, as `{이|가}`")
    }
    return .field(String(String.UnicodeScalarView(name)), mayBeEmpty: mayBeEmpty)
  }

  /// The parts of a text that has the form as a whole, white space around it aside, each without white space around it;
  /// `nil` if it lacks it. A part ends as soon as the rest fits, and has no quote in it if one follows it.
  func parts(of text: String) -> [String: String]? {
    var match = Match(form: self, text: Array(text.trimmed.unicodeScalars))
    guard match.fits(part: 0, from: 0) else { return nil }
    return match.found.mapValues { String(String.UnicodeScalarView(match.text[$0])).trimmed }
  }

  private struct Match {
    let form: AnswerForm
    let text: [Unicode.Scalar]
    var found: [String: Range<Int>] = [:]
    /// Parts and places from which nothing fits: no part is tried there twice.
    private var failed: Set<[Int]> = []

    init(form: AnswerForm, text: [Unicode.Scalar]) { (self.form, self.text) = (form, text) }

    mutating func fits(part index: Int, from start: Int) -> Bool {
      guard index < form.parts.count else { return start == text.count }
      guard !failed.contains([index, start]) else { return false }
      if tries(index, start) { return true }
      failed.insert([index, start])
      return false
    }

    private mutating func tries(_ index: Int, _ start: Int) -> Bool {
      switch form.parts[index] {
      case .scalar(let scalar):
        return start < text.count && form.equal(scalar, text[start]) && fits(part: index + 1, from: start + 1)
      case .space:
        var end = start
        while end < text.count, text[end].properties.isWhitespace { end += 1 }
        return (end > start || form.isOptional(behind: index)) && fits(part: index + 1, from: end)
      case .choice(let options):
        return options.enumerated().contains { number, option in
          let end = start + option.count
          return end <= text.count && zip(option, text[start..<end]).allSatisfy { form.equal($0, $1) }
            && (!form.agrees || options.count != 2 || agrees(isFirst: number == 0, before: start))
            && fits(part: index + 1, from: end)
        }
      case .field(let name, let mayBeEmpty):
        var end = mayBeEmpty ? start : start + 1
        while end <= text.count {
          if end > start, let quote = form.quote(behind: index), form.equal(quote, text[end - 1]) { return false }
          if fits(part: index + 1, from: end) {
            found[name] = start..<end
            return true
          }
          end += 1
        }
        return false
      }
    }

    /// By the last letter or digit before the place; where that has no sound that is known here, both agree.
    private func agrees(isFirst: Bool, before place: Int) -> Bool {
      guard let last = text[..<place].last(where: { $0.properties.isAlphabetic || $0.properties.numericType != nil }),
        let hasFinal = last.hasFinalConsonant
      else { return true }
      return hasFinal == isFirst
    }
  }

  /// Whether a scalar of the pattern stands for one of a text.
  private func equal(_ own: Unicode.Scalar, _ other: Unicode.Scalar) -> Bool {
    own == other || quotes == .any && Self.alike.contains { $0.contains(own) && $0.contains(other) }
  }

  private static let alike: [Set<Unicode.Scalar>] = [["\"", "“", "”", "„", "＂"], ["'", "‘", "’", "‚"]]

  /// The quote that closes a part; `nil` if none follows it.
  private func quote(behind index: Int) -> Unicode.Scalar? {
    guard index + 1 < parts.count, case .scalar(let next) = parts[index + 1],
      Self.alike.contains(where: { $0.contains(next) })
    else { return nil }
    return next
  }

  /// Whether what follows may be nothing.
  private func isOptional(behind index: Int) -> Bool {
    parts[(index + 1)...].allSatisfy { part in
      switch part {
      case .field(_, let mayBeEmpty): mayBeEmpty
      case .space: true
      case .choice(let options): options.contains { $0.isEmpty }
      case .scalar: false
      }
    }
  }
}

extension Unicode.Scalar {
  /// Whether a Hangul syllable, or a digit as it is read, ends with a consonant; `nil` of anything else.
  var hasFinalConsonant: Bool? {
    // Syllables are in the order of their 19·21 beginnings, each with none and then 27 final consonants.
    if (0xAC00...0xD7A3).contains(value) { return (value - 0xAC00) % 28 != 0 }
    // 영, 일, 이, 삼, 사, 오, 육, 칠, 팔, 구
    if ("0"..."9").contains(self) { return !"2459".unicodeScalars.contains(self) }
    return nil
  }
}

extension String {
  /// Without white space at its ends.
  var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
