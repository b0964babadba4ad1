/// Every way in which text enters another language, one function each; no other place in Sources escapes, but the
/// writer of JSON, which is a module of its own. All work on Unicode scalars or bytes, never on `Character`: a quote
/// followed by a combining mark is one `Character`, and still a quote to whoever reads it.
///
/// Two kinds. For `shellWord`, `yaml` and `csvField` the reader gets exactly the text. The others are for people to
/// look at: the reader gets what `printable` makes of the text, in which nothing is a control sign any more.
///
/// Where texts can be handed over as data, that is better, and done: worker orders are JSON, variables go through the
/// environment. Texts do not reach gnuplot through data files, because it reads quotes, backslashes, comments and blank
/// lines in those, too.
package enum Escape {}

extension Unicode.Scalar {
  /// A terminal, an editor or a reader of lines may obey it instead of showing it: C0 and C1 controls, Unicode's line
  /// breaks, what turns the direction of the text that follows (https://trojansource.codes), marks of byte order.
  var isControlSign: Bool {
    switch value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028...0x202e, 0x2066...0x2069, 0xfeff, 0xfff9...0xffff: true
    default: false
    }
  }

  var isASCIIWord: Bool {
    switch self {
    case "0"..."9", "A"..."Z", "a"..."z": true
    default: false
    }
  }

  var isASCIIPunctuation: Bool { 0x21..<0x7f ~= value && !isASCIIWord }

  /// Its number in so many hexadecimal digits at least.
  func hexadecimal(_ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}

extension String {
  /// The text with each scalar replaced by what `replacement` says, or as it is where that is `nil`.
  func replacingScalars(_ replacement: (Unicode.Scalar) -> String?) -> String {
    var result = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      if let text = replacement(scalar) {
        result.append(contentsOf: text.unicodeScalars)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }
}
