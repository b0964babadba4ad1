/// Tells a run as OpenLineage events: the pipeline's run, and in it a run of each stage that began or was cached.
import Artifacts
import Foundation
import Pipelines
import Scheduling
import Synchronization

package final class OpenLineageEmitter: JournalObserver {
  private let plan: Plan
  private let stages: [String: PlannedStage]
  private let journal: Journal
  private let store: Store
  private let sink: OpenLineageSink
  private let namespace: String
  private struct State {
    var pipeline: OpenLineageEvent.Subject
    var hasBegun = false
    var hasEnded = false
    var begun: [String: OpenLineageEvent.Subject] = [:]
    var failed: [String] = []
    var problem: String?
  }
  private let state: Mutex<State>

  /// - Parameters:
  ///   - journal: where the artifacts of stages are read.
  ///   - namespace: of jobs, and of datasets that stages make.
  package init(_ plan: Plan, journal: Journal, store: Store, sink: OpenLineageSink, namespace: String) {
    self.plan = plan
    stages = Dictionary(plan.stages.map { ($0.name, $0) }) { first, _ in first }
    self.journal = journal
    self.store = store
    self.sink = sink
    self.namespace = namespace
    state = Mutex(State(pipeline: .init(namespace: namespace, name: plan.name, run: UUID())))
  }

  package func began(_ run: RunStart, as number: Int) {
    state.withLock { state in
      state.hasBegun = true
      send(.init(kind: .start, time: run.time, subject: state.pipeline, jobType: "PIPELINE"), &state)
    }
  }

  package func recorded(_ entries: [JournalEntry], run: Int) {
    state.withLock { state in
      for entry in entries {
        switch entry {
        case .stage(let record): tell(record, run, &state)
        case .ended(let outcome, let time): end(outcome, time, &state)
        case .begins, .result, .stamps, .model, .publication, .event: break
        }
      }
    }
  }

  /// Waits until the events are delivered, or it is clear that they will not be.
  /// - Returns: what went wrong, if anything.
  package func finish(at time: Date) async -> String? {
    let problem = state.withLock { state in
      // The run was given up, such as for a full disk.
      if state.hasBegun && !state.hasEnded { end(.failed, time, &state) }
      return state.problem
    }
    let undelivered = await sink.finish()
    return problem ?? undelivered
  }

  private func tell(_ record: StageRecord, _ run: Int, _ state: inout State) {
    // Never begun, so there is nothing to end.
    if state.begun[record.stage] == nil && [.skipped, .interrupted].contains(record.state) { return }
    do {
      let artifacts = try journal.artifacts(ofStage: record.stage, run: run)
      var event = OpenLineageEvent(
        kind: .start, time: record.time, subject: subject(record.stage, state), jobType: "STAGE")
      event.inputs = inputs(of: record.stage, artifacts)
      if state.begun.updateValue(event.subject, forKey: record.stage) == nil { send(event, &state) }
      switch record.state {
      case .running: return  // another attempt is the same run
      case .ran, .cached:
        event.kind = .complete
        event.outputs = outputs(of: record.stage, artifacts)
      case .failed:
        event.kind = .fail
        event.error = record.error ?? "failed"
        state.failed.append(record.stage)
      case .interrupted, .skipped: event.kind = .abort
      }
      send(event, &state)
    } catch {
      state.problem = state.problem ?? "an OpenLineage event of stage `\(record.stage)` is missing: \(error)"
    }
  }

  private func subject(_ stage: String, _ state: State) -> OpenLineageEvent.Subject {
    state.begun[stage]
      ?? .init(namespace: namespace, name: "\(plan.name).\(stage)", run: UUID(), parent: [state.pipeline])
  }

  private func end(_ outcome: RunOutcome, _ time: Date, _ state: inout State) {
    state.hasEnded = true
    let kind: OpenLineageEvent.Kind =
      switch outcome {
      case .done: .complete
      case .failed, .waitedTooLong: .fail
      case .interrupted: .abort
      }
    var event = OpenLineageEvent(kind: kind, time: time, subject: state.pipeline, jobType: "PIPELINE")
    if kind == .fail {
      event.error = state.failed.isEmpty ? outcome.rawValue : "failed: \(state.failed.joined(separator: ", "))"
    }
    send(event, &state)
  }

  private func send(_ event: OpenLineageEvent, _ state: inout State) {
    do { sink.send(try event.encoded()) } catch { state.problem = state.problem ?? "\(error)" }
  }

  // MARK: - Datasets

  private func inputs(of stage: String, _ artifacts: StageArtifacts) -> [ParameterValue] {
    (stages[stage]?.inputs ?? []).map { input in
      let artifact = artifacts.inputs[input.port]
      return switch input.source {
      case .file(let url):
        OpenLineageEvent.dataset(
          namespace: "file", name: url.posixPath, version: artifact?.digest, source: ("file", url.absoluteString),
          fields: url.pathExtension == "jsonl" ? jsonFields(ofFirstLine: url) : nil)
      case .hub(let reference):
        OpenLineageEvent.dataset(
          namespace: "hf", name: reference.repository, version: artifact?.digest,
          source: ("hf", "hf://\(reference.repository)"), fields: nil)
      case .stage(let id, let port):
        made("\(plan[id].name).\(port)", input.type, artifact)
      }
    }
  }

  private func outputs(of stage: String, _ artifacts: StageArtifacts) -> [ParameterValue] {
    (stages[stage]?.outputs ?? []).map { made("\(stage).\($0.port)", $0.type, artifacts.outputs[$0.port]) }
  }

  private func made(_ name: String, _ type: ArtifactType?, _ artifact: StoredArtifact?) -> ParameterValue {
    let url = artifact.map(store.url(of:))
    return OpenLineageEvent.dataset(
      namespace: namespace, name: "\(plan.name).\(name)", version: artifact?.digest,
      source: ("retort", store.root.absoluteString),
      fields: type?.isLines == true ? url.flatMap { jsonFields(ofFirstLine: $0) } : nil)
  }
}

extension ArtifactType {
  /// One JSON object a line.
  fileprivate var isLines: Bool { [.groups, .candidates, .scores, .corpus, .perQuery, .ranking].contains(self) }
}

/// Names and JSON types in a file's first line; `nil` if that is no JSON object.
private func jsonFields(ofFirstLine url: URL) -> [(name: String, type: String)]? {
  // A description more or less: a file that cannot be read fails elsewhere, with its reason.
  guard let file = try? FileHandle(forReadingFrom: url), let data = try? file.read(upToCount: 1 << 16),
    let line = data.split(separator: UInt8(ascii: "\n"), maxSplits: 1).first,
    let fields = try? JSONDecoder().decode([String: ParameterValue].self, from: line)
  else { return nil }
  return fields.sorted { $0.key < $1.key }.map { name, value in
    let type =
      switch value {
      case .null: "null"
      case .bool: "boolean"
      case .int, .double: "number"
      case .string: "string"
      case .list: "array"
      case .map: "object"
      }
    return (name, type)
  }
}
