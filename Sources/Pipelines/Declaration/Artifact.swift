/// Types of artifacts, and the typed values that a stage's ports hold.
import Foundation

/// What an artifact is; checked between ports when a pipeline is planned. A file given by path has no type until a
/// stage reads it.
package enum ArtifactType: String, Sendable, Codable, CaseIterable {
  /// A model folder: an encoder, a sentence-transformers folder, or a cross-encoder.
  case model
  /// Records as they come: JSON, JSONL, CSV or TSV, or a BEIR folder.
  case records
  /// Queries with their positives and negatives, JSONL.
  case groups
  /// Queries with the candidates that a teacher is to judge, JSONL.
  case candidates
  /// Candidates with the teacher's logits and scores, JSONL.
  case scores
  /// Passages or texts with ids, JSONL.
  case corpus
  /// A folder with `embeddings.safetensors`, `ids.json` and `digests.txt`.
  case embeddings
  /// Results of an evaluation, JSON.
  case results
  /// Results query by query, JSONL.
  case perQuery = "per-query"
  /// What a search found for each query, JSONL.
  case ranking
  case picture
  case text
  case json
  case file
  case folder
}

/// A file or folder at one of a stage's ports.
package protocol Artifact: InputValue {
  static var type: ArtifactType { get }
  init(_ bound: BoundArtifact)
  /// Where it lies; for an output, where the stage has to write it.
  var url: URL { get }
}

/// Where an artifact lies and which bytes it has.
package struct BoundArtifact: Sendable, Hashable, Codable {
  package var url: URL
  /// SHA-256 of the content, hexadecimal; empty for an output that is yet to be written.
  package var digest: String
  /// What the producing stage declared; absent for a file given by its path.
  package var type: ArtifactType?
  /// The output that it is, `split.train`, or the hub's model; absent for a file given by its path.
  package var name: String?
  /// What tells the members of a list apart; absent for what is bound alone. See `PlannedInput.label`.
  package var label: String?
  /// The files of a folder that count, where it may hold others besides; absent: all.
  package var files: [String]?
  /// Where the model lies that it changes, or was trained from; set when a stage is bound.
  var base: URL?

  package init(
    url: URL, digest: String = "", type: ArtifactType? = nil, name: String? = nil, label: String? = nil,
    files: [String]? = nil
  ) {
    self.url = url
    self.digest = digest
    self.type = type
    self.name = name
    self.label = label
    self.files = files
  }
}

/// A Swift type that an `@Input` may have: an artifact, an optional one, or an enum of the accepted ones.
package protocol InputValue: Sendable {
  static var accepts: [ArtifactType] { get }
  static var isOptional: Bool { get }
  /// Whether several may be bound to the port.
  static var isList: Bool { get }
  /// All that is bound to the port, in order; of one that is no list at most one.
  init?(bound all: [BoundArtifact])
  /// `nil` if the port is required and nothing is bound, or if the type is none of the accepted ones.
  init?(bound: BoundArtifact?)
}

extension InputValue {
  package static var isOptional: Bool { false }
  package static var isList: Bool { false }
  package init?(bound all: [BoundArtifact]) { self.init(bound: all.first) }
}

extension Array: InputValue where Element: Artifact {
  package static var accepts: [ArtifactType] { Element.accepts }
  package static var isList: Bool { true }
  package init?(bound: BoundArtifact?) {
    guard let bound else { return nil }
    self = [Element(bound)]
  }
  package init?(bound all: [BoundArtifact]) {
    if all.isEmpty { return nil }
    self = all.map(Element.init)
  }
}

extension Artifact {
  package static var accepts: [ArtifactType] { [type] }
  package init?(bound: BoundArtifact?) {
    guard let bound else { return nil }
    self.init(bound)
  }
}

extension Optional: InputValue where Wrapped: InputValue {
  package static var accepts: [ArtifactType] { Wrapped.accepts }
  package static var isOptional: Bool { true }
  package init?(bound: BoundArtifact?) {
    guard let bound else {
      self = .none
      return
    }
    guard let value = Wrapped(bound: bound) else { return nil }
    self = .some(value)
  }
}

package struct ModelFolder: Artifact {
  package static let type = ArtifactType.model
  package let url: URL
  /// What it changes if it is an adapter, or the encoder of a teacher that is `best_model.pt`.
  package let base: URL?
  /// Paths of the files that count, where the folder may hold others besides; absent: all.
  package let files: [String]?
  package init(_ bound: BoundArtifact) { (url, base, files) = (bound.url, bound.base, bound.files) }
}

package struct GroupFile: Artifact {
  package static let type = ArtifactType.groups
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct RecordFile: Artifact {
  package static let type = ArtifactType.records
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct CandidateFile: Artifact {
  package static let type = ArtifactType.candidates
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct ScoreFile: Artifact {
  package static let type = ArtifactType.scores
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct CorpusFile: Artifact {
  package static let type = ArtifactType.corpus
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct EmbeddingFolder: Artifact {
  package static let type = ArtifactType.embeddings
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct ResultFile: Artifact {
  package static let type = ArtifactType.results
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct PerQueryFile: Artifact {
  package static let type = ArtifactType.perQuery
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct RankingFile: Artifact {
  package static let type = ArtifactType.ranking
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

package struct PictureFile: Artifact {
  package static let type = ArtifactType.picture
  package let url: URL
  package init(_ bound: BoundArtifact) { url = bound.url }
}

/// An artifact whose type is one of several, or, as an output, that of an input (`@Output(…, like: "data")`).
package struct DataFile: Artifact {
  package static let type = ArtifactType.records
  package static let accepts: [ArtifactType] = [.records, .groups, .corpus, .json, .text, .file, .folder]
  package let url: URL
  /// What the producing stage declared; absent for a file given by its path.
  package let declared: ArtifactType?
  /// As a member of a list; what its records have as `source`.
  package let label: String?
  package init(_ bound: BoundArtifact) {
    url = bound.url
    declared = bound.type
    label = bound.label
  }
}
