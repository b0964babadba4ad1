/// What the same function gave for other records: rows that need not be computed again.
import Artifacts
import Foundation

package struct EarlierOutput: Codable, Sendable, Hashable {
  package var artifact: StoredArtifact
  /// In the store.
  package var url: URL

  package init(artifact: StoredArtifact, url: URL) {
    self.artifact = artifact
    self.url = url
  }

  /// Where it lies. Reads all of it: throws if its bytes are not those that were recorded.
  package func verified() throws -> URL {
    let found = try SourceHasher(memory: KnownStamps()).hash(url).artifact
    guard found == artifact else {
      throw Damage(url: url, found: "\(found.digest)", expected: "\(artifact.digest)")
    }
    return url
  }
}
