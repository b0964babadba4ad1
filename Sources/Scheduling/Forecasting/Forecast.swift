/// Forecasts a stage's time, memory and disk from what earlier executions took. Pure: the history comes as values.
///
/// The rule, with the roles that a stage's declaration gives its inputs and parameters: a training's work is its passes
/// (`epochs`) × the records it learns from, at most `max_samples`; the work of any other stage is the bytes of its input
/// files, models not counted, less what it leaves out of them by its `max_samples`.
/// Time grows with the work and with the bytes of the models that go in; outputs that are files grow with the work;
/// memory and folders (models) stay. Each is the median over the executions, brought to the new work. The range is what
/// the same rule missed the history by, each execution forecast from the others.
/// Inputs that are not there yet are the last execution's, grown or shrunk to the size that their stage is forecast to
/// write.
import Artifacts
import Foundation
import Pipelines

/// What one execution of a stage took.
package struct StageUsage: Sendable, Hashable {
  package var pipeline: String
  /// The pipeline file's path.
  package var file: String
  /// The stage as the file names it.
  package var base: String
  package var seconds: Double
  /// Bytes; absent where it was not recorded.
  package var peakMemory: Int?
  /// Passes over the records that are learned from, and the most of them that are used, where the stage has them.
  package var repeats: Int?
  package var limit: Int?
  /// By port.
  package var inputs: [String: StoredArtifact]
  package var outputs: [String: StoredArtifact]

  package init(
    pipeline: String, file: String, base: String, seconds: Double, peakMemory: Int? = nil, repeats: Int? = nil,
    limit: Int? = nil, inputs: [String: StoredArtifact] = [:], outputs: [String: StoredArtifact] = [:]
  ) {
    self.pipeline = pipeline
    self.file = file
    self.base = base
    self.seconds = seconds
    self.peakMemory = peakMemory
    self.repeats = repeats
    self.limit = limit
    self.inputs = inputs
    self.outputs = outputs
  }
}

package struct Forecast: Sendable, Hashable {
  package struct Estimate: Sendable, Hashable {
    package var value: Double
    /// As far as the history was missed; absent where one execution is all there is.
    package var range: ClosedRange<Double>?
  }
  package var seconds: Estimate
  /// Bytes.
  package var memory: Estimate?
  /// Bytes of outputs.
  package var disk: Estimate
  /// Bytes of each output, by port.
  package var outputs: [String: Double]
  /// Executions that it rests on.
  package var executions: Int
  /// Whether these were of this stage of this file, and not of other stages of its kind.
  package var isOwn: Bool
}

