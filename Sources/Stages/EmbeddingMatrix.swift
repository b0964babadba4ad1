/// An embedding folder that is read row by row: its matrix stays on disk.
import Artifacts
import Foundation
import Models

final class EmbeddingMatrix {
  static let file = "embeddings.safetensors"
  private static let digestFile = "digests.txt"
  private static let lineBytes = 65  // 64 digits and a line feed

  /// SHA-256 of the text of each row.
  let digests: [Digest]  // [n]
  private let tensors: SafeTensors
  private let width: Int

  /// - Throws: where the folder has no digests or its matrix is not [digests, width] of f32.
  init(_ folder: URL, width: Int) throws {
    let lines = try Data(contentsOf: folder.appending(path: Self.digestFile), options: .mappedIfSafe)
    digests = try stride(from: 0, to: lines.count, by: Self.lineBytes).map { start in
      let line = String(decoding: lines.dropFirst(start).prefix(Self.lineBytes - 1), as: UTF8.self)
      guard let digest = Digest(hex: line) else {
        throw DataError(folder.appending(path: Self.digestFile), line: start / Self.lineBytes + 1, "is no digest")
      }
      return digest
    }
    tensors = try SafeTensors(contentsOf: folder.appending(path: Self.file))
    self.width = width
    let shape = try tensors.shape(of: "embeddings")
    guard shape == [digests.count, width] else {
      throw StageInputError("\(folder.path): a matrix of \(shape), expected \([digests.count, width])")
    }
  }

  static func write(_ digests: [Digest], to folder: URL) throws {
    var lines = Data(capacity: digests.count * lineBytes)
    for digest in digests { lines.append(contentsOf: "\(digest)\n".utf8) }
    try lines.write(to: folder.appending(path: digestFile))
  }

  func withRow(_ row: Int, _ body: (UnsafePointer<Float>) throws -> Void) throws {  // [width]
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { values in
      guard let base = values.baseAddress else { return }
      try tensors.readFloats("embeddings", from: row * width, count: width, into: base)
      try body(base)
    }
  }
}
