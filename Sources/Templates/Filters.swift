/// Jinja's filters, as far as chat templates use them; `tojson` is that of transformers.
import Foundation

enum Filters {
  static let names: Set<String> = [
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "indent", "int", "items", "join",
    "last",
    "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe",
    "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "unique", "upper",
  ]

  typealias Check = (String) throws(Unfit) -> String

  static func apply(
    _ name: String, to value: Value, _ arguments: Called, _ checked: Check
  ) throws(Unfit) -> Value {
    switch name {
    case "default", "d":
      try arguments.check(["default_value", "boolean"])
      let isMissing = if case .undefined = value { true } else { arguments.flag(1, "boolean") && !value.isTrue }
      return isMissing ? arguments.value(0, "default_value") ?? .string("") : value
    case "tojson": return .string(try checked(try json(value, arguments)))
    case "join": return .string(try checked(try joined(value, arguments)))
    case "map", "select", "reject", "selectattr", "rejectattr":
      return try chosen(name, value, arguments, checked)
    case "dictsort", "first", "items", "last", "list", "max", "min", "reverse", "sort", "sum", "unique", "length",
      "count":
      return try ofLists(name, value, arguments)
    case "abs", "float", "int", "round": return try ofNumbers(name, value, arguments)
    default: return .string(try checked(try ofTexts(name, value, arguments)))
    }
  }

  private static func ofTexts(_ name: String, _ value: Value, _ arguments: Called) throws(Unfit) -> String {
    let text = value.text
    switch name {
    case "trim":
      try arguments.check(["chars"])
      return text.stripped(try arguments.text(0, "chars"), front: true, back: true)
    case "replace":
      try arguments.check(["old", "new", "count"])
      guard let old = try arguments.text(0, "old"), let new = try arguments.text(1, "new") else {
        throw Unfit("`replace` takes two texts")
      }
      return try text.replaced(old, by: new, most: try arguments.int(2, "count", absent: -1))
    case "indent":
      try arguments.check(["width", "first", "blank"])
      return try indented(text, arguments)
    default:
      try arguments.check([])
      switch name {
      case "upper": return text.uppercased()
      case "lower": return text.lowercased()
      case "capitalize": return text.prefix(1).uppercased() + text.dropFirst().lowercased()
      case "title": return text.titled
      default: return text  // `string`, `safe`
      }
    }
  }

  private static func indented(_ text: String, _ arguments: Called) throws(Unfit) -> String {
    let width = arguments.value(0, "width") ?? .int(4)
    let indent: String
    if case .string(let given) = width {
      indent = given
    } else {
      let count = try arguments.int(0, "width", absent: 4)
      guard count <= 1000 else { throw Unfit("an indent of more than 1000") }
      indent = String(repeating: " ", count: max(0, count))
    }
    let lines = (text + "\n").pythonLines
    let blank = arguments.flag(2, "blank")
    let rest = lines.dropFirst().map { $0.isEmpty && !blank ? $0 : indent + $0 }
    return (arguments.flag(1, "first") ? indent : "") + ([lines.first ?? ""] + rest).joined(separator: "\n")
  }

  private static func json(_ value: Value, _ arguments: Called) throws(Unfit) -> String {
    try arguments.check(["ensure_ascii", "indent", "separators", "sort_keys"])
    var form = JSONForm(separators: (", ", ": "))
    form.isASCII = arguments.flag(0, "ensure_ascii")
    form.sortsKeys = arguments.flag(3, "sort_keys")
    switch arguments.value(1, "indent") {
    case nil, .some(.none): break
    case .some(.string(let text)): form.indent = text
    default:
      let count = try arguments.int(1, "indent", absent: 0)
      guard count <= 1000 else { throw Unfit("an indent of more than 1000") }
      form.indent = String(repeating: " ", count: max(0, count))
    }
    if form.indent != nil { form.separators.item = "," }
    switch arguments.value(2, "separators") {
    case nil, .some(.none): break
    case .some(let value):
      let texts = try value.items()
      guard texts.count == 2 else { throw Unfit("`separators` are two texts") }
      form.separators = (texts[0].text, texts[1].text)
    }
    return try value.json(form)
  }

