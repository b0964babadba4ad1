/// How each kind of journal entry becomes rows.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

extension Database {
  func write(_ entry: JournalEntry, run: Int) throws {
    switch entry {
    case .stage(let record): try write(record, run: run)
    case .result(let recorded, let function, let isKept):
      try write(recorded, function: function, isKept: isKept, run: run)
    case .begins(let stage, let time):
      try perform(
        "UPDATE stage_run SET started = ? WHERE run = ? AND stage = ? AND state = 'running'",
        [storedTime(time), run, stage])
    case .model(let reference, let revision):
      try perform(
        "INSERT OR REPLACE INTO hub_model (repository, revision, stands_for, details) VALUES (?, ?, ?, ?)",
        [reference.repository, reference.revision ?? "", revision.commit, try storedText(revision)])
    case .stamps(let stamps): for (stamp, digest) in stamps { try insert(stamp, digest) }
    case .publication(let record):
      try perform(
        "INSERT INTO publication (run, stage, target, content, digest) VALUES (?, ?, ?, ?, ?)",
        [run, record.stage, record.target.posixPath, record.content.description, record.digest.description])
    case .event(let stage, let kind, let message, let time):
      try perform(
        "INSERT INTO event (run, stage, time, kind, message) VALUES (?, ?, ?, ?, ?)", [run, stage, time, kind, message])
    case .ended(let outcome, let time):
      try perform("UPDATE run SET state = ?, ended = ? WHERE id = ?", [outcome.rawValue, time, run])
      try unmarkUsed(by: run)
      try recordVariants(of: run)
    }
  }

  func insert(_ stamp: FileStamp, _ digest: Digest) throws {
    try perform(
      """
      INSERT OR REPLACE INTO file_stamp (device, inode, size, modified, changed, digest, recorded)
      VALUES (?, ?, ?, ?, ?, ?, CURRENT_TIMESTAMP)
      """,
      [stamp.device, stamp.inode, stamp.size, stamp.modified, stamp.changed, digest.description])
  }

  private func write(_ record: StageRecord, run: Int) throws {
    let key = record.key?.description
    let time = storedTime(record.time)
    let ended = record.state == .running ? nil : time
    try perform(
      """
      INSERT INTO stage_run (run, stage, base, coordinates, kind, state, key, attempt, started, ended, host, error, origin)
      VALUES (?1, ?2, ?11, ?12, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
        CASE WHEN ?4 = 'cached' THEN (SELECT stage_run FROM result WHERE result.key = ?5) END)
      ON CONFLICT (run, stage) DO UPDATE SET
        state = excluded.state, key = excluded.key, attempt = max(attempt, excluded.attempt), ended = excluded.ended,
        error = excluded.error, origin = excluded.origin
      """,
      [
        run, record.stage, record.kind, record.state.rawValue, key, record.attempt, time, ended,
        LockHolder.thisHost, record.error, record.base, try record.coordinates.json,
      ])
    if record.inputs.isEmpty { return }
    let stageRun = try stageRun(record.stage, run: run)
    for (port, input) in record.inputs {
      try edge(stageRun, port, "in", input.artifact, path: input.hub ?? input.path?.posixPath, source: input.output)
    }
  }

  private func stageRun(_ stage: String, run: Int) throws -> Int64 {
    let query = try cachedStatement(sql: "SELECT id FROM stage_run WHERE run = ? AND stage = ?")
    guard let id = try Int64.fetchOne(query, arguments: [run, stage]) else {
      throw DamagedRow(found: "no row", expected: "the running stage `\(stage)`")
    }
    return id
  }

