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
  /// Of this file without this line.
  private var check: Digest?

  package init(
    key: StageKey, stage: String, kind: String, outputs: [String: StoredArtifact], preimage: [KeyComponent],
    metrics: [Metric]
  ) {
    self.key = key
    self.stage = stage
    self.kind = kind
    self.outputs = outputs
    self.preimage = preimage
    self.metrics = metrics
  }

  fileprivate var checked: RemoteResult {
    get throws {
      var copy = self
      copy.check = nil
      copy.check = Digest(of: try storedJSON(copy))
      return copy
    }
  }
}

extension RemoteStore {
  /// `nil` if nobody pushed it. Throws `RemoteDamage` for a file that is not what was pushed.
  package func result(of key: StageKey) throws -> RemoteResult? {
    guard let data = try read(key.digest) else { return nil }
    let result: RemoteResult
    do { result = try JSONDecoder().decode(RemoteResult.self, from: data) } catch {
      throw RemoteDamage(url: keyFile(key.digest), found: "no result, or half of one")
    }
    guard result.key == key, try storedJSON(result.checked) == data else {
      throw RemoteDamage(url: keyFile(key.digest), found: "other bytes than were pushed")
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
    let data = try storedJSON(result.checked)
    if try read(result.key.digest) != data { try write(data, for: result.key.digest) }
    return sent
  }
}

/// Where a worker may take results from instead of computing them.
package struct RemoteOrder: Codable, Sendable {
  package var folder: URL
  /// Take it or fail.
  package var isOnly: Bool
  package init(folder: URL, isOnly: Bool) {
    self.folder = folder
    self.isOnly = isOnly
  }
}

struct NotInRemote: Error, CustomStringConvertible {
  let remote: URL
  var description: String { "the remote store \(remote.posixPath) no longer has the result" }
}

extension Plan {
  /// The stages whose results this store has, those whose results the remote has, and the rest.
  package func availability(
    in remote: RemoteStore, store: Store, journal: any RunJournal, context: KeyContext
  ) throws -> (here: Set<StageID>, there: Set<StageID>, missing: [StageID]) {
    var resolver = Resolver(self, store: store, journal: journal, context: context)
    let all = Set(stages.map(\.id))
    resolver.hashSources(of: all)
    var outputs: [StageID: [String: StoredArtifact]] = [:]
    var (here, there): (Set<StageID>, Set<StageID>) = ([], [])
    for id in all.sorted() where self[id].dependencies.allSatisfy({ outputs[$0] != nil }) {
      let stage = try resolver.resolve(id) { outputs[$0] }
      if let result = try resolver.lookUp(stage.key, repair: false).result {
        outputs[id] = result.outputs
        here.insert(id)
      } else if let result = try remote.result(of: stage.key) {
        outputs[id] = result.outputs
        there.insert(id)
      }
    }
    return (here, there, all.subtracting(here).subtracting(there).sorted())
  }
}
