/// Text as a value in files of data: YAML, a pipeline's placeholders, CSV; and JSON that a terminal may show.

extension Escape {
  /// Gives the text as a YAML scalar in one line that YAML 1.1 and 1.2 read as this string: plain where it can be, else in
  /// double quotes. See https://yaml.org/spec/1.2.2/#57-escaped-characters.
  package static func yaml(_ text: String) -> String {
    if isPlainYAML(text) { return text }
    let content = text.replacingScalars { scalar in
      switch scalar {
      case "\"": return "\\\""
      case "\\": return "\\\\"
      case "\n": return "\\n"
      case "\r": return "\\r"
      case "\t": return "\\t"
      default:
        guard scalar.isControlSign else { return nil }
        return scalar.value < 0x100 ? "\\x\(scalar.hexadecimal(2))" : "\\u\(scalar.hexadecimal(4))"
      }
    }
    return "\"\(content)\""
  }

  /// Whether both versions of YAML read it as a string without quotes, between brackets, too.
  private static func isPlainYAML(_ text: String) -> Bool {
    let scalars = text.unicodeScalars
    guard let first = scalars.first,
      scalars.allSatisfy({
        $0.isASCIIWord || "_-./".unicodeScalars.contains($0) || $0.value > 0x7f && $0.properties.isAlphabetic
      })
    else { return false }
    switch first {
    case "0"..."9":
      // Numbers, in other bases too, and dates: what has another letter is neither.
      return !["0x", "0X", "0o", "0O", "0b", "0B"].contains(String(text.prefix(2)))
        && scalars.contains { $0.value > 0x7f || $0.isASCIIWord && !("0"..."9" ~= $0) && $0 != "e" && $0 != "E" }
    case ".": return text.hasPrefix("./") || text.hasPrefix("../")
    case "-": return false
    default: return !yamlWords.contains(text.lowercased())
    }
  }

  /// That YAML 1.1 or 1.2 takes for something other than a string.
  private static let yamlWords: Set<String> = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]

  /// Gives the text for a value of a pipeline file, where `${` begins a placeholder and `$${` stands for that.
  package static func template(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    var rest = text.unicodeScalars[...]
    var result = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar == "$" && rest.first == "{" { result.append("$") }
      result.append(scalar)
    }
    return String(result)
  }

  /// Gives a JSON document in which the control signs that JSON lets stand in strings are numbers; its values are the same.
  package static func json(_ document: String) -> String {
    document.replacingScalars { $0.isControlSign && $0 != "\n" ? "\\u\($0.hexadecimal(4))" : nil }
  }

  /// Gives the text as a field of CSV (RFC 4180), in one line. What a spreadsheet would compute, because it begins with
  /// `=`, `+`, `-` or `@` and is no number, is a text for it: an apostrophe goes first.
  /// See https://owasp.org/www-community/attacks/CSV_Injection.
  package static func csvField(_ text: String) -> String {
    var field = printable(text)
    if let first = field.unicodeScalars.first, "=+-@".unicodeScalars.contains(first), Double(field) == nil {
      field = "'" + field
    }
    guard field.unicodeScalars.contains(where: { ",;\"".unicodeScalars.contains($0) }) else { return field }
    return "\"\(field.replacingScalars { $0 == "\"" ? "\"\"" : nil })\""
  }
}