  private func write(_ recorded: RecordedResult, function: StageKey?, isKept: Bool, run: Int) throws {
    let result = recorded.result
    let stageRun = try stageRun(result.stage, run: run)
    let key = recorded.key.description
    for (port, artifact) in result.outputs { try edge(stageRun, port, "out", artifact) }
    if let bytes = result.peakMemory {
      try perform("UPDATE stage_run SET peak_memory = ? WHERE id = ?", [bytes, stageRun])
    }
    for metric in result.metrics {
      try perform(
        "INSERT INTO metric (stage_run, name, step, value) VALUES (?, ?, ?, ?)",
        [stageRun, metric.name, metric.step, metric.value])
    }
    guard isKept else { return }
    if let continuation = result.continuation { try insert(continuation, stageRun) }
    try perform("DELETE FROM result WHERE key = ?", [key])
    try perform(
      "INSERT INTO result (key, stage_run, function) VALUES (?, ?, ?)", [key, stageRun, function?.description])
    for (port, artifact) in result.outputs {
      try perform(
        "INSERT INTO result_output (key, port, digest) VALUES (?, ?, ?)",
        [key, port, artifact.digest.description])
    }
    for (position, component) in recorded.preimage.enumerated() {
      let value = try component.value.json
      try perform(
        "INSERT OR IGNORE INTO key_component (key, position, name, value, digest) VALUES (?, ?, ?, ?, ?)",
        [key, position, component.name, value, Digest(of: value).description])
    }
  }

  private func edge(
    _ stageRun: Int64, _ port: String, _ direction: String, _ artifact: StoredArtifact, path: String? = nil,
    source: String? = nil
  ) throws {
    let digest = try insert(artifact)
    try perform(
      "INSERT OR REPLACE INTO artifact_edge (stage_run, port, direction, digest, path, source) VALUES (?, ?, ?, ?, ?, ?)",
      [stageRun, port, direction, digest, path, source])
  }

  private func insert(_ continuation: StoredContinuation, _ stageRun: Int64) throws {
    let digest = try insert(continuation.artifact)
    try perform(
      "INSERT OR REPLACE INTO continuation (key, length, digest, stage_run) VALUES (?, ?, ?, ?)",
      [continuation.key.description, continuation.length, digest, stageRun])
  }

  /// - Returns: its digest, as stored.
  private func insert(_ artifact: StoredArtifact) throws -> String {
    let digest = artifact.digest.description
    try perform(
      "INSERT OR IGNORE INTO artifact (digest, bytes, kind) VALUES (?, ?, ?)",
      [digest, artifact.bytes, artifact.kind.rawValue])
    return digest
  }

  private func perform(_ sql: String, _ arguments: StatementArguments) throws {
    try cachedStatement(sql: sql).execute(arguments: arguments)
  }
}

extension [Coordinate] {
  /// An object in the matrix's order; `nil` for none.
  fileprivate var json: String? {
    get throws {
      guard !isEmpty else { return nil }
      return "{" + (try map { try "\(storedText($0.name)):\($0.value.json)" }).joined(separator: ",") + "}"
    }
  }
}

/// UTC, `2026-11-24 16:30:00.125`, as the database's dates are read; thousands of rows at once make a formatter felt.
func storedTime(_ time: Date) -> String {
  let milliseconds = Int((time.timeIntervalSince1970 * 1000).rounded())
  var (seconds, fields) = (time_t(milliseconds / 1000), tm())
  gmtime_r(&seconds, &fields)
  let numbers = [
    (Int(fields.tm_year) + 1900, 4, "-"), (Int(fields.tm_mon) + 1, 2, "-"), (Int(fields.tm_mday), 2, " "),
    (Int(fields.tm_hour), 2, ":"), (Int(fields.tm_min), 2, ":"), (Int(fields.tm_sec), 2, "."),
    (milliseconds % 1000, 3, ""),
  ]
  return numbers.reduce(into: "") { text, number in
    let digits = String(number.0)
    for _ in digits.count..<max(digits.count, number.1) { text += "0" }
    text += digits + number.2
  }
}

/// A value as one line of JSON, keys sorted.
func storedText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

extension ParameterValue {
  /// One line, keys sorted.
  var json: String {
    get throws { try storedText(self) }
  }
}

/// Hears what the journal wrote, after it was written: for those who pass a run's history on.
package protocol JournalObserver: Sendable {
  func began(_ run: RunStart, as number: Int)
  func recorded(_ entries: [JournalEntry], run: Int)
}
