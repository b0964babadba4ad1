/// OpenLineage events of runs, as lines of a file.
import Artifacts
import Foundation
@testable import Lineage
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

private struct Event: Decodable {
  struct Facet: Decodable {
    struct Subject: Decodable { var runId: String?, name: String? }
    struct Field: Decodable, Equatable { var name: String, type: String }
    var _producer: String
    var _schemaURL: String
    var run: Subject?
    var job: Subject?
    var message: String?
    var datasetVersion: String?
    var uri: String?
    var fields: [Field]?
  }
  struct Run: Decodable { var runId: String, facets: [String: Facet] }
  struct Job: Decodable { var namespace: String, name: String, facets: [String: Facet] }
  struct Dataset: Decodable { var namespace: String, name: String, facets: [String: Facet] }
  var eventType: String
  var eventTime: String
  var run: Run
  var job: Job
  var inputs: [Dataset]
  var outputs: [Dataset]
  var schemaURL: String
}

@Suite struct OpenLineageTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let journal: Journal
  private let start = Date(timeIntervalSince1970: 1_000_000)
  private let data: StoredArtifact
  private let groups: StoredArtifact

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    journal = try Journal(at: store.database)
    data = try store.ingest(scratch.write("[]", to: "data.json"), owner: "test")
    groups = try store.ingest(scratch.write(#"{"id": "q", "positives": []}"# + "\n", to: "groups"), owner: "test")
  }

  /// `make` reads data.json and writes groups, `use` reads these.
  private var plan: Plan {
    let file = scratch.url.appending(path: "p.yaml")
    let location = SourceLocation(file: file, line: 1, column: 1)
    func stage(_ index: Int, _ name: String, _ source: InputSource, _ type: ArtifactType?) -> PlannedStage {
      PlannedStage(
        id: StageID(index: index), base: name, location: location,
        description: StageDescription(
          kind: StageKind("cmd", revision: 1), abstract: "", numeric: false, outsideTools: [], usesSeed: false,
          inputs: [], parameters: [], outputs: []),
        inputs: [PlannedInput(port: "in", source: source, type: type, location: location)],
        outputs: [PlannedOutput(port: "out", type: index == 0 ? .groups : .text)])
    }
    return Plan(
      name: "p", file: file, root: scratch.url,
      stages: [
        stage(0, "make", .file(scratch.url.appending(path: "data.json")), nil),
        stage(1, "use", .stage(StageID(index: 0), port: "out"), .groups),
      ])
  }

  private func record(
    _ stage: String, _ state: StageRecord.State, after seconds: Double, error: String? = nil
  ) -> JournalEntry {
    let input: StageRecord.Input =
      stage == "make"
      ? .init(artifact: data, path: scratch.url.appending(path: "data.json"))
      : .init(artifact: groups, output: "make.out")
    return .stage(
      StageRecord(
        stage: stage, base: stage, kind: "cmd", state: state, attempt: 1, time: start.addingTimeInterval(seconds),
        key: StageKey(Digest(of: stage)), inputs: state == .running ? ["in": input] : [:], error: error))
  }

  private var made: JournalEntry {
    .result(
      RecordedResult(
        key: StageKey(Digest(of: "make")), preimage: [], result: StageResult(stage: "make", outputs: ["out": groups])))
  }

  /// What is told of a run in which these things are recorded, one after the other.
  private func events(_ entries: [JournalEntry]) async throws -> [Event] {
    let file = scratch.url.appending(path: "\(UUID().uuidString).jsonl")
    let emitter = OpenLineageEmitter(
      plan, journal: journal, store: store, sink: try OpenLineageSink(file.posixPath), namespace: "space")
    let observed = journal.observed(by: emitter)
    let run = try observed.begin(RunStart(pipeline: "p", file: plan.file, root: scratch.url, time: start)) { _ in }
    for entry in entries { try observed.record([entry], run: run) }
    #expect(await emitter.finish(at: start) == nil)
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
      try JSONDecoder().decode(Event.self, from: Data($0.utf8))
    }
  }

  @Test func `a run and its stages begin and complete, and stages name the run as their parent`() async throws {
    let events = try await events([
      record("make", .running, after: 1), made, record("make", .ran, after: 2.5), .ended(.done, time: start),
    ])
    try #require(events.map(\.eventType) == ["START", "START", "COMPLETE", "COMPLETE"])
    #expect(events.map(\.job.name) == ["p", "p.make", "p.make", "p"])
    #expect(events.allSatisfy { $0.job.namespace == "space" && UUID(uuidString: $0.run.runId) != nil })
    #expect(events[0].run.runId == events[3].run.runId && events[1].run.runId == events[2].run.runId)
    #expect(events[1].run.runId != events[0].run.runId)
    #expect(events[2].run.facets["parent"]?.run?.runId == events[0].run.runId)
    #expect(events[2].run.facets["parent"]?.job?.name == "p")
    #expect(events[0].run.facets["parent"] == nil)
    #expect(events[2].eventTime == "1970-01-12T13:46:42.500Z")
    #expect(events[0].schemaURL == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
  }

  @Test func `datasets carry their digest, where they lie, and the fields of their lines`() async throws {
    let done = try #require(
      try await events([record("make", .running, after: 1), made, record("make", .ran, after: 2)])
        .first { $0.eventType == "COMPLETE" })
    let (input, output) = (try #require(done.inputs.first), try #require(done.outputs.first))
    let path = scratch.url.appending(path: "data.json")
    #expect(input.namespace == "file" && input.name == path.posixPath)
    #expect(input.facets["version"]?.datasetVersion == data.digest.description)
    #expect(input.facets["dataSource"]?.uri == path.absoluteString)
    #expect(input.facets["schema"] == nil)
    #expect(output.namespace == "space" && output.name == "p.make.out")
    #expect(output.facets["version"]?.datasetVersion == groups.digest.description)
    #expect(
      output.facets["schema"]?.fields == [.init(name: "id", type: "string"), .init(name: "positives", type: "array")])
  }

  @Test func `a failure has its message, and what was never begun is not told`() async throws {
    let events = try await events([
      record("make", .running, after: 1), record("make", .failed, after: 2, error: "exit code 3"),
      record("use", .skipped, after: 2), .ended(.failed, time: start),
    ])
    try #require(events.map(\.eventType) == ["START", "START", "FAIL", "FAIL"])
    #expect(events[2].run.facets["errorMessage"]?.message == "exit code 3")
    #expect(events[3].run.facets["errorMessage"]?.message == "failed: make")
  }

  @Test func `an interruption aborts what ran, and a second attempt is the same run`() async throws {
    let events = try await events([
      record("make", .running, after: 1), record("make", .running, after: 2), record("make", .interrupted, after: 3),
      record("use", .interrupted, after: 3), .ended(.interrupted, time: start),
    ])
    try #require(events.map(\.eventType) == ["START", "START", "ABORT", "ABORT"])
  }

  @Test func `a cached stage tells what it took and made, and a run that is given up fails`() async throws {
    _ = try await events([record("make", .running, after: 1), made, record("make", .ran, after: 2)])
    let events = try await events([record("make", .cached, after: 1)])
    try #require(events.map(\.eventType) == ["START", "START", "COMPLETE", "FAIL"])
    #expect(events[2].inputs.first?.facets["version"]?.datasetVersion == data.digest.description)
    #expect(events[2].outputs.first?.facets["version"]?.datasetVersion == groups.digest.description)
  }

  @Test func `a file that cannot be written is told before anything runs, a dead endpoint once and after`() async throws
  {
    #expect(throws: FileError.self) { try OpenLineageSink(scratch.url.appending(path: "none/x").posixPath) }
    // Nothing listens at port 1.
    let sink = try OpenLineageSink("http://127.0.0.1:1/lineage")
    for _ in 0..<3 { sink.send(Data("{}".utf8)) }
    let problem = try #require(await sink.finish())
    #expect(problem.hasPrefix("3 OpenLineage events were not delivered to http://127.0.0.1:1/lineage: "))
  }
}
