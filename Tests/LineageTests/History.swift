/// Fills a journal by hand with runs whose keys follow from what a test says of their stages.
import Artifacts
import Foundation
@testable import Lineage
import Pipelines
@testable import Scheduling
import TestSupport
import Testing

struct History {
  /// A stage as a test writes it down.
  struct Stage {
    var base: String
    var kind = "cmd"
    var coordinates: [Coordinate] = []
    /// `with.tau`, `seed`, …; inputs are added by themselves.
    var components: [(String, ParameterValue)] = []
    /// Port → `stage.port` of the same run, or an absolute path, whose bytes then are its name's or `bytes`.
    var inputs: [String: String] = [:]
    var bytes: [String: String] = [:]
    /// By port; a text that is absent is the stage's key.
    var outputs: [String: String?] = [:]
    var metrics: [String: Double] = [:]
    var curves: [String: [Double]] = [:]
    var seconds = 1.0
    var state = StageRecord.State.ran

    var name: String { base + coordinates.suffix }
  }

  let scratch: ScratchFolder
  let store: Store
  let journal: Journal
  private let start = Date(timeIntervalSince1970: 1_000_000)

  /// - Parameter folder: of the store; absent: a scratch folder's.
  init(in folder: URL? = nil) throws {
    scratch = try ScratchFolder()
    store = try Store(at: folder ?? scratch.url.appending(path: ".retort"))
    journal = try Journal(at: store.database)
  }

  @discardableResult
  func run(
    _ stages: [Stage], comparison: Comparison? = nil, version: String = "1", revision: String? = "abc",
    pipeline: String = "p", name: String? = nil, headline: [String]? = nil
  ) throws -> Int {
    let file = URL(filePath: "/project/\(pipeline).yaml")
    let run = try journal.begin(
      RunStart(
        pipeline: pipeline, file: file, root: URL(filePath: "/project"), time: start, version: version,
        revision: revision,
        comparison: comparison, stages: stages.count, name: name, headline: headline ?? declaredHeadline(of: stages))
    ) { _ in }
    var made: [String: StoredArtifact] = [:]
    var entries: [JournalEntry] = []
    for stage in stages {
      var inputs: [String: StageRecord.Input] = [:]
      for (port, source) in stage.inputs {
        if source.hasPrefix("/") {
          inputs[port] = .init(artifact: artifact(stage.bytes[port] ?? source), path: URL(filePath: source))
        } else {
          inputs[port] = .init(artifact: try #require(made[source]), output: source)
        }
      }
      let preimage =
        [KeyComponent(name: "kind", value: .string(stage.kind))]
        + stage.components.map { KeyComponent(name: $0.0, value: $0.1) }
        + inputs.sorted { $0.key < $1.key }.map {
          KeyComponent(name: "in.\($0.key)", value: .string($0.value.artifact.digest.description))
        }
      let key = StageKey(Digest(of: "\(stage.base) \(preimage)"))
      let outputs = stage.outputs.mapValues { artifact($0 ?? key.description) }
      for (port, output) in outputs { made["\(stage.name).\(port)"] = output }
      func record(_ state: StageRecord.State, after seconds: Double) -> JournalEntry {
        .stage(
          StageRecord(
            stage: stage.name, base: stage.base, coordinates: stage.coordinates, kind: stage.kind, state: state,
            attempt: 1, time: start.addingTimeInterval(seconds), key: stage.state == .skipped ? nil : key,
            inputs: state == .running ? inputs : [:]))
      }
      if stage.state == .skipped {
        entries.append(record(.skipped, after: 0))
      } else if try journal.outputs(for: key) != nil {
        entries.append(record(.cached, after: 0))
      } else {
        let steps = stage.curves.flatMap { name, values in
          values.enumerated().map { StageResult.Metric(name: name, value: $1, step: $0 + 1) }
        }
        let finals = stage.metrics.map { StageResult.Metric(name: $0, value: $1) }
        entries += [
          record(.running, after: 0),
          .result(
            RecordedResult(
              key: key, preimage: preimage,
              result: StageResult(stage: stage.name, outputs: outputs, metrics: steps + finals))),
          record(stage.state, after: stage.seconds),
        ]
      }
    }
    try journal.record(entries + [.ended(.done, time: start.addingTimeInterval(60))], run: run)
    return run
  }

  /// As a plan has it that says nothing of its own.
  private func declaredHeadline(of stages: [Stage]) -> [String]? {
    let names = distinct(stages.filter { $0.kind == "evaluate" }.map { "\($0.base).ndcg@10" })
    return names.isEmpty ? nil : names
  }

  /// The variants of several arguments.
  func variants(_ arguments: String...) throws -> [Variant] {
    try arguments.flatMap { try journal.variants(named: $0, store: store) }
  }

  private func artifact(_ text: String) -> StoredArtifact {
    StoredArtifact(digest: Digest(of: text), bytes: text.utf8.count, kind: .file)
  }
}

/// Three stages as an experiment has them: data that all variants share, a training and its evaluation.
func trained(
  tau: Double, seed: Int, ndcg: Double, loss: [Double] = [], coordinates: Bool = true, test: String = "/d/test"
) -> [History.Stage] {
  let place = coordinates ? [Coordinate("tau", .double(tau)), Coordinate("seed", .int(seed))] : []
  return [
    History.Stage(base: "data", inputs: ["file": "/d/train"], outputs: ["out": "records"]),
    History.Stage(
      base: "student", kind: "distill", coordinates: place,
      components: [("with.tau", .double(tau)), ("seed", .string("\(seed)"))], inputs: ["scores": "data.out"],
      outputs: ["student": nil], curves: loss.isEmpty ? [:] : ["loss": loss], seconds: tau * 100),
    History.Stage(
      base: "scores", kind: "evaluate", coordinates: place,
      inputs: ["model": "student\(place.suffix).student", "data": test], outputs: ["per_query": nil],
      metrics: ["ndcg@10": ndcg, "mean_rank": 10 * (1 - ndcg), "uniformity": -ndcg]),
  ]
}
