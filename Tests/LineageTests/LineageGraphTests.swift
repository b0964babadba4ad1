/// Lineage of runs, stages and folders, and as drawings.
import Artifacts
import Foundation
@testable import Lineage
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct LineageGraphTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let journal: Journal
  private let student = "student[tau=0.1,K=4]"

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    journal = try Journal(at: store.database)
  }

  private func artifact(_ text: String) throws -> StoredArtifact {
    try store.ingest(scratch.write(text, to: "made"), owner: "test")
  }

  /// data.txt → base → student.
  private func recordRun(tau: String = "0.1") throws -> Int {
    let root = scratch.url.appending(path: "project", directoryHint: .isDirectory)
    let run = try journal.begin(
      RunStart(pipeline: "p", file: root.appending(path: "p.yaml"), root: root, time: Date(timeIntervalSince1970: 0))
    ) { _ in }
    func stage(_ name: String, _ input: StageRecord.Input, _ output: String) throws -> [JournalEntry] {
      var record = StageRecord(
        stage: name, base: name, kind: "cmd", state: .running, attempt: 1, time: Date(timeIntervalSince1970: 0),
        key: StageKey(Digest(of: name)), inputs: ["in": input])
      let result = RecordedResult(
        key: StageKey(Digest(of: name)),
        preimage: [
          KeyComponent(name: "cmd", value: .string("cat <in")), KeyComponent(name: "with.tau", value: .double(0.1)),
          KeyComponent(name: "seed", value: .string("18446744073709551615")),
        ],
        result: StageResult(
          stage: name, outputs: ["out": try artifact(output)], metrics: [.init(name: "loss", value: 0.5)]))
      let running = record
      record.state = .ran
      record.inputs = [:]
      return [.stage(running), .result(result), .stage(record)]
    }
    let data = StageRecord.Input(artifact: try artifact("data"), path: root.appending(path: "data.txt"))
    try journal.record(stage("base", data, "base"), run: run)
    let base = StageRecord.Input(artifact: try artifact("base"), output: "base.out")
    try journal.record(stage(student, base, "student") + [.ended(.done, time: Date())], run: run)
    return run
  }

  private func names(_ what: String, _ direction: LineageDirection = .up) throws -> [String] {
    try journal.lineage(of: journal.lineageRoot(named: what), direction).stages.map(\.name)
  }

  @Test func `a run, a stage, an output and a digest are found by their names`() throws {
    let run = try recordRun()
    #expect(try names("\(run)") == ["base", student] && names("latest") == ["base", student])
    #expect(try names(student) == ["base", student] && names("\(student).out") == ["base", student])
    #expect(try names("base") == ["base"] && names("base.out", .down) == [student])
    #expect(try names("base", .down) == ["base", student])
    #expect(try names(String(artifact("student").digest.description.prefix(10))) == ["base", student])
    #expect(throws: UnknownArtifact.self) { try names("base.nothing") }
  }

  @Test func `a stage that ran twice with one key is shown once, as it ran last`() throws {
    _ = try recordRun()
    let second = try recordRun()
    let up = try journal.lineage(of: artifact("student").digest, .up)
    #expect(up.stages.map(\.name) == ["base", student] && up.stages.allSatisfy { $0.run == second })
    #expect(try journal.lineage(of: artifact("data").digest, .down).stages.map(\.run) == [second, second])
  }

  @Test func `what is recorded of a stage is in its provenance`() throws {
    let run = try recordRun()
    let stages = try journal.provenance(of: StageKey(Digest(of: student)))
    #expect(stages.map(\.name) == ["base", student])
    #expect(stages[0].inputs["in"]?.source == "data.txt" && stages[1].inputs["in"]?.output == "base.out")
    #expect(stages[1].command == "cat <in" && stages[1].parameters == ["tau": .double(0.1)])
    #expect(stages[1].seed == .max && stages[1].metrics == ["loss": 0.5] && stages[1].retort == retortVersion)
    #expect(try journal.provenance(ofStage: student, run: run)?.provenance.stages == stages)
    #expect(try journal.provenance(of: StageKey(Digest(of: "unknown"))).isEmpty)
  }

  @Test func `an exported output tells its lineage without the store`() throws {
    let run = try recordRun()
    let (outputs, provenance) = try #require(try journal.provenance(ofStage: "base", run: run))
    let target = scratch.url.appending(path: "copy")
    try store.export(
      PublishedContent(
        ["out": try #require(outputs["out"]), "more": try artifact("more")], named: { $0 }, in: store,
        meaning: .command(inputs: []),
        provenance: provenance),
      to: target)
    let graph = try LineageGraph(at: target.appending(path: "out"))
    let root = try artifact("base").digest
    #expect(graph.of == "base.out" && graph.root == root)
    #expect(graph.stages.map(\.name) == ["base"] && graph.stages[0].run == nil)
    #expect(try graph.artifacts.first { $0.digest == (try artifact("data").digest) }?.source == "data.txt")
    #expect(try LineageGraph(at: target).root == nil)
  }

  @Test func `drawings quote whatever a name holds`() throws {
    var graph = LineageGraph(of: "x", root: nil, artifacts: [], stages: [])
    let digest = Digest(of: "a")
    graph.artifacts = [.init(digest: digest, bytes: 1, kind: .file, source: nil)]
    graph.stages = [
      .init(
        id: 7, run: 3, pipeline: "p", name: #"s[tau="a\b<c>#;",K=4]"#, kind: "cmd", inputs: [:], outputs: ["o": digest])
    ]
    let id = "a\(digest.description.prefix(16))"
    let short = digest.description.prefix(12)
    #expect(
      graph.mermaid == """
        flowchart LR
          \(id)(["s[tau=#34;a#92;b#60;c#62;#35;#59;#34;,K=4].o<br/>\(short)"])
          s7["s[tau=#34;a#92;b#60;c#62;#35;#59;#34;,K=4]<br/>cmd, run 3"]
          s7 -->|"o"| \(id)
        """)
    #expect(
      graph.dot == #"""
        digraph lineage {
          rankdir=LR;
          node [fontname="sans-serif"];
          \#(id) [shape=ellipse, label="s[tau=\"a\\b<c>#;\",K=4].o\n\#(short)"];
          s7 [shape=box, label="s[tau=\"a\\b<c>#;\",K=4]\ncmd, run 3"];
          s7 -> \#(id) [label="o"];
        }
        """#)
  }

  @Test func `labels of drawings are wrapped at joints of names, and nothing of them is lost`() {
    let name = "data/preprocessed/supervised_with_detailed/student[tau=0.1,K=4].train"
    #expect(wrapped(name) == ["data/preprocessed/", "supervised_with_detailed/", "student[tau=0.1,K=4].train"])
    let long = String(repeating: "한", count: 70)
    #expect(wrapped(long).map(\.count) == [32, 32, 6] && wrapped(long).joined() == long)
    #expect(wrapped("") == [""])
  }
}
