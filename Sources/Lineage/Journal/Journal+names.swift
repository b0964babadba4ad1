/// Names, tags and notes of runs, and the one way in which arguments name a run.
import Basics
import Foundation
import GRDB
import Pipelines

package struct UnknownRun: Error, CustomStringConvertible {
  package let name: String
  package var suggestion: String?
  package var description: String {
    "there is no run `\(name)`" + didYouMean(suggestion, otherwise: "; `retort runs` lists them")
  }
}

/// A tag and the run that it stands on.
package struct RunTag: Codable, Sendable, Hashable {
  package var tag: String
  package var run: Int
}

extension Journal {
  /// Gives the number of a run. Throws `UnknownRun`.
  /// - Parameter name: a number, `latest`, a tag, or what `run --name` said; of several runs of one name the latest.
  ///   `latest~2` and `NAME~2` are the second before it.
  package func run(named name: String) throws -> Int {
    try database.read { db in
      if let run = try db.run(named: name) { return run }
      // No number is a slip of the pen for a name.
      let known = Int(name) == nil ? try db.runNames() + ["latest"] : []
      throw UnknownRun(name: name, suggestion: nearest(to: name, in: known))
    }
  }

  /// All names and tags, for completions.
  package func runNames() throws -> [String] { try database.read { try $0.runNames() } }

  /// Puts a tag on a run. - Returns: the run that it stood on before; `nil` if there was none.
  package func tag(_ run: Int, _ name: RunName) throws -> Int? {
    try database.write { db in
      let old = try Int.fetchOne(db, sql: "SELECT run FROM tag WHERE name = ?", arguments: [name.text])
      try db.execute(sql: "INSERT OR REPLACE INTO tag (name, run) VALUES (?, ?)", arguments: [name.text, run])
      try db.recordVariants(of: run)
      return old
    }
  }

  /// Takes a tag away. - Returns: the run that it stood on; `nil` if it stands on none, or on another than `run`.
  package func removeTag(_ name: RunName, from run: Int? = nil) throws -> Int? {
    try database.write { db in
      try Int.fetchOne(
        db, sql: "DELETE FROM tag WHERE name = ?1 AND run = coalesce(?2, run) RETURNING run",
        arguments: [name.text, run])
    }
  }

  /// By name.
  package func tags() throws -> [RunTag] {
    try database.read { db in
      try Row.fetchAll(db, sql: "SELECT name, run FROM tag ORDER BY name").map {
        RunTag(tag: $0["name"], run: $0["run"])
      }
    }
  }

  /// Replaces what people wrote of a run; `nil` removes it.
  package func setNote(_ run: Int, _ note: String?) throws {
    try database.write { db in
      try db.execute(sql: "UPDATE run SET note = ? WHERE id = ?", arguments: [note, run])
      try db.recordVariants(of: run)
    }
  }

  package func note(of run: Int) throws -> String? {
    try database.read { try String.fetchOne($0, sql: "SELECT note FROM run WHERE id = ?", arguments: [run]) }
  }
}

extension Database {
  /// `nil` if there is none.
  func run(named name: String) throws -> Int? {
    if let number = Int(name) {
      return try Int.fetchOne(self, sql: "SELECT id FROM run WHERE id = ?", arguments: [number])
    }
    let parts = name.split(separator: "~", maxSplits: 1, omittingEmptySubsequences: false)
    guard let back = parts.count == 2 ? UInt32(parts[1]) : 0 else { return nil }
    let base = String(parts[0]).precomposedStringWithCanonicalMapping
    if base == "latest" {
      return try Int.fetchOne(self, sql: "SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?", arguments: [back])
    }
    if parts.count == 1, let run = try Int.fetchOne(self, sql: "SELECT run FROM tag WHERE name = ?", arguments: [base])
    {
      return run
    }
    return try Int.fetchOne(
      self, sql: "SELECT id FROM run WHERE label = ? ORDER BY id DESC LIMIT 1 OFFSET ?", arguments: [base, back])
  }

  func runNames() throws -> [String] {
    try String.fetchAll(self, sql: "SELECT name FROM tag UNION SELECT label FROM run WHERE label IS NOT NULL")
  }
}
