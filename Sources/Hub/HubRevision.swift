/// A model of the hub at one commit: which of its files are used, and what they are.
import Artifacts
import Foundation
import Pipelines

package struct HubFile: Codable, Hashable, Sendable {
  /// Relative to the repository's root.
  package var path: String
  package var bytes: Int
  /// What the hub and its cache call the content: SHA-256 of large files, git's blob hash of small ones, hexadecimal.
  package var etag: String
  /// The SHA-256 of the content; `nil` while nobody has read a small file.
  package var digest: Digest?

  package init(path: String, bytes: Int, etag: String) {
    self.path = path
    self.bytes = bytes
    self.etag = etag
    digest = Digest(hex: etag)
  }

  /// Whether it may become a name of a file: relative, of plain names, with a size, and a digest if any.
  var isSound: Bool {
    let names = path.split(separator: "/", omittingEmptySubsequences: false)
    return bytes >= 0 && path.utf8.count < 1000 && names.count < 32
      && names.allSatisfy { !["", ".", ".."].contains($0) && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }
      && [0, 40, 64].contains(etag.utf8.count) && etag.utf8.allSatisfy(isHexadecimal)
  }
}

package struct HubRevision: Codable, Hashable, Sendable {
  package var repository: String
  /// The branch or tag that led to the commit, or the commit.
  package var revision: String
  package var commit: String
  /// Those that a model is loaded from, sorted by their paths' bytes, each with its digest.
  package var files: [HubFile]
  /// The model card, from which the licence comes; it changes no result.
  package var card: HubFile?
  /// Which files are used may change from version to version.
  private var selection = Self.currentSelection
  private static let currentSelection = 1

  package init(repository: String, revision: String, commit: String, files: [HubFile] = [], card: HubFile? = nil) {
    self.repository = repository
    self.revision = revision
    self.commit = commit
    self.files = files
    self.card = card
  }

  /// Whether this version of Retort would choose the same files.
  package var isCurrent: Bool { selection == Self.currentSelection }

  /// `hf://org/name@commit`.
  package var name: String { "hf://\(repository)@\(commit)" }

  /// What a folder with just these files is, for the store.
  package var artifact: StoredArtifact {
    get throws {
      let manifest = FolderManifest(
        entries: try files.map { file in
          guard let digest = file.digest else { throw HubError(name, "the digest of \(file.path) is not known") }
          return .init(path: file.path, content: .file(digest, bytes: file.bytes, executable: false))
        })
      return StoredArtifact(digest: manifest.digest, bytes: manifest.bytes, kind: .folder)
    }
  }
}

/// Something that the user has to know of a hub's model.
package struct HubError: Error, CustomStringConvertible {
  package let description: String
  /// - Parameter model: what it is about, `hf://org/name`.
  package init(_ model: String, _ reason: String) { description = "\(model): \(reason)" }
}
