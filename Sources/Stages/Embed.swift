/// `embed`: vectors of texts.
import Artifacts
import Foundation
import JSONText
import Models
import Pipelines
import Tensors
import Training

extension TextRole: ParameterChoice {}

struct Embed: Stage {
  static let kind = StageKind("embed", revision: 3)
  static let abstract = "Embeds texts with a bi-encoder: a matrix in safetensors, and the ids of its rows."
  static let numeric = true

  @Input("Bi-encoder.") var model: ModelFolder
  @Input("Texts with ids, JSONL: a corpus, or any file of `id` and `text`.", records: true) var texts: DataFile
  @Parameter("Tokens after which a text is cut; absent: as the model says.", in: 3...1_000_000) var maxLen: Int?
  @Parameter("Which prompt of the model's folder goes before each text.", neutral: TextRole.plain)
  var prompt = TextRole.plain
  @Output(
    "Folder of embeddings.safetensors, `embeddings` [n, dim] in the order of the texts, ids.json, and digests.txt, the "
      + "SHA-256 of each text.")
  var embeddings: EmbeddingFolder

  /// Texts held at a time; decides no bit.
  private static let textsAtOnce = 1 << 13

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, engine: context.engine, maxTokens: maxLen)
    context.tell(encoder.notices, "embed")
    let width = encoder.model.outputWidth
    var ids: [JSONValue] = []
    var digests: [Digest] = []
    try Passage.forEach(in: texts.url) { passage in
      ids.append(.string(passage.id))
      digests.append(Digest(of: passage.text))
    }
    let known: [Digest: (EmbeddingMatrix, row: Int)] = context.reuse(Set(digests), from: "embeddings") { folder, take in
      let matrix = try EmbeddingMatrix(folder, width: width)
      for (row, digest) in matrix.digests.enumerated() { take(digest, (matrix, row)) }
    }

    try FileManager.default.createDirectory(at: embeddings.url, withIntermediateDirectories: true)
    let writer = try SafeTensorsMatrixWriter(
      "embeddings", [digests.count, width], to: embeddings.url.appending(path: EmbeddingMatrix.file))
    let missing = digests.count { known[$0] == nil }
    var computed = 0
    var held: [(row: Int, passage: Passage)] = []
    func embedHeld() throws {
      let rows = try encoder.encode(held.map(\.passage.text), as: prompt) {
        "record \(held[$0].passage.id)"
      } progress: {
        context.progress(computed + $0, of: missing)
      }
      for (index, text) in held.enumerated() { try writer.write(rows.floats + index * width, row: text.row) }
      computed += held.count
      held = []
    }
    var row = 0
    try Passage.forEach(in: texts.url) { passage in
      guard row < digests.count else { return }  // the file grew meanwhile; the worker will say so
      if let (matrix, earlier) = known[digests[row]] {
        try matrix.withRow(earlier) { try writer.write($0, row: row) }
      } else {
        held.append((row, passage))
        if held.count == Self.textsAtOnce { try embedHeld() }
      }
      row += 1
    }
    try embedHeld()
    try writer.close()
    try Data(JSONValue.array(ids).text(.document).utf8).write(to: embeddings.url.appending(path: "ids.json"))
    try EmbeddingMatrix.write(digests, to: embeddings.url)
    if computed > 0 { context.report(encoder.health, "embed") }
    context.log("[embed] Texts: \(digests.count) | Width: \(width) | Reused: \(digests.count - computed)")
    context.metric("texts", Double(digests.count))
  }
}
