/// The run journal in SQLite. The coordinator is its only writer; readers never block it.
import Artifacts
import Foundation
import GRDB
import Hub
import Pipelines
import Scheduling

package struct Journal: Sendable {
  let database: any DatabaseWriter
  private var observer: (any JournalObserver)?

  /// For reading alone: waits for nobody and writes nothing. No database is an empty one; one of an older version is
  /// read in a copy that is brought up to date in memory. Throws if it is damaged or made by a newer version.
  package init(reading url: URL) throws {
    guard try Self.isThere(url) else {
      database = try Self.inMemory()
      return
    }
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(30)
    // Questions on all runs go through the same pages again and again, and what they join belongs in no file.
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY") }
    do {
      let pool = try DatabasePool(path: url.posixPath, configuration: configuration)
      if try pool.read(DatabaseMigrator.lineage.hasBeenSuperseded) { throw NewerDatabase(url: url) }
      if try pool.read(DatabaseMigrator.lineage.hasCompletedMigrations) {
        database = pool
      } else {
        let copy = try DatabaseQueue()
        try pool.backup(to: copy)
        try DatabaseMigrator.lineage.migrate(copy)
        database = copy
      }
    } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
      throw DamagedDatabase(url: url, reason: error.message ?? "not a database")
    }
  }

  /// SQLite follows a link to its database, and to none of its other files.
  private static func isThere(_ url: URL) throws -> Bool {
    guard let status = FileStatus.of(url, followLinks: false) else { return false }
    if status.isFile { return true }
    throw UnexpectedFile(url: url, found: status.kind, expected: "a database")
  }

  private static func inMemory() throws -> DatabaseQueue {
    let queue = try DatabaseQueue()
    try DatabaseMigrator.lineage.migrate(queue)
    return queue
  }

  /// Opens or makes the database. Throws if it is damaged, made by a newer version, or on a network.
  package init(at url: URL) throws {
    if let name = NetworkFilesystem.name(at: url.deletingLastPathComponent()) {
      throw NetworkFilesystem(url: url, name: name)
    }
    var configuration = Configuration()
    configuration.foreignKeysEnabled = true
    configuration.busyMode = .timeout(30)
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // One turn may write the rows of thousands of cached stages: they should not leave memory before the commit.
      try db.execute(sql: "PRAGMA cache_size = -32768")
    }
    do {
      // Several processes at once must not make the database, or bring it up to date, together.
      let folder = url.deletingLastPathComponent()
      let opening = try FileLock(at: folder.appending(path: "database.lock"), beneath: folder)
      try opening.wait()
      defer { withExtendedLifetime(opening) {} }
      // SQLite would make it with a mode that takes the group's right to write; its other files follow this one's.
      if try !Self.isThere(url) { _ = try Enclosure(folder).open(url, O_RDWR | O_CREAT) }
      database = try DatabasePool(path: url.posixPath, configuration: configuration)
      if try database.read(DatabaseMigrator.lineage.hasBeenSuperseded) { throw NewerDatabase(url: url) }
      if try !database.read(DatabaseMigrator.lineage.hasCompletedMigrations) {
        try DatabaseMigrator.lineage.migrate(database)
      }
    } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
      throw DamagedDatabase(url: url, reason: error.message ?? "not a database")
    } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
      throw FileError("write", url, code: ENOSPC)
    }
  }
}

/// The program ends with exit code 3.
package struct DamagedDatabase: Error, CustomStringConvertible {
  package let url: URL
  package let reason: String
  package var description: String {
    "\(url.posixPath) is damaged (\(reason)); move it away and run again: artifacts stay, history is lost"
  }
}

struct NewerDatabase: Error, CustomStringConvertible {
  let url: URL
  var description: String { "\(url.posixPath) was made by a newer version of retort; update retort" }
}

extension Journal {
  /// This journal, with somebody who hears what is written.
  package func observed(by observer: any JournalObserver) -> Journal {
    var journal = self
    journal.observer = observer
    return journal
  }
}

extension Journal: RunJournal {
  package func closeAbandoned(isAlive: (Int) throws -> Bool) throws {
    let runs = try database.read { db in
      try Int.fetchAll(
        db, sql: "SELECT id FROM run WHERE state = 'running' AND host = ?", arguments: [LockHolder.thisHost])
    }
    let abandoned = try runs.filter { try !isAlive($0) }
    if abandoned.isEmpty { return }
    try write { db in
      for run in abandoned {
        try db.execute(
          sql: "UPDATE stage_run SET state = 'interrupted' WHERE run = ? AND state = 'running'", arguments: [run])
        try db.execute(sql: "UPDATE run SET state = 'interrupted' WHERE id = ?", arguments: [run])
        try db.recordVariants(of: run)
      }
    }
  }

  package func begin(_ run: RunStart, claim: (Int) throws -> Void) throws -> Int {
    let number = try write { db in
      try db.execute(
        sql: "INSERT OR IGNORE INTO pipeline (name, file) VALUES (?, ?)",
        arguments: [run.pipeline, run.file.posixPath])
      try db.execute(
        sql: """
          INSERT INTO run
            (pipeline, state, started, host, pid, version, revision, comparison, root, stages, label, headline,
              continues, cut_off)
          SELECT id, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM pipeline WHERE name = ? AND file = ?
          """,
        arguments: [
          run.time, LockHolder.thisHost, ProcessInfo.processInfo.processIdentifier, run.version, run.revision,
          try run.comparison.map(storedText), run.root.posixPath, run.stages, run.name,
          try run.headline.map(storedText), run.continues?.run, run.continues?.reason.rawValue, run.pipeline,
          run.file.posixPath,
        ])
      let number = Int(db.lastInsertedRowID)
      try claim(number)
      return number
    }
    observer?.began(run, as: number)
    return number
  }

