/// A second store on a folder that several machines share: objects by digest, and one small file a key.
///
///     objects/ab/cdef…          files named by the SHA-256 of their bytes; manifests of folders too
///     keys/ab/cdef….json        what the key's stage gave, signed if there is a `RemoteKey`
///     …/.part-<uuid>            on its way into its place
///
/// Writers need no lock: content is written beside its place and renamed, and two that write the same write the same
/// bytes. Readers believe digests only, and open nothing but regular files, by no link, no further than announced.
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
  /// Signs what is pushed; what is pulled has to be signed with it.
  package let key: RemoteKey?
  private let files: FileOperations
  /// Who writes for longer has died.
  private static let partLifetime: Int64 = 86_400 * 1_000_000_000
  /// Bytes; of a result with a million points of metrics.
  private static let largestKeyFile = 64 << 20
  private static let largestManifest = 256 << 20
  /// Files and folders that a manifest may be of.
  private let mostEntries: Int

  /// - Throws: `RemoteUnavailable` unless the folder is there and can be read.
  package init(
    at root: URL, key: RemoteKey? = nil, files: FileOperations = FileOperations(), mostEntries: Int = 1_000_000
  ) throws {
    self.root = root
    self.key = key
    self.mostEntries = mostEntries
    self.files = files.beneath(root)
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
  func object(_ digest: Digest) -> URL { place("objects", digest) }
  package func keyFile(_ key: Digest) -> URL { place("keys", key, ".json") }

  /// Opens what anybody may have put there: `RemoteDamage` for whatever is no such file.
  private func reading<Result: ~Copyable>(_ url: URL, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as UnexpectedFile {
      throw RemoteDamage(url: error.url, found: error.found)
    } catch let error as FileTooLarge {
      throw RemoteDamage(url: url, found: "more than \(error.limit) bytes")
    } catch let error as FileError where error.code == ENOENT {
      throw RemoteDamage(url: url, found: "nothing")
    }
  }

  /// What a key's file holds; `nil` if there is none.
  package func read(_ key: Digest) throws -> Data? {
    let url = keyFile(key)
    return try reading(url) {
      do { return try files.enclosure.read(url, atMost: Self.largestKeyFile) } catch let error as FileError
        where error.code == ENOENT
      { return nil }
    }
  }

  /// Puts a key's file there when all that it names is there.
  package func write(_ data: Data, for key: Digest) throws {
    guard data.count <= Self.largestKeyFile else {
      throw TooLargeToPush(what: "the result of key \(key)", found: "\(data.count) bytes", most: Self.largestKeyFile)
    }
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
      try checkSize(of: manifest)
      // The manifest last: where it is, its files are.
      digests.insert(contentsOf: Dictionary(manifest.sizes) { $1 }.map { ($0.key, $0.value) }, at: 0)
    }
    var sent = (files: 0, bytes: 0)
    for (digest, bytes) in digests {
      let source = store.objectURL(digest)
      let target = object(digest)
      let size = bytes ?? FileStatus.of(source).map { Int($0.stamp.size) }
      let there = try files.enclosure.status(of: target)
      if let size, let there, there.isFile, there.stamp.size == size { continue }
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

  private func checkSize(of manifest: FolderManifest) throws {
    let data = manifest.encoded
    func tooLarge(_ found: String, _ most: Int) -> TooLargeToPush {
      TooLargeToPush(what: "the folder \(manifest.digest)", found: found, most: most)
    }
    guard data.count <= Self.largestManifest else {
      throw tooLarge("a manifest of \(data.count) bytes", Self.largestManifest)
    }
    do { _ = try FolderManifest(encoded: data, atMost: mostEntries) } catch is BadManifest {
      throw tooLarge("more files and folders", mostEntries)
    }
  }

  /// What a folder is of; `RemoteDamage` if the object is not the manifest of a folder with this digest.
  func manifest(_ digest: Digest) throws -> FolderManifest {
    let url = object(digest)
    let data = try reading(url) { try files.enclosure.read(url, atMost: Self.largestManifest) }
    let found = Digest(of: data)
    guard found == digest else { throw RemoteDamage(url: url, found: "bytes of \(found)") }
    do { return try FolderManifest(encoded: data, atMost: mostEntries) } catch let error as BadManifest {
      throw RemoteDamage(url: url, found: "no folder: \(error)")
    }
  }

  /// Copies an object to a new file of a store; one that is not what its name says is an error.
  /// - Parameter bytes: that were announced; no more are read.
  func receive(_ digest: Digest, bytes: Int, to target: URL, with files: FileOperations) throws {
    let source = object(digest)
    let file = try reading(source) { try self.files.enclosure.open(source, O_RDONLY) }
    let size = try file.status(of: source).stamp.size
    guard size == bytes else { throw RemoteDamage(url: source, found: "\(size) bytes instead of \(bytes)") }
    try checkSpace(for: bytes, at: target)
    let copied = try files.write(toNew: target, mode: 0o444, sealed: true) { write in
      try FileContent.read(file, source, atMost: bytes, write)
    }
    guard copied.digest == digest else { throw RemoteDamage(url: source, found: "bytes of \(copied.digest)") }
  }

  /// A file with holes may announce more bytes than any disk has.
  private func checkSpace(for bytes: Int, at target: URL) throws {
    var space = statvfs()
    guard statvfs(target.deletingLastPathComponent().posixPath, &space) == 0 else { return }
    let (free, overflows) = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
    if !overflows && UInt64(bytes) > free { throw FileError("write \(bytes) bytes to", target, code: ENOSPC) }
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
      if let status = try files.enclosure.status(of: part), status.isFile,
        FileStatus.now() - status.stamp.changed > Self.partLifetime
      {
        try files.remove(part)
      }
    }
  }
}

/// A result that a remote store would not be believed to have.
struct TooLargeToPush: Error, CustomStringConvertible {
  let what: String
  let found: String
  let most: Int
  var description: String { "\(what) cannot be pushed: it has \(found), and a remote store takes at most \(most)" }
}

extension FolderManifest {
  var sizes: [(Digest, Int)] {
    entries.compactMap { if case .file(let digest, let bytes, _) = $0.content { (digest, bytes) } else { nil } }
  }
}
