/// `truncate`: a model whose vectors end early.
import Models
import Pipelines
import Training

struct Truncate: Stage {
  static let kind = StageKind("truncate", revision: 1)
  static let abstract = "Writes a bi-encoder that keeps the first elements of its vectors (Matryoshka)."
  static let numeric = true

  @Input("Bi-encoder; one that was trained with `matryoshka` loses least.", as: .biEncoder, base: "base")
  var model: ModelFolder
  @Parameter("Elements of each vector to keep, from the first on.", in: 1...1_000_000) var truncateDim: Int
  @Output("Sentence-transformers folder; `truncate_dim` stands in its config_sentence_transformers.json.")
  var truncated: ModelFolder

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, base: model.base, on: context.device)
    context.tell(encoder.notices, "truncate")
    guard truncateDim < encoder.width else {
      throw StageInputError(
        "`truncate_dim: \(truncateDim)` leaves nothing out: the model's vectors have \(encoder.width) elements")
    }
    var settings = encoder.folder.settings
    settings.truncateDimension = truncateDim
    try encoder.folder.write(encoder.model, settings: settings, to: truncated.url)
    context.log("[truncate] Width: \(encoder.width) | Kept: \(truncateDim)")
  }
}
