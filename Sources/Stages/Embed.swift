/// `embed`: vectors of texts.
import Foundation
import JSONText
import Models
import Pipelines
import Tensors
import Training

struct Embed: Stage {
  static let kind = StageKind("embed", revision: 1)
  static let abstract = "Embeds texts with a bi-encoder: a matrix in safetensors, and the ids of its rows."
  static let numeric = true

  @Input("Bi-encoder.") var model: ModelFolder
  @Input("Texts with ids, JSONL: a corpus, or any file of `id` and `text`.") var texts: DataFile
  @Parameter("Tokens after which a text is cut; absent: as the model says.", in: 3...1_000_000) var maxLen: Int?
  @Output("Folder of embeddings.safetensors, `embeddings` [n, dim] in the order of the texts, and ids.json.")
  var embeddings: EmbeddingFolder

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, engine: Engine(threads: context.threads), maxTokens: maxLen)
    let passages = try Passage.read(texts.url)
    let rows = try encoder.encode(passages.map(\.text)) {
      "record \(passages[$0].id)"
    } progress: {
      context.progress($0, of: passages.count)
    }
    context.report(encoder.health, "embed")
    try FileManager.default.createDirectory(at: embeddings.url, withIntermediateDirectories: true)
    try SafeTensors.write(["embeddings": rows], to: embeddings.url.appending(path: "embeddings.safetensors"))
    let ids = JSONValue.array(passages.map { .string($0.id) })
    try Data(ids.text(.document).utf8).write(to: embeddings.url.appending(path: "ids.json"))
    context.log("[embed] Texts: \(passages.count) | Width: \(rows.columns)")
    context.metric("texts", Double(passages.count))
  }
}
