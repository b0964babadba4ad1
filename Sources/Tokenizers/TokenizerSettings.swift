/// What a model's folder says beside tokenizer.json: tokenizer_config.json and older files, all optional.
import Basics
import Foundation
import JSONText

struct TokenizerSettings {
  /// The keys of tokenizer_config.json, and those of special_tokens_map.json where they count.
  let fields: TokenizerFields
  let modelMaxLength: Int?
  let padToken: String?
  let truncationSide: TruncationSide?
  /// The class that the folder names; absent: tokenizer.json counts as it is.
  let kind: TokenizerClass?
  /// What to hear of a class that transformers may build anew, and that is none of `TokenizerClass`.
  let notices: [String]
  /// The keys of all tokens by name, in the order in which transformers adds them.
  private let names: [String]
  /// Tokens of added_tokens.json.
  private let older: [AddedToken]

  private static let commonNames = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]
  /// Without any name of a class, one of BertTokenizer's keys stands for it.
  private static let bertKeys = ["do_lower_case", "strip_accents", "tokenize_chinese_chars"]
  /// Names of classes that take tokenizer.json as it is.
  private static let plainClasses = ["PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"]
  /// Architectures whose folders transformers believes no other class of.
  private static let believedTypes = ["modernbert", "qwen2"]

  private static func read(_ name: String, in folder: URL) throws -> (JSONValue, TokenizerFields) {
    let url = folder.appending(path: name)
    let values =
      ForeignFile.exists(url) ? try readJSON(readFile(url, atMost: 64 << 20), of: url) { try $0.value() } : [:]
    guard case .object = values else {
      throw TokenizerError.invalid(field: "the file", found: values.kind, expected: "an object", file: url.path)
    }
    return (values, try TokenizerFields(values, path: "", file: url.path))
  }

  init(folder: URL) throws {
    var (values, fields) = try Self.read("tokenizer_config.json", in: folder)
    // Python writes 1e30 for "no limit".
    modelMaxLength = values["model_max_length"]?.double.flatMap { (0..<1e9).contains($0) ? Int($0) : nil }
    let side = try fields.string("truncation_side", default: "")
    truncationSide = TruncationSide(rawValue: side)
    guard side.isEmpty || truncationSide != nil else {
      throw fields.invalid("truncation_side", found: "\"\(side)\"", expected: "\"left\" or \"right\"")
    }
    guard try !fields.bool("split_special_tokens", default: false) else {
      throw fields.invalid("split_special_tokens", found: "true", expected: "false")
    }
    let (_, config) = try Self.read("config.json", in: folder)
    let type = try config.string("model_type", default: "")
    let name = try fields.string("tokenizer_class", default: config.string("tokenizer_class", default: ""))
    kind =
      if Self.believedTypes.contains(type) {
        TokenizerClass(modelType: type)
      } else if !name.isEmpty {
        TokenizerClass(name: name)
      } else if !type.isEmpty {
        TokenizerClass(modelType: type)
      } else {
        Self.bertKeys.contains { values[$0] != nil } ? .bert : nil
      }
    notices =
      kind != nil || name.isEmpty || Self.plainClasses.contains(name)
      ? []
      : [
        "tokenizer_class \(name) is none that is known here: tokenizer.json counts as it is, which transformers may read "
          + "otherwise; compare a few ids (`retort tokenize`)"
      ]
    var older: [AddedToken] = []
    if values["added_tokens_decoder"] == nil {
      let map = try Self.read("special_tokens_map.json", in: folder).0
      for member in map.members ?? [] {
        var value = member.value
        if case .object = value, value["content"] != nil { value["special"] = true }
        values[member.key] = value
      }
      let (added, ids) = try Self.read("added_tokens.json", in: folder)
      let special = Set(
        (values.members ?? []).flatMap { $0.value.elements ?? [$0.value] }.compactMap {
          ($0.string ?? $0["content"]?.string).map { Array($0.utf8) }
        })
      older = try (added.members ?? []).map { member in
        let isSpecial = special.contains(Array(member.key.utf8))
        let token: JSONValue = [
          "content": .string(member.key), "special": .bool(isSpecial), "normalized": .bool(!isSpecial),
        ]
        return try AddedToken(TokenizerFields(token, path: member.key, file: ""), id: try ids.id(member.key))
      }
      fields = try TokenizerFields(values, path: "", file: folder.appending(path: "tokenizer_config.json").path)
    }
    let others = (values.members ?? []).filter { member in
      member.key.hasSuffix("_token") && !Self.commonNames.contains(member.key)
        && (member.value.string != nil || member.value["content"] != nil)
    }
    names = Self.commonNames + others.map(\.key)
    self.older = older
    self.fields = fields
    padToken = try fields.token("pad_token")?.string("content")
  }

  /// The class that counts over a tokenizer.json: LlamaTokenizer has no words of bytes.
  func kind(over file: TokenizerFields) throws -> TokenizerClass? {
    guard kind == .llama else { return kind }
    let words = file.value("pre_tokenizer")
    let steps = words["pretokenizers"]?.elements ?? [words]
    return steps.contains { $0["type"] == "ByteLevel" } ? nil : kind
  }

  /// The name of a special token, by its key.
  func name(_ key: String, of kind: TokenizerClass?) throws -> String? {
    try fields.token(key)?.string("content")
      ?? (fields.keys.contains(key) ? nil : kind?.specialTokens[key])
  }

  /// Tokenizer.json's added tokens and those that settings add to them or change.
  func addedTokens(_ kind: TokenizerClass?, file: TokenizerFile) throws -> [AddedToken] {
    func written(_ tokens: TokenizerFields) throws -> [AddedToken] {
      try tokens.value("added_tokens") == .null
        ? [] : tokens.objects("added_tokens").map { try AddedToken($0, id: $0.id("id")) }
    }
    let stored = try written(file.fields)
    var listed = stored + older
    if let decoder = try fields.object("added_tokens_decoder") {
      listed = try decoder.keys.map { key in
        guard let id = Int32(key), let token = try decoder.token(key) else {
          throw fields.invalid("added_tokens_decoder", found: "\"\(key.prefix(40))\"", expected: "ids and tokens")
        }
        return try AddedToken(token, id: id)
      }
    }
    listed.sort { ($0.writtenID ?? 0) < ($1.writtenID ?? 0) }
    var all = (kind == nil ? stored : []) + listed
    var known = Set(all.map { Array($0.content.utf8) })
    var named = try names.compactMap { key in
      try fields.token(key).map { try AddedToken($0, id: nil) }
        ?? name(key, of: kind).map {
          try AddedToken(
            TokenizerFields(["content": .string($0), "special": true], path: key, file: file.name), id: nil)
        }
    }
    if case .object = fields.value("extra_special_tokens"), let object = try fields.object("extra_special_tokens") {
      named += try object.keys.compactMap { try object.token($0).map { try AddedToken($0, id: nil) } }
    }
    // The first list counts: the vocabulary's own is the last.
    let lists = [
      (fields, "extra_special_tokens"), (fields, "additional_special_tokens"), (file.fields, "extra_special_tokens"),
    ]
    let list = lists.first { $0.value($1).elements?.isEmpty == false }
    let extra = try list.map { try $0.tokens($1).map { try AddedToken($0, id: nil) } } ?? []
    let namedContents = Set(named.map { Array($0.content.utf8) })
    for place in all.indices where namedContents.contains(Array(all[place].content.utf8)) {
      all[place].isSpecial = true
    }
    all += (named + extra).filter { known.insert(Array($0.content.utf8)).inserted }
    // Qwen2Tokenizer adds them all once more, as plain ones.
    return kind == .qwen2 ? all + (named + extra).map(\.plain) : all
  }

  /// - Parameter id: gives the id of a token.
  func postProcessor(
    _ kind: TokenizerClass?, file: TokenizerFile, id: (String) -> Int32?
  ) throws -> PostProcessor {
    func special(_ key: String) throws -> Int32? { try name(key, of: kind).flatMap(id) }
    func framing(_ key: String) throws -> Int32 {
      guard let id = try special(key) else {
        throw fields.invalid(key, found: "null", expected: "a token, which stands beside every text")
      }
      return id
    }
    if let kind, let (start, end) = kind.framing {
      let (start, end) = (try framing(start), try framing(end))
      let isBert = kind == .bert
      return PostProcessor(start: start, end: end, between: isBert ? nil : end, secondTypeID: isBert ? 1 : 0)
    }
    if file.isWhole { return try PostProcessor(file.fields.object("post_processor")) }
    let start = try fields.bool("add_bos_token", default: false) ? special("bos_token") : nil
    let end = try fields.bool("add_eos_token", default: false) ? special("eos_token") : nil
    return PostProcessor(start: start, end: end, between: start, secondTypeID: 1)
  }

  /// Says which of tokenizer.json's choices this file's replace.
  static func notices(_ own: PreTokenizer, replacing stored: PreTokenizer) -> [String] {
    guard case .byteLevel(let own) = own, case .byteLevel(let stored) = stored,
      own.addsPrefixSpace != stored.addsPrefixSpace
    else { return [] }
    return [
      "tokenizer_config.json and tokenizer.json contradict each other: as in transformers' RobertaTokenizer, the former "
        + "counts: add_prefix_space is \(own.addsPrefixSpace), not \(stored.addsPrefixSpace)"
    ]
  }

  static func notices(_ own: Normalizer, replacing stored: Normalizer) -> [String] {
    guard case .bert(let own) = own, case .bert(let stored) = stored else { return [] }
    let changed = [
      ("lowercase", own.lowercases, stored.lowercases), ("strip_accents", own.stripsAccents, stored.stripsAccents),
      ("handle_chinese_chars", own.separatesIdeographs, stored.separatesIdeographs),
      ("clean_text", own.cleansText, stored.cleansText),
    ].filter { $1 != $2 }
    guard !changed.isEmpty else { return [] }
    return [
      "tokenizer_config.json and tokenizer.json contradict each other: as in transformers' BertTokenizer, the former "
        + "counts: " + changed.map { "\($0.0) is \($0.1), not \($0.2)" }.joined(separator: ", ")
    ]
  }
}
