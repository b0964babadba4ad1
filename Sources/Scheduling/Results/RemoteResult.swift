/// What a stage gave, as a remote store keeps it: enough to restore the result without computing it.
import Artifacts
import Foundation
import Pipelines

package struct RemoteResult: Codable, Sendable {
  package struct Metric: Codable, Sendable {
    package var name: String
    package var step: Int?
    /// Absent: not a number.
    package var value: Double?
    package init(name: String, step: Int?, value: Double?) {
      self.name = name
      self.step = step
      self.value = value
    }
  }
  private var format = 1
  package var key: StageKey
  /// As the run that pushed it called the stage.
  package var stage: String
  package var kind: String
  package var outputs: [String: StoredArtifact]
  /// What the key was made of.
  package var preimage: [KeyComponent]
  package var metrics: [Metric]
  /// What a training with validation was worth.
  package var verdict: Verdict?
  /// Of this file without this and the next one.
  private var check: Digest?
  /// By a `RemoteKey`, of this file without this.
  private var signature: String?

  private static let longestName = 4096

  package init(
    key: StageKey, stage: String, kind: String, outputs: [String: StoredArtifact], preimage: [KeyComponent],
    metrics: [Metric], verdict: Verdict? = nil
  ) {
    // A retort that knows no verdicts is to know that it does not understand the file.
    format = verdict == nil ? 1 : 2
    self.key = key
    self.stage = stage
    self.kind = kind
    self.outputs = outputs
    self.preimage = preimage
    self.metrics = metrics
    self.verdict = verdict
  }

  /// The file, and what a key signs: the file without the signature.
  fileprivate func encoded(signedWith key: RemoteKey?) throws -> (file: Data, body: Data) {
    var copy = self
    (copy.check, copy.signature) = (nil, nil)
    copy.check = Digest(of: try storedJSON(copy))
    let body = try storedJSON(copy)
    copy.signature = key?.signature(of: body) ?? signature
    return (copy.signature == nil ? body : try storedJSON(copy), body)
  }

  /// Of a file that anybody may have written: `nil` if it can be what a stage with these outputs gave, else what is
  /// wrong with it.
  fileprivate func problem(_ data: Data, _ wanted: StageKey, ports: [String]?, _ signing: RemoteKey?) throws -> String?
  {
    guard format == (verdict == nil ? 1 : 2) else { return "format \(format), of a newer retort" }
    let (file, body) = try encoded(signedWith: nil)
    guard key == wanted, file == data else { return "other bytes than were pushed" }
    if let signing {
      guard let signature else { return "not signed, although --remote-key asks for that" }
      guard signing.isValid(signature, of: body) else { return "signed with another key" }
    }
    let given = outputs.keys.map { Array($0.utf8) }
    if let ports, Set(given) != Set(ports.map { Array($0.utf8) }) { return "outputs \(outputs.keys.sorted())" }
    if let (port, artifact) = outputs.first(where: { $1.bytes < 0 }) { return "\(artifact.bytes) bytes of `\(port)`" }
    let names = [stage, kind] + metrics.map(\.name) + (verdict.map { [$0.metric] } ?? [])
    guard names.allSatisfy({ $0.utf8.count <= Self.longestName }) else { return "a name without end" }
    if let metric = metrics.first(where: { $0.step ?? 0 < 0 || $0.value.map { !$0.isFinite } ?? false }) {
      return "metric `\(metric.name)` of step \(metric.step ?? 0), \(metric.value ?? .nan)"
    }
    if let verdict, verdict.queries < 1 || ![verdict.start, verdict.end, verdict.p].allSatisfy(\.isFinite) {
      return "a verdict that no training gives"
    }
    return nil
  }
}

