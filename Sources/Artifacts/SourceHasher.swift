/// Digests of files and folders outside the store, each file read again only if its stamp changed.
import Foundation

/// Remembers which bytes a stamp stood for.
package protocol StampMemory: Sendable {
  func digest(for stamp: FileStamp) throws -> Digest?
  func remember(_ digest: Digest, for stamp: FileStamp) throws
}

/// Stamps that travel with a job, from the coordinator that hashed to the worker that looks again.
package struct KnownStamps: StampMemory, Codable {
  package var digests: [FileStamp: Digest]
  package init(_ digests: [FileStamp: Digest] = [:]) { self.digests = digests }
  package func digest(for stamp: FileStamp) -> Digest? { digests[stamp] }
  package func remember(_ digest: Digest, for stamp: FileStamp) {}
}

package struct SourceHasher: Sendable {
  /// A younger change may share its time stamp with the next one.
  private static let settled: Int64 = 2_000_000_000
  private let memory: any StampMemory
  private let now: @Sendable () -> Int64

  /// - Parameter now: nanoseconds since 1970.
  package init(memory: any StampMemory, now: @escaping @Sendable () -> Int64 = FileStatus.now) {
    self.memory = memory
    self.now = now
  }

  /// What the file or folder is at this moment, and the stamps by which that may be trusted later.
  /// - Parameter paths: the files of the folder that count, in the order of their bytes, each as what its links lead
  ///   to; `nil`: all.
  package func hash(
    _ url: URL, only paths: [String]? = nil
  ) throws -> (artifact: StoredArtifact, stamps: [FileStamp: Digest]) {
    var stamps: [FileStamp: Digest] = [:]
    if let paths {
      let manifest = FolderManifest(
        entries: try paths.map { path in
          let file = url.appending(path: path, directoryHint: .notDirectory)
          guard let status = FileStatus.of(file) else { throw FileError("read", file) }
          return .init(
            path: path,
            content: .file(try hashFile(file, &stamps), bytes: Int(status.stamp.size), executable: false))
        })
      return (StoredArtifact(digest: manifest.digest, bytes: manifest.bytes, kind: .folder), stamps)
    }
    guard let status = FileStatus.of(url) else { throw FileError("read", url) }
    guard status.isFolder else {
      let digest = try hashFile(url, &stamps)
      return (StoredArtifact(digest: digest, bytes: Int(status.stamp.size), kind: .file), stamps)
    }
    let manifest = FolderManifest(
      entries: try FolderScan.entries(of: url).map { entry in
        guard entry.isFile else { return .init(path: entry.path, content: .emptyFolder) }
        guard let status = FileStatus.of(entry.url) else { throw FileError("read", entry.url) }
        let digest = try hashFile(entry.url, &stamps)
        return .init(
          path: entry.path,
          content: .file(digest, bytes: Int(status.stamp.size), executable: entry.isExecutable))
      })
    return (StoredArtifact(digest: manifest.digest, bytes: manifest.bytes, kind: .folder), stamps)
  }

  private func hashFile(_ url: URL, _ stamps: inout [FileStamp: Digest]) throws -> Digest {
    guard let stamp = FileStatus.of(url)?.stamp else { throw FileError("read", url) }
    if let digest = try memory.digest(for: stamp) {
      stamps[stamp] = digest
      return digest
    }
    let digest = try FileContent.read(url).digest
    guard FileStatus.of(url)?.stamp == stamp else {
      throw FolderScan.Problem(url: url, reason: "changed while it was read; run again when nothing writes to it")
    }
    if now() - max(stamp.modified, stamp.changed) > Self.settled {
      try memory.remember(digest, for: stamp)
      stamps[stamp] = digest
    }
    return digest
  }
}
