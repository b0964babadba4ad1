/// What the same function gave for other records: rows that need not be computed again.
import Artifacts
import Foundation

package struct EarlierResult: Codable, Sendable, Hashable {
  package struct Output: Codable, Sendable, Hashable {
    package var artifact: StoredArtifact
    /// In the store.
    package var url: URL

    package init(artifact: StoredArtifact, url: URL) {
      self.artifact = artifact
      self.url = url
    }
  }
  /// By port.
  package var outputs: [String: Output]
  package init(outputs: [String: Output]) { self.outputs = outputs }

  /// Where the output of a port lies. Reads all of it: throws if its bytes are not those that were recorded.
  package func verified(_ port: String) throws -> URL {
    guard let output = outputs[port] else { throw NoSuchOutput(port: port) }
    let found = try SourceHasher(memory: KnownStamps()).hash(output.url).artifact
    guard found == output.artifact else {
      throw Damage(url: output.url, found: "\(found.digest)", expected: "\(output.artifact.digest)")
    }
    return output.url
  }
}

struct NoSuchOutput: Error, CustomStringConvertible {
  let port: String
  var description: String { "it has no output `\(port)`" }
}