extension RemoteStore {
  /// `nil` if nobody pushed it. Throws `RemoteDamage` for a file that is not what was pushed, or cannot be of a stage
  /// with these outputs; if there is a key also for one that is not signed with it.
  /// - Parameter ports: `nil`: any.
  package func result(of key: StageKey, ports: [String]?) throws -> RemoteResult? {
    guard let data = try read(key.digest) else { return nil }
    let result: RemoteResult
    do { result = try JSONDecoder().decode(RemoteResult.self, from: data) } catch {
      throw RemoteDamage(url: keyFile(key.digest), found: "no result, or half of one")
    }
    if let problem = try result.problem(data, key, ports: ports, self.key) {
      throw RemoteDamage(url: keyFile(key.digest), found: problem)
    }
    return result
  }

  /// Sends the outputs, then the result that names them.
  /// - Returns: files and bytes that were not there.
  package func push(_ result: RemoteResult, from store: Store) throws -> (files: Int, bytes: Int) {
    var sent = (files: 0, bytes: 0)
    for (_, artifact) in result.outputs.sorted(by: { $0.key < $1.key }) {
      let more = try send(artifact, from: store)
      sent = (sent.files + more.files, sent.bytes + more.bytes)
    }
    let (file, body) = try result.encoded(signedWith: key)
    if try !has(result.key, file: file, body: body) { try write(file, for: result.key.digest) }
    return sent
  }

  /// Whether the result is there already; without a key, one that others have signed stays.
  private func has(_ key: StageKey, file: Data, body: Data) throws -> Bool {
    do {
      if try read(key.digest) == file { return true }
      guard self.key == nil else { return false }
      return try result(of: key, ports: nil)?.encoded(signedWith: nil).body == body
    } catch is RemoteDamage {
      return false  // what is no file of ours is replaced
    }
  }
}

/// Where a worker may take results from instead of computing them.
package struct RemoteOrder: Codable, Sendable {
  package var folder: URL
  /// Take it or fail.
  package var isOnly: Bool
  /// Whether the worker gets a `RemoteKey`, on its standard input: it is in no file. Older orders say nothing.
  package var isSigned: Bool?
  package init(folder: URL, isOnly: Bool, isSigned: Bool) {
    self.folder = folder
    self.isOnly = isOnly
    self.isSigned = isSigned
  }
}

// Another attempt would find the same.
extension RemoteDamage: PermanentFailure {}
extension NotInRemote: PermanentFailure {}

struct NotInRemote: Error, CustomStringConvertible {
  let remote: URL
  var description: String { "the remote store \(remote.posixPath) no longer has the result" }
}

extension Plan {
  /// The stages whose results this store has, those whose results the remote has, those whose results there are
  /// refused, and the rest.
  package func availability(
    in remote: RemoteStore, store: Store, journal: any RunJournal, context: KeyContext
  ) throws -> Availability {
    var resolver = Resolver(self, store: store, journal: journal, context: context)
    let all = Set(stages.map(\.id))
    resolver.hashSources(of: all)
    var outputs: [StageID: [String: StoredArtifact]] = [:]
    var found = Availability()
    for id in all.sorted() where self[id].dependencies.allSatisfy({ outputs[$0] != nil }) {
      let stage = try resolver.resolve(id) { outputs[$0] }
      if let result = try resolver.lookUp(stage.key, repair: false).result {
        outputs[id] = result.outputs
        found.here.insert(id)
        continue
      }
      do {
        guard let result = try remote.result(of: stage.key, ports: self[id].outputs.map(\.port)) else { continue }
        outputs[id] = result.outputs
        found.there.insert(id)
      } catch {
        found.refused.append((id, error))
      }
    }
    found.missing = all.subtracting(found.here).subtracting(found.there).subtracting(found.refused.map(\.stage))
      .sorted()
    return found
  }
}

/// Where the results of a plan's stages are.
package struct Availability: Sendable {
  package var here: Set<StageID> = []
  package var there: Set<StageID> = []
  package var refused: [(stage: StageID, error: any Error)] = []
  package var missing: [StageID] = []
}
