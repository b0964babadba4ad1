/// The folder in which Python's huggingface_hub keeps models, and we with it:
///
///     models--org--name/blobs/ETAG                  contents
///     models--org--name/snapshots/COMMIT/PATH       links to them
///     models--org--name/refs/REVISION               the commit of a branch or tag
///     .locks/models--org--name/ETAG.lock            held by whoever downloads
import Artifacts
import Basics
import Foundation
import Pipelines

struct HubCache: Sendable {
  let root: URL

  private func folder(_ repository: String) -> URL { root.appending(path: Self.name(of: repository)) }
  private static func name(of repository: String) -> String {
    "models--" + repository.split(separator: "/").joined(separator: "--")
  }

  func snapshot(_ repository: String, _ commit: String) -> URL {
    folder(repository).appending(path: "snapshots/\(commit)", directoryHint: .isDirectory)
  }

  func blob(_ repository: String, _ etag: String) -> URL { folder(repository).appending(path: "blobs/\(etag)") }

  /// Where the file lies in the snapshot.
  func place(of file: HubFile, _ revision: HubRevision) -> URL {
    snapshot(revision.repository, revision.commit).appending(path: file.path, directoryHint: .notDirectory)
  }

  /// Whether the snapshot has the file, by its size.
  func holds(_ file: HubFile, _ revision: HubRevision) -> Bool {
    guard let status = FileStatus.of(place(of: file, revision)) else { return false }
    return status.isFile && Int(status.stamp.size) == file.bytes
  }

  // MARK: - Names of commits

  /// The commit that was last downloaded under the name of a branch or tag.
  func commit(of repository: String, _ revision: String) throws -> String? {
    if isCommit(revision) { return FileStatus.of(snapshot(repository, revision))?.isFolder == true ? revision : nil }
    let file = ref(repository, revision)
    guard FileStatus.of(file) != nil else { return nil }
    let text = String(decoding: try ForeignFile.contents(of: file, atMost: 1 << 10), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return isCommit(text) ? text : nil
  }

  func remember(_ commit: String, as revision: String, of repository: String) throws {
    guard !isCommit(revision), try self.commit(of: repository, revision) != commit else { return }
    let file = ref(repository, revision)
    let files = FileOperations()
    try files.makeFolder(file.deletingLastPathComponent())
    try files.replace(file, with: Data(commit.utf8))
  }

  private func ref(_ repository: String, _ revision: String) -> URL {
    folder(repository).appending(path: "refs/\(revision)", directoryHint: .notDirectory)
  }

  // MARK: - Files

  /// What the snapshot has, links by what the blobs are called that they lead to.
  func files(of repository: String, _ commit: String) throws -> [HubFile] {
    let snapshot = snapshot(repository, commit)
    guard let paths = FileManager.default.enumerator(atPath: snapshot.posixPath) else { return [] }
    return try paths.compactMap { $0 as? String }.compactMap { path in
      let place = snapshot.appending(path: path, directoryHint: .notDirectory)
      guard let status = FileStatus.of(place), status.isFile else { return nil }
      // A file that is not a link to a blob lacks a name that tells its content.
      let isLink = FileStatus.of(place, followLinks: false)?.isLink == true
      let target = isLink ? try FileManager.default.destinationOfSymbolicLink(atPath: place.posixPath) : ""
      let file = HubFile(
        path: path, bytes: Int(status.stamp.size), etag: target.split(separator: "/").last.map(String.init) ?? "")
      return file.isSound ? file : HubFile(path: path, bytes: file.bytes, etag: "")
    }
  }

  /// Makes the snapshot's link to a blob that is there.
  func link(_ file: HubFile, _ revision: HubRevision) throws {
    let place = place(of: file, revision)
    let files = FileOperations()
    try files.makeFolder(place.deletingLastPathComponent())
    let up = Array(repeating: "..", count: file.path.split(separator: "/").count + 1).joined(separator: "/")
    let link = place.sibling(".\(place.lastPathComponent).\(getpid())")
    try files.remove(link)
    guard symlink("\(up)/blobs/\(file.etag)", link.posixPath) == 0 else { throw FileError("link", place) }
    try files.rename(link, to: place)
  }

  /// Takes the lock that keeps others, Python too, from downloading the same content.
  /// - Parameter goesOn: asked while somebody else has it; `false` gives up.
  /// - Returns: `nil` if it was given up.
  func lock(_ etag: String, of repository: String, while goesOn: () -> Bool) throws -> FileLock? {
    let folder = root.appending(path: ".locks/\(Self.name(of: repository))", directoryHint: .isDirectory)
    let files = FileOperations()
    while true {
      try files.makeFolder(folder)
      let lock = try FileLock(at: folder.appending(path: "\(etag).lock"), beneath: folder)
      // Whoever had it may have removed the file.
      while lock.isInPlace {
        if try lock.take(), lock.isInPlace { return lock }
        guard goesOn() else { return nil }
        usleep(200_000)
      }
    }
  }

  // MARK: - All of it

  /// Every model with a snapshot: its name, the commit that its main branch was last at, else any, and what the disk
  /// holds of it.
  func models() throws -> [(repository: String, commit: String, bytes: Int)] {
    guard FileStatus.of(root)?.isFolder == true else { return [] }
    return try FolderScan.names(in: root).sorted().compactMap { name in
      let parts = name.components(separatedBy: "--")
      guard parts.count >= 3, parts[0] == "models" else { return nil }
      let repository = parts[1] + "/" + parts.dropFirst(2).joined(separator: "--")
      let snapshots = root.appending(path: "\(name)/snapshots")
      let commits = FileStatus.of(snapshots)?.isFolder == true ? try FolderScan.names(in: snapshots).sorted() : []
      guard let commit = try commit(of: repository, "main") ?? commits.first else { return nil }
      let blobs = root.appending(path: "\(name)/blobs")
      let contents = FileStatus.of(blobs)?.isFolder == true ? try FolderScan.names(in: blobs) : []
      let bytes = contents.reduce(0) { $0 + Int(FileStatus.of(blobs.appending(path: $1))?.stamp.size ?? 0) }
      return (repository, commit, bytes)
    }
  }
}

/// Whether it is 40 hexadecimal digits, in lower case as git prints them.
func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && text.utf8.allSatisfy(isHexadecimal) }

func isHexadecimal(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}
