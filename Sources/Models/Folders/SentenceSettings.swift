/// How an encoder's token vectors become a sentence's, as sentence-transformers keeps it beside the weights.
import Basics
import Foundation
import JSONText
import Tensors

/// What a text is to the others: sentence-transformers puts another prompt before each.
package enum TextRole: String, Sendable, CaseIterable {
  case query, passage
  /// None in particular.
  case plain = "default"
}

/// What says how alike two vectors are.
package enum Similarity: String, Sendable, CaseIterable { case cosine, dot }

package struct SentenceSettings: Sendable, Hashable {
  /// Their results stand side by side.
  package var pooling: [PoolingMode] = [.mean]
  /// Whether the tokens of a prompt are pooled, too.
  package var includesPrompt = true
  /// Whether embeddings are scaled to length 1.
  package var normalizes = false
  /// Tokens, special ones included, after which a text is cut.
  package var maxSequenceLength: Int
  /// Text put before a query, a passage…, by the name of the use.
  package var prompts: [String: String] = [:]
  package var defaultPromptName: String?
  package var similarity = Similarity.cosine
  /// Whether texts are read in small letters, whatever the tokenizer makes of them.
  package var lowercases = false
  /// Elements of each vector that are kept, from the first on, if it has more (Matryoshka); `nil`: all.
  package var truncateDimension: Int?

  /// Where most of this stands.
  package static let generalFile = "config_sentence_transformers.json"
  static let transformerFile = "sentence_bert_config.json"

  package init(maxSequenceLength: Int) { self.maxSequenceLength = maxSequenceLength }

  /// The text that goes before a text of this role, as `encode_query`, `encode_document` and `encode` of
  /// sentence-transformers have it; empty if there is none.
  package func prompt(for role: TextRole) -> String {
    (Self.promptNames(role) + [defaultPromptName].compactMap(\.self)).lazy.compactMap { prompts[$0] }.first ?? ""
  }

  private static func promptNames(_ role: TextRole) -> [String] {
    switch role {
    case .query: ["query"]
    case .passage: ["document", "passage", "corpus"]
    case .plain: []
    }
  }

  /// Puts another text before texts of this role, which may be none, under each name that it goes by.
  mutating func set(_ prompt: String, for role: TextRole) {
    let names = Self.promptNames(role)
    for name in names where prompts[name] != nil || name == names[0] { prompts[name] = prompt }
  }
}

extension SentenceSettings {
  /// `folder` has `modules.json` unless it is a plain encoder; `transformer` is where the first module's files are.
  /// Throws a `CheckpointError` on a module, a pooling or a value that is not supported.
  /// - Parameter notices: gets what is done otherwise than the files say.
  init(
    folder: URL, transformer: URL, modules: [SentenceModule], maximumPositions: Int, notices: inout [String]
  ) throws {
    let own = try Configuration(ifPresent: transformer.appending(path: Self.transformerFile), in: folder)
    self.init(
      maxSequenceLength: try Self.length(
        own, in: transformer, root: folder, maximumPositions: maximumPositions, notices: &notices))
    lowercases = try own?.bool(ifPresent: "do_lower_case") ?? false
    if !modules.contains(where: { $0.kind == SentenceModule.tokenScore }) { try own.map(Self.checkOutput) }
    for module in modules {
      switch module.kind {
      case "Pooling":
        try read(pooling: Configuration(contentsOf: module.folder.appending(path: "config.json"), in: folder))
      case "Normalize": normalizes = true
      default: continue
      }
    }
    if let general = try Configuration(
      ifPresent: folder.appending(path: Self.generalFile), in: folder)
    {
      for prompt in general.values["prompts"]?.members ?? [] {
        guard let text = prompt.value.string else {
          throw CheckpointError(
            general.file, "prompt \"\(prompt.key)\"", found: prompt.value.text(), expected: "a string")
        }
        prompts[prompt.key] = text
      }
      defaultPromptName = try general.string(ifPresent: "default_prompt_name")
      if let name = defaultPromptName, prompts[name] == nil {
        throw CheckpointError(
          general.file, "key \"default_prompt_name\"", found: "\"\(name)\"",
          expected: "one of the prompts \(prompts.keys.sorted())")
      }
      if let name = try general.string(ifPresent: "similarity_fn_name") {
        guard let known = Similarity(rawValue: name) else {
          throw CheckpointError(
            general.file, "key \"similarity_fn_name\"", found: "\"\(name)\"", expected: "\"cosine\" or \"dot\"",
            remedy: "Nothing else is supported yet.")
        }
        similarity = known
      }
      truncateDimension = try general.int(ifPresent: "truncate_dim")
      if let truncateDimension, truncateDimension < 1 {
        throw CheckpointError(
          general.file, "key \"truncate_dim\"", found: "\(truncateDimension)", expected: "null or a size from 1")
      }
    }
  }

