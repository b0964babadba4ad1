/// Takes artifacts in from a remote store, which is not believed: every byte is checked on the way.
import Foundation

extension Store {
  /// - Parameter owner: names the staging folder, which is cleared first: its lock is the caller's. Nothing is left
  ///   there, whatever goes wrong.
  package func receive(_ artifact: StoredArtifact, from remote: RemoteStore, owner: String) throws {
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    do { try receive(artifact, from: remote, staging: staging) } catch {
      try? files.remove(staging)  // what went wrong first is what counts; the owner's next attempt clears the rest
      throw error
    }
    try files.remove(staging)
  }

  private func receive(_ artifact: StoredArtifact, from remote: RemoteStore, staging: URL) throws {
    let temporary = staging.appending(path: "object")
    func take(_ digest: Digest, bytes: Int) throws {
      if try damage(object(digest), digest, bytes: bytes, repair: true) == nil { return }
      try remote.receive(digest, bytes: bytes, to: temporary, with: files)
      try admit(temporary, as: digest, bytes: bytes)
    }
    guard artifact.kind == .folder else { return try take(artifact.digest, bytes: artifact.bytes) }
    let known = try manifest(artifact.digest)
    let manifest = try known ?? remote.manifest(artifact.digest)
    guard manifest.bytes == artifact.bytes else {
      throw RemoteDamage(
        url: remote.object(artifact.digest), found: "\(manifest.bytes) bytes instead of \(artifact.bytes)")
    }
    for (digest, bytes) in manifest.sizes { try take(digest, bytes: bytes) }
    if known == nil {
      let encoded = manifest.encoded
      try files.write(encoded, toNew: temporary, mode: 0o444, sealed: true)
      try admit(temporary, as: artifact.digest, bytes: encoded.count)
    }
    if try treeDamage(manifest, repair: true) != nil { try build(manifest, staging: staging) }
  }
}
