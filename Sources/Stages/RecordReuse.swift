/// Rows of earlier results, found by the digest of the record that each belongs to.
import Artifacts
import Foundation
import Pipelines

extension StageContext {
  /// Rows for those wanted records that earlier results have, from the newest that has them. An earlier result that is
  /// gone or damaged is passed over: its rows are computed as if it had never been.
  /// - Parameters:
  ///   - port: the output that holds the rows.
  ///   - read: calls its last argument with the digest and the row of each record of such an output.
  func reuse<Row>(
    _ wanted: Set<Digest>, from port: String, read: (URL, (Digest, Row) -> Void) throws -> Void
  ) -> [Digest: Row] {
    var missing = wanted
    var rows: [Digest: Row] = [:]
    for output in earlier.compactMap({ $0[port] }) where !missing.isEmpty {
      do {
        try read(output.verified()) { record, row in
          if missing.remove(record) != nil { rows[record] = row }
        }
      } catch {
        log("an earlier result is not used: \(error)")
      }
    }
    return rows
  }
}

/// The digest of a record of several texts.
func recordDigest(_ texts: String...) -> Digest {
  var hash = CanonicalHash(domain: "retort record 1")
  for text in texts { hash.add(text) }
  return hash.finish()
}
