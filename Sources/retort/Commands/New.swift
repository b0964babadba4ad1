/// `retort new DATA…`: looks at data and writes a pipeline for it.
import ArgumentParser
import Artifacts
import Escaping
import Foundation
import Pipelines
import Stages

struct New: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Looks at your data, shows what it takes it for, and writes a commented pipeline for it.",
    discussion: """
      DATA is a file of pairs or tuples, a file of questions and a file of the passages that they name, or a folder \
      (BEIR, or of train.csv, val.csv, test.csv): JSON, JSONL, CSV or TSV in UTF-8, UTF-16 or CP949. \
      If nothing says which passages answer the questions, the pipeline searches for them.
      """)

  @Argument(help: "Data files or a folder.", completion: .file()) var data: [String]
  @Option(
    name: .shortAndLong, help: "The pipeline to write; pipelines/NAME.yaml or NAME.yaml after the data unless given.")
  var output: String?
  @Flag(help: "Replace the file if it is there.") var force = false
  @Option(
    help:
      "A base model: its folder, or hf://org/name; else a small one from random weights. Without gold: it searches.",
    completion: .directory)
  var model: String?
  @Option(help: "Your name for one of `groups`: query=질문; may be repeated.") var columns: [String] = []
  @Option(help: "Your name for the passages' id, title or text: text=내용; may be repeated.")
  var passageColumns: [String] = []
  @Option(help: "Labels of this and more mean yes, where they are graded scores.") var labelThreshold: Double?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() async throws {
    let hints = DataLook.Hints(
      columns: try columnNames(columns), passageColumns: try columnNames(passageColumns), labelThreshold: labelThreshold
    )
    if let problem = hints.problems.first { throw Failure(problem) }
    let urls = data.map { URL(filePath: $0) }
    for (name, url) in zip(data, urls) where FileStatus.of(url) == nil { throw Failure("there is no file \(name)") }
    let model = try self.model.map(baseModel)
    let target = URL(filePath: output ?? standardOutput(for: urls[0]))
    if FileStatus.of(target) != nil && !force {
      throw Failure("\(target.relativePath) is there already; `--force` replaces it, `--output` names another")
    }

    do {
      let files = try DataLook.files(urls, hints: hints)
      if !json { Terminal.say(files.map(\.report).joined(separator: "\n\n")) }
      let look = try DataLook(urls, files, hints: hints)
      if !json { Terminal.say("\n" + look.report) }
      let parsed = try await look.parse()
      if !json { Terminal.say("\n" + parsed.report(columns: Screen.textColumns)) }
      let here = URL(filePath: FileManager.default.currentDirectoryPath)
      let store = try storeOptions.folder(root: projectRoot(of: target, workingFolder: here))
      let draft = try PipelineDraft(
        look, parsed, file: target, model: model, schema: store.appending(path: "schema.json"))
      _ = try writeSchema(to: store)
      try FileManager.default.createDirectory(
        at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileOperations().replace(target, with: Data(draft.text.utf8))
      _ = try Plan.read(target.relativePath)  // throws its problems
      if json { return try printJSON(NewReport(files, look, parsed, output: target.relativePath)) }
      Terminal.say("\nwrote \(target.relativePath); next: retort plan \(Escape.shellWord(target.relativePath))")
    } catch let error as CannotTell {
      throw Failure("\(error)")
    } catch let error as DataError {
      throw Failure(verbatim: "\(error)")
    }
  }

  private func baseModel(_ name: String) throws -> PipelineDraft.BaseModel {
    if let reference = try hubReference(name) { return .hub(reference) }
    let url = URL(filePath: name)
    guard FileStatus.of(url.appending(path: "config.json")) != nil else {
      throw Failure("\(name) is no model's folder: it has no config.json")
    }
    return .folder(url)
  }

  private func standardOutput(for data: URL) -> String {
    let name = data.deletingPathExtension().lastPathComponent
    return FileStatus.of(URL(filePath: "pipelines"))?.isFolder == true ? "pipelines/\(name).yaml" : "\(name).yaml"
  }
}

/// `query=질문` …, `id=` for none.
func columnNames(_ texts: [String]) throws -> [String: String] {
  try Dictionary(
    texts.map { text in
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw Failure("`\(text)` is not NAME=COLUMN, such as query=질문")
      }
      return (parts[0], parts[1])
    }
  ) { _, later in later }
}
