/// Python's ways with text: how values are written, and what methods of strings do, by Unicode scalars.

extension Value {
  /// As `str` writes it; what is not there is nothing.
  var text: String {
    switch self {
    case .undefined: ""
    case .string(let text): text
    default: representation
    }
  }

  /// As `repr` writes it.
  private var representation: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let number): "\(number)"
    case .double(let number): Self.text(of: number)
    case .string(let text): Self.quoted(text)
    case .list(let values, let isTuple):
      isTuple
        ? "(" + values.map(\.representation).joined(separator: ", ") + (values.count == 1 ? ",)" : ")")
        : "[" + values.map(\.representation).joined(separator: ", ") + "]"
    case .dictionary(let dictionary):
      "{" + dictionary.members.map { "\($0.key.representation): \($0.value.representation)" }.joined(separator: ", ")
        + "}"
    case .namespace: "<Namespace>"
    case .function: "<function>"
    case .loop(let state): "<LoopContext \(state.index + 1)/\(state.items.count)>"
    }
  }

  private static func text(of number: Double) -> String {
    number.isNaN ? "nan" : number.isInfinite ? (number < 0 ? "-inf" : "inf") : "\(number)"
  }

  private static func quoted(_ text: String) -> String {
    let scalars = text.unicodeScalars
    let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
    var result = String(quote)
    for scalar in scalars {
      switch scalar {
      case quote, "\\": result += "\\\(scalar)"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default:
        if isPrintable(scalar) { result.unicodeScalars.append(scalar) } else { result += escaped(scalar) }
      }
    }
    return result + String(quote)
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    func padded(_ digits: Int) -> String {
      let text = String(scalar.value, radix: 16)
      return String(repeating: "0", count: digits - text.count) + text
    }
    return scalar.value < 0x100
      ? "\\x" + padded(2) : scalar.value < 0x10000 ? "\\u" + padded(4) : "\\U" + padded(8)
  }
}

/// How `tojson` lays its text out, as Python's `json.dumps`.
struct JSONForm {
  var isASCII = false
  var indent: String?
  var separators: (item: String, key: String)
  var sortsKeys = false
}

extension Value {
  func json(_ form: JSONForm, level: Int = 0) throws(Unfit) -> String {
    switch self {
    case .none: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .int(let number): return "\(number)"
    case .double(let number):
      return number.isNaN ? "NaN" : number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : text
    case .string(let text): return Self.quotedJSON(text, form)
    case .list(let values, _):
      var parts: [String] = []
      for value in values { parts.append(try value.json(form, level: level + 1)) }
      return Self.enclosed("[", parts, "]", form, level)
    case .dictionary(let dictionary):
      var parts: [(key: String, text: String)] = []
      for member in dictionary.members {
        let key: String
        switch member.key {
        case .string(let text): key = text
        case .none, .bool, .int, .double: key = try member.key.json(form)
        default: throw Unfit("\(member.key.kind) is no key of JSON")
        }
        let value = try member.value.json(form, level: level + 1)
        parts.append((key, Self.quotedJSON(key, form) + form.separators.key + value))
      }
      if form.sortsKeys {
        parts.sort { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
      }
      return Self.enclosed("{", parts.map(\.text), "}", form, level)
    default: throw Unfit("\(kind) has no form in JSON")
    }
  }

  private static func enclosed(
    _ open: String, _ parts: [String], _ close: String, _ form: JSONForm, _ level: Int
  ) -> String {
    guard let indent = form.indent, !parts.isEmpty else {
      return open + parts.joined(separator: form.separators.item) + close
    }
    let (outer, inner) = (
      "\n" + String(repeating: indent, count: level), "\n" + String(repeating: indent, count: level + 1)
    )
    return open + inner + parts.joined(separator: form.separators.item + inner) + outer + close
  }

  private static func quotedJSON(_ text: String, _ form: JSONForm) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      default:
        if scalar.value < 0x20 || form.isASCII && scalar.value > 0x7E {
          for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
          }
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}

extension String {
  /// Where the part begins, in scalars.
  func find(_ part: String, fromEnd: Bool = false) -> Int? {
    let (all, wanted) = (Array(unicodeScalars), Array(part.unicodeScalars))
    guard wanted.count <= all.count else { return nil }
    let places = 0...(all.count - wanted.count)
    let fits = { (place: Int) in all[place..<place + wanted.count].elementsEqual(wanted) }
    return fromEnd ? places.reversed().first(where: fits) : places.first(where: fits)
  }

  /// Without white space, or without the characters of a text, at one end or both.
  func stripped(_ characters: String?, front: Bool, back: Bool) -> String {
    let dropped = characters.map { Set($0.unicodeScalars) }
    func drops(_ scalar: Unicode.Scalar) -> Bool { dropped?.contains(scalar) ?? scalar.isPythonSpace }
    var scalars = Array(unicodeScalars)[...]
    if front { scalars = scalars.drop(while: drops) }
    while back, let last = scalars.last, drops(last) { scalars.removeLast() }
    return String(String.UnicodeScalarView(scalars))
  }

  /// At each place of a text that is not empty, or, with none, at white space.
  func parts(at separator: String?, most: Int, fromEnd: Bool = false) -> [String] {
    guard let separator else { return words(most: most, fromEnd: fromEnd) }
    let (all, wanted) = (Array(unicodeScalars), Array(separator.unicodeScalars))
    var cuts: [Int] = []
    var place = fromEnd ? all.count - wanted.count : 0
    while place >= 0, place + wanted.count <= all.count, most < 0 || cuts.count < most {
      if all[place..<place + wanted.count].elementsEqual(wanted) {
        cuts.append(place)
        place += fromEnd ? -wanted.count : wanted.count
      } else {
        place += fromEnd ? -1 : 1
      }
    }
    if fromEnd { cuts.reverse() }
    let starts = [0] + cuts.map { $0 + wanted.count }
    return zip(starts, cuts + [all.count]).map { String(String.UnicodeScalarView(all[$0..<$1])) }
  }

  private func words(most: Int, fromEnd: Bool) -> [String] {
    var (rest, parts): (ArraySlice<Unicode.Scalar>, [String]) = (Array(unicodeScalars)[...], [])
    func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars)
      return String(view)
    }
    if fromEnd { rest = Array(rest.reversed())[...] }
    rest = rest.drop(while: \.isPythonSpace)
    while !rest.isEmpty {
      if most >= 0, parts.count == most {
        while let last = rest.last, fromEnd ? false : last.isPythonSpace { rest.removeLast() }
        parts.append(fromEnd ? text(rest.reversed()).stripped(nil, front: true, back: false) : text(rest))
        break
      }
      let word = rest.prefix { !$0.isPythonSpace }
      parts.append(fromEnd ? text(word.reversed()) : text(word))
      rest = rest.dropFirst(word.count).drop(while: \.isPythonSpace)
    }
    return fromEnd ? parts.reversed() : parts
  }

  /// Whether it begins, or ends, with the very characters of a text.
  func begins(with part: String) -> Bool { unicodeScalars.starts(with: part.unicodeScalars) }
  func ends(with part: String) -> Bool { unicodeScalars.reversed().starts(with: part.unicodeScalars.reversed()) }
}

extension Unicode.Scalar {
  /// What Python's `str.isspace` takes for white space.
  var isPythonSpace: Bool { properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(self) }
}
