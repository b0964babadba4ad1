/// A mapping of the file with a fixed set of keys, read key by key.
import Basics

struct Fields {
  let mark: Mark
  private let entries: [String: Node.Entry]
  private let prefix: String
  private let decoder: ValueDecoder

  /// Reports a node that is no mapping, and every key that is not allowed; neither stops the reading.
  /// - Parameter prefix: what messages put before a key's name: `defaults.`.
  init(_ node: Node, of owner: String, prefix: String = "", allowed: [String], _ diagnostics: Diagnostics) {
    mark = node.mark
    self.prefix = prefix
    decoder = ValueDecoder(diagnostics: diagnostics)
    let found = node.entries(of: owner, diagnostics) ?? []
    for entry in found where !allowed.contains(entry.key) {
      diagnostics.report(
        "\(owner) has no key `\(entry.key.shortened)`; it may have \(allowed.joined(last: "and"))", at: entry.mark,
        suggestion: nearest(to: entry.key, in: allowed))
    }
    entries = Dictionary(found.map { ($0.key, $0) }) { first, _ in first }
  }

  /// The value of `key`; `nil` where it is absent or null.
  subscript(key: String) -> Node? {
    guard let node = entries[key]?.value else { return nil }
    if case .scalar(.null, _) = node.value { return nil }
    return node
  }

  /// Where the key itself stands.
  func mark(of key: String) -> Mark { entries[key]?.mark ?? mark }

  // MARK: - Typed values: `nil` where the key is absent, and where its value does not fit, which is reported.

  func text(_ key: String) -> String? {
    guard case .string(let text)? = value(key, .string) else { return nil }
    return text
  }

  func word(_ key: String, of words: [String]) -> String? {
    guard case .string(let word)? = value(key, .choice(words)) else { return nil }
    return word
  }

  func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard case .int(let value)? = value(key, .int(range)) else { return nil }
    return value
  }

  func words(_ key: String) -> [String]? {
    guard case .list(let values)? = value(key, .list(.string)) else { return nil }
    return values.compactMap(String.init(parameter:))
  }

  /// The mapping at `key`.
  func mapping(_ key: String, allowed: [String]) -> Fields? {
    self[key].map {
      Fields($0, of: "`\(prefix)\(key)`", prefix: "\(prefix)\(key).", allowed: allowed, decoder.diagnostics)
    }
  }

  /// A text with a unit. - Parameter expected: what it should have been, for the message.
  func quantity<Value>(_ key: String, _ expected: String, _ parse: (String) -> Value?) -> Value? {
    guard let node = self[key] else { return nil }
    if case .invalid = node.value { return nil }
    if case .scalar(_, let text) = node.value, let value = parse(text) { return value }
    decoder.diagnostics.report("`\(prefix)\(key)` must be \(expected), not \(node.inWords)", at: node.mark)
    return nil
  }

  private func value(_ key: String, _ type: ParameterType) -> ParameterValue? {
    self[key].flatMap { decoder.decode($0, as: type, named: prefix + key) }
  }
}

extension Node {
  /// The entries of a mapping; reports anything else but null, which is an empty one.
  func entries(of owner: String, _ diagnostics: Diagnostics) -> [Entry]? {
    switch value {
    case .mapping(let entries): return entries
    case .scalar(.null, _): return []
    case .invalid: return nil
    case .scalar, .sequence:
      diagnostics.report("\(owner) must be a mapping (`key: value`), not \(inWords)", at: mark)
      return nil
    }
  }
}
