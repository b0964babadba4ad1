/// The folder `.retort`: where objects, folders, work and logs lie.
///
///     objects/ab/cdef…   read-only files, named by the SHA-256 of their bytes; manifests of folders too
///     trees/ab/cdef…/    read-only folders, named by the digest of their manifest: hard links to objects
///     views/ab/cdef…/    the same files under the names that people know them by, made when somebody asks
///     work/<key>/        of one stage's work: lock, events, result, scratch folders
///     logs/<run>/        what stages printed
///     restart/           orders of runs that go on by themselves
///     database.lock      held while the database is made or brought up to date
///     tmp/<owner>/       files on their way into objects; whoever holds the owner's lock may clear it
///     damaged/           what `verify` took out of objects and trees
///     gc.lock            shared from finding or taking in an artifact until its use is recorded; alone to collect
import Foundation

/// A file or folder in the store.
package struct StoredArtifact: Hashable, Sendable, Codable {
  package enum Kind: String, Sendable, Codable { case file, folder }
  package let digest: Digest
  package let bytes: Int
  package let kind: Kind

  package init(digest: Digest, bytes: Int, kind: Kind) {
    self.digest = digest
    self.bytes = bytes
    self.kind = kind
  }
}

package struct Store: Sendable {
  /// `.retort` itself.
  package let root: URL
  package let files: FileOperations

  /// Opens the store, making what is missing of its folders.
  package init(at root: URL, files: FileOperations = FileOperations()) throws {
    self.root = root
    self.files = files.beneath(root)
    for name in ["objects", "trees", "work", "logs", "tmp"] { try self.files.makeFolder(root.appending(path: name)) }
    let ignore = root.appending(path: ".gitignore")
    if FileStatus.of(ignore) == nil { try self.files.replace(ignore, with: Data("*\n".utf8)) }
  }

  /// The store as it is; makes nothing, and need not be there.
  package init(reading root: URL) {
    self.root = root
    files = FileOperations(beneath: root)
  }

  package var database: URL { root.appending(path: "retort.sqlite") }
  package func workFolder(of key: Digest) -> URL { root.appending(path: "work/\(key)") }
  package func logFolder(ofRun run: Int) -> URL { root.appending(path: "logs/\(run)") }
  /// What an attempt printed.
  package func log(ofRun run: Int, stage: String, attempt: Int) -> URL {
    logFolder(ofRun: run).appending(path: "\(attemptName(stage, attempt)).log")
  }
  /// Of an attempt's files in the run's folder.
  package func attemptName(_ stage: String, _ attempt: Int) -> String {
    "\(fileName(for: stage)).\(attempt)"
  }

  /// Held by a run's coordinator until it ends.
  package func lock(ofRun run: Int) -> URL { logFolder(ofRun: run).appending(path: "lock") }
  /// Whether the run's coordinator lives, on whatever machine the lock reaches.
  package func isRunning(_ run: Int) throws -> Bool {
    try FileLock.isHeld(lock(ofRun: run), beneath: root)
  }

  /// Keeps everything in the store while it lives: from finding an artifact or taking it in, until whoever collects can
  /// see that it is in use. For moments; collecting waits for it.
  package func keepingAll() throws -> FileLock {
    let lock = try collectorLock()
    try lock.waitShared()
    return lock
  }
  /// Taken alone by whoever removes from the store.
  package func collectorLock() throws -> FileLock { try FileLock(at: root.appending(path: "gc.lock"), beneath: root) }

  /// Where an artifact lies; a stage may read there, nobody may write.
  package func url(of artifact: StoredArtifact) -> URL {
    switch artifact.kind {
    case .file: object(artifact.digest)
    case .folder: tree(artifact.digest)
    }
  }

  func object(_ digest: Digest) -> URL { place("objects", digest) }
  func tree(_ digest: Digest) -> URL { place("trees", digest) }
  func stagingFolder(of owner: String) -> URL { root.appending(path: "tmp/\(owner)") }

  func place(_ area: String, _ digest: Digest) -> URL {
    let hex = digest.description
    return root.appending(path: "\(area)/\(hex.prefix(2))/\(hex.dropFirst(2))")
  }
}
