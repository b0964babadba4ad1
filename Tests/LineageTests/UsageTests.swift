/// What the journal tells of earlier executions, for forecasts.
import Artifacts
import Foundation
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@testable import Lineage

@Suite struct UsageTests {
  private let scratch: ScratchFolder
  private let journal: Journal
  private let start = Date(timeIntervalSince1970: 1_000_000)

  init() throws {
    scratch = try ScratchFolder()
    journal = try Journal(at: try Store(at: scratch.url.appending(path: ".retort")).database)
  }

  private func artifact(_ text: String) -> StoredArtifact {
    StoredArtifact(digest: Digest(of: text), bytes: text.utf8.count, kind: .file)
  }

  private func kind(_ name: String) -> StageDescription {
    StageDescription(
      kind: StageKind(name, revision: 1), abstract: "", numeric: true, outsideTools: [], usesSeed: true, inputs: [],
      parameters: [
        ParameterDescription(name: "epochs", documentation: "", type: .int(0...9), role: .repeats),
        ParameterDescription(name: "max_samples", documentation: "", type: .int(1...9), role: .limits),
      ], outputs: [])
  }

  /// One run of one stage, which takes `seconds`.
  private func execute(
    _ key: String, _ state: StageRecord.State, seconds: Double, attempt: Int = 1, epochs: Int = 3
  ) throws {
    let run = try journal.begin(
      RunStart(pipeline: "p", file: URL(filePath: "/p.yaml"), root: URL(filePath: "/"), time: start)
    ) { _ in }
    func record(_ state: StageRecord.State, _ attempt: Int, after seconds: Double) -> JournalEntry {
      .stage(
        StageRecord(
          stage: "t[tau=1]", base: "t", coordinates: [Coordinate("tau", .int(1))], kind: "teacher", state: state,
          attempt: attempt, time: start.addingTimeInterval(seconds), key: StageKey(Digest(of: key)),
          inputs: state == .running ? ["data": .init(artifact: artifact("data"))] : [:]))
    }
    var entries = [record(.running, attempt, after: 0)]
    if state == .ran {
      entries.append(
        .result(
          RecordedResult(
            key: StageKey(Digest(of: key)),
            preimage: [
              KeyComponent(name: "with.epochs", value: .int(epochs)),
              KeyComponent(name: "with.max_samples", value: .null),
            ],
            result: StageResult(stage: "t[tau=1]", outputs: ["model": artifact("model")], peakMemory: 1234))))
    }
    try journal.record(entries + [record(state, 0, after: seconds)], run: run)
  }

  @Test func `an execution is told with its time, memory, epochs, inputs and outputs`() throws {
    try execute("a", .ran, seconds: 5)
    let expected = StageUsage(
      pipeline: "p", file: "/p.yaml", base: "t", seconds: 5, peakMemory: 1234, repeats: 3, limit: nil,
      inputs: ["data": artifact("data")], outputs: ["model": artifact("model")])
    #expect(try journal.usage(of: kind("teacher")) == [expected])
    #expect(try journal.usage(of: kind("distill")) == [])
  }

  @Test func `what went on from an interrupted one, took several attempts or did not succeed is left out`() throws {
    try execute("a", .ran, seconds: 5)
    try execute("b", .interrupted, seconds: 3)
    try execute("b", .ran, seconds: 1)
    try execute("c", .ran, seconds: 7, attempt: 2)
    try execute("d", .failed, seconds: 2)
    try execute("e", .ran, seconds: 6)
    #expect(try journal.usage(of: kind("teacher")).map(\.seconds) == [6, 5])
    #expect(try journal.usage(of: kind("teacher"), limit: 1).map(\.seconds) == [6])
  }
}
