/// Copies artifacts out of the store: `export` to a new place, `publish` over the last publication at the same path.
import Foundation

/// A target that holds something which Retort did not put there.
package struct PublicationRefused: Error, CustomStringConvertible {
  package let target: URL
  package let published: Bool
  package var description: String {
    let reason = published ? "was changed since it was published" : "exists and was not published by this store"
    return "\(target.posixPath) \(reason); move it away, or run with --overwrite to replace it"
  }
}

/// What to put at a path: one artifact, or several in a folder, and a description beside folders.
package struct PublishedContent: Sendable {
  /// By name inside the target; an empty name is the target itself, then it is the only one.
  package let artifacts: [String: StoredArtifact]
  /// `retort.json`; left out where the target is a single file.
  package let description: Data
  /// `README.md` of the folders among the artifacts that have none themselves, by the same names.
  package let cards: [String: Data]

  package init(artifacts: [String: StoredArtifact], description: Data, cards: [String: Data] = [:]) {
    self.artifacts = artifacts
    self.description = description
    self.cards = cards
  }
}

extension Store {
  /// Copies content to a path where nothing is.
  package func export(_ content: PublishedContent, to target: URL) throws {
    guard FileStatus.of(target, followLinks: false) == nil else {
      throw FileError("export to", target, code: EEXIST)
    }
    try withPublishing(target) { staged in
      try copyOut(content, to: staged)
      try files.rename(staged, to: target)
    }
  }

  /// Puts content at a path as a whole, and returns the digest of what lies there then.
  /// - Parameter last: what this store last published there; anything else is refused unless `overwrite`.
  package func publish(
    _ content: PublishedContent, to target: URL, last: Digest?, overwrite: Bool, hasher: SourceHasher
  ) throws -> Digest {
    try withPublishing(target) { staged in
      try copyOut(content, to: staged)
      let digest = try hasher.hash(staged).artifact.digest
      guard let status = FileStatus.of(target, followLinks: false) else {
        try files.rename(staged, to: target)
        return digest
      }
      let present = status.isLink ? nil : try hasher.hash(target).artifact.digest
      if present == digest { return digest }
      guard overwrite || (present != nil && present == last) else {
        throw PublicationRefused(target: target, published: last != nil)
      }
      try files.exchange(staged, target)
      return digest
    }
  }

  /// One at a time in a store, so that whoever is here may clear what a killed one left beside the target.
  private func withPublishing<Result>(_ target: URL, _ body: (URL) throws -> Result) throws -> Result {
    let lock = try FileLock(at: root.appending(path: "tmp/publish.lock"), beneath: root)
    try lock.wait()
    let parent = target.deletingLastPathComponent()
    try files.makeFolder(parent)
    let staged = parent.appending(path: ".\(target.lastPathComponent).retort-staged")
    try files.remove(staged)
    do {
      let result = try body(staged)
      try files.remove(staged)
      return result
    } catch {
      try files.remove(staged)
      throw error
    }
  }

  private func copyOut(_ content: PublishedContent, to target: URL) throws {
    if let artifact = content.artifacts[""] {
      try copyOut(artifact, to: target)
      if artifact.kind == .file { return }
    } else {
      for (name, artifact) in content.artifacts {
        try files.makeFolder(target)
        try copyOut(artifact, to: target.appending(path: name))
      }
    }
    for (name, card) in content.cards {
      try files.write(card, toNew: (name.isEmpty ? target : target.appending(path: name)).appending(path: "README.md"))
    }
    try files.remove(target.appending(path: "retort.json"))
    try files.write(content.description, toNew: target.appending(path: "retort.json"))
  }

  private func copyOut(_ artifact: StoredArtifact, to target: URL) throws {
    let source = url(of: artifact)
    guard artifact.kind == .folder else {
      _ = try files.copy(source, to: target)
      return
    }
    try files.makeFolder(target)
    for entry in try FolderScan.entries(of: source) {
      let url = target.appending(path: entry.path)
      guard entry.isFile else {
        try files.makeFolder(url)
        continue
      }
      try files.makeFolder(url.deletingLastPathComponent())
      _ = try files.copy(entry.url, to: url, mode: entry.isExecutable ? 0o777 : 0o666)
    }
  }
}
