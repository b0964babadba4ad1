/// Finds damage in the store, says what it belongs to, and takes it out of the way of the next run.
import Artifacts
import Foundation
import GRDB
import Scheduling

/// `retort verify`.
package struct VerificationReport: Codable, Sendable {
  package struct Damaged: Codable, Sendable, Equatable {
    package var path: String
    package var found: String
    package var expected: String
    /// Whose results it belongs to.
    package var stages: [String]
  }
  package struct Lost: Codable, Sendable, Equatable {
    package var stage: String
    package var key: Digest
    package var port: String
    package var digest: Digest
  }
  package var isSound: Bool { damaged.isEmpty && lost.isEmpty }
  package var files: Int
  package var bytes: Int
  package var folders: Int
  package var damaged: [Damaged] = []
  /// Outputs of recorded results that are not in the store; the next run makes them again.
  package var lost: [Lost] = []
  /// Whether damage was taken out of the way.
  package var isRepaired = false
  /// Files that Retort did not put there.
  package var unknown: [String] = []
  /// Objects that no run knows, as a killed one leaves them: `gc` removes them.
  package var unrecorded: Int
}

package struct Verifier: Sendable {
  private let store: Store
  private let journal: Journal

  package init(store: Store, journal: Journal) {
    self.store = store
    self.journal = journal
  }

  /// - Parameter repair: take damage away; `false` changes nothing and waits for nobody.
  /// - Throws: `DamagedDatabase` before all else.
  package func verify(
    repair: Bool, progress: @escaping @Sendable (_ bytes: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> VerificationReport {
    if let problem = try journal.integrityProblem() { throw DamagedDatabase(url: store.database, reason: problem) }
    // Rows first: what they name was there before them.
    let outputs = try journal.database.read { try $0.resultOutputs() }
    let (known, folders) = try journal.database.read { (try $0.artifacts(), try $0.artifacts(kind: .folder)) }
    var check = try StoreCheck(store, folders: folders, progress: progress)
    let broken = check.broken(Set(outputs.map(\.artifact)))
    let suspects = outputs.filter { broken.contains($0.artifact) }

    var lock: FileLock?
    if repair && !(check.findings.isEmpty && suspects.isEmpty) {
      lock = try store.collectorLock()
      try lock?.wait()
      check.findings = try store.takeAway(check, owner: "verify-\(getpid())")
    }
    // Since then a run may have made it again, or a collection removed it.
    let present = Set(try journal.database.read { try $0.resultOutputs() })
    let lost = try suspects.filter { output in
      guard present.contains(output) else { return false }
      return try !repair || store.damage(of: output.artifact, owner: "verify-\(getpid())") != nil
    }
    let names = try journal.database.read { try $0.stages(of: outputs) }
    if repair && !lost.isEmpty { try journal.database.write { try $0.forget(lost) } }
    withExtendedLifetime(lock) {}

    let members = check.manifests.mapValues { Set($0.files) }
    let inFolders = members.values.reduce(into: Set<Digest>()) { $0.formUnion($1) }
    return VerificationReport(
      files: check.files, bytes: check.bytes, folders: check.contents.trees.count,
      damaged: check.findings.map { finding in
        let owners = members.filter { $0.value.contains(finding.digest) }.keys + [finding.digest]
        return .init(
          path: finding.damage.url.posixPath, found: finding.damage.found, expected: finding.damage.expected,
          stages: Set(owners.flatMap { names[$0] ?? [] }).sorted())
      },
      lost: lost.map { output in
        .init(
          stage: (names[output.artifact.digest] ?? []).first ?? "", key: output.key, port: output.port,
          digest: output.artifact.digest)
      }.sorted { ($0.stage, $0.port) < ($1.stage, $1.port) },
      isRepaired: repair, unknown: check.contents.unknown.map(\.posixPath).sorted(),
      unrecorded: check.contents.objects.subtracting(known).subtracting(inFolders).count)
  }
}

private struct ResultOutput: Hashable {
  var key: Digest
  var port: String
  var artifact: StoredArtifact
}

extension Database {
  fileprivate func resultOutputs() throws -> [ResultOutput] {
    try Row.fetchAll(self, sql: "SELECT * FROM result_output JOIN artifact USING (digest)").map {
      ResultOutput(key: try Digest(stored: $0["key"]), port: $0["port"], artifact: try StoredArtifact($0))
    }
  }

  fileprivate func artifacts(kind: StoredArtifact.Kind? = nil) throws -> Set<Digest> {
    let rows = try String.fetchAll(
      self, sql: "SELECT digest FROM artifact WHERE kind = ?1 OR ?1 IS NULL", arguments: [kind?.rawValue])
    return Set(try rows.map { try Digest(stored: $0) })
  }

  /// Names of the stages whose results have these outputs, with the run that made them.
  fileprivate func stages(of outputs: [ResultOutput]) throws -> [Digest: [String]] {
    var names: [Digest: [String]] = [:]
    let statement = try makeStatement(
      sql: "SELECT stage, run FROM result JOIN stage_run ON stage_run.id = stage_run WHERE result.key = ?")
    for output in outputs {
      guard let row = try Row.fetchOne(statement, arguments: [output.key.description]) else { continue }
      names[output.artifact.digest, default: []].append("\(row["stage"] as String) of run \(row["run"] as Int)")
    }
    return names
  }

  fileprivate func forget(_ lost: [ResultOutput]) throws {
    for key in Set(lost.map(\.key)) {
      try execute(sql: "DELETE FROM result WHERE key = ?", arguments: [key.description])
    }
  }
}
