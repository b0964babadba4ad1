/// Which files of a repository a model is loaded from: weights in one format, tokenizer, configurations, modules.
import Foundation

struct HubSelection {
  /// Paths of the files.
  private(set) var paths: [String] = []
  /// What lists the shards of the weights; its shards are still to be added.
  private(set) var index: String?
  /// Whether there is a file of weights, or an index of them.
  private(set) var hasWeights = false
  private let known: Set<String>

  private static let atRoot = [
    "modules.json", "config_sentence_transformers.json", "lora_config.json", "adapter_config.json",
    "adapter_model.safetensors",
  ]
  private static let ofTransformer = [
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt",
  ]
  /// What a tokenizer is read from where there is no tokenizer.json.
  private static let vocabularies = ["vocab.json", "merges.txt", "sentencepiece.bpe.model"]
  /// The first that is there counts, as it does when a folder is loaded.
  private static let weights = [
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
  ]

  /// - Parameters:
  ///   - all: paths of all files of the repository.
  ///   - modules: the folders that modules.json names, in its order; empty without it. The first is the transformer's.
  init(of all: [String], modules: [String]) {
    known = Set(all)
    add(Self.atRoot, in: "")
    let transformer = modules.first ?? ""
    add(Self.ofTransformer, in: transformer)
    if !known.contains(Self.path("tokenizer.json", in: transformer)) { add(Self.vocabularies, in: transformer) }
    paths += all.filter { path in
      let name = path.split(separator: "/").last.map(String.init) ?? path
      return name.hasPrefix("sentence_") && name.hasSuffix("_config.json") && path == Self.path(name, in: transformer)
    }
    for folder in Set(modules.dropFirst()) where folder != transformer {
      add(["config.json"], in: folder)
      addFirst(["model.safetensors", "pytorch_model.bin"], in: folder)
    }
    if let weights = addFirst(Self.weights, in: transformer) {
      hasWeights = true
      if weights.hasSuffix(".index.json") { index = weights }
    }
    hasWeights = hasWeights || paths.contains("adapter_model.safetensors")
  }

  /// Adds the files that the index names.
  /// - Returns: those that the repository lacks.
  mutating func add(shards: [String]) -> [String] {
    let folder = index?.split(separator: "/").dropLast().joined(separator: "/") ?? ""
    let shards = Set(shards.map { Self.path($0, in: folder) }).sorted()
    paths += shards.filter(known.contains)
    return shards.filter { !known.contains($0) }
  }

  private mutating func add(_ names: [String], in folder: String) {
    paths += names.map { Self.path($0, in: folder) }.filter { known.contains($0) && !paths.contains($0) }
  }

  @discardableResult
  private mutating func addFirst(_ names: [String], in folder: String) -> String? {
    guard let first = names.map({ Self.path($0, in: folder) }).first(where: known.contains) else { return nil }
    paths.append(first)
    return first
  }

  private static func path(_ name: String, in folder: String) -> String { folder.isEmpty ? name : "\(folder)/\(name)" }
}
