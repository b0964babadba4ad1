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
    MetricDescription("texts", "Texts that were embedded.", nil),
    MetricDescription("quantized_bytes", "Bytes of quantized.safetensors.", .lower),
  ]

  @Input("Bi-encoder.", as: .biEncoder, base: "base") var model: ModelFolder
  @Input("Texts with ids, JSONL: a corpus, or any file of `id` and `text`.", records: true) var texts: DataFile
  @Input(
    "What `embed` wrote of other texts: their vectors' least and largest numbers are the ranges of int8 and uint8. Absent: "
      + "these texts' own.")
  var ranges: EmbeddingFolder?
  @Parameter("Tokens after which a text is cut; absent: as the model says.", in: 3...1_000_000) var maxLen: Int?
  @Parameter("Which prompt of the model's folder goes before each text.", neutral: TextRole.plain)
  var prompt = TextRole.plain
  @Parameter(
    "What vectors are also written as, beside the floats: int8 or uint8, a byte a number, or binary or ubinary, a bit; bit "
      + "for bit as sentence-transformers' `quantize_embeddings` has them.", neutral: VectorType.float32)
  var vectors = VectorType.float32
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output(
    "Folder of embeddings.safetensors, `embeddings` [n, dim] in the order of the texts, ids.json, and digests.txt, the "
      + "SHA-256 of each text as the model reads it; with `vectors`, quantized.safetensors, `embeddings` in codes and "
      + "`ranges` [2, dim].")
  var embeddings: EmbeddingFolder

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, base: model.base, on: context.device, maxTokens: maxLen)
    context.tell(encoder.notices, "embed")
    let (count, computed) = try context.embed(
      { body in try Passage.forEach(in: texts.url) { try body($0, prompt) } }, by: encoder, to: embeddings.url)
    if computed > 0 { context.report(encoder.health, "embed") }
    context.log("[embed] Texts: \(count) | Width: \(encoder.width) | Reused: \(count - computed)")
    context.metric("texts", Double(count))
    guard vectors != .float32 else { return }
    let matrix = try EmbeddingMatrix(embeddings.url, width: encoder.width)
    let calibration = try ranges.map { try EmbeddingMatrix($0.url, width: encoder.width) } ?? matrix
    let codes = try VectorCodes(vectors, width: encoder.width, ranges: calibration.forEachBlock)
    if !vectors.isBinary, calibration.digests.count < 100 {
      context.warn(
        "[embed] the ranges of \(vectors.rawValue) are those of \(calibration.digests.count) vectors: give more, at the "
          + "port `ranges`")
    }
    let bytes = try matrix.write(codes, to: embeddings.url)
    context.log("[embed] Vectors as \(vectors.rawValue): \(bytes) bytes")
    context.metric("quantized_bytes", Double(bytes))
  }

  func problems() -> [String] {
    ranges == nil || vectors == .int8 || vectors == .uint8
      ? [] : ["`ranges` are of int8 and uint8, and `vectors` is \(vectors.rawValue): unbind them"]
  }
}
