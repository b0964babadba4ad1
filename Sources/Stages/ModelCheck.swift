/// Looks whether models can be loaded, with the code that loads them for the stages here, but for the weights.
import Foundation
import Models
import Pipelines
import Training

package struct ModelCheck: ModelChecker {
  private let hub: @Sendable (HubReference) throws -> URL?

  /// - Parameter hub: see `ModelChecker.folder`.
  package init(hub: @escaping @Sendable (HubReference) throws -> URL? = { _ in nil }) { self.hub = hub }

  package func folder(of model: HubReference) throws -> URL? { try hub(model) }

  package func look(at folder: URL, base: URL?, as use: ModelUse) -> ModelFindings {
    do { return ModelFindings(notices: try notices(folder, base, use)) } catch {
      return ModelFindings(problem: "\(error)")
    }
  }

  private func notices(_ folder: URL, _ base: URL?, _ use: ModelUse) throws -> [String] {
    switch use {
    case .biEncoder: return try BiEncoder.open(folder, base: base).notices
    case .student:
      let (model, _, notices) = try BiEncoder.open(folder, base: base)
      return notices + (model.settings.comparison == .cosine ? [] : [Distill.dotNotice])
    case .crossEncoder: return try CrossEncoder.open(folder, base: base).notices
    case .teacher: return try CrossEncoder.open(folder, base: base, mayLackHead: true).notices
    case .languageModel, .policy:
      let (model, tokenizer) = try LanguageModel.open(folder, base: base)
      return model.notices + tokenizer.notices
    case .either:
      let isCrossEncoder = try CheckpointFolder(folder, base: base).isCrossEncoder
      return try isCrossEncoder
        ? CrossEncoder.open(folder, base: base).notices : BiEncoder.open(folder, base: base).notices
    }
  }
}