package struct Forecaster {
  private let plan: Plan
  private let history: (StageDescription) throws -> [StageUsage]
  private let records: (StoredArtifact) throws -> Int?

  /// - Parameters:
  ///   - history: executions of the kind, newest first.
  ///   - records: lines of a file; `nil` where it is gone.
  package init(
    _ plan: Plan, history: @escaping (StageDescription) throws -> [StageUsage],
    records: @escaping (StoredArtifact) throws -> Int?
  ) {
    self.plan = plan
    self.history = history
    self.records = records
  }

  /// `nil` where nothing like it was ever executed.
  /// - Parameters:
  ///   - inputs: by port; `nil` while they are unknown.
  ///   - sizes: bytes of each output of another stage, by port, as known or as forecast; `nil`: as the last time.
  package func forecast(
    _ stage: PlannedStage, inputs: [String: StoredArtifact]?, sizes: (StageID) -> [String: Double]? = { _ in nil }
  ) throws -> Forecast? {
    let models = stage.description.modelPorts
    let bound = models.intersection(stage.inputs.map(\.port))
    // BM25 is no measure of a model.
    let all = try history(stage.description).filter { models.intersection($0.inputs.keys) == bound }
    let own = all.filter {
      $0.base == stage.base && $0.pipeline == plan.name && $0.file == plan.file.posixPath
    }
    // One command is no measure of another, nor one model of another that is not there yet.
    let like = own.isEmpty && stage.command == nil && (inputs != nil || bound.isEmpty) ? all : own
    guard let last = like.first else { return nil }
    var planned = last
    planned.inputs = inputs ?? last.inputs
    planned.repeats = stage.number(.repeats)
    planned.limit = stage.number(.limits)
    let growth = inputs == nil ? stage.growth(since: last, sizes) : [:]
    let work = try self.work(of: planned, stage.description, growth)
    let works = try like.map { try self.work(of: $0, stage.description) }
    let model = planned.bytes(of: bound)
    let times = zip(works, like).map { work, usage in
      (work: work, value: usage.seconds * (bound.isEmpty ? 1 : model / usage.bytes(of: bound)))
    }

    let files = like.map { $0.outputs.values.filter { $0.kind == .file }.reduce(0) { $0 + Double($1.bytes) } }
    let folders = like.map { $0.outputs.values.filter { $0.kind == .folder }.reduce(0) { $0 + Double($1.bytes) } }
    let grown = estimate(work, zip(works, files).map { ($0, $1) })
    let fixed = estimate(nil, folders.map { (nil, $0) })
    let scale = if let work, let before = works[0] { work / before } else { 1.0 }
    return Forecast(
      seconds: estimate(work, times),
      memory: last.peakMemory == nil
        ? nil : estimate(nil, like.compactMap { usage in usage.peakMemory.map { (nil, Double($0)) } }),
      disk: Forecast.Estimate(value: grown.value + fixed.value, range: sum(grown, fixed)),
      outputs: last.outputs.mapValues { Double($0.bytes) * ($0.kind == .file ? scale : 1) },
      executions: like.count, isOwn: !own.isEmpty)
  }

  /// `nil` where it cannot be told.
  /// - Parameter growth: how many times the input of a port is to be.
  private func work(
    of usage: StageUsage, _ description: StageDescription, _ growth: [String: Double] = [:]
  ) throws -> Double? {
    let models = description.modelPorts
    let data = usage.inputs.filter { $0.value.kind == .file && !models.contains($0.key) }
    /// What it takes of the records of the first of these ports that is bound.
    func records(_ ports: [String]) throws -> (used: Double, all: Double)? {
      guard let port = ports.first(where: { data[$0] != nil }), let artifact = data[port],
        let count = try self.records(artifact), count > 0
      else { return nil }
      let all = Double(count) * (growth[port] ?? 1)
      return (min(all, usage.limit.map(Double.init) ?? all), all)
    }
    guard let repeats = usage.repeats else {
      let bytes = data.reduce(0) { $0 + Double($1.value.bytes) * (growth[$1.key] ?? 1) }
      guard bytes > 0 else { return nil }
      guard usage.limit != nil, let records = try records(description.inputs(.handsOn)) else { return bytes }
      return bytes * records.used / records.all
    }
    guard repeats > 0, let samples = try records(description.inputs(.learnsFrom)) else { return nil }
    return Double(repeats) * samples.used
  }
}

extension PlannedStage {
  fileprivate func number(_ role: ParameterRole) -> Int? {
    description.parameter(role).flatMap { parameters[$0] }.flatMap(Int.init(parameter:))
  }

  /// How many times as large the inputs that other stages make will be, by port.
  fileprivate func growth(since last: StageUsage, _ sizes: (StageID) -> [String: Double]?) -> [String: Double] {
    inputs.reduce(into: [:]) { growth, input in
      guard case .stage(let id, let output) = input.source, let size = sizes(id)?[output],
        let before = last.inputs[input.port]?.bytes, before > 0
      else { return }
      growth[input.port] = size / Double(before)
    }
  }
}

extension StageUsage {
  fileprivate func bytes(of ports: Set<String>) -> Double {
    max(1, inputs.filter { ports.contains($0.key) }.reduce(0) { $0 + Double($1.value.bytes) })
  }
}

/// The median of the values, each brought to `work`; a value whose own work is not known stays as it is.
private func prediction(_ work: Double?, _ known: [(work: Double?, value: Double)]) -> Double {
  let values = known.map { known in
    guard let work, let own = known.work else { return known.value }
    return known.value * work / own
  }.sorted()
  let middle = values.count / 2
  return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
}

/// - Parameter known: at least one.
private func estimate(_ work: Double?, _ known: [(work: Double?, value: Double)]) -> Forecast.Estimate {
  let value = prediction(work, known)
  guard known.count > 1 else { return Forecast.Estimate(value: value) }
  let misses = known.indices.map { index in
    var others = known
    let left = others.remove(at: index)
    let predicted = prediction(left.work, others)
    return predicted > 0 ? left.value / predicted : 1
  }
  let (least, most) = (value * min(1, misses.min() ?? 1), value * max(1, misses.max() ?? 1))
  // What a clock that was set back, or a size beyond all sense, gives has no range.
  return Forecast.Estimate(value: value, range: least <= most ? least...most : nil)
}

/// The range of two together; `nil` where neither has one.
private func sum(_ left: Forecast.Estimate, _ right: Forecast.Estimate) -> ClosedRange<Double>? {
  guard let left = left.range, let right = right.range else { return nil }
  let (least, most) = (left.lowerBound + right.lowerBound, left.upperBound + right.upperBound)
  return least <= most ? least...most : nil
}
