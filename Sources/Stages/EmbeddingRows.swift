/// Vectors of texts as a folder; those that earlier results have are taken from there.
import Artifacts
import Foundation
import JSONText
import Models
import Pipelines
import Tensors
import Training

/// Texts held at a time; decides no bit.
private let textsAtOnce = 1 << 13

extension StageContext {
  /// Writes embeddings.safetensors, ids.json and digests.txt.
  /// - Parameters:
  ///   - texts: calls its argument with each text and what it is, the same ones every time.
  ///   - normalizing: whether rows get length 1 whatever the model's folder says.
  ///   - folder: lies at the port `embeddings`, where earlier results have theirs.
  /// - Returns: how many texts there are, and how many of them had to be computed.
  func embed(
    _ texts: (_ body: (Passage, TextRole) throws -> Void) throws -> Void, by encoder: BiEncoder,
    normalizing: Bool = false, to folder: URL
  ) throws -> (count: Int, computed: Int) {
    let width = encoder.width
    var ids: [JSONValue] = []
    var digests: [Digest] = []
    try texts { passage, role in
      ids.append(.string(passage.id))
      digests.append(Digest(of: encoder.identity(of: passage.text, as: role)))
    }
    let known: [Digest: (EmbeddingMatrix, row: Int)] = reuse(Set(digests), from: "embeddings") { folder, take in
      let matrix = try EmbeddingMatrix(folder, width: width)
      for (row, digest) in matrix.digests.enumerated() { take(digest, (matrix, row)) }
    }

    let writer = try EmbeddingMatrix.Writer(folder, ids: ids, digests: digests, width: width)
    let missing = digests.count { known[$0] == nil }
    var computed = 0
    var held: [(row: Int, passage: Passage)] = []
    var heldRole = TextRole.plain
    func embedHeld() throws {
      let rows = try encoder.encode(held.map(\.passage.text), as: heldRole, normalizing: normalizing) {
        "record \(held[$0].passage.id)"
      } progress: {
        progress(computed + $0, of: missing)
      }
      for (bytes, text) in zip(rows.rowBytes, held) { try writer.rows.write(bytes, row: text.row) }
      computed += held.count
      held = []
    }
    var row = 0
    try texts { passage, role in
      guard row < digests.count else { return }  // the file grew meanwhile; the worker will say so
      if let (matrix, earlier) = known[digests[row]] {
        try writer.rows.write(matrix.rows(earlier..<earlier + 1).bytes, row: row)
      } else {
        if role != heldRole { try embedHeld() }
        heldRole = role
        held.append((row, passage))
        if held.count == textsAtOnce { try embedHeld() }
      }
      row += 1
    }
    try embedHeld()
    try writer.rows.close()
    return (digests.count, computed)
  }
}
