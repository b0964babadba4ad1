/// How stages load the models at their ports, declared there, so that one can look before a run whether it will work.
import Artifacts
import Foundation

/// What a stage loads the model at a port as.
package enum ModelUse: Sendable, Hashable {
  case biEncoder
  /// A bi-encoder that is trained.
  case student
  case crossEncoder
  /// A cross-encoder that is trained, or an encoder that gets a new head.
  case teacher
  /// Whichever of both it is.
  case either
  /// A decoder that predicts tokens.
  case languageModel
  /// A decoder that is trained.
  case policy
}

/// What looking at a model's folder found.
package struct ModelFindings: Sendable {
  /// Why it cannot be loaded; `nil` if it can.
  package var problem: String?
  /// What the stage will tell of the folder when it loads it.
  package var notices: [String]

  package init(problem: String? = nil, notices: [String] = []) {
    self.problem = problem
    self.notices = notices
  }
}

/// Looks whether models can be loaded, without reading their weights.
package protocol ModelChecker: Sendable {
  /// - Parameter base: what is bound to the port that the declaration names as the model's base.
  func look(at folder: URL, base: URL?, as use: ModelUse) -> ModelFindings
  /// A folder that can be looked at in place of a hub's model; `nil` if nothing can be seen before it is downloaded.
  func folder(of model: HubReference) throws -> URL?
}

/// Looks at each model that stages name, once, and reports what is wrong with it at its place.
final class ModelLook {
  private let checker: any ModelChecker
  private let diagnostics: Diagnostics
  private var known: [Question: ModelFindings] = [:]

  private struct Question: Hashable {
    /// Bytes: texts that look alike are one text to Swift.
    let folder: [UInt8]
    let base: [UInt8]?
    let use: ModelUse
  }

  init(_ checker: any ModelChecker, _ diagnostics: Diagnostics) {
    self.checker = checker
    self.diagnostics = diagnostics
  }

  /// Models that other stages make, and those whose base they make, are not there yet.
  func look(at stage: PlannedStage) {
    for declared in stage.description.inputs {
      guard let use = declared.modelUse, let input = stage.inputs.first(where: { $0.port == declared.name }),
        let folder = folder(of: input, stage)
      else { continue }
      guard let base = stage.inputs.first(where: { $0.port == declared.modelBase }) else {
        report(folder, base: nil, use, of: stage, at: input)
        continue
      }
      if let base = self.folder(of: base, stage) { report(folder, base: base, use, of: stage, at: input) }
    }
  }

  /// `nil` for what cannot be looked at.
  private func folder(of input: PlannedInput, _ stage: PlannedStage) -> URL? {
    switch input.source {
    case .file(let url): return url
    case .stage: return nil
    case .hub(let model):
      do { return try checker.folder(of: model) } catch {
        report("\(error)", of: stage, at: input)
        return nil
      }
    }
  }

  private func report(_ problem: String, of stage: PlannedStage, at input: PlannedInput) {
    diagnostics.report(
      "stage `\(stage.base)` cannot load the model at its port `\(input.port)`: \(problem)",
      at: diagnostics.mark(input.location))
  }

  private func report(_ folder: URL, base: URL?, _ use: ModelUse, of stage: PlannedStage, at input: PlannedInput) {
    let question = Question(folder: folder.pathBytes, base: base?.pathBytes, use: use)
    let findings = known[question] ?? checker.look(at: folder, base: base, as: use)
    known[question] = findings
    let mark = diagnostics.mark(input.location)
    if let problem = findings.problem { report(problem, of: stage, at: input) }
    for notice in findings.notices { diagnostics.warn("\(input.port) of stage `\(stage.base)`: \(notice)", at: mark) }
  }
}
