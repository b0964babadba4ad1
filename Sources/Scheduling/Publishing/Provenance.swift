/// `retort.json`: everything that made what it lies with, readable without the store.
import Artifacts
import Basics
import Foundation
import Pipelines

/// Holds no times, hosts or absolute paths: the same work gives the same bytes.
package struct Provenance: Codable, Sendable, Hashable {
  package struct Input: Codable, Sendable, Hashable {
    package var digest: Digest
    package var bytes: Int
    package var kind: StoredArtifact.Kind
    /// Where it lay, relative to the project's root; of what lay elsewhere only `…/` and its name.
    package var source: String?
    /// Which output it is of a stage, `split.train`.
    package var output: String?

    package init(_ artifact: StoredArtifact, source: String? = nil, output: String? = nil) {
      digest = artifact.digest
      bytes = artifact.bytes
      kind = artifact.kind
      self.source = source
      self.output = output
    }
  }
  package struct Output: Codable, Sendable, Hashable {
    package var digest: Digest
    package var bytes: Int
    package var kind: StoredArtifact.Kind

    package init(_ artifact: StoredArtifact) {
      digest = artifact.digest
      bytes = artifact.bytes
      kind = artifact.kind
    }
  }
  package struct Stage: Codable, Sendable, Hashable {
    package var name: String
    package var kind: String
    package var key: StageKey
    /// Version of retort that ran it, and the commit that was checked out in the project.
    package var retort: String?
    package var revision: String?
    /// The text of a `cmd` stage, with its placeholders.
    package var command: String?
    /// Dotted names, `lora.r`; what is at its neutral value is left out, as in the key.
    package var parameters: [String: ParameterValue] = [:]
    package var seed: UInt64?
    /// The numerics profile: precision, instruction class, engine.
    package var numerics: String?
    package var inputs: [String: Input] = [:]
    package var outputs: [String: Output] = [:]
    package var metrics: [String: Double] = [:]
    /// What a training with validation was worth.
    package var verdict: Verdict?

    package init(name: String, kind: String, key: StageKey) {
      self.name = name
      self.kind = kind
      self.key = key
    }
  }

  /// The version of this file's layout.
  package var format = 2
  package var pipeline: String
  /// As that pipeline calls it; the last of `stages` is what made the outputs, under the name it had then.
  package var stage: String
  /// What lies here: by path relative to this file, `.` for the folder itself, which output it is: `teacher.model`.
  package var contents: [String: String] = [:]
  /// Each after all that it was made from.
  package var stages: [Stage]

  package init(pipeline: String, stage: String, stages: [Stage]) {
    self.pipeline = pipeline
    self.stage = stage
    self.stages = stages
  }

  package static let fileName = "retort.json"
  /// The most bytes that the file may have; one of a hundred stages has some hundred kilobytes.
  private static let mostBytes = 8 << 20

  package func encoded() throws -> Data {
    try storedJSON(self, .prettyPrinted) + Data("\n".utf8)
  }

  /// Reads what tells of a folder that was published or exported, or of one of several outputs in it.
  /// - Returns: the file's content and which of `contents` was asked for; all of them if it is the folder itself.
  package static func read(at url: URL) throws -> (provenance: Provenance, contents: [String: String]) {
    let own = url.appending(path: fileName)
    if FileStatus.of(own)?.isFile == true {
      let provenance = try decode(own)
      return (provenance, provenance.contents)
    }
    let beside = url.sibling(fileName)
    guard FileStatus.of(url) != nil, FileStatus.of(beside)?.isFile == true else { throw NoProvenance(url: url) }
    let provenance = try decode(beside)
    let name = url.lastPathComponent
    // A file of the only output, or one of several outputs.
    guard let output = provenance.contents["."] ?? provenance.contents[name] else {
      throw NoProvenance(url: url, known: provenance.contents.keys.sorted())
    }
    return (provenance, [name: output])
  }

  private static func decode(_ url: URL) throws -> Provenance {
    do {
      return try storedDecoder.decode(Provenance.self, from: ForeignFile.contents(of: url, atMost: mostBytes))
    } catch is DecodingError {
      throw NoProvenance(url: url, unreadable: true)
    } catch let refusal as ForeignFile.Refusal {
      throw NoProvenance(url: url, refusal: refusal)
    }
  }
}

package struct NoProvenance: Error, CustomStringConvertible {
  let url: URL
  /// What the file beside it does tell of.
  var known: [String] = []
  var unreadable = false
  var refusal: ForeignFile.Refusal?
  package var description: String {
    if let refusal { return "\(url.posixPath): \(refusal)" }
    if unreadable {
      return "\(url.posixPath) is not what this version of retort writes; publish or export again"
    }
    let beside = known.isEmpty ? "" : "; the one beside it tells of \(known.joined(separator: ", "))"
    return "no \(Provenance.fileName) tells of \(url.posixPath)\(beside)"
  }
}

extension URL {
  /// As provenance names a source: relative to the root it lies in, else only its name.
  package func provenanceName(root: URL?) -> String {
    guard let root, lies(in: root) else { return "…/\(lastPathComponent)" }
    let depth = root.absoluteURL.standardizedFileURL.pathComponents.count
    return absoluteURL.standardizedFileURL.pathComponents.dropFirst(depth).joined(separator: "/")
  }
}
