/// What `retort model inspect` prints.
import Foundation
import Models
import Reports
import Tokenizers
import Training

struct ModelReport: Encodable {
  struct Part: Encodable {
    var name: String
    var parameters: Int
  }
  struct Vocabulary: Encodable {
    var kind: String
    var pieces: Int
  }
  struct Memory: Encodable {
    /// `encode`, `train with LoRA`, `train whole`.
    var work: String
    /// At once.
    var texts: Int
    var lora: Int?
    var bytes: Int
  }
  struct Forecast: Encodable {
    /// How many a text has.
    var tokens: Int
    var threads: Int
    var precision: String
    var memory: [Memory]
  }

  var model: String
  var commit: String?
  var licence: String?
  /// `bi-encoder` or `cross-encoder`.
  var kind: String
  var architecture: String
  var sizes: [String: Int]
  var parameters: Int
  var parts: [Part]
  /// Numbers of the transformer's weights by their type in the files.
  var types: [String: Int]
  var tokenizer: Vocabulary
  /// Tokens after which a text is cut, and for which there are positions.
  var maxTokens, positions: Int
  // What a bi-encoder has besides.
  var pooling: String?
  var normalizes: Bool?
  var truncateDim: Int?
  var similarity: String?
  var prompts: [String: String]?
  var defaultPrompt: String?
  var notices: [String]
  var forecast: Forecast

  init(
    _ name: String, _ folder: CheckpointFolder, _ tokenizer: Tokenizer, notices: [String], commit: String?,
    licence: String?, _ forecast: Forecast
  ) throws {
    let settings = folder.settings
    model = name
    self.commit = commit
    self.licence = licence
    kind = folder.isCrossEncoder ? "cross-encoder" : "bi-encoder"
    architecture = folder.modelType
    sizes = Dictionary(folder.sizes.map { ($0.key, $0.value) }) { first, _ in first }
    parts = try folder.parts.map { Part(name: $0.name, parameters: $0.parameters) }
    parameters = parts.reduce(0) { $0 + $1.parameters }
    types = try folder.types
    self.tokenizer = Vocabulary(kind: tokenizer.kind, pieces: tokenizer.vocabularySize)
    positions = folder.architecture.maxTokens
    maxTokens = min(settings.maxSequenceLength, positions)
    self.notices = notices
    self.forecast = forecast
    guard !folder.isCrossEncoder else { return }
    pooling = settings.pooling.map(\.rawValue).joined(separator: "_")
    normalizes = settings.normalizes
    truncateDim = settings.truncateDimension
    similarity = settings.comparison.rawValue
    prompts = settings.prompts
    defaultPrompt = settings.defaultPromptName
  }

  var text: String {
    var facts = Table(["model", model])
    func fact(_ name: String, _ value: String?) { if let value, !value.isEmpty { facts.add([name, value]) } }
    fact("commit", commit)
    fact("licence", licence)
    fact("is", "\(kind), \(architecture)")
    fact("sizes", sizes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    fact("parameters", "\(parameters): " + parts.map { "\($0.name) \($0.parameters)" }.joined(separator: ", "))
    fact("stored as", types.sorted { $0.value > $1.value }.map(\.key).joined(separator: ", "))
    fact("tokenizer", "\(tokenizer.kind) of \(tokenizer.pieces) pieces")
    fact("texts are cut at", "\(maxTokens) tokens, of \(positions) that it has positions for")
    fact("pooling", pooling.map { $0 + (normalizes == true ? ", scaled to length 1" : "") })
    fact("vectors are cut at", truncateDim.map { "\($0) elements" })
    fact("similarity", similarity)
    for (name, prompt) in (prompts ?? [:]).sorted(by: { $0.key < $1.key }) where !prompt.isEmpty {
      fact("prompt \(name)" + (name == defaultPrompt ? " (default)" : ""), "“\(prompt)”")
    }
    for notice in notices { fact("note", notice) }
    var memory = Table(["memory", "texts", "tokens", "peak"], numbers: [1, 2, 3])
    for row in forecast.memory {
      memory.add([
        row.work + (row.lora.map { " of rank \($0)" } ?? ""), "\(row.texts)", "\(forecast.tokens)",
        formatted(bytes: row.bytes),
      ])
    }
    return "\(facts.text)\n\n\(memory.text)\nwith \(forecast.precision) on \(forecast.threads) threads"
  }
}
