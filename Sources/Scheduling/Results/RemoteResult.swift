/// What a stage gave, as a remote store keeps it: enough to restore the result without computing it.
import Artifacts
import Foundation
import Pipelines

package struct RemoteResult: Sendable {
  private var format: Int
  package var recorded: RecordedResult
  package var kind: String
  /// The digest of this file without this and the next one.
  private var check: Digest?
  /// What a `RemoteKey` makes of this file without this.
  private var signature: String?

  private static let longestName = 4096

  package init(_ recorded: RecordedResult, kind: String) {
    // A retort that knows no verdicts is to know that it does not understand the file.
    format = recorded.result.verdict == nil ? 1 : 2
    self.recorded = recorded
    self.kind = kind
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

  /// What is wrong with a file that anybody may have written; `nil` if it can be what a stage with these outputs gave.
  fileprivate func problem(_ data: Data, _ wanted: StageKey, ports: [String]?, _ signing: RemoteKey?) throws -> String?
  {
    let result = recorded.result
    guard format == (result.verdict == nil ? 1 : 2) else { return "format \(format), of a newer retort" }
    let (file, body) = try encoded(signedWith: nil)
    guard recorded.key == wanted, file == data else { return "other bytes than were pushed" }
    if let signing {
      guard let signature else { return "not signed, although --remote-key asks for that" }
      guard signing.isValid(signature, of: body) else { return "signed with another key" }
    }
    let given = result.outputs.keys.map { Array($0.utf8) }
    if let ports, Set(given) != Set(ports.map { Array($0.utf8) }) {
      return "outputs \(result.outputs.keys.sorted())"
    }
    if let (port, artifact) = result.outputs.first(where: { $1.bytes < 0 }) {
      return "\(artifact.bytes) bytes of `\(port)`"
    }
    let names = [result.stage, kind] + result.metrics.map(\.name) + (result.verdict.map { [$0.metric] } ?? [])
    guard names.allSatisfy({ $0.utf8.count <= Self.longestName }) else { return "a name without end" }
    if let metric = result.metrics.first(where: { $0.step ?? 0 < 0 || $0.value.isInfinite }) {
      return "metric `\(metric.name)` of step \(metric.step ?? 0), \(metric.value)"
    }
    if let verdict = result.verdict,
      verdict.queries < 1 || ![verdict.start, verdict.end, verdict.p].allSatisfy(\.isFinite)
    {
      return "a verdict that no training gives"
    }
    return nil
  }
}

extension RemoteResult: Codable {
  private enum CodingKeys: String, CodingKey {
    case format, key, stage, kind, outputs, preimage, metrics, verdict, check, signature
  }

  package init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    recorded = RecordedResult(
      key: try file.decode(StageKey.self, forKey: .key),
      preimage: try file.decode([KeyComponent].self, forKey: .preimage),
      result: StageResult(
        stage: try file.decode(String.self, forKey: .stage),
        outputs: try file.decode([String: StoredArtifact].self, forKey: .outputs),
        metrics: try file.decode([StageResult.Metric].self, forKey: .metrics),
        verdict: try file.decodeIfPresent(Verdict.self, forKey: .verdict)))
    kind = try file.decode(String.self, forKey: .kind)
    format = try file.decode(Int.self, forKey: .format)
    check = try file.decodeIfPresent(Digest.self, forKey: .check)
    signature = try file.decodeIfPresent(String.self, forKey: .signature)
  }

  package func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: CodingKeys.self)
    try file.encode(format, forKey: .format)
    try file.encode(recorded.key, forKey: .key)
    try file.encode(recorded.preimage, forKey: .preimage)
    try file.encode(recorded.result.stage, forKey: .stage)
    try file.encode(recorded.result.outputs, forKey: .outputs)
    try file.encode(recorded.result.metrics, forKey: .metrics)
    try file.encodeIfPresent(recorded.result.verdict, forKey: .verdict)
    try file.encode(kind, forKey: .kind)
    try file.encodeIfPresent(check, forKey: .check)
    try file.encodeIfPresent(signature, forKey: .signature)
  }
}

extension RemoteStore {
  /// `nil` if nobody pushed it. Throws `RemoteDamage` for a file that is not what was pushed, or cannot be of a stage
  /// with these outputs; if there is a key also for one that is not signed with it.
  /// - Parameter ports: `nil`: any.
  package func result(of key: StageKey, ports: [String]?) throws -> StageResult? {
    try file(of: key, ports: ports)?.recorded.result
  }

  private func file(of key: StageKey, ports: [String]?) throws -> RemoteResult? {
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
    for (_, artifact) in result.recorded.result.outputs.sorted(by: { $0.key < $1.key }) {
      let more = try send(artifact, from: store)
      sent = (sent.files + more.files, sent.bytes + more.bytes)
    }
    let (file, body) = try result.encoded(signedWith: key)
    let stageKey = result.recorded.key
    if try !has(stageKey, file: file, body: body) { try write(file, for: stageKey.digest) }
    return sent
  }

  /// Whether the result is there already; without a key, one that others have signed stays.
  private func has(_ key: StageKey, file: Data, body: Data) throws -> Bool {
    do {
      if try read(key.digest) == file { return true }
      guard self.key == nil else { return false }
      return try self.file(of: key, ports: nil)?.encoded(signedWith: nil).body == body
    } catch is RemoteDamage {
      return false  // what is no file of ours is replaced
    }
  }
}
