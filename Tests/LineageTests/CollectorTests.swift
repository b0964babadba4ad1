/// What a collection removes, when, and what it never touches.
import Artifacts
import Foundation
import GRDB
@testable import Lineage
@testable import Pipelines
@testable import Scheduling
import Synchronization
import TestSupport
import Testing

@Suite final class CollectorTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let journal: Journal
  private let now = Mutex(Date(timeIntervalSince1970: 1_000_000))

  init() throws {
    scratch = try ScratchFolder(inMemory: true)
    store = try Store(at: scratch.url.appending(path: ".retort"))
    journal = try Journal(at: store.database)
  }

  private func ingest(_ text: String) throws -> StoredArtifact {
    try store.ingest(scratch.write(text, to: "in/\(text)"), owner: "test")
  }
  private func ingest(folder: String, _ texts: [String]) throws -> StoredArtifact {
    for text in texts { try scratch.write(text, to: "\(folder)/\(text)") }
    return try store.ingest(scratch.url.appending(path: folder), owner: "test")
  }
  private func key(_ text: String) -> StageKey { StageKey(Digest(of: "key \(text)")) }

  /// A run with one stage, whose result is the artifact.
  @discardableResult
  private func run(
    _ stage: String, _ artifact: StoredArtifact?, state: StageRecord.State = .ran, ends: Bool = true,
    file: String = "/project/p.yaml", kind: String = "cmd", port: String = "out"
  ) throws -> Int {
    let time = now.withLock { $0 }
    let run = try journal.begin(
      RunStart(pipeline: "p", file: URL(filePath: file), root: URL(filePath: "/project"), time: time)
    ) { _ in }
    let record = StageRecord(
      stage: stage, base: stage, kind: kind, state: .running, attempt: 1, time: time, key: key(stage))
    var entries: [JournalEntry] = [.stage(record)]
    if let artifact {
      entries.append(
        .result(
          RecordedResult(
            key: key(stage), preimage: [], result: StageResult(stage: stage, outputs: [port: artifact]))))
    }
    var last = record
    last.state = state
    entries.append(.stage(last))
    if ends { entries.append(.ended(.done, time: time)) }
    try journal.record(entries, run: run)
    try FileOperations().makeFolder(store.logFolder(ofRun: run))
    return run
  }

  private func collect(
    keep: Int = 0, grace: TimeInterval = 0, stages: Set<String>? = []
  ) throws -> CollectionReport {
    var collector = Collector(
      store: store, journal: journal, keep: keep, grace: grace, stages: { _ in stages },
      clock: { self.now.withLock { $0 } })
    let before = try collector.survey()
    var report = try collector.collect()
    // A dry run foretells what happens.
    #expect(before.removed == report.removed && before.waiting == report.waiting)
    report.results = 0
    return report
  }
  private func isHere(_ artifact: StoredArtifact) throws -> Bool {
    try store.damage(of: artifact, owner: "test", repair: false) == nil
  }

  @Test func `what no kept run refers to goes, with its result, and history stays`() throws {
    let (old, new) = (try ingest("old"), try ingest("new"))
    let first = try run("a", old)
    try run("b", new)
    #expect(try collect(keep: 1).removed["object"] == .init(count: 1, bytes: 3))
    #expect(try !isHere(old))
    #expect(try isHere(new))
    #expect(try journal.outputs(for: key("a")) == nil)
    #expect(try journal.outputs(for: key("b")) == ["out": new])
    #expect(try journal.report(of: first, store: store).stages[0].outputs["out"]?.digest == old.digest)
    #expect(FileStatus.of(store.logFolder(ofRun: first)) == nil)
  }

  @Test func `a file's other names go and stay with it`() throws {
    let (old, new) = (try ingest("old"), try ingest("new"))
    let views = try [old, new].map { try store.view(of: $0, named: "text.txt") }
    try run("a", old)
    try run("b", new)
    #expect(try collect(keep: 1).removed["object"] == .init(count: 1, bytes: 3))
    #expect(views.map { FileStatus.of($0) != nil } == [false, true])
  }

  @Test func `a pinned run keeps what it made and used, until it is no longer pinned`() throws {
    let artifact = try ingest("text")
    let first = try run("a", artifact)
    try journal.pin(first, true)
    #expect(try collect().removed == [:])
    #expect(try isHere(artifact))
    try journal.pin(first, false)
    _ = try collect()
    #expect(try !isHere(artifact))
  }

  @Test func `results per query stay for comparisons, large ones while somebody names, tags or notes a run`() throws {
    let (small, large, other) = (try ingest("small"), try ingest("large"), try ingest("other"))
    try run("a", small, kind: "evaluate", port: "per_query")
    let second = try run("b", large, kind: "evaluate", port: "per_query")
    try run("c", other, kind: "evaluate", port: "results")
    try journal.database.write { db in
      try db.execute(
        sql: "UPDATE artifact SET bytes = ? WHERE digest = ?", arguments: [17 << 20, large.digest.description])
    }
    _ = try journal.tag(second, RunName("best"))
    _ = try collect()
    #expect(try isHere(small) && isHere(large) && !isHere(other))
    _ = try journal.removeTag(RunName("best"))
    try journal.setNote(second, "worth a look")
    _ = try collect()
    #expect(try isHere(large))
    try journal.setNote(second, nil)
    _ = try collect()
    #expect(try isHere(small) && !isHere(large))
  }

  @Test func `the newest result of each stage that its file still has stays`() throws {
    let (old, new, gone) = (try ingest("old"), try ingest("new"), try ingest("gone"))
    try run("a", old)
    try run("gone", gone)
    let newest = try run("a", new)
    _ = try collect(stages: ["a"])
    #expect(try !isHere(old))
    #expect(try !isHere(gone))
    #expect(try isHere(new))
    #expect(FileStatus.of(store.logFolder(ofRun: newest)) != nil)
    #expect(try collect(stages: nil).removed == [:], "a file that cannot be planned keeps all of its stages")
  }

  @Test func `a running run keeps what it found, whatever its row says`() throws {
    let artifact = try ingest("text")
    let first = try run("a", artifact, ends: false)
    let lock = try FileLock(at: store.lock(ofRun: first), beneath: store.root)
    try lock.wait()
    try journal.database.write { try $0.execute(sql: "UPDATE run SET state = 'interrupted'") }
    #expect(try collect().removed == [:])
    withExtendedLifetime(lock) {}
    #expect(try isHere(artifact))
  }

  @Test func `without use for the grace means since a collection saw it`() throws {
    let folder = try ingest(folder: "folder", ["x", "y"])
    try run("a", folder)
    #expect(try collect(grace: 60).removed == [:])
    now.withLock { $0 += 59 }
    #expect(try collect(grace: 60).waiting["object"]?.count == 3)
    now.withLock { $0 += 1 }
    #expect(try collect(grace: 60).removed["object"] == .init(count: 3, bytes: 2 + manifestBytes(folder)))
    #expect(try FolderScan.names(in: store.root.appending(path: "tmp")) == [])
  }

  private func manifestBytes(_ folder: StoredArtifact) -> Int {
    "retort folder 1\n".utf8.count + 2 * "f \(folder.digest) 1 x\0".utf8.count
  }

  @Test func `a run that uses what was marked makes it as good as new, a folder's files too`() throws {
    let folder = try ingest(folder: "folder", ["x", "y"])
    try run("a", folder)
    _ = try collect(grace: 60)
    now.withLock { $0 += 50 }
    try run("a", folder, state: .cached)
    now.withLock { $0 += 50 }
    #expect(try collect(grace: 60).removed["object"] == nil)
    #expect(try isHere(folder))
  }

  @Test func `an object that two folders share stays with the one that stays`() throws {
    let (one, two) = (try ingest(folder: "one", ["x", "y"]), try ingest(folder: "two", ["y", "z"]))
    try run("a", one)
    try run("b", two)
    _ = try collect(keep: 1)
    #expect(try !isHere(one))
    #expect(try isHere(two))
    #expect(try collect(keep: 1).removed == [:])
  }

  private func work(_ name: String, result: StoredArtifact?) throws -> WorkFolder {
    let work = WorkFolder(store.workFolder(of: key(name).digest))
    try FileOperations().makeFolder(work.scratch)
    _ = try work.openLock()
    if let result {
      try FileOperations().replace(
        work.result, with: try storedJSON(StageResult(stage: name, outputs: ["out": result])))
    }
    return work
  }

  @Test func `a complete result that was not recorded keeps its outputs; a recorded one loses its folder`() throws {
    let (unknown, recorded) = (try ingest("unknown"), try ingest("recorded"))
    let left = try work("never run", result: unknown)
    let done = try work("a", result: recorded)
    try run("a", recorded)
    #expect(try collect(keep: 1).removed["work"]?.count == 1)
    #expect(try isHere(unknown))
    #expect(try isHere(recorded))
    #expect(FileStatus.of(left.url) != nil)
    #expect(FileStatus.of(done.url) == nil)
  }

  @Test func `a checkpoint stays while a kept run may resume it, or somebody holds the lock`() throws {
    let (kept, old) = (try work("kept", result: nil), try work("old", result: nil))
    try run("old", nil, state: .interrupted)
    try run("kept", nil, state: .failed)
    let lock = try old.openLock()
    try lock.wait()
    #expect(try collect(keep: 1).removed["work"] == nil)
    withExtendedLifetime(lock) {}
    #expect(FileStatus.of(old.url) != nil)
    #expect(FileStatus.of(kept.url) != nil)
  }

  @Test func `a free folder of work of no kept run goes`() throws {
    let old = try work("old", result: nil)
    try run("old", nil, state: .interrupted)
    try run("new", nil, state: .failed)
    #expect(try collect(keep: 1).removed["work"]?.count == 1)
    #expect(FileStatus.of(old.url) == nil)
  }

  @Test func `a training's stored state stays with the run that made it`() throws {
    let (one, two) = (try ingest("state one"), try ingest("state two"))
    try run("a", try ingest("a"))
    try run("b", try ingest("b"))
    try journal.database.write { db in
      for (name, state) in [("a", one), ("b", two)] {
        try db.execute(
          sql: "INSERT INTO artifact VALUES (?, ?, 'file')", arguments: [state.digest.description, state.bytes])
        try db.execute(
          sql: """
            INSERT INTO continuation (key, length, digest, stage_run)
            VALUES (?1, 1, ?2, (SELECT id FROM stage_run WHERE stage = ?1))
            """, arguments: [name, state.digest.description])
      }
    }
    _ = try collect(keep: 1)
    #expect(try !isHere(one))
    #expect(try isHere(two))
    #expect(try journal.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM continuation") } == 1)
  }

  @Test func `a collection waits for whoever takes something in`() async throws {
    let artifact = try ingest("text")
    let hold = Mutex<FileLock?>(try store.keepingAll())
    let waited = Mutex(false)
    var collector = Collector(store: store, journal: journal, keep: 0, grace: 0, stages: { _ in nil })
    _ = try collector.collect {
      waited.withLock { $0 = true }
      #expect(FileStatus.of(store.url(of: artifact)) != nil)
      hold.withLock { $0 = nil }
    }
    #expect(waited.withLock { $0 })
    #expect(FileStatus.of(store.url(of: artifact)) == nil)
  }

  @Test func `what a killed process left in tmp goes, what somebody holds stays`() throws {
    try scratch.write("x", to: ".retort/tmp/dead/object")
    try scratch.write("x", to: ".retort/tmp/alive/object")
    let lock = try FileLock(at: store.root.appending(path: "tmp/alive/lock"), beneath: store.root)
    try lock.wait()
    _ = try collect()
    withExtendedLifetime(lock) {}
    #expect(try FolderScan.names(in: store.root.appending(path: "tmp")) == ["alive"])
  }
}
