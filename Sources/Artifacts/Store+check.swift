/// Looks whether artifacts are still there before anybody relies on them, reading only files that were written to.
import Foundation

/// An artifact of the store that is gone or has other bytes than its digest says.
package struct Damage: Error, CustomStringConvertible, Sendable {
  package let url: URL
  package let found: String
  package let expected: String

  package init(url: URL, found: String, expected: String) {
    self.url = url
    self.found = found
    self.expected = expected
  }

  package var description: String { "\(url.posixPath) is damaged: found \(found), expected \(expected)" }
}

extension Store {
  /// `nil` if the artifact is whole. A folder whose objects are whole counts as whole and is made again.
  /// - Parameters:
  ///   - owner: names the staging folder for that.
  ///   - repair: `false` leaves the store as it is.
  package func damage(of artifact: StoredArtifact, owner: String, repair: Bool = true) throws -> Damage? {
    let object = object(artifact.digest)
    guard artifact.kind == .folder else {
      return try damage(object, artifact.digest, bytes: artifact.bytes, repair: repair)
    }
    guard FileStatus.of(object) != nil else { return Damage(url: object, found: "nothing", expected: "a file") }
    guard let manifest = try manifest(artifact.digest) else {
      return Damage(url: object, found: "other bytes", expected: "the manifest of a folder")
    }
    if try treeDamage(manifest, repair: repair) == nil { return nil }
    for case .file(let digest, let bytes, _) in manifest.entries.map(\.content) {
      if let damage = try damage(self.object(digest), digest, bytes: bytes, repair: repair) { return damage }
    }
    guard repair else { return nil }
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    try build(manifest, staging: staging)
    try files.remove(staging)
    return nil
  }

  /// What a folder holds; `nil` if the object is gone or is not that manifest.
  package func manifest(_ digest: Digest) throws -> FolderManifest? {
    let object = object(digest)
    do {
      // Nothing leads out of the store: what is read has to have this digest.
      let data = try Enclosure(nil).read(object)
      return Digest(of: data) == digest ? try FolderManifest(encoded: data) : nil
    } catch let error as FileError where error.code == ENOENT {
      return nil  // perhaps collected at this very moment
    } catch is UnexpectedFile {
      return nil
    } catch is BadManifest {
      return nil
    }
  }

  /// Of a file in `objects` or `trees`. One that was written to since it was taken in is read, and sealed if it is whole.
  func damage(_ file: URL, _ digest: Digest, bytes: Int, repair: Bool) throws -> Damage? {
    guard let status = FileStatus.of(file, followLinks: false) else {
      return Damage(url: file, found: "nothing", expected: "\(bytes) bytes")
    }
    guard status.isFile, status.stamp.size == bytes else {
      return Damage(url: file, found: "\(status.stamp.size) bytes", expected: "\(bytes) bytes")
    }
    if status.isSealed { return nil }
    let found = try FileContent.read(file).digest
    guard found == digest else { return Damage(url: file, found: "bytes of \(found)", expected: "\(digest)") }
    if repair {
      // Another user's file stays as it is and is read again next time.
      do { try files.seal(file) } catch let error as FileError where [EPERM, EACCES, EROFS].contains(error.code) {}
    }
    return nil
  }

  /// What is not as it was in an artifact that lies there; `nil` if nothing is, and for what is not the store's. Takes a
  /// folder that holds something more out of the way, as it is made again whenever it is looked for.
  package func change(of digest: Digest, at url: URL) throws -> Damage? {
    switch url.posixPath {
    case object(digest).posixPath:
      return try damage(url, digest, bytes: FileStatus.of(url).map { Int($0.stamp.size) } ?? 0, repair: true)
    case tree(digest).posixPath:
      guard let manifest = try manifest(digest) else {
        return Damage(url: object(digest), found: "other bytes", expected: "the manifest of a folder")
      }
      if let damage = try treeDamage(manifest, repair: true) { return damage }
      let known = Set(manifest.entries.map { Array($0.path.utf8) })
      guard let more = try FolderScan.entries(of: url).first(where: { !known.contains(Array($0.path.utf8)) }) else {
        return nil
      }
      try files.remove(url)
      return Damage(url: url, found: "`\(more.path)` in it", expected: "nothing of that name")
    default: return nil
    }
  }

  /// Of the manifest's folder in `trees`.
  func treeDamage(_ manifest: FolderManifest, repair: Bool) throws -> Damage? {
    let tree = tree(manifest.digest)
    guard FileStatus.of(tree, followLinks: false)?.isFolder == true else {
      return Damage(url: tree, found: "nothing", expected: "a folder")
    }
    for entry in manifest.entries {
      let url = tree.appending(path: entry.path)
      switch entry.content {
      case .emptyFolder:
        if FileStatus.of(url, followLinks: false)?.isFolder != true {
          return Damage(url: url, found: "nothing", expected: "a folder")
        }
      case .file(let digest, let bytes, _):
        if let damage = try damage(url, digest, bytes: bytes, repair: repair) { return damage }
      }
    }
    return nil
  }
}
