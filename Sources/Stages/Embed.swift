/// `embed`: vectors of texts.
import Models
import Pipelines
import Training

extension TextRole: ParameterChoice {}

struct Embed: Stage {
  static let kind = StageKind("embed", revision: 3)
  static let abstract = "Embeds texts with a bi-encoder: a matrix in safetensors, and the ids of its rows."
  static let numeric = true
  static let metrics = [
    MetricDescription("texts", "Texts that were embedded.", nil)
  ]

  @Input("Bi-encoder.", as: .biEncoder, base: "base") var model: ModelFolder
  @Input("Texts with ids, JSONL: a corpus, or any file of `id` and `text`.", records: true) var texts: DataFile
  @Parameter("Tokens after which a text is cut; absent: as the model says.", in: 3...1_000_000) var maxLen: Int?
  @Parameter("Which prompt of the model's folder goes before each text.", neutral: TextRole.plain)
  var prompt = TextRole.plain
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output(
    "Folder of embeddings.safetensors, `embeddings` [n, dim] in the order of the texts, ids.json, and digests.txt, the "
      + "SHA-256 of each text as the model reads it.")
  var embeddings: EmbeddingFolder

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, base: model.base, on: context.device, maxTokens: maxLen)
    context.tell(encoder.notices, "embed")
    let (count, computed) = try context.embed(
      { body in try Passage.forEach(in: texts.url) { try body($0, prompt) } }, by: encoder, to: embeddings.url)
    if computed > 0 { context.report(encoder.health, "embed") }
    context.log("[embed] Texts: \(count) | Width: \(encoder.width) | Reused: \(count - computed)")
    context.metric("texts", Double(count))
  }
}