  private static func joined(_ value: Value, _ arguments: Called) throws(Unfit) -> String {
    try arguments.check(["d", "attribute"])
    var items = try value.items()
    if let attribute = try arguments.text(1, "attribute") { items = items.map { $0.member(attribute) } }
    return items.map(\.text).joined(separator: arguments.value(0, "d")?.text ?? "")
  }

  // MARK: - Lists

  private static func ofLists(_ name: String, _ value: Value, _ arguments: Called) throws(Unfit) -> Value {
    switch name {
    case "length", "count":
      try arguments.check([])
      guard case .int(let count) = try value.length() else { throw Unfit("\(value.kind) has no length") }
      return .int(count)
    case "items":
      guard case .dictionary(let dictionary) = value else {
        if case .undefined = value { return .list([]) }
        throw Unfit("\(value.kind) has no items of names and values")
      }
      return .list(dictionary.members.map { .pair($0.key, $0.value) })
    case "dictsort":
      try arguments.check([])
      guard case .dictionary(let dictionary) = value else { throw Unfit("\(value.kind) is no dictionary") }
      return .list(
        try sorted(dictionary.members) { $0.key.caseFolded }.map { .pair($0.key, $0.value) })
    case "list":
      try arguments.check([])
      return .list(try value.items())
    case "first": return try value.items().first ?? .undefined("the first of nothing")
    case "last": return try value.items().last ?? .undefined("the last of nothing")
    case "reverse":
      if case .string(let text) = value {
        return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
      }
      return .list(try value.items().reversed())
    case "sort":
      try arguments.check(["reverse", "case_sensitive", "attribute"])
      let attribute = try arguments.text(2, "attribute")
      let isExact = arguments.flag(1, "case_sensitive")
      let items = try sorted(try value.items(), reverse: arguments.flag(0, "reverse")) { item in
        let key = attribute.map { item.member($0) } ?? item
        return isExact ? key : key.caseFolded
      }
      return .list(items)
    case "unique":
      try arguments.check([])
      var (kept, keys): ([Value], [Value]) = ([], [])
      for item in try value.items() where !keys.contains(where: { $0.equals(item.caseFolded) }) {
        kept.append(item)
        keys.append(item.caseFolded)
        guard keys.count <= 4096 else { throw Unfit("more than 4096 values that differ") }
      }
      return .list(kept)
    case "sum":
      try arguments.check([])
      var sum = Value.int(0)
      for item in try value.items() { sum = try sum.combined("+", with: item) { (text) throws(Unfit) in text } }
      return sum
    default:  // `max`, `min`
      try arguments.check([])
      let items = try sorted(try value.items(), reverse: false) { $0.caseFolded }
      return (name == "max" ? items.last : items.first) ?? .undefined("the \(name) of nothing")
    }
  }

  /// Stable, by keys that have an order.
  private static func sorted<T>(_ items: [T], reverse: Bool = false, _ key: (T) -> Value) throws(Unfit) -> [T] {
    let keys = items.map(key)
    // Asks for the order of neighbours first: a sort's closure must not find out halfway that there is none.
    for (a, b) in zip(keys, keys.dropFirst()) { _ = try a.precedes(b) }
    func comes(_ a: Int, _ b: Int) -> Bool {
      func precedes(_ x: Int, _ y: Int) -> Bool { do { return try keys[x].precedes(keys[y]) } catch { return false } }
      if reverse ? precedes(b, a) : precedes(a, b) { return true }
      if reverse ? precedes(a, b) : precedes(b, a) { return false }
      return a < b
    }
    return items.indices.sorted(by: comes).map { items[$0] }
  }

