/// What a person wants to know when a run has ended well: where model and picture lie, which targets were met, and what
/// to type next.
import Artifacts
import Escaping
import Foundation
import Lineage
import Pipelines
import Scheduling

package struct RunEnding {
  private let run: Int
  private let isNews: Bool
  private let stages: [PlannedStage]
  private let plan: Plan
  private let journal: Journal
  private let store: Store
  private let verdicts: [JudgedTraining]

  /// - Parameter selected: the stages that the run was to bring to an end.
  package init(
    _ summary: RunSummary, _ plan: Plan, selected: Set<StageID>, _ verdicts: [JudgedTraining], _ journal: Journal,
    _ store: Store
  ) {
    run = summary.run
    isNews = summary.ran > 0
    self.verdicts = verdicts
    self.plan = plan
    self.journal = journal
    self.store = store
    stages = plan.stages.filter { selected.contains($0.id) }
  }

  /// Nothing for a pipeline without models and pictures.
  package var lines: [String] {
    get throws {
      let trainings = stages.filter(\.description.trains)
      let worse = Set(verdicts.filter { $0.verdict.outcome == .worse }.map(\.stage))
      let trained = trainings.last { !worse.contains($0.name) } ?? trainings.last
      let model = try trained.flatMap { try place(of: .model, $0) }
      let painters = stages.filter { $0.output(.picture) != nil }
      let painter = painters.last { $0.description.metrics.contains(where: \.isHeadline) } ?? painters.last
      let picture = try painter.flatMap { try place(of: .picture, $0) }
      guard model != nil || picture != nil else { return [] }
      let next = try ["retort show \(run)", comparison, trained.flatMap { try use($0) }].compactMap { $0 }
      return try [
        model.map { "model\(variant(trained)): \($0)" }, picture.map { "picture\(variant(painter)): \($0)" }, targets,
        "next: " + next.joined(separator: " | "),
      ].compactMap { $0 }
    }
  }

  /// ` of student[tau=0.1]` where a matrix made several stages, of which the last one is shown.
  private func variant(_ stage: PlannedStage?) -> String {
    stage.map { $0.coordinates.isEmpty ? "" : " of \($0.name)" } ?? ""
  }

  /// Metrics that a stage's parameters set targets for; those of a matrix's variants are counted.
  private var targets: String? {
    get throws {
      var reached: [(aim: String, name: String, value: String, isMet: Bool)] = []
      for stage in stages {
        let metrics = stage.description.metrics.filter { $0.target != nil }
        let values = metrics.isEmpty ? [:] : try journal.finalMetrics(ofStage: stage.name, run: run)
        for metric in metrics {
          guard let value = values[metric.name], let direction = metric.direction,
            let target = metric.target.flatMap({ stage.parameters[$0] }).flatMap(Double.init(parameter:))
          else { continue }
          let limit = "at \(direction == .lower ? "most" : "least") \(formatted(metric: target))"
          reached.append(
            (
              "\(stage.base) \(metric.name) \(limit)", "\(stage.name) \(metric.name)",
              "\(formatted(metric: value)), \(limit)", !direction.prefers(target, to: value)
            ))
        }
      }
      let lines = distinct(reached.map(\.aim)).map { aim in
        let own = reached.filter { $0.aim == aim }
        return own.count == 1
          ? "\(own[0].name) \(own[0].value): \(own[0].isMet ? "met" : "missed")"
          : "\(aim): met by \(own.count(where: \.isMet)) of \(own.count)"
      }
      return lines.isEmpty ? nil : "targets: " + lines.joined(separator: "; ")
    }
  }

  private var comparison: String? {
    get throws { try isNews ? journal.runBefore(run).map { "retort compare \($0) \(run)" } : nil }
  }

  /// Asks the published model, where it embeds texts and the pipeline has a corpus; else gets it out of the store.
  private func use(_ stage: PlannedStage) throws -> String? {
    guard let model = stage.output(.model), try place(of: model.port, stage) != nil else { return nil }
    guard let folder = published(model.port, stage) else {
      return "retort export \(run) \(Escape.shellWord(stage.name)) \(Escape.shellWord(stage.base))"
    }
    let embeds = stage.description.inputs.contains { $0.modelUse == .student }
    guard embeds, let input = stages.lazy.flatMap(\.inputs).last(where: { $0.port == "corpus" }) else { return nil }
    let corpus: String? =
      switch input.source {
      case .file(let url): shown(url)
      case .stage(let id, let port): try place(of: port, plan[id])
      case .hub: nil
      }
    return corpus.map { "retort search \(Escape.shellWord(folder)) \(Escape.shellWord($0)) 'QUESTION'" }
  }

  private func place(of type: ArtifactType, _ stage: PlannedStage) throws -> String? {
    try stage.output(type).flatMap { try place(of: $0.port, stage) }
  }

  /// Where an output was published, else where it lies in the store under a name that tells what it is.
  private func place(of port: String, _ stage: PlannedStage) throws -> String? {
    if let published = published(port, stage) { return published }
    guard let artifact = try journal.outputs(ofStage: stage.name, run: run)[port] else { return nil }
    let file = stage.outputs.first { $0.port == port }?.file ?? port
    return shown(try store.view(of: artifact, named: file))
  }

  private func published(_ port: String, _ stage: PlannedStage) -> String? {
    guard let target = stage.publish?.targets.first(where: { $0.port == port })?.url, !isWithheld(stage),
      FileStatus.of(target) != nil
    else { return nil }
    return shown(target)
  }

  private func isWithheld(_ stage: PlannedStage) -> Bool {
    guard let publication = stage.publish, publication.condition != nil else { return false }
    return verdicts.contains { $0.stage == stage.name && publication.isWithheld(by: $0.verdict) }
  }

  /// Relative to the working folder where it lies in it.
  private func shown(_ url: URL) -> String {
    let here = FileManager.default.currentDirectoryPath + "/"
    return url.path.utf8.starts(with: here.utf8) ? String(url.path.dropFirst(here.count)) : url.path
  }
}

extension PlannedStage {
  fileprivate func output(_ type: ArtifactType) -> PlannedOutput? { outputs.first { $0.type == type } }
}
