/// A data set of BEIR as people have it on disk: its corpus, its queries, and which passages answer which of them.
import Foundation

struct BEIRFolder {
  let name: String
  let corpus: URL
  let queries: URL
  let judgements: URL

  /// `corpus.jsonl`, `queries.jsonl`, and `qrels/<part>.tsv` or `.jsonl`, or else `qrels.tsv` or `.jsonl`. Throws a
  /// `DataError` if there are no judgements of the part.
  init(_ folder: URL, part: String) throws {
    name = folder.lastPathComponent
    (corpus, queries) = (folder.appending(path: "corpus.jsonl"), folder.appending(path: "queries.jsonl"))
    let stems = ["qrels/\(part)", "qrels"]
    let files = stems.flatMap { stem in Self.endings.map { folder.appending(path: "\(stem).\($0)") } }
    guard let file = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
      throw GroupReader.missing(files[0], part: part)
    }
    judgements = file
  }

  private init(name: String, corpus: URL, queries: URL, judgements: URL) {
    (self.name, self.corpus, self.queries, self.judgements) = (name, corpus, queries, judgements)
  }

  private static let endings = ["tsv", "jsonl"]

  static func isOne(_ folder: URL) -> Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: "queries.jsonl").path)
  }

  /// The sets in a folder that is one, that holds several, or that has `corpus`, `queries` and `qrels` as folders, as
  /// NanoBEIR: a file of each for every set, of the same name. None if it is something else. Throws a `DataError` if a
  /// set is not whole.
  static func all(in folder: URL, part: String) throws -> [BEIRFolder] {
    let sets = try sets(in: folder, part: part)
    guard sets.isEmpty else { return sets }
    return try names(in: folder).map { folder.appending(path: $0) }.filter(\.isFolder)
      .flatMap { try Self.sets(in: $0, part: part) }
  }

  private static func sets(in folder: URL, part: String) throws -> [BEIRFolder] {
    if isOne(folder) { return [try BEIRFolder(folder, part: part)] }
    let parts = ["corpus", "queries", "qrels"].map { folder.appending(path: $0) }
    guard parts.allSatisfy(\.isFolder) else { return [] }
    let files = try parts.map { part in
      let found = try names(in: part)
      if let table = found.first(where: { $0.hasSuffix(".parquet") }), !found.contains(where: { isRead($0) }) {
        throw DataError(
          part.appending(path: table),
          "Parquet is not read here; Python's `datasets` writes what is: load_dataset(…).to_json(\"…jsonl\")")
      }
      return found.filter { isRead($0) }.map { part.appending(path: $0) }
    }
    if files.allSatisfy({ $0.count == 1 }) {
      let name = folder.lastPathComponent
      return [BEIRFolder(name: name, corpus: files[0][0], queries: files[1][0], judgements: files[2][0])]
    }
    return try files[1].map { queries in
      let name = queries.deletingPathExtension().lastPathComponent
      func file(_ place: Int) throws -> URL {
        guard let file = files[place].first(where: { $0.deletingPathExtension().lastPathComponent == name }) else {
          throw DataError(queries, "there is no file `\(name)` in `\(parts[place].lastPathComponent)` beside it")
        }
        return file
      }
      return BEIRFolder(name: name, corpus: try file(0), queries: queries, judgements: try file(2))
    }
  }

  private static func isRead(_ name: String) -> Bool { endings.contains { name.hasSuffix(".\($0)") } }

  /// In the order of bytes.
  private static func names(in folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
