/// `retort search MODEL CORPUS QUESTION`: the passages that a model or BM25 finds for a question, without a pipeline.
import ArgumentParser
import Artifacts
import Foundation
import Stages

struct SearchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Prints the passages that a bi-encoder or BM25 finds for a question; keeps nothing.",
    usage: """
      retort search MODEL CORPUS QUESTION [<options>]
      retort search --bm25 CORPUS QUESTION [<options>]
      """,
    discussion: """
      MODEL is a bi-encoder's folder, such as a published student, or hf://org/name. CORPUS is a file of passages: a grammar book, a corpus \
      of `groups`, or any records; their columns are guessed as `retort new` does.
      """)

  @Argument(help: "The model, unless `--bm25` is given; the passages; the question.", completion: .file())
  var words: [String]
  @Option(help: "Passages to print.") var topK = 10
  @Option(help: "The folder that MODEL changes, if it is an adapter of PEFT.", completion: .directory) var base: String?
  @Option(help: "A cross-encoder's folder, which judges the best 50 again.", completion: .directory)
  var reranker: String?
  @Option(help: "What `normalize` wrote for the model, for probabilities.", completion: .file()) var calibration:
    String?
  @Flag(help: "Search for words in common; a model is not needed, and not used.") var bm25 = false
  @Option(help: "Your name for the passages' id, title or text: text=내용; may be repeated.")
  var passageColumns: [String] = []
  @Option(help: "The form of a passage; the title and the text unless given, with BM25 all.") var passageTemplate:
    String?
  @Option(help: "The form of the question: \"query: {text}\".") var queryTemplate: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard words.count == 3 || (bm25 && words.count == 2) else {
      throw ValidationError("expected MODEL, CORPUS and QUESTION, or `--bm25` with CORPUS and QUESTION")
    }
    guard !bm25 || calibration == nil else {
      throw ValidationError("--calibration is of a model's scores, and --bm25 gives others: leave one of them out")
    }
    guard (1...100_000).contains(topK) else { throw ValidationError("--top-k takes a number from 1 to 100000") }
  }

  func run() async throws {
    let (corpus, question) = (words[words.count - 2], words[words.count - 1])
    guard question.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
      throw Failure("the question is empty")
    }
    let model = bm25 ? nil : words[0]
    for name in [model, base, corpus, reranker, calibration].compactMap(\.self)
    where try hubReference(name) == nil && FileStatus.of(URL(filePath: name)) == nil {
      throw Failure("there is no file or folder \(name)")
    }
    var search = Search(model: try model.map(modelFolder), corpus: URL(filePath: corpus), topK: topK)
    search.base = try base.map(modelFolder)
    search.reranker = try reranker.map(modelFolder)
    search.calibration = calibration.map { URL(filePath: $0) }
    search.passageColumns = try columnNames(passageColumns)
    search.passageTemplate = passageTemplate
    search.queryTemplate = queryTemplate
    search.threads = ProcessInfo.processInfo.processorCount
    if let problem = search.problems.first { throw Failure(problem) }
    do {
      let found = try await search.hits(for: question)
      if json { return try printJSON(SearchReport(found, question, isModel: !bm25)) }
      for warning in found.warnings { Terminal.complain("warning: \(warning)") }
      Terminal.say(found.report(columns: Screen.textColumns))
    } catch let error as DataError {
      throw Failure(verbatim: "\(error)")
    }
  }
}
