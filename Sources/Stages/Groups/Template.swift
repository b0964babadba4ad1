/// Makes one text of a record's fields: e5's `query: {text}`, an instruction, a title in front, a rule with its examples.
import Foundation

/// Text with fields, `{path}` or `{path:prefix|separator}`. Of a path that leads to several texts all are taken, the
/// separator between them; where it leads to none, the prefix goes, too. `{{` and `}}` are braces; in a field `\|`, `\}`
/// and `\\` are what follows the backslash.
struct Template {
  struct Field: Hashable {
    let path: String
    let prefix: String
    let separator: String
    /// Where it begins, in characters (Unicode scalars) from 1.
    let character: Int
  }

  private enum Part {
    case literal(String)
    case field(Field)
  }

  struct Malformed: Error {
    let character: Int
    let message: String
  }

  private let parts: [Part]

  static let plain = Template(parts: [.field(Field(path: "text", prefix: "", separator: " ", character: 1))])

  private init(parts: [Part]) { self.parts = parts }

  var fields: [Field] {
    parts.compactMap { part in if case .field(let field) = part { field } else { nil } }
  }

  init(_ pattern: String) throws(Malformed) {
    var parts: [Part] = []
    var literal = String.UnicodeScalarView()
    let scalars = Array(pattern.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      let isDoubled = index + 1 < scalars.count && scalars[index + 1] == scalar
      if (scalar == "{" || scalar == "}") && isDoubled {
        literal.append(scalar)
        index += 2
      } else if scalar == "}" {
        throw Malformed(character: index + 1, message: "a `}` that closes nothing; write `}}` for a brace")
      } else if scalar == "{" {
        if !literal.isEmpty { parts.append(.literal(String(literal))) }
        literal = String.UnicodeScalarView()
        parts.append(.field(try Self.field(scalars, &index)))
      } else {
        literal.append(scalar)
        index += 1
      }
    }
    if !literal.isEmpty { parts.append(.literal(String(literal))) }
    self.parts = parts
  }

  /// - Parameter index: of the opening brace; afterwards, behind the closing one.
  private static func field(_ scalars: [Unicode.Scalar], _ index: inout Int) throws(Malformed) -> Field {
    let start = index + 1
    var pieces = [String.UnicodeScalarView()]  // path, prefix, separator
    index += 1
    while index < scalars.count, scalars[index] != "}" {
      let scalar = scalars[index]
      if scalar == "\\", index + 1 < scalars.count, "|}{:\\".unicodeScalars.contains(scalars[index + 1]) {
        pieces[pieces.count - 1].append(scalars[index + 1])
        index += 1
      } else if pieces.count == 1 && scalar == ":" || pieces.count == 2 && scalar == "|" {
        pieces.append(String.UnicodeScalarView())
      } else if scalar == "{" {
        throw Malformed(character: index + 1, message: "a `{` within a field; write `{{` for a brace outside of fields")
      } else {
        pieces[pieces.count - 1].append(scalar)
      }
      index += 1
    }
    guard index < scalars.count else {
      throw Malformed(character: start, message: "a `{` that no `}` closes; write `{{` for a brace")
    }
    index += 1
    let texts = pieces.map { String($0) }
    guard !texts[0].isBlank else { throw Malformed(character: start, message: "a field without a name, as `{text}`") }
    return Field(
      path: texts[0], prefix: texts.count > 1 ? texts[1] : "", separator: texts.count > 2 ? texts[2] : " ",
      character: start)
  }

  static func problems(_ pattern: String, named name: String) -> [String] {
    do throws(Malformed) {
      return try Template(pattern).fields.isEmpty ? ["`\(name)` must contain a field, such as `{text}`"] : []
    } catch {
      return ["`\(name)` has, as character \(error.character), \(error.message)"]
    }
  }

  /// - Parameter texts: what a field stands for; none for what is missing. A missing `{title}` goes together with one
  ///   space after it.
  func fill(_ texts: (Field) throws -> [String]) rethrows -> String {
    var result = ""
    var dropsSpace = false
    for part in parts {
      switch part {
      case .literal(let literal):
        result += dropsSpace && literal.hasPrefix(" ") ? String(literal.dropFirst()) : literal
        dropsSpace = false
      case .field(let field):
        let found = try texts(field)
        dropsSpace = found.isEmpty && field.path == "title"
        if !found.isEmpty { result += field.prefix + found.joined(separator: field.separator) }
      }
    }
    return result
  }
}
