/// Takes files and folders into the store. At every moment an object or a tree is there as a whole or not at all.
import Foundation

extension Store {
  /// Copies a file or folder into the store and returns what it is.
  /// - Parameters:
  ///   - owner: names the staging folder, which is cleared first: its lock is the caller's.
  ///   - moves: whether the files are the caller's, who needs them no more: they are moved where that is safe.
  package func ingest(_ url: URL, owner: String, moves: Bool = false) throws -> StoredArtifact {
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    guard let status = FileStatus.of(url) else { throw FileError("read", url) }
    let artifact: StoredArtifact
    if status.isFolder {
      artifact = try ingestFolder(url, moves: moves, staging: staging)
    } else {
      let file = try ingestFile(url, moves: moves, staging: staging)
      artifact = StoredArtifact(digest: file.digest, bytes: file.bytes, kind: .file)
    }
    try files.remove(staging)
    return artifact
  }

  private func ingestFile(_ url: URL, moves: Bool, staging: URL) throws -> (digest: Digest, bytes: Int) {
    let temporary = staging.appending(path: "object")
    let taken = moves ? try files.take(url, to: temporary) : nil
    let content = try taken ?? files.copy(url, to: temporary, mode: 0o444, sealed: true)
    try admit(temporary, as: content.digest, bytes: content.bytes)
    return content
  }

  private func ingestFolder(_ url: URL, moves: Bool, staging: URL) throws -> StoredArtifact {
    let entries = try FolderScan.entries(of: url)
    // A file that links in the folder lead to is read once for each.
    let readers = moves ? Dictionary(entries.map { ($0.url.pathBytes, 1) }, uniquingKeysWith: +) : [:]
    let manifest = FolderManifest(
      entries: try entries.map { entry in
        guard entry.isFile else { return .init(path: entry.path, content: .emptyFolder) }
        let file = try ingestFile(entry.url, moves: readers[entry.url.pathBytes] == 1, staging: staging)
        return .init(
          path: entry.path, content: .file(file.digest, bytes: file.bytes, executable: entry.isExecutable))
      })
    let temporary = staging.appending(path: "object")
    let encoded = manifest.encoded
    try files.write(encoded, toNew: temporary, mode: 0o444, sealed: true)
    try admit(temporary, as: manifest.digest, bytes: encoded.count)
    if try treeDamage(manifest, repair: true) != nil { try build(manifest, staging: staging) }
    return StoredArtifact(digest: manifest.digest, bytes: manifest.bytes, kind: .folder)
  }

  /// Moves a finished file to its place, over a damaged one if need be.
  func admit(_ temporary: URL, as digest: Digest, bytes: Int) throws {
    let object = object(digest)
    if try damage(object, digest, bytes: bytes, repair: true) == nil { return try files.remove(temporary) }
    try files.makeFolder(object.deletingLastPathComponent())
    try files.rename(temporary, to: object)
  }

  /// Makes the folder of a manifest whose objects are all there.
  func build(_ manifest: FolderManifest, staging: URL) throws {
    let folder = staging.appending(path: "tree")
    try files.remove(folder)
    try files.makeFolder(folder)
    var folders: [[UInt8]: URL] = [:]
    for entry in manifest.entries {
      let url = folder.appending(path: entry.path)
      var parent = entry.content == .emptyFolder ? url : url.deletingLastPathComponent()
      try files.makeFolder(parent)
      while parent.posixPath != folder.posixPath {
        folders[parent.pathBytes] = parent
        parent = parent.deletingLastPathComponent()
      }
      guard case .file(let digest, _, let executable) = entry.content else { continue }
      // An object has one mode for all its names, so an executable file is a copy.
      if try executable || !files.link(object(digest), at: url) {
        _ = try files.copy(object(digest), to: url, mode: executable ? 0o555 : 0o444, sealed: true)
      }
    }
    for inner in folders.values + [folder] { try files.syncFolder(inner) }
    for inner in folders.values { try files.makeReadOnly(inner) }
    let tree = tree(manifest.digest)
    try files.makeFolder(tree.deletingLastPathComponent())
    if FileStatus.of(tree, followLinks: false) == nil {
      try files.rename(folder, to: tree)
    } else {
      try files.exchange(folder, tree)  // a damaged one; `remove` below takes it away with the staging folder
    }
    try files.makeReadOnly(tree)
  }
}
