/// Looks, once a stage of a run starts, at the models of all that are left: hours of training are not to end at a model
/// that could have been known not to load. A run that has nothing to do looks at none.
import Foundation
import Pipelines
import Scheduling

struct UnusableModels {
  private let plan: Plan
  private let source: PlanOptions
  private let store: StoreOptions
  private var left: Set<StageID>
  private var looked = false
  /// What was found, each at its place in the file.
  private(set) var problems: Problems?

  init(of stages: Set<StageID>, in plan: Plan, _ source: PlanOptions, _ store: StoreOptions) {
    left = stages
    self.plan = plan
    self.source = source
    self.store = store
  }

  /// Whether with this event models have turned out to be unusable.
  mutating func appear(after event: RunEvent) throws -> Bool {
    guard !looked, case .moved(let id, let state) = event else { return false }
    switch state {
    case .cached: left.remove(id)
    case .running:
      looked = true
      problems = try look()
    default: break
    }
    return problems != nil
  }

  /// The file may have changed since it was planned: only what concerns the stages of this run counts.
  private func look() throws -> Problems? {
    let places = Set(left.flatMap { plan[$0].inputs }.map(\.location))
    do { _ = try Plan.read(source.file, settings: source.settings, lookingAtModels: store) } catch let found as Problems
    {
      let own = found.all.filter { places.contains($0.location) }
      return own.isEmpty ? nil : Problems(own)
    }
    return nil
  }
}