  private static func chosen(
    _ name: String, _ value: Value, _ arguments: Called, _ checked: Check
  ) throws(Unfit) -> Value {
    let items = try value.items()
    if name == "map" {
      if let attribute = arguments.named.first(where: { $0.name == "attribute" })?.value {
        guard case .string(let path) = attribute else { throw Unfit("`attribute` is \(attribute.kind)") }
        let absent = arguments.named.first { $0.name == "default" }?.value
        return .list(
          items.map { item in
            let found = item.member(path)
            if case .undefined = found { return absent ?? found }
            return found
          })
      }
      guard case .string(let filter)? = arguments.plain.first, names.contains(filter) else {
        throw Unfit("`map` takes `attribute=` or the name of a filter")
      }
      var mapped: [Value] = []
      let rest = Called(plain: Array(arguments.plain.dropFirst()), named: arguments.named)
      for item in items { mapped.append(try apply(filter, to: item, rest, checked)) }
      return .list(mapped)
    }
    var rest = arguments.plain[...]
    var attribute: String?
    if name.hasSuffix("attr") {
      guard case .string(let path)? = rest.popFirst() else { throw Unfit("`\(name)` takes the name of an attribute") }
      attribute = path
    }
    var test: String?
    if let first = rest.popFirst() {
      guard case .string(let name) = first, Tests.names.contains(name) else {
        throw Unfit("there is no test `\(first.text)`")
      }
      test = name
    }
    var kept: [Value] = []
    for item in items {
      let subject = attribute.map { item.member($0) } ?? item
      let holds =
        try test.map { (test) throws(Unfit) in try Tests.holds(test, of: subject, Array(rest)) } ?? subject.isTrue
      if holds == name.hasPrefix("select") { kept.append(item) }
    }
    return .list(kept)
  }

  // MARK: - Numbers

  private static func ofNumbers(_ name: String, _ value: Value, _ arguments: Called) throws(Unfit) -> Value {
    switch name {
    case "abs":
      try arguments.check([])
      if let number = value.integer, number != .min { return .int(abs(number)) }
      guard let number = value.number else { throw Unfit("\(value.kind) is no number") }
      return .double(abs(number))
    case "int", "float":
      try arguments.check(["default"])
      let isWhole = name == "int"
      let absent = arguments.value(0, "default") ?? (isWhole ? .int(0) : .double(0))
      var number = value.number
      if case .string(let text) = value {
        let stripped = text.stripped(nil, front: true, back: true)
        if isWhole, let whole = Int(stripped) { return .int(whole) }
        number = Double(stripped)
      }
      if isWhole, let whole = value.integer { return .int(whole) }
      guard let number else { return absent }
      return isWhole ? Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? absent : .double(number)
    default:
      try arguments.check(["precision", "method"])
      guard let number = value.number else { throw Unfit("\(value.kind) is no number") }
      let factor = pow(10, Double(try arguments.int(0, "precision", absent: 0)))
      let method = try arguments.text(1, "method") ?? "common"
      switch method {
      case "common": return .double((number * factor).rounded(.toNearestOrEven) / factor)
      case "ceil": return .double((number * factor).rounded(.up) / factor)
      case "floor": return .double((number * factor).rounded(.down) / factor)
      default: throw Unfit("`round` has no method `\(method)`")
      }
    }
  }
}

extension Value {
  /// What a dotted path of an item leads to.
  fileprivate func member(_ path: String) -> Value {
    var value = self
    for step in path.split(separator: ".", omittingEmptySubsequences: false).map(String.init) {
      switch value {
      case .dictionary(let dictionary): value = dictionary[step] ?? .undefined("`\(step)`")
      case .list(let values, _):
        guard let index = Int(step), values.indices.contains(index) else { return .undefined("`\(step)` of a list") }
        value = values[index]
      default: return .undefined("`\(step)` of \(value.kind)")
      }
    }
    return value
  }

  fileprivate var caseFolded: Value { if case .string(let text) = self { .string(text.lowercased()) } else { self } }

  func length() throws(Unfit) -> Value {
    switch self {
    case .undefined: .int(0)
    case .string(let text): .int(text.unicodeScalars.count)
    case .list(let values, _): .int(values.count)
    case .dictionary(let dictionary): .int(dictionary.members.count)
    default: throw Unfit("\(kind) has no length")
    }
  }
}