  package func recentOutputs(ofPipeline name: String, file: URL) throws -> [StageKey: [String: StoredArtifact]] {
    try database.read { db in
      var recent: [StageKey: [String: StoredArtifact]] = [:]
      // Of the latest runs that ended the one of the most stages: the last may have been of a few only.
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT result.key, port, digest, bytes, artifact.kind
          FROM stage_run
            JOIN result ON result.key = stage_run.key
            LEFT JOIN result_output ON result_output.key = result.key
            LEFT JOIN artifact USING (digest)
          WHERE run = (
            SELECT id FROM (
              SELECT run.id, stages FROM run JOIN pipeline ON pipeline.id = run.pipeline
              WHERE name = ? AND file = ? AND state <> 'running' ORDER BY run.id DESC LIMIT 3)
            ORDER BY stages DESC, id DESC LIMIT 1)
          """, arguments: [name, file.posixPath])
      while let row = try rows.next() {
        let key = StageKey(try Digest(stored: row["key"]))
        var outputs = recent[key] ?? [:]
        if let port = row["port"] as String? { outputs[port] = try StoredArtifact(row) }
        recent[key] = outputs
      }
      return recent
    }
  }

  package func outputs(for key: StageKey) throws -> [String: StoredArtifact]? {
    try database.read { db in
      let outputs = try db.outputs(of: key.description)
      // A stage may have no outputs at all.
      if outputs.isEmpty {
        let known = try db.cachedStatement(sql: "SELECT 1 FROM result WHERE key = ?")
        guard try Row.fetchOne(known, arguments: [key.description]) != nil else { return nil }
      }
      return outputs
    }
  }

  package func continuations(of key: StageKey, upTo length: Int) throws -> [StoredContinuation] {
    try database.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT length, digest, bytes, kind FROM continuation JOIN artifact USING (digest)
          WHERE key = ? AND length <= ? ORDER BY length DESC
          """, arguments: [key.description, length]
      ).map { StoredContinuation(key: key, length: $0["length"], artifact: try StoredArtifact($0)) }
    }
  }

  package func earlierOutputs(of function: StageKey, limit: Int) throws -> [[String: StoredArtifact]] {
    let keys = try database.read { db in
      try String.fetchAll(
        db, sql: "SELECT key FROM result WHERE function = ? ORDER BY stage_run DESC LIMIT ?",
        arguments: [function.description, limit])
    }
    return try keys.compactMap { try outputs(for: StageKey(Digest(stored: $0))) }
  }

  package func publication(at target: URL) throws -> PublicationRecord? {
    try database.read { db in
      let row = try Row.fetchOne(
        db, sql: "SELECT stage, content, digest FROM publication WHERE target = ? ORDER BY id DESC LIMIT 1",
        arguments: [target.posixPath])
      return try row.map {
        PublicationRecord(
          target: target, stage: $0["stage"], content: try Digest(stored: $0["content"]),
          digest: try Digest(stored: $0["digest"]))
      }
    }
  }

  package func hubRevision(of reference: HubReference) throws -> HubRevision? {
    try database.read { db in
      try String.fetchOne(
        db, sql: "SELECT details FROM hub_model WHERE repository = ? AND revision = ?",
        arguments: [reference.repository, reference.revision ?? ""]
      ).map(decoded)
    }
  }

  package func digest(for stamp: FileStamp) throws -> Digest? {
    try database.read { db in
      let statement = try db.cachedStatement(
        sql: """
          SELECT digest FROM file_stamp
          WHERE device = ? AND inode = ? AND size = ? AND modified = ? AND changed = ?
          """)
      let row = try Row.fetchOne(
        statement, arguments: [stamp.device, stamp.inode, stamp.size, stamp.modified, stamp.changed])
      return try row.map { try Digest(stored: $0["digest"]) }
    }
  }

  package func remember(_ digest: Digest, for stamp: FileStamp) throws {
    try write { try $0.insert(stamp, digest) }
  }

  package func record(_ entries: [JournalEntry], run: Int) throws {
    try write { db in
      for entry in entries { try db.write(entry, run: run) }
    }
    observer?.recorded(entries, run: run)
  }

  private func write<Value>(_ updates: (Database) throws -> Value) throws -> Value {
    do { return try database.write(updates) } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
      throw FileError("write", URL(filePath: database.path), code: ENOSPC)
    }
  }
}

extension Digest {
  init(stored hex: String) throws {
    guard let digest = Digest(hex: hex) else { throw DamagedRow(found: hex, expected: "a digest") }
    self = digest
  }
}

extension StoredArtifact {
  /// From columns `digest`, `bytes`, `kind`.
  init(_ row: Row) throws {
    guard let kind = StoredArtifact.Kind(rawValue: row["kind"]) else {
      throw DamagedRow(found: row["kind"], expected: "`file` or `folder`")
    }
    self.init(digest: try Digest(stored: row["digest"]), bytes: row["bytes"], kind: kind)
  }
}

struct DamagedRow: Error, CustomStringConvertible {
  let found: String
  let expected: String
  var description: String { "the store's database is damaged: found `\(found)` where \(expected) should be" }
}

/// Whether an error says that the store's database is not what Retort wrote.
package func isDamage(_ error: any Error) -> Bool {
  if error is DamagedRow || error is DamagedDatabase { return true }
  guard let error = error as? DatabaseError else { return false }
  return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode.primaryResultCode)
}
