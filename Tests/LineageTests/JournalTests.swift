/// The journal in SQLite: what is recorded is found again, all of a turn or nothing.
import Artifacts
import Foundation
import GRDB
import Hub
@testable import Lineage
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct JournalTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let journal: Journal
  private let start = Date(timeIntervalSince1970: 1_000_000)

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    journal = try Journal(at: store.database)
  }

  private var file: URL { URL(filePath: "/project/p.yaml") }
  private func artifact(_ text: String) -> StoredArtifact {
    StoredArtifact(digest: Digest(of: text), bytes: text.utf8.count, kind: .file)
  }
  private func key(_ text: String) -> StageKey { StageKey(Digest(of: "key \(text)")) }
  private func begin() throws -> Int {
    try journal.begin(RunStart(pipeline: "p", file: file, root: URL(filePath: "/project"), time: start)) { _ in }
  }
  private func stage(
    _ name: String, _ state: StageRecord.State, key: String? = nil, input: String? = nil, after seconds: Double = 0
  ) -> JournalEntry {
    let path = name == "first" ? URL(filePath: "/project/d") : nil
    let output = path == nil ? "first.out" : nil
    return .stage(
      StageRecord(
        stage: name, base: name, kind: "cmd", state: state, attempt: state == .running ? 1 : 0,
        time: start.addingTimeInterval(seconds), key: key.map { self.key($0) },
        inputs: input.map { ["in": .init(artifact: artifact($0), path: path, output: output)] } ?? [:]))
  }
  private func result(_ name: String, key: String, output: String, tau: Double = 0.1) -> JournalEntry {
    .result(
      RecordedResult(
        key: self.key(key),
        preimage: [
          KeyComponent(name: "kind", value: .string("cmd")), KeyComponent(name: "with.tau", value: .double(tau)),
        ],
        result: StageResult(
          stage: name, outputs: ["out": artifact(output)],
          metrics: [.init(name: "loss", value: 0.5, step: 1), .init(name: "loss", value: 0.25)])))
  }
  private func recordChain() throws -> Int {
    let run = try begin()
    try journal.record(
      [
        stage("first", .running, key: "1", input: "data"), result("first", key: "1", output: "middle"),
        stage("first", .ran, key: "1", after: 2), stage("second", .running, key: "2", input: "middle"),
        result("second", key: "2", output: "end"), stage("second", .ran, key: "2", after: 3),
        .ended(.done, time: start.addingTimeInterval(5)),
      ], run: run)
    return run
  }

  @Test func `a stage's time begins when what it waited for has come`() throws {
    let run = try begin()
    try journal.record(
      [stage("first", .running, key: "1"), .begins(stage: "first", time: start.addingTimeInterval(5))], run: run)
    try journal.record(
      [result("first", key: "1", output: "out"), stage("first", .ran, key: "1", after: 7)], run: run)
    #expect(try journal.report(of: run, store: store).stages.map(\.seconds) == [2])
  }

  @Test func `a model's name stands for the last answer, each revision for its own`() throws {
    func revision(_ commit: String) -> HubRevision {
      HubRevision(
        repository: "org/name", revision: "main", commit: commit, files: [HubFile(path: "a", bytes: 1, etag: "e")])
    }
    let run = try begin()
    let (plain, tagged) = (try #require(HubReference("hf://org/name")), try #require(HubReference("hf://org/name@v1")))
    #expect(try journal.hubRevision(of: plain) == nil)
    try journal.record([.model(plain, revision("1")), .model(tagged, revision("2"))], run: run)
    try journal.record([.model(plain, revision("3"))], run: run)
    #expect(try journal.hubRevision(of: plain) == revision("3"))
    #expect(try journal.hubRevision(of: tagged) == revision("2"))
  }

  @Test func `an input from the hub keeps its name and commit`() throws {
    let run = try begin()
    var entry = StageRecord(stage: "first", base: "first", kind: "cmd", state: .running, attempt: 1, time: start)
    entry.key = key("1")
    entry.inputs = ["base": .init(artifact: artifact("model"), path: URL(filePath: "/cache"), hub: "hf://org/name@1")]
    try journal.record(
      [.stage(entry), result("first", key: "1", output: "out"), stage("first", .ran, key: "1")], run: run)
    #expect(try journal.report(of: run, store: store).stages[0].inputs["base"]?.source == "hf://org/name@1")
    #expect(try journal.provenance(of: key("1")).last?.inputs["base"]?.source == "hf://org/name@1")
  }

  @Test func `final states are found by their key, the longest first, none that is too long`() throws {
    let run = try begin()
    func state(_ length: Int) -> StoredContinuation {
      StoredContinuation(key: key("any epochs"), length: length, artifact: artifact("state \(length)"))
    }
    for length in [2, 7, 3] {
      let name = "student\(length)"
      let result = StageResult(stage: name, outputs: ["out": artifact("out")], continuation: state(length))
      let recorded = RecordedResult(key: key(name), preimage: [], result: result)
      try journal.record([stage(name, .running, key: name), .result(recorded)], run: run)
    }
    #expect(try journal.continuations(of: key("any epochs"), upTo: 6) == [state(3), state(2)])
    #expect(try journal.continuations(of: key("any epochs"), upTo: 1) == [])
    #expect(try journal.continuations(of: key("other"), upTo: 6) == [])
  }

  @Test func `a result is found by its key, also after reopening`() throws {
    _ = try recordChain()
    let reopened = try Journal(at: store.database)
    #expect(try reopened.outputs(for: key("2")) == ["out": artifact("end")])
    #expect(try reopened.provenance(of: key("2")).last?.metrics == ["loss": 0.25])
    #expect(try reopened.outputs(for: key("3")) == nil)
  }

  @Test func `a reader makes no database, and reads one of an older version without changing it`() throws {
    let missing = scratch.url.appending(path: "nowhere/retort.sqlite")
    #expect(try Journal(reading: missing).runs().lines == [])
    #expect(FileStatus.of(missing) == nil)

    let old = scratch.url.appending(path: "old.sqlite")
    let queue = try DatabaseQueue(path: old.posixPath)
    try DatabaseMigrator.lineage.migrate(queue, upTo: "001-tables")
    try queue.write { db in
      try db.execute(sql: "INSERT INTO pipeline (id, name, file) VALUES (1, 'p', '/p.yaml')")
      try db.execute(
        sql: "INSERT INTO run (id, pipeline, state, started, host, pid) VALUES (7, 1, 'done', ?, 'here', 1)",
        arguments: [start])
    }
    try queue.close()
    let before = try Digest(ofFile: old)
    #expect(try Journal(reading: old).runs().lines.map(\.run) == [7])
    #expect(try Digest(ofFile: old) == before)

    _ = try recordChain()
    let reader = try Journal(reading: store.database)
    #expect(try reader.outputs(for: key("2")) == ["out": artifact("end")])
    let stamp = FileStamp(device: 1, inode: 1, size: 1, modified: 1, changed: 1)
    #expect(throws: (any Error).self) { try reader.remember(Digest(of: "x"), for: stamp) }
  }

  @Test func `results of one function are found, the latest first and no more than asked for`() throws {
    let run = try begin()
    let function = key("function")
    for name in ["a", "b", "c", "other"] {
      try journal.record(
        [
          stage(name, .running, key: name),
          .result(
            RecordedResult(
              key: key(name), preimage: [], result: StageResult(stage: name, outputs: ["out": artifact(name)])),
            function: name == "other" ? nil : function),
        ], run: run)
    }
    #expect(
      try journal.earlierOutputs(of: function, limit: 2) == [
        ["out": artifact("c")], ["out": artifact("b")],
      ])
    #expect(try journal.earlierOutputs(of: key("another"), limit: 2).isEmpty)
  }

  @Test func `a run's report has states, times, artifacts and metrics, of cached stages too`() throws {
    _ = try recordChain()
    let again = try begin()
    try journal.record([stage("first", .cached, key: "1"), stage("second", .failed, key: "x")], run: again)
    let report = try journal.report(of: journal.run(named: "latest"), store: store)
    #expect(report.run == again)
    #expect(report.stages.map(\.state) == ["cached", "failed"])
    #expect(report.stages[0].inputs["in"]?.source == "/project/d")
    #expect(report.stages[0].outputs["out"]?.digest == artifact("middle").digest)
    #expect(report.stages[0].outputs["out"]?.path == store.url(of: artifact("middle")).posixPath)
    #expect(report.stages[0].metrics == ["loss": 0.25])
    #expect(try journal.report(of: 1, store: store).stages[1].seconds == 3)
    #expect(try journal.runs().lines.map(\.run) == [2, 1])
    #expect(try journal.runs().lines[1].seconds == 5)
  }

  @Test func `a turn that cannot be written as a whole is not written at all`() throws {
    let run = try begin()
    // A result of a stage that never ran has nowhere to go.
    #expect(throws: (any Error).self) {
      try journal.record(
        [stage("first", .running), result("ghost", key: "1", output: "middle")], run: run)
    }
    #expect(try journal.report(of: run, store: store).stages.isEmpty)
  }

  @Test func `why names the components that differ, old and new`() throws {
    _ = try recordChain()
    let preimage = [
      KeyComponent(name: "kind", value: .string("cmd")), KeyComponent(name: "with.tau", value: .double(0.2)),
      KeyComponent(name: "seed", value: .string("7")),
    ]
    #expect(
      try journal.differences(of: preimage, pipeline: "p", file: file, stage: "second") == [
        KeyDifference(component: "with.tau", old: "0.1", new: "0.2"),
        KeyDifference(component: "seed", old: nil, new: "\"7\""),
      ])
    #expect(try journal.differences(of: preimage, pipeline: "p", file: file, stage: "third") == nil)
  }

  @Test func `lineage goes up to the sources and down to what was made`() throws {
    _ = try recordChain()
    let up = try journal.lineage(of: artifact("end").digest, .up)
    #expect(up.stages.map(\.name) == ["first", "second"])
    #expect(up.artifacts.first { $0.digest == artifact("data").digest }?.source == "/project/d")
    let down = try journal.lineage(of: artifact("middle").digest, .down)
    #expect(down.stages.map(\.name) == ["second"])
    #expect(try journal.lineage(of: artifact("end").digest, .down).stages.isEmpty)
  }

  @Test func `a stage that made the same bytes as an ancestor is none, and provenance names each stage once`() throws {
    let run = try begin()
    try journal.record(
      [
        stage("first", .running, key: "1", input: "data"), result("first", key: "1", output: "middle"),
        stage("first", .ran, key: "1"), stage("twin", .running, key: "3", input: "end"),
        result("twin", key: "3", output: "middle"), stage("twin", .ran, key: "3"),
        stage("second", .running, key: "2", input: "middle"), result("second", key: "2", output: "end"),
        stage("second", .ran, key: "2"),
      ], run: run)
    #expect(try journal.lineage(of: artifact("end").digest, .up).stages.map(\.name) == ["first", "second"])
    #expect(try journal.lineage(of: artifact("data").digest, .down).stages.map(\.name) == ["first", "second"])
    let (outputs, provenance) = try #require(try journal.provenance(ofStage: "second", run: run))
    #expect(outputs == ["out": artifact("end")])
    #expect(provenance.stages.map(\.name) == ["first", "second"])
    #expect(provenance.stages.map(\.parameters) == [["tau": .double(0.1)], ["tau": .double(0.1)]])
  }

  @Test func `a digest may be shortened as long as it is unique`() throws {
    _ = try recordChain()
    let digest = artifact("end").digest
    #expect(try journal.artifact(beginning: String(digest.description.prefix(12))) == digest)
    #expect(throws: UnknownArtifact.self) { try journal.artifact(beginning: "") }
  }

  @Test func `a stamp is forgotten when its file has another one`() throws {
    let old = FileStamp(device: 1, inode: 2, size: 3, modified: 4, changed: 5)
    var new = old
    new.changed = 6
    try journal.remember(Digest(of: "old"), for: old)
    #expect(try journal.digest(for: old) == Digest(of: "old"))
    #expect(try journal.digest(for: new) == nil)
    try journal.remember(Digest(of: "new"), for: new)
    #expect(try journal.digest(for: old) == nil)
  }

  @Test func `the last publication at a path counts`() throws {
    let run = try begin()
    let target = URL(filePath: "/project/out")
    for text in ["one", "two"] {
      let record = PublicationRecord(
        target: target, stage: "first", content: Digest(of: text), digest: Digest(of: "at \(text)"))
      try journal.record([.publication(record)], run: run)
    }
    #expect(try journal.publication(at: target)?.content == Digest(of: "two"))
  }

  @Test func `a run that died is closed, one that lives is not`() throws {
    let dead = try begin()
    let alive = try begin()
    try journal.record([stage("first", .running)], run: dead)
    try journal.closeAbandoned { $0 == alive }
    #expect(try journal.report(of: dead, store: store).state == "interrupted")
    #expect(try journal.report(of: dead, store: store).stages[0].state == "interrupted")
    #expect(try journal.report(of: alive, store: store).state == "running")
  }

  @Test func `a file that is no database is reported as damage`() throws {
    let file = try scratch.write(String(repeating: "not a database ", count: 100), to: "broken.sqlite")
    #expect(throws: DamagedDatabase.self) { try Journal(at: file) }
  }

  @Test func `commits are durable and foreign keys hold`() throws {
    let queue = try DatabaseQueue(path: store.database.posixPath)
    #expect(try queue.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
    let run = try begin()
    let ghost = StageRecord(stage: "s", base: "s", kind: "cmd", state: .ran, attempt: 1, time: start)
    #expect(throws: (any Error).self) { try journal.record([.stage(ghost)], run: run + 99) }
  }
}
