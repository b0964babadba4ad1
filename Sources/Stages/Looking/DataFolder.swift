/// A folder of data: BEIR's, or one of preprocessed pairs.
import Foundation

struct DataFolder {
  let url: URL
  let form: GroupFormat
  let why: String
  /// What there is of train, val, dev and test, in that order.
  let parts: [String]
  /// Of preprocessed pairs, the folder inside that holds the parts; `nil` if they lie in the folder itself.
  let version: String?
  /// To look at.
  let files: [URL]

  private static let partNames = ["train", "val", "dev", "test"]

  /// Throws `CannotTell`.
  init(_ url: URL) throws {
    self.url = url
    let names = try Self.names(in: url)
    if names.contains("queries.jsonl"), names.contains("corpus.jsonl") {
      form = .beir
      let qrels = try names.contains("qrels") ? Self.names(in: url.appending(path: "qrels")) : []
      parts = Self.partNames.filter { qrels.contains("\($0).tsv") }
      version = nil
      guard let first = parts.first else {
        throw CannotTell(
          "\(url.lastPathComponent)/qrels has none of \(Self.partNames.map { "\($0).tsv" }.joined(separator: ", "))")
      }
      why = "it has corpus.jsonl, queries.jsonl and qrels/\(parts.map { "\($0).tsv" }.joined(separator: ", "))"
      files = ["queries.jsonl", "corpus.jsonl", "qrels/\(first).tsv"].map { url.appending(path: $0) }
      return
    }
    // The folder's own parts, else those of the first folder in it that has some.
    for name in [nil] + names.sorted().map(Optional.some) {
      let folder = name.map { url.appending(path: $0) } ?? url
      guard folder.isFolder else { continue }
      let inside = try Self.names(in: folder)
      let found = Self.partNames.filter { inside.contains("\($0).csv") }
      guard !found.isEmpty else { continue }
      (form, parts, version) = (.preprocessed, found, name)
      why = "it has \(found.map { "\(name.map { "\($0)/" } ?? "")\($0).csv" }.joined(separator: ", "))"
      files = found.map { folder.appending(path: "\($0).csv") }
      return
    }
    throw CannotTell(
      """
      cannot tell what the folder \(url.lastPathComponent) is: it has \(names.sorted().prefix(12).joined(separator: ", ")).
      Looked for BEIR's corpus.jsonl, queries.jsonl and qrels/, and for train.csv, val.csv, test.csv in it or in a folder \
      in it; else name the files themselves
      """)
  }

  private static func names(in folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
  }
}
