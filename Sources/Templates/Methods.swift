/// Methods of strings, dictionaries and lists that change nothing.

extension Value {
  /// Names of the methods that it has.
  var methods: Set<String> {
    switch self {
    case .string: Self.methodsOfStrings
    case .dictionary: Self.methodsOfDictionaries
    case .list: ["index", "count"]
    default: []
    }
  }

  private static let methodsOfStrings: Set<String> = [
    "capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace",
    "isupper",
    "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rfind", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "title", "upper",
  ]
  private static let methodsOfDictionaries: Set<String> = ["get", "items", "keys", "values"]

  func call(
    _ name: String, _ arguments: Called, _ checked: (String) throws(Unfit) -> String
  ) throws(Unfit) -> Value {
    switch self {
    case .string(let text): return try Self.call(name, of: text, arguments, checked)
    case .dictionary(let dictionary): return try Self.call(name, of: dictionary, arguments)
    case .list(let values, _):
      try arguments.check(["value"])
      let wanted = try arguments.required(0, "value")
      if name == "count" { return .int(values.count { $0.equals(wanted) }) }
      guard let place = values.firstIndex(where: { $0.equals(wanted) }) else {
        throw Unfit("the list has no such value")
      }
      return .int(place)
    default: throw Unfit("\(kind) has no method `\(name)`")
    }
  }

  private static func call(_ name: String, of dictionary: Dictionary, _ arguments: Called) throws(Unfit) -> Value {
    switch name {
    case "get":
      try arguments.check(["key", "default"])
      return dictionary[try arguments.required(0, "key")] ?? arguments.value(1, "default") ?? .none
    case "items": return .list(dictionary.members.map { .pair($0.key, $0.value) })
    case "keys": return .list(dictionary.members.map(\.key))
    default: return .list(dictionary.members.map(\.value))
    }
  }

  private static func call(
    _ name: String, of text: String, _ arguments: Called, _ checked: (String) throws(Unfit) -> String
  ) throws(Unfit) -> Value {
    switch name {
    case "strip", "lstrip", "rstrip":
      try arguments.check(["chars"])
      let characters = try arguments.text(0, "chars")
      return .string(text.stripped(characters, front: name != "rstrip", back: name != "lstrip"))
    case "split", "rsplit":
      try arguments.check(["sep", "maxsplit"])
      let separator = try arguments.text(0, "sep")
      guard separator != "" else { throw Unfit("an empty separator") }
      let most = try arguments.int(1, "maxsplit", absent: -1)
      return .list(text.parts(at: separator, most: most, fromEnd: name == "rsplit").map { .string($0) })
    case "splitlines":
      try arguments.check([])
      return .list(text.pythonLines.map { .string($0) })
    case "startswith", "endswith":
      try arguments.check(["prefix"])
      let wanted = try arguments.required(0, "prefix")
      let parts: [Value] = if case .list(let values, isTuple: true) = wanted { values } else { [wanted] }
      for part in parts {
        guard case .string(let part) = part else { throw Unfit("`\(name)` of \(part.kind), expected a string") }
        if name == "startswith" ? text.begins(with: part) : text.ends(with: part) { return .bool(true) }
      }
      return .bool(false)
    case "removeprefix", "removesuffix":
      try arguments.check(["prefix"])
      guard let part = try arguments.text(0, "prefix") else { throw Unfit("`\(name)` takes a text") }
      let count = part.unicodeScalars.count
      if name == "removeprefix", text.begins(with: part) {
        return .string(String(text.unicodeScalars.dropFirst(count)))
      }
      if name == "removesuffix", text.ends(with: part) { return .string(String(text.unicodeScalars.dropLast(count))) }
      return .string(text)
    case "replace":
      try arguments.check(["old", "new", "count"])
      guard let old = try arguments.text(0, "old"), let new = try arguments.text(1, "new") else {
        throw Unfit("`replace` takes two texts")
      }
      return .string(try checked(text.replaced(old, by: new, most: try arguments.int(2, "count", absent: -1))))
    case "find", "rfind", "index", "count":
      try arguments.check(["sub"])
      guard let part = try arguments.text(0, "sub") else { throw Unfit("`\(name)` takes a text") }
      if name == "count" {
        guard !part.isEmpty else { throw Unfit("an empty text cannot be counted") }
        return .int(text.parts(at: part, most: -1).count - 1)
      }
      let place = text.find(part, fromEnd: name == "rfind")
      guard place != nil || name != "index" else { throw Unfit("the text has no `\(part)`") }
      return .int(place ?? -1)
    case "join":
      try arguments.check(["iterable"])
      var parts: [String] = []
      for item in try arguments.required(0, "iterable").items() {
        guard case .string(let part) = item else { throw Unfit("`join` of \(item.kind), expected strings") }
        parts.append(part)
      }
      return .string(try checked(parts.joined(separator: text)))
    default:
      try arguments.check([])
      return simple(name, text)
    }
  }

  private static func simple(_ name: String, _ text: String) -> Value {
    let scalars = text.unicodeScalars
    func all(_ holds: (Unicode.Scalar) -> Bool) -> Value { .bool(!scalars.isEmpty && scalars.allSatisfy(holds)) }
    switch name {
    case "upper": return .string(text.uppercased())
    case "lower": return .string(text.lowercased())
    case "capitalize": return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
    case "title": return .string(text.titled)
    case "isspace": return all(\.isPythonSpace)
    case "isdigit": return all { $0.properties.numericType == .digit || $0.properties.numericType == .decimal }
    case "isalpha": return all(\.isPythonLetter)
    case "isalnum": return all { $0.isPythonLetter || $0.properties.numericType != nil }
    default:
      let (own, other): ((Unicode.Scalar) -> Bool, (Unicode.Scalar) -> Bool) =
        name == "isupper"
        ? ({ $0.properties.isUppercase }, { $0.properties.isLowercase })
        : ({ $0.properties.isLowercase }, { $0.properties.isUppercase })
      return .bool(scalars.contains(where: own) && !scalars.contains(where: other))
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isPythonLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}

extension String {
  func replaced(_ part: String, by other: String, most: Int) throws(Unfit) -> String {
    guard !part.isEmpty else { throw Unfit("an empty text cannot be replaced") }
    return parts(at: part, most: most).joined(separator: other)
  }

  /// Its lines as `str.splitlines` has them.
  var pythonLines: [String] {
    var (lines, line): ([String], String.UnicodeScalarView) = ([], .init())
    var last: Unicode.Scalar?
    for scalar in unicodeScalars {
      defer { last = scalar }
      if scalar == "\n", last == "\r" { continue }
      switch scalar {
      case "\n", "\r", "\u{B}", "\u{C}", "\u{1C}"..."\u{1E}", "\u{85}", "\u{2028}", "\u{2029}":
        lines.append(String(line))
        line = .init()
      default: line.append(scalar)
      }
    }
    return line.isEmpty ? lines : lines + [String(line)]
  }

  /// Words, of letters, with a capital in front.
  var titled: String {
    var (result, follows) = ("", false)
    for scalar in unicodeScalars {
      let isLetter = scalar.properties.isAlphabetic
      result += follows ? String(scalar).lowercased() : String(scalar).uppercased()
      follows = isLetter
    }
    return result
  }
}
