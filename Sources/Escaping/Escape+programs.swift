/// Text for programs that would run it: bash, gnuplot.

extension Escape {
  /// Gives the text as one word for a POSIX shell, quoted only if it contains anything that the shell might read. A zero
  /// byte, which no process can be handed, is written `\0`; pipeline files with one are refused before.
  package static func shellWord(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
      Unicode.Scalar(byte).isASCIIWord || "%+,-./:=@_".utf8.contains(byte)
    }
    if plain && !text.isEmpty { return text }
    return "'\(shellBetweenSingleQuotes(text))'"
  }

  /// Gives the text for between single quotes that a shell command has.
  package static func shellBetweenSingleQuotes(_ text: String) -> String {
    text.replacingScalars { $0 == "'" ? #"'\''"# : $0 == "\0" ? #"\0"# : nil }
  }

  /// Gives the text for between double quotes that a shell command has.
  package static func shellBetweenDoubleQuotes(_ text: String) -> String {
    text.replacingScalars { scalar in
      switch scalar {
      case "\\", "\"", "$", "`": "\\\(scalar)"
      case "\0": "\\\\0"
      default: nil
      }
    }
  }

  /// Gives the text as a word of a command in a unit of systemd, in double quotes.
  /// - Parameter isProgram: the first word, in which systemd looks for no variables.
  package static func systemdWord(_ text: String, isProgram: Bool = false) -> String {
    let content = text.replacingScalars { scalar in
      switch scalar {
      case "%": "%%"
      case "$": isProgram ? nil : "$$"
      case "\"", "\\", "'": "\\x\(scalar.hexadecimal(2))"
      default: scalar.value < 0x20 || scalar.value == 0x7f ? "\\x\(scalar.hexadecimal(2))" : nil
      }
    }
    return "\"\(content)\""
  }

  /// Gives the words as the command of a line of a crontab; `nil` where a word has what cron cannot be told of: a line's
  /// end, or a backslash, which some crons take for a sign of their own and others do not.
  package static func cronCommand(_ words: [String]) -> String? {
    guard words.allSatisfy({ word in !word.utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0x5C || $0 == 0 } })
    else { return nil }
    return words.map(shellWord).joined(separator: " ").replacingScalars { $0 == "%" ? "\\%" : nil }
  }

  /// Gives the text as a string for gnuplot, in double quotes: all but letters and blanks of ASCII are numbers of bytes,
  /// digits too, which would lengthen a number before them. So nothing is left that gnuplot reads, backquotes included,
  /// which it runs while it takes a line apart.
  package static func gnuplot(_ text: String) -> String {
    let bytes = printable(text).utf8.map { byte -> String in
      let scalar = Unicode.Scalar(byte)
      if scalar == " " || scalar.isASCIIWord && !("0"..."9" ~= scalar) { return String(scalar) }
      let digits = String(byte, radix: 8)
      return "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
    }
    return "\"\(bytes.joined())\""
  }
}
