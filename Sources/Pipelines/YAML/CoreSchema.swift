/// What a scalar means: the core schema of YAML 1.2 (section 10.3.2), in which `no`, `on` and `1_000` are texts.

extension ParameterValue {
  /// The value of a scalar that is written without quotes.
  init(plain text: String) {
    switch text {
    case "", "~", "null", "Null", "NULL": self = .null
    case "true", "True", "TRUE": self = .bool(true)
    case "false", "False", "FALSE": self = .bool(false)
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": self = .double(.infinity)
    case "-.inf", "-.Inf", "-.INF": self = .double(-.infinity)
    case ".nan", ".NaN", ".NAN": self = .double(.nan)
    default: self = Self.number(text) ?? .string(text)
    }
  }

  /// The value of a scalar with an explicit tag; `nil` if the tag is unknown or the text does not fit it.
  init?(_ text: String, tag: String) {
    let plain = ParameterValue(plain: text)
    switch (tag, plain) {
    case ("tag:yaml.org,2002:str", _), ("!", _): self = .string(text)
    case ("tag:yaml.org,2002:null", .null), ("tag:yaml.org,2002:bool", .bool), ("tag:yaml.org,2002:int", .int),
      ("tag:yaml.org,2002:float", .double):
      self = plain
    case ("tag:yaml.org,2002:float", .int(let value)): self = .double(Double(value))
    default: return nil
    }
  }

  /// `12`, `-3`, `0o17`, `0xff`, `1.5`, `.5`, `2e-5`; an integer beyond 64 bits becomes a float.
  private static func number(_ text: String) -> ParameterValue? {
    guard let first = text.utf8.first, first < UInt8(ascii: ":"), text.utf8.count < 400 else { return nil }
    if text.hasPrefix("0o") { return Int(plainDigits: text.dropFirst(2), radix: 8).map { .int($0) } }
    if text.hasPrefix("0x") { return Int(plainDigits: text.dropFirst(2), radix: 16).map { .int($0) } }
    var rest = Substring(text).utf8
    func digits() -> Int {
      let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
      rest = rest.dropFirst(count)
      return count
    }
    func skip(_ characters: Set<UInt8>) -> Bool {
      guard let next = rest.first, characters.contains(next) else { return false }
      rest = rest.dropFirst()
      return true
    }
    let sign: Set<UInt8> = [UInt8(ascii: "+"), UInt8(ascii: "-")]
    _ = skip(sign)
    let whole = digits()
    if whole > 0 && rest.isEmpty { return Int(text).map { .int($0) } ?? Double(text).map { .double($0) } }
    let fraction = skip([UInt8(ascii: ".")]) ? digits() : 0
    guard whole + fraction > 0 else { return nil }
    if skip([UInt8(ascii: "e"), UInt8(ascii: "E")]) {
      _ = skip(sign)
      guard digits() > 0 else { return nil }
    }
    return rest.isEmpty ? Double(text).map { .double($0) } : nil
  }
}

extension Int {
  /// Without the sign that `Int(_:radix:)` would accept.
  fileprivate init?(plainDigits digits: Substring, radix: Int) {
    guard digits.first != "-", digits.first != "+" else { return nil }
    self.init(digits, radix: radix)
  }
}
