/// `truncate`: a model whose vectors end early.
import Basics
import Foundation
import Models
import Pipelines
import Training

struct Truncate: Stage {
  static let kind = StageKind("truncate", revision: 2)
  static let abstract = "Writes a bi-encoder that keeps the first elements of its vectors (Matryoshka)."
  static let numeric = true

  @Input("Bi-encoder; one that was trained with `matryoshka` loses least.", as: .biEncoder, base: "base")
  var model: ModelFolder
  @Parameter("Elements of each vector to keep, from the first on.", in: 1...1_000_000) var truncateDim: Int
  @Output("All that the folder has; `truncate_dim` stands in its config_sentence_transformers.json.")
  var truncated: ModelFolder

  func run(_ context: StageContext) async throws {
    let encoder = try BiEncoder(folder: model.url, base: model.base, on: context.device)
    context.tell(encoder.notices, "truncate")
    guard truncateDim < encoder.width else {
      throw StageInputError(
        "`truncate_dim: \(truncateDim)` leaves nothing out: the model's vectors have \(encoder.width) elements")
    }
    if model.base == nil, ForeignFile.exists(model.url.appending(path: "modules.json")) {
      try copy()
    } else {
      var settings = encoder.folder.settings
      settings.truncateDimension = truncateDim
      try encoder.folder.write(encoder.model, settings: settings, to: truncated.url)
    }
    context.log("[truncate] Width: \(encoder.width) | Kept: \(truncateDim)")
  }

  /// Copies all that the folder has, and writes the one key.
  private func copy() throws {
    try model.copy(to: truncated.url)
    let file = truncated.url.appending(path: SentenceSettings.generalFile)
    var general = try Configuration(ifPresent: file, in: truncated.url) ?? Configuration(file: file, values: [:])
    general.values["truncate_dim"] = .int(truncateDim)
    // The copy may be as read-only as what it was copied from.
    if FileManager.default.fileExists(atPath: file.path) { try FileManager.default.removeItem(at: file) }
    try general.write()
  }
}
