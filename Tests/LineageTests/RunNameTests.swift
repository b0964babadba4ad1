/// What people call runs, and what arguments then mean by it.
import Foundation
import GRDB
@testable import Lineage
import Pipelines
import Testing

@Suite struct RunNameTests {
  private let history: History
  private var journal: Journal { history.journal }

  init() throws {
    history = try History()
    for name in ["base", nil, "base", "잠정"] as [String?] { try history.run([], name: name) }
  }

  @Test(arguments: ["", "3", "1-14", "latest", "-x", "a b", "a[1]", "a~1", "a=b", String(repeating: "a", count: 65)])
  func `what may be taken for a number, a range, a variant or latest is no name`(text: String) {
    #expect(throws: InvalidRunName.self) { try RunName(text) }
  }

  @Test(arguments: ["base", "tau-0.1_b", "_x", "latest-good", "잠정"])
  func `words are names`(text: String) throws { #expect(try RunName(text).text == text) }

  @Test func `a name typed in parts is the name typed in one`() throws {
    // 잠정 as conjoining jamo, which is what macOS hands on.
    let parts = "잠정".decomposedStringWithCanonicalMapping
    #expect(Array(try RunName(parts).text.utf8) == Array("잠정".utf8))
    #expect(try journal.run(named: parts) == 4)
  }

  @Test func `a name means the latest run of that name, with ~ an earlier one`() throws {
    #expect(try journal.run(named: "base") == 3)
    #expect(try journal.run(named: "base~1") == 1)
    #expect(try journal.run(named: "latest~2") == 2)
    for name in ["base~2", "latest~4", "bas", "base~x", "~1", "7"] {
      #expect(throws: UnknownRun.self) { try journal.run(named: name) }
    }
  }

  @Test func `a tag stands on one run, moves, and goes before a name`() throws {
    #expect(try journal.tag(2, RunName("best")) == nil)
    #expect(try journal.run(named: "best") == 2)
    #expect(try journal.tag(4, RunName("best")) == 2)
    #expect(try journal.run(named: "best") == 4)
    #expect(try journal.tag(1, RunName("base")) == nil)
    #expect(try journal.run(named: "base") == 1)
    #expect(try journal.tags() == [RunTag(tag: "base", run: 1), RunTag(tag: "best", run: 4)])
    #expect(try journal.removeTag(RunName("best"), from: 2) == nil)
    #expect(try journal.removeTag(RunName("best")) == 4)
    #expect(throws: UnknownRun.self) { try journal.run(named: "best") }
  }

  @Test func `an unknown name is answered with the nearest one`() throws {
    #expect { try journal.run(named: "bsae") } throws: { "\($0)".contains("did you mean `base`?") }
    #expect { try journal.run(named: "lates") } throws: { "\($0)".contains("did you mean `latest`?") }
    _ = try journal.tag(1, RunName("e9"))
    #expect { try journal.run(named: "99") } throws: { "\($0)" == "there is no run `99`; `retort runs` lists them" }
  }

  @Test func `a report says name, tags and note; lineage takes a name`() throws {
    _ = try journal.tag(3, RunName("best"))
    try journal.setNote(3, "seed 3 diverged")
    let report = try journal.report(of: 3, store: history.store)
    #expect(report.name == "base" && report.tags == ["best"] && report.note == "seed 3 diverged")
    try journal.setNote(3, nil)
    #expect(try journal.note(of: 3) == nil)
    #expect(try journal.lineageRoot(named: "best") == .stages([], name: "run 3"))
  }

  @Test func `a database of before is brought up to date, its variants and headlines found`() throws {
    let queue = try DatabaseQueue()
    try DatabaseMigrator.lineage.migrate(queue, upTo: "004-continuation")
    try queue.write { db in
      try db.execute(
        sql: """
          INSERT INTO pipeline VALUES (1, 'p', '/p.yaml');
          INSERT INTO run (id, pipeline, state, started, host, pid, comparison)
            VALUES (1, 1, 'done', '2026-01-01', 'h', 1, '{"metrics":["test.mrr","test.auc"]}'),
              (2, 1, 'done', '2026-01-01', 'h', 1, NULL);
          INSERT INTO stage_run (run, stage, kind, state, started, host, base, coordinates) VALUES
            (1, 'data', 'cmd', 'ran', '2026-01-01', 'h', 'data', NULL),
            (1, 'a[x=1]', 'cmd', 'ran', '2026-01-01', 'h', 'a', '{"x":1}'),
            (1, 'test[x=1,y=2]', 'cmd', 'ran', '2026-01-01', 'h', 'test', '{"x":1,"y":2}');
          """)
    }
    try DatabaseMigrator.lineage.migrate(queue)
    let (headlines, variants) = try queue.read { db in
      (
        try String?.fetchAll(db, sql: "SELECT headline FROM run ORDER BY id"),
        try String.fetchAll(db, sql: "SELECT part || '→' || coordinates FROM variant ORDER BY length(part)")
      )
    }
    #expect(headlines == [#"["test.mrr"]"#, nil])
    let whole = #"{"x":1,"y":2}"#
    #expect(variants == ["→\(whole)", #"{"x":1}→"# + whole, "\(whole)→\(whole)"])
  }
}
