/// A second store on a folder that several machines share: objects by digest, and one small file a key.
///
///     objects/ab/cdef…          files named by the SHA-256 of their bytes; manifests of folders too
///     keys/ab/cdef….json        what the key's stage gave
///     …/.part-<uuid>            on its way into its place
///
/// Writers need no lock: content is written beside its place and renamed, and two that write the same write the same
/// bytes. Readers believe digests only.
import Foundation

package struct RemoteUnavailable: Error, CustomStringConvertible {
  package let folder: URL
  package let reason: String
  package var description: String {
    "the remote store \(folder.posixPath) cannot be used: \(reason)"
  }
}

/// What lies in the remote and is not what it should be.
package struct RemoteDamage: Error, CustomStringConvertible {
  package let url: URL
  package let found: String
  package init(url: URL, found: String) {
    self.url = url
    self.found = found
  }
  package var description: String {
    "\(url.posixPath) in the remote store is damaged (\(found)); remove it, and push its run again"
  }
}

package struct RemoteStore: Sendable {
  package let root: URL
  private let files: FileOperations
  /// Who writes for longer has died.
  private static let partLifetime: Int64 = 86_400 * 1_000_000_000

  /// - Throws: `RemoteUnavailable` unless the folder is there and can be read.
  package init(at root: URL, files: FileOperations = FileOperations()) throws {
    self.root = root
    self.files = files
    guard let status = FileStatus.of(root) else {
      throw RemoteUnavailable(
        folder: root, reason: "\(String(cString: strerror(errno))); make the folder, or mount what holds it")
    }
    guard status.isFolder else { throw RemoteUnavailable(folder: root, reason: "it is not a folder") }
    guard access(root.posixPath, R_OK | X_OK) == 0 else {
      throw RemoteUnavailable(folder: root, reason: String(cString: strerror(errno)))
    }
  }

  private func place(_ area: String, _ digest: Digest, _ suffix: String = "") -> URL {
    let hex = digest.description
    return root.appending(path: "\(area)/\(hex.prefix(2))/\(hex.dropFirst(2))\(suffix)")
  }
  private func object(_ digest: Digest) -> URL { place("objects", digest) }
  package func keyFile(_ key: Digest) -> URL { place("keys", key, ".json") }

  /// What a key's file holds; `nil` if there is none.
  package func read(_ key: Digest) throws -> Data? {
    let url = keyFile(key)
    guard FileStatus.of(url) != nil else { return nil }
    return try Data(contentsOf: url)
  }

  /// Puts a key's file there when all that it names is there.
  package func write(_ data: Data, for key: Digest) throws {
    try place(keyFile(key)) { part in try files.write(data, toNew: part) }
  }

  /// Copies an artifact to the remote.
  /// - Returns: files and bytes that were not there.
  package func send(_ artifact: StoredArtifact, from store: Store) throws -> (files: Int, bytes: Int) {
    var digests: [(Digest, bytes: Int?)] = [(artifact.digest, artifact.kind == .file ? artifact.bytes : nil)]
    if artifact.kind == .folder {
      guard let manifest = try store.manifest(artifact.digest) else {
        throw Damage(url: store.objectURL(artifact.digest), found: "no manifest", expected: "one of a folder")
      }
      // The manifest last: where it is, its files are.
      digests.insert(contentsOf: Dictionary(manifest.sizes) { $1 }.map { ($0.key, $0.value) }, at: 0)
    }
    var sent = (files: 0, bytes: 0)
    for (digest, bytes) in digests {
      let source = store.objectURL(digest)
      let target = object(digest)
      let size = bytes ?? FileStatus.of(source).map { Int($0.stamp.size) }
      if let size, let there = FileStatus.of(target), there.isFile, there.stamp.size == size { continue }
      try place(target) { part in
        let copied = try files.copy(source, to: part, mode: 0o444)
        guard copied.digest == digest else {
          throw Damage(url: source, found: "bytes of \(copied.digest)", expected: "\(digest)")
        }
        sent = (sent.files + 1, sent.bytes + copied.bytes)
      }
    }
    return sent
  }

  /// Copies an object to a new file; damaged ones are an error, and the file is gone.
  func receive(_ digest: Digest, to target: URL) throws -> Int {
    let source = object(digest)
    guard FileStatus.of(source) != nil else { throw RemoteDamage(url: source, found: "nothing") }
    let copied = try files.copy(source, to: target, mode: 0o444, sealed: true)
    guard copied.digest == digest else {
      try files.remove(target)
      throw RemoteDamage(url: source, found: "bytes of \(copied.digest)")
    }
    return copied.bytes
  }

  private func place(_ target: URL, _ write: (URL) throws -> Void) throws {
    let folder = target.deletingLastPathComponent()
    try files.makeFolder(folder)
    try removeOldParts(in: folder)
    let part = folder.appending(path: ".part-\(UUID().uuidString)")
    do {
      try write(part)
      try files.rename(part, to: target)
    } catch {
      try? files.remove(part)  // what went wrong first is what counts; a left part goes after a day
      throw error
    }
  }

  private func removeOldParts(in folder: URL) throws {
    for name in try FolderScan.names(in: folder) where name.hasPrefix(".part-") {
      let part = folder.appending(path: name)
      if let status = FileStatus.of(part), FileStatus.now() - status.stamp.changed > Self.partLifetime {
        try files.remove(part)
      }
    }
  }
}

extension FolderManifest {
  fileprivate var sizes: [(Digest, Int)] {
    entries.compactMap { if case .file(let digest, let bytes, _) = $0.content { (digest, bytes) } else { nil } }
  }
}

extension Store {
  /// Takes an artifact in from a remote; every file's bytes are checked on the way.
  /// - Parameter owner: names the staging folder, which is cleared first: its lock is the caller's.
  package func receive(_ artifact: StoredArtifact, from remote: RemoteStore, owner: String) throws {
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    let temporary = staging.appending(path: "object")
    func receive(_ digest: Digest, bytes: Int?) throws {
      if let bytes, try damage(object(digest), digest, bytes: bytes, repair: true) == nil { return }
      let received = try remote.receive(digest, to: temporary)
      try admit(temporary, as: digest, bytes: received)
    }
    switch artifact.kind {
    case .file: try receive(artifact.digest, bytes: artifact.bytes)
    case .folder:
      if try manifest(artifact.digest) == nil { try receive(artifact.digest, bytes: nil) }
      guard let manifest = try manifest(artifact.digest) else {
        throw RemoteDamage(url: remote.keyFile(artifact.digest), found: "a folder without a manifest")
      }
      for (digest, bytes) in manifest.sizes { try receive(digest, bytes: bytes) }
      if try treeDamage(manifest, repair: true) != nil { try build(manifest, staging: staging) }
    }
    try files.remove(staging)
  }
}
