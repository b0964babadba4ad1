/// What a file given by its path holds, where a stage takes more than one type.
import Foundation
import JSONText
import Pipelines

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