  /// Throws if the transformer gives something else than its last hidden states; scores are a cross-encoder's.
  private static func checkOutput(_ own: Configuration) throws {
    let output = try own.string(ifPresent: "module_output_name") ?? "token_embeddings"
    guard output != "scores" else { return }
    let (key, text) = ("modality_config", own.values["modality_config"]?["text"])
    for (key, found, expected) in [
      ("module_output_name", output, "token_embeddings"), (key, text?["method"]?.string, "forward"),
      (key, text?["method_output_name"]?.string, "last_hidden_state"),
    ] where found ?? expected != expected {
      throw CheckpointError(own.file, "key \"\(key)\"", found: "\"\(found ?? "")\"", expected: "\"\(expected)\"")
    }
  }

  private static func length(
    _ own: Configuration?, in transformer: URL, root: URL, maximumPositions: Int, notices: inout [String]
  ) throws -> Int {
    if let length = try own?.int(ifPresent: "max_seq_length") {
      guard length >= 1 else {
        throw CheckpointError(
          transformer.appending(path: Self.transformerFile), "key \"max_seq_length\"", found: "\(length)",
          expected: "1 to max_position_embeddings, \(maximumPositions)")
      }
      if length > maximumPositions {
        notices.append(
          "max_seq_length \(length) is beyond the model's \(maximumPositions) positions: texts are cut at these")
      }
      return min(length, maximumPositions)
    }
    // Newer folders keep the length with the tokenizer; 10³⁰ there stands for "not limited".
    let tokenizer = try Configuration(ifPresent: transformer.appending(path: "tokenizer_config.json"), in: root)
    let length = try tokenizer?.double(ifPresent: "model_max_length") ?? .infinity
    return length >= 1 ? Int(min(length, Double(maximumPositions))) : maximumPositions
  }

  /// In the order in which the classic keys' vectors stand.
  private static let modes: [(key: String, name: String, mode: PoolingMode)] = [
    ("pooling_mode_cls_token", "cls", .cls), ("pooling_mode_max_tokens", "max", .max),
    ("pooling_mode_mean_tokens", "mean", .mean),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", .meanSqrtLength),
    ("pooling_mode_weightedmean_tokens", "weightedmean", .weightedMean),
    ("pooling_mode_lasttoken", "lasttoken", .lastToken),
  ]

  private mutating func read(pooling file: Configuration) throws {
    if let given = file.values["pooling_mode"] {
      pooling = try (given.elements ?? [given]).map { name in
        guard let known = Self.modes.first(where: { $0.name == name.string }) else {
          throw CheckpointError(
            file.file, "key \"pooling_mode\"", found: name.text(),
            expected: Self.modes.map { "\"\($0.name)\"" }.joined(separator: ", ") + ", or a list of these")
        }
        return known.mode
      }
      guard !pooling.isEmpty else {
        throw CheckpointError(file.file, "key \"pooling_mode\"", found: "an empty list", expected: "a mode at least")
      }
    } else {
      let chosen = try Self.modes.filter { try file.bool(ifPresent: $0.key) ?? false }.map(\.mode)
      pooling = chosen.isEmpty ? [.mean] : chosen
    }
    includesPrompt = try file.bool(ifPresent: "include_prompt") ?? true
  }
}

