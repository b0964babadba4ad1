/// What a file given by its path holds, where a stage takes more than one type.
import Foundation
import JSONText
import Pipelines

/// An input that takes several types: what is bound to it says its type, and a file given by its path is looked at.
protocol LookedAtFile: InputValue {
  var bound: BoundArtifact { get }
  init(_ bound: BoundArtifact)
}

extension LookedAtFile {
  var url: URL { bound.url }

  init?(bound: BoundArtifact?) {
    guard let bound else { return nil }
    self.init(bound)
  }

  /// Throws `DataError` if the file has to be looked at and cannot be read.
  func type() throws -> ArtifactType { try bound.type ?? ArtifactType(lookingAt: url) }
}

extension ArtifactType {
  /// Groups, candidates or scores, if the first line is one of these, else records. Throws `DataError` if the file cannot be
  /// read.
  init(lookingAt url: URL) throws {
    let line = try TextFile(url).utf8.prefix { $0 != 0x0A }
    let first = line.withUnsafeBytes { bytes -> JSONValue? in
      var reader = JSONReader(bytes)
      do { return try reader.onlyValue() } catch { return nil }  // a `JSONError`: what is no JSON is a table
    }
    func has(_ keys: String...) -> Bool { keys.allSatisfy { first?[$0] != nil } }
    let isScored =
      if case .array(let candidates)? = first?["candidates"] { candidates.first?["logit"] != nil } else { false }
    self =
      has("id", "query", "positives", "negatives")
      ? .groups : has("id", "query", "candidates") ? (isScored ? .scores : .candidates) : .records
  }
}
