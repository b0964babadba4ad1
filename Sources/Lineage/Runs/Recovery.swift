/// What a run that goes on where another one was cut off could keep of that one's work.
import GRDB
import Scheduling

package struct Recovery: Codable, Sendable, Hashable {
  package struct Resumed: Codable, Sendable, Hashable {
    package var stage: String
    /// Such as `resumed at 120 of 400 steps`.
    package var words: String
  }
  /// The run that was cut off, and why it was.
  package var of: CutOffRun
  /// How many stages need not run, for their results are there.
  package var kept: Int
  /// In the order in which they went on.
  package var resumed: [Resumed]
}

extension Journal {
  /// The run that goes on where this one was cut off; `nil` if there is none by now.
  package func continuation(of run: Int) throws -> Int? { try database.read { try $0.continuation(of: run) } }

  /// The stages that a run and those that it went on with have begun, and whether they have done each.
  package func begun(upTo run: Int) throws -> [(stage: String, isDone: Bool)] {
    try database.read { db in
      try Row.fetchAll(
        db,
        sql: """
          WITH RECURSIVE chain (id) AS (
            SELECT ? UNION SELECT continues FROM run JOIN chain USING (id) WHERE continues IS NOT NULL)
          SELECT stage, max(state = 'ran') AS done FROM stage_run
          WHERE run IN chain AND attempt > 0 AND state <> 'cached' GROUP BY stage
          """, arguments: [run]
      ).map { ($0["stage"], $0["done"]) }
    }
  }
}

extension Database {
  func continuation(of run: Int) throws -> Int? {
    try Int.fetchOne(
      cachedStatement(sql: "SELECT id FROM run WHERE continues = ? ORDER BY id DESC LIMIT 1"), arguments: [run])
  }

  /// `nil` for a run that began by itself.
  func recovery(of run: Int) throws -> Recovery? {
    let begin = try cachedStatement(sql: "SELECT continues, cut_off FROM run WHERE id = ? AND continues IS NOT NULL")
    guard let row = try Row.fetchOne(begin, arguments: [run]) else { return nil }
    let word: String = row["cut_off"] ?? ""
    guard let reason = CutOffRun.Reason(rawValue: word) else {
      throw DamagedRow(found: word, expected: "why a run was cut off")
    }
    let kept = try Int.fetchOne(
      self, sql: "SELECT count(*) FROM stage_run WHERE run = ? AND state = 'cached'", arguments: [run])
    let resumed = try Row.fetchAll(
      self, sql: "SELECT stage, message FROM event WHERE run = ? AND kind = 'resumed' ORDER BY id", arguments: [run])
    return Recovery(
      of: CutOffRun(run: row["continues"], reason: reason), kept: kept ?? 0,
      resumed: resumed.map { .init(stage: $0["stage"], words: $0["message"]) })
  }
}
