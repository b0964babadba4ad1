/// Looks whether artifacts are still there before anybody relies on them, without reading their bytes.
import Foundation

/// An artifact of the store that is gone or has another length than its bytes had.
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
  /// `nil` if the artifact is whole. A folder whose objects are whole is made again and counts as whole.
  /// - Parameter owner: names the staging folder for that.
  package func damage(of artifact: StoredArtifact, owner: String) throws -> Damage? {
    guard artifact.kind == .folder else { return damage(object(artifact.digest), bytes: artifact.bytes) }
    let encoded = object(artifact.digest)
    guard FileStatus.of(encoded) != nil else { return damage(encoded, bytes: nil) }
    let data = try Data(contentsOf: encoded)
    guard Digest(of: data) == artifact.digest, let manifest = FolderManifest(encoded: data) else {
      return Damage(url: encoded, found: "other bytes", expected: "the manifest of a folder")
    }
    if isWhole(manifest) { return nil }
    for case .file(let digest, let bytes, _) in manifest.entries.map(\.content) {
      if let damage = damage(object(digest), bytes: bytes) { return damage }
    }
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    try build(manifest, staging: staging)
    try files.remove(staging)
    return nil
  }

  private func damage(_ object: URL, bytes: Int?) -> Damage? {
    let expected = bytes.map { "\($0) bytes" } ?? "a file"
    guard let status = FileStatus.of(object, followLinks: false) else {
      return Damage(url: object, found: "nothing", expected: expected)
    }
    if let bytes, !status.isFile || status.stamp.size != bytes {
      return Damage(url: object, found: "\(status.stamp.size) bytes", expected: expected)
    }
    return nil
  }
}
