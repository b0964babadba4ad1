/// What transformers' tokenizer classes make of a folder's settings, in the terms of tokenizer.json.
import Foundation
import JSONText

/// A class that builds its tokenizer anew: of tokenizer.json it takes the vocabulary, and of the rest only what is
/// said here. Other names stand for no class: tokenizer.json counts as it is.
enum TokenizerClass: String {
  case bert = "BertTokenizer"
  case mpnet = "MPNetTokenizer"
  case roberta = "RobertaTokenizer"
  case gpt2 = "GPT2Tokenizer"
  case qwen2 = "Qwen2Tokenizer"
  case xlmRoberta = "XLMRobertaTokenizer"
  case llama = "LlamaTokenizer"
  case gemma = "GemmaTokenizer"

  /// The class of a name, which may be of transformers 4: it ended in `Fast`.
  init?(name: String) { self.init(rawValue: name.hasSuffix("Fast") ? String(name.dropLast(4)) : name) }

  /// The class of a `model_type`, where no file names one.
  init?(modelType: String) {
    switch modelType {
    case "bert": self = .bert
    case "mpnet": self = .mpnet
    case "roberta": self = .roberta
    case "xlm-roberta": self = .xlmRoberta
    case "qwen2", "qwen3": self = .qwen2
    case "gemma3_text": self = .gemma
    default: return nil
    }
  }

  /// The kind of the model that it makes.
  var modelType: String {
    switch self {
    case .bert, .mpnet: "WordPiece"
    case .roberta, .gpt2, .qwen2, .llama, .gemma: "BPE"
    case .xlmRoberta: "Unigram"
    }
  }

  /// The special tokens that a file need not name.
  var specialTokens: [String: String] {
    switch self {
    case .bert:
      [
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
      ]
    case .mpnet, .roberta, .xlmRoberta:
      [
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": self == .mpnet ? "[UNK]" : "<unk>", "sep_token": "</s>",
        "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>",
      ]
    case .gpt2: ["bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"]
    case .qwen2: ["eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"]
    case .llama: ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"]
    case .gemma:
      [
        "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
      ]
    }
  }

  /// The names of the tokens that go around a text, whatever tokenizer.json says; nil: that counts.
  var framing: (start: String, end: String)? {
    switch self {
    case .bert, .mpnet, .roberta: ("cls_token", "sep_token")
    case .xlmRoberta: ("bos_token", "eos_token")
    case .gpt2, .qwen2, .llama, .gemma: nil
    }
  }

  /// The members that replace those of tokenizer.json's `model`; null takes one away.
  func model(unknown: JSONValue) -> JSONValue {
    let bpe: JSONValue = [
      "type": "BPE", "unk_token": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "dropout": .null, "continuing_subword_prefix": .null, "end_of_word_suffix": .null,
    ]
    var own: JSONValue
    switch self {
    case .bert, .mpnet:
      own = [
        "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
      ]
    case .xlmRoberta: own = ["type": "Unigram", "unk_id": 3, "byte_fallback": false]
    case .roberta, .gpt2, .qwen2: own = bpe
    case .llama, .gemma:
      own = bpe
      (own["fuse_unk"], own["byte_fallback"]) = (true, true)
      if self == .gemma { own["unk_token"] = unknown }
    }
    return own
  }

  /// The `normalizer`, null for none. Of the stored one sentencepiece's rules are kept.
  func normalizer(_ settings: TokenizerFields, stored: JSONValue) throws -> JSONValue {
    switch self {
    case .bert, .mpnet:
      let lowercases = try settings.bool("do_lower_case", default: true)
      return [
        "type": "BertNormalizer", "clean_text": true, "lowercase": .bool(lowercases),
        "handle_chinese_chars": .bool(try settings.bool("tokenize_chinese_chars", default: true)),
        "strip_accents": .bool(try settings.bool("strip_accents", default: lowercases)),
      ]
    case .roberta, .gpt2, .llama: return .null
    case .qwen2: return ["type": "NFC"]
    case .xlmRoberta:
      return (stored["normalizers"]?.elements ?? [stored]).first { $0["type"] == "Precompiled" } ?? .null
    case .gemma: return ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
    }
  }

  /// An object with the class's `decoder`.
  func decoder(_ settings: TokenizerFields, _ folder: URL) throws -> TokenizerFields {
    let prefix = try settings.bool("add_prefix_space", default: true)
    let spaces: [JSONValue] = [
      ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
    ]
    let strip: [JSONValue] = prefix ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : []
    let decoder: JSONValue =
      switch self {
      case .bert, .mpnet: ["type": "WordPiece", "prefix": "##", "cleanup": true]
      case .roberta, .gpt2, .qwen2: ["type": "ByteLevel"]
      case .xlmRoberta: ["type": "Metaspace", "replacement": "▁", "prepend_scheme": prefix ? "always" : "never"]
      case .llama: ["type": "Sequence", "decoders": .array(spaces + strip)]
      case .gemma: ["type": "Sequence", "decoders": .array(spaces)]
      }
    return try TokenizerFields(
      ["decoder": decoder], path: "", file: folder.appending(path: "tokenizer_config.json").path)
  }

  /// Qwen's words, as its class has them: digits one by one.
  private static let qwenWords =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  func preTokenizer(_ settings: TokenizerFields) throws -> JSONValue {
    func addsPrefixSpace(default fallback: Bool) throws -> Bool {
      try settings.bool("add_prefix_space", default: fallback)
    }
    func byteLevel(usingWords: Bool) throws -> JSONValue {
      [
        "type": "ByteLevel", "add_prefix_space": .bool(try addsPrefixSpace(default: false)),
        "use_regex": .bool(usingWords),
      ]
    }
    func split(_ pattern: JSONValue, _ behavior: JSONValue) -> JSONValue {
      ["type": "Split", "pattern": pattern, "behavior": behavior, "invert": false]
    }
    func metaspace(_ scheme: JSONValue, splits: JSONValue) throws -> JSONValue {
      let scheme = try addsPrefixSpace(default: true) ? scheme : "never"
      return ["type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": splits]
    }
    switch self {
    case .bert, .mpnet: return ["type": "BertPreTokenizer"]
    case .roberta, .gpt2: return try byteLevel(usingWords: true)
    case .qwen2:
      let words = split(["Regex": .string(Self.qwenWords)], "Isolated")
      return ["type": "Sequence", "pretokenizers": [words, try byteLevel(usingWords: false)]]
    case .xlmRoberta:
      return [
        "type": "Sequence", "pretokenizers": [["type": "WhitespaceSplit"], try metaspace("always", splits: true)],
      ]
    case .llama: return try metaspace(try settings.bool("legacy", default: false) ? "always" : "first", splits: false)
    case .gemma: return split(["String": " "], "MergedWithPrevious")
    }
  }
}