extension SentenceSettings {
  /// Writes all of a sentence-transformers folder but the model. Classic keys and types: every version reads them.
  /// - Parameters:
  ///   - dense: how many Dense modules there are; their folders are written elsewhere.
  ///   - general: the base's `config_sentence_transformers.json`, whose other keys are kept.
  func write(to folder: URL, embeddingDimension: Int, dense: Int = 0, general: JSONValue?) throws {
    func write(_ values: JSONValue, to path: String) throws {
      let file = folder.appending(path: path)
      try CheckpointError.writing(file) {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      }
      try Configuration(file: file, values: values).write()
    }
    let kinds =
      ["Transformer", "Pooling"] + [String](repeating: "Dense", count: dense) + (normalizes ? ["Normalize"] : [])
    let modules = kinds.enumerated().map { index, kind -> JSONValue in
      [
        "idx": .int(index), "name": .string("\(index)"), "path": .string(index == 0 ? "" : "\(index)_\(kind)"),
        "type": .string("sentence_transformers.models.\(kind)"),
      ]
    }
    try write(.array(modules), to: "modules.json")
    var pooling: JSONValue
    if self.pooling == Self.modes.map(\.mode).filter(self.pooling.contains) {
      pooling = ["word_embedding_dimension": .int(embeddingDimension)]
      for (key, _, mode) in Self.modes { pooling[key] = .bool(self.pooling.contains(mode)) }
    } else {
      // The classic keys know one order alone.
      let names = self.pooling.compactMap { mode in Self.modes.first { $0.mode == mode }?.name }
      pooling = [
        "embedding_dimension": .int(embeddingDimension), "pooling_mode": .array(names.map { .string($0) }),
      ]
    }
    pooling["include_prompt"] = .bool(includesPrompt)
    try write(pooling, to: "1_Pooling/config.json")
    if normalizes { try write([:], to: "\(kinds.count - 1)_Normalize/config.json") }
    try write(
      ["max_seq_length": .int(maxSequenceLength), "do_lower_case": .bool(lowercases)], to: Self.transformerFile)
    var general = general ?? [:]
    general["prompts"] = .object(
      prompts.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) })
    general["default_prompt_name"] = defaultPromptName.map { .string($0) } ?? .null
    general["similarity_fn_name"] = .string(similarity.rawValue)
    if let truncateDimension { general["truncate_dim"] = .int(truncateDimension) }
    try write(general, to: Self.generalFile)
  }
}

/// A line of `modules.json`.
struct SentenceModule {
  /// `Transformer`, `Pooling`, `Dense`, `Normalize` or `LogitScore`, the last part of the classic or the new type name.
  let kind: String
  let folder: URL

  /// The kind that makes a score of a language model's logits.
  static let tokenScore = "LogitScore"

  /// Whether a relative path goes nowhere up; by bytes, for a slash with a mark on it is a slash.
  private static func isInside(_ path: String) -> Bool {
    path.utf8.first != UInt8(ascii: "/") && !path.utf8.contains(0)
      && !path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
  }

  /// The modules of `folder`, none for a plain Hugging Face folder.
  static func read(in folder: URL) throws -> [SentenceModule] {
    guard let list = try Configuration(ifPresent: folder.appending(path: "modules.json"), in: folder) else { return [] }
    let modules = try (list.values.elements ?? []).map { values in
      let entry = Configuration(file: list.file, values: values)
      let (type, path) = (try entry.string("type"), try entry.string("path"))
      let inner = path.isEmpty ? folder : folder.appending(path: path)
      guard isInside(path), !ForeignFile.exists(inner) || ForeignFile.lies(inner, in: folder) else {
        throw CheckpointError(list.file, "key \"path\"", found: "\"\(path)\"", expected: "a folder inside this one")
      }
      let kind = String(type.split(separator: ".").last ?? "")
      // Before version 0.3 there was a class of each architecture.
      return SentenceModule(kind: kind == "BERT" ? "Transformer" : kind, folder: inner)
    }
    let kinds = modules.map(\.kind)
    // Dense modules come after the pooling, as many as there are.
    let others = Array(kinds.prefix(2) + kinds.dropFirst(2).drop { $0 == "Dense" })
    guard
      !others.isEmpty,
      ["Transformer", "Pooling", "Normalize"].starts(with: others) || kinds == ["Transformer", tokenScore]
    else {
      throw CheckpointError(
        list.file, "modules", found: kinds.joined(separator: ", "),
        expected: "Transformer, Pooling, perhaps Dense ones, and perhaps Normalize, in this order; or Transformer and "
          + tokenScore)
    }
    return modules
  }
}
