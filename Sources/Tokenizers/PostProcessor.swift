/// The last step: special tokens around the text or the pair, by templates.

struct PostProcessor: Sendable {
  enum Part: Sendable {
    case special([Int32], typeID: Int32)
    /// The first text, or the second.
    case text(Int, typeID: Int32)
  }

  let single: [Part]
  let pair: [Part]

  /// More would be longer than any text that a model reads.
  private static let mostAdded = 1024

  /// Special tokens that a template adds.
  static func addedCount(_ template: [Part]) -> Int {
    template.reduce(0) { if case .special(let ids, _) = $1 { $0 + ids.count } else { $0 } }
  }
}

extension PostProcessor {
  /// One token before a text and one behind it, and perhaps one between two texts.
  init(start: Int32?, end: Int32?, between: Int32?, secondTypeID: Int32) {
    func special(_ id: Int32?, _ typeID: Int32) -> [Part] { id.map { [.special([$0], typeID: typeID)] } ?? [] }
    let first = special(start, 0) + [.text(0, typeID: 0)] + special(end, 0)
    let second = special(between, secondTypeID) + [.text(1, typeID: secondTypeID)] + special(end, secondTypeID)
    self.init(single: first, pair: first + second)
  }

  init(_ fields: TokenizerFields?) throws {
    guard let fields else {
      self.init(single: [.text(0, typeID: 0)], pair: [.text(0, typeID: 0), .text(1, typeID: 1)])
      return
    }
    switch try fields.string("type") {
    case "ByteLevel": try self.init(nil)  // it is about offsets alone
    case "Sequence":
      let adding = try fields.steps("processors").filter { try $0.string("type") != "ByteLevel" }
      guard adding.count <= 1 else {
        throw fields.invalid("processors", found: "\(adding.count) that add tokens", expected: "at most one")
      }
      try self.init(adding.first)
    case "TemplateProcessing":
      let special = try fields.object("special_tokens")?.objects() ?? [:]
      func template(_ key: String, _ inputs: Int) throws -> [Part] {
        let parts = try fields.objects(key).map { try Part($0, special: special) }
        let texts = parts.compactMap { if case .text(let text, _) = $0 { text } else { nil } }
        guard Set(texts).count == texts.count, texts.allSatisfy({ $0 < inputs }) else {
          throw fields.invalid(
            key, found: "a template of \(texts.map { $0 == 0 ? "A" : "B" }.prefix(8).joined(separator: ", "))",
            expected: inputs == 1 ? "A, once" : "A and B, each once")
        }
        let added = max(parts.count, Self.addedCount(parts))
        guard added <= Self.mostAdded else {
          throw fields.invalid(key, found: "\(added) special tokens", expected: "at most \(Self.mostAdded)")
        }
        return parts
      }
      self.init(single: try template("single", 1), pair: try template("pair", 2))
    case "BertProcessing", "RobertaProcessing":
      let isBert = try fields.string("type") == "BertProcessing"
      let start = try fields.tokenAndID("cls")
      let end = try fields.tokenAndID("sep")
      self.init(start: start, end: end, between: isBert ? nil : end, secondTypeID: isBert ? 1 : 0)
    case let type:
      throw fields.unsupported(
        type, supported: ["TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence"])
    }
  }
}

extension PostProcessor.Part {
  fileprivate init(_ fields: TokenizerFields, special: [[UInt8]: TokenizerFields]) throws {
    if let sequence = try fields.object("Sequence") {
      let typeID = try sequence.id("type_id")
      switch try sequence.string("id") {
      case "A": self = .text(0, typeID: typeID)
      case "B": self = .text(1, typeID: typeID)
      case let id: throw sequence.invalid("id", found: "\"\(id)\"", expected: "\"A\" or \"B\"")
      }
    } else if let token = try fields.object("SpecialToken") {
      let name = try token.string("id")
      guard let definition = special[Array(name.utf8)] else {
        throw token.invalid("id", found: "\"\(name)\"", expected: "a token defined in special_tokens")
      }
      self = .special(try definition.ids("ids"), typeID: try token.id("type_id"))
    } else {
      throw fields.unsupported(fields.keys.joined(separator: ", "), supported: ["Sequence", "SpecialToken"])
    }
  }
}
