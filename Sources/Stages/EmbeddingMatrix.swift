/// An embedding folder that is read row by row: its matrix stays on disk.
import Artifacts
import Basics
import Foundation
import JSONText
import Models
import Tensors

final class EmbeddingMatrix {
  static let file = "embeddings.safetensors"
  private static let digestFile = "digests.txt"
  private static let lineBytes = 65  // 64 digits and a line feed

  /// SHA-256 of the text of each row.
  let digests: [Digest]  // [n]
  private let tensors: SafeTensors

  /// - Throws: where the folder has no digests or its matrix is not [digests, width] of f32.
  init(_ folder: URL, width: Int) throws {
    let lines = try ForeignFile.mapped(folder.appending(path: Self.digestFile), in: folder)
    digests = try stride(from: 0, to: lines.count, by: Self.lineBytes).map { start in
      let line = String(decoding: lines.dropFirst(start).prefix(Self.lineBytes - 1), as: UTF8.self)
      guard let digest = Digest(hex: line) else {
        throw DataError(folder.appending(path: Self.digestFile), line: start / Self.lineBytes + 1, "is no digest")
      }
      return digest
    }
    tensors = try SafeTensors(contentsOf: folder.appending(path: Self.file), in: folder)
    let (shape, type) = (try tensors.shape(of: "embeddings"), try tensors.type(of: "embeddings"))
    guard shape == [digests.count, width], type == .f32 else {
      throw StageInputError(
        "\(folder.path): a matrix \(shape) of \(type.rawValue), expected \([digests.count, width]) of F32")
    }
  }

  /// Writes what is known of a folder before its rows are.
  struct Writer {
    let rows: SafeTensorsMatrixWriter

    init(_ folder: URL, ids: [JSONValue], digests: [Digest], width: Int) throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      rows = try SafeTensorsMatrixWriter(
        "embeddings", [digests.count, width], to: folder.appending(path: EmbeddingMatrix.file))
      try Data(JSONValue.array(ids).text(.document).utf8).write(to: folder.appending(path: "ids.json"))
      var lines = Data(capacity: digests.count * lineBytes)
      for digest in digests { lines.append(contentsOf: "\(digest)\n".utf8) }
      try lines.write(to: folder.appending(path: digestFile))
    }
  }

  /// Some rows: [rows, width], f32.
  func rows(_ rows: Range<Int>) throws -> StoredTensor { try tensors.stored("embeddings", rows: rows) }
}
