/// Takes things out of the store: first aside as a whole, within one moment, then away for good.
import Foundation

/// A folder in `tmp` for what was taken out; nobody else clears it while this lives.
package struct Discard: ~Copyable {
  fileprivate let folder: URL
  fileprivate let files: FileOperations
  fileprivate let lock: FileLock

  /// Takes a file or folder; one that is gone already is fine, also if its owner removes it at this very moment.
  /// - Returns: `false` for a folder of another user, whom alone the system lets move it.
  package func take(_ url: URL) throws -> Bool {
    guard let status = FileStatus.of(url, followLinks: false) else { return true }
    do {
      // A folder must be writable to get another parent.
      if status.isFolder { try files.makeWritable(url) }
      try files.move(url, to: folder.appending(path: UUID().uuidString))
    } catch let error as FileError where error.code == ENOENT && FileStatus.of(url, followLinks: false) == nil {
    } catch let error as FileError
      where [EACCES, EPERM].contains(error.code) && status.isFolder && status.owner != geteuid()
    {
      return false
    }
    return true
  }

  /// Gives the room back.
  package consuming func remove() throws { try files.remove(folder) }
}

extension Store {
  /// Before the collector's lock is taken: nobody may clear the folder until its own lock is.
  package func discard() throws -> Discard {
    let hold = try keepingAll()
    defer { withExtendedLifetime(hold) {} }
    let folder = root.appending(path: "tmp/discarded-\(UUID().uuidString)")
    try files.makeFolder(folder)
    let lock = try FileLock(at: folder.appending(path: "lock"), beneath: root)
    try lock.wait()
    return Discard(folder: folder, files: files, lock: lock)
  }

  package func objectURL(_ digest: Digest) -> URL { object(digest) }
  package func treeURL(_ digest: Digest) -> URL { tree(digest) }

  /// What a process that was killed left in `tmp`. Only for whoever has the collector's lock alone: then nobody is
  /// taking anything in, and what lives longer holds a lock of its own.
  package func staleTemporaries() throws -> [URL] {
    try FolderScan.names(in: root.appending(path: "tmp"))
      .map { root.appending(path: "tmp/\($0)") }
      .filter { $0.pathExtension != "lock" }
      .filter { url in
        guard FileStatus.of(url, followLinks: false)?.isFolder == true else { return true }
        return try !FileLock.isHeld(url.appending(path: "lock"), beneath: root)
      }
  }
}
