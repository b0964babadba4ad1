/// What a stage gave: in a worker, in a work folder, on its way into the journal and a remote store.
import Artifacts
import Foundation
import Pipelines

package struct StageResult: Sendable, Hashable {
  package struct Metric: Sendable, Hashable {
    package var name: String
    package var value: Double
    package var step: Int?
    package init(name: String, value: Double, step: Int? = nil) {
      self.name = name
      self.value = value
      self.step = step
    }
  }
  /// As the run that made it called the stage.
  package var stage: String
  /// By port.
  package var outputs: [String: StoredArtifact]
  package var metrics: [Metric] = []
  /// Bytes that the worker, or the largest program it ran, has had in memory at most; absent where it was not measured.
  package var peakMemory: Int?
  /// The final state, if a longer run may go on from it.
  package var continuation: StoredContinuation?
  package var profile: StageProfile?
  /// What a training with validation was worth.
  package var verdict: Verdict?

  package init(
    stage: String, outputs: [String: StoredArtifact], metrics: [Metric] = [], peakMemory: Int? = nil,
    continuation: StoredContinuation? = nil, verdict: Verdict? = nil
  ) {
    self.stage = stage
    self.outputs = outputs
    self.metrics = metrics
    self.peakMemory = peakMemory
    self.continuation = continuation
    self.verdict = verdict
  }

  /// All that must be in the store for it.
  package var artifacts: [StoredArtifact] { Array(outputs.values) + (continuation.map { [$0.artifact] } ?? []) }

  /// Adds what the stage reported.
  mutating func add(_ event: StageEvent) {
    switch event {
    case .metric(let name, let value, let step): metrics.append(Metric(name: name, value: value, step: step))
    case .profile(let profile): self.profile = profile
    case .verdict(let verdict): self.verdict = verdict
    case .log, .warning, .progress, .resumed: break
    }
  }
}

/// As `result.json`; what the stage reported lies beside it, among the events.
extension StageResult: Codable {
  private enum CodingKeys: String, CodingKey { case stage, outputs, peakMemory, continuation }
}

/// As a remote store has it: what is not a number lacks its value.
extension StageResult.Metric: Codable {
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    name = try fields.decode(String.self, forKey: .name)
    value = try fields.decodeIfPresent(Double.self, forKey: .value) ?? .nan
    step = try fields.decodeIfPresent(Int.self, forKey: .step)
  }

  private enum CodingKeys: String, CodingKey { case name, value, step }

  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(name, forKey: .name)
    try fields.encodeIfPresent(value.isNaN ? nil : value, forKey: .value)
    try fields.encodeIfPresent(step, forKey: .step)
  }
}

/// A result under the key that it is known by.
package struct RecordedResult: Sendable, Hashable {
  package var key: StageKey
  /// What the key was made of.
  package var preimage: [KeyComponent]
  package var result: StageResult

  package init(key: StageKey, preimage: [KeyComponent], result: StageResult) {
    self.key = key
    self.preimage = preimage
    self.result = result
  }
}
