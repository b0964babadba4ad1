/// Stages with the ports of the built-in ones, so that planning is tested without them.
import Foundation
import TestSupport

@testable import Pipelines

let catalog = StageCatalog([
  Split.self, Groups.self, Teacher.self, Mine.self, Score.self, Distill.self, Evaluate.self,
])

struct Split: Stage {
  static let kind = StageKind("split", revision: 1)
  static let abstract = "Divides data."
  @Input("Data.") var data: DataFile
  @Parameter("Share of the evaluation part.", in: 0...1) var evalRatio = 0.2
  @Parameter("Records with one value of this key stay together.") var groupBy: String?
  @Seed var seed
  @Output("Training part.", like: "data") var train: DataFile
  @Output("Evaluation part.", like: "data") var eval: DataFile
  func run(_ context: StageContext) async throws {}
}

struct Groups: Stage {
  static let kind = StageKind("groups", revision: 2)
  static let abstract = "Brings data to groups."
  @Input("Questions.") var data: RecordFile
  @Input("Passages.") var passages: RecordFile?
  @Parameter("Which version.") var dataVersion = "supervised_only"
  @Parameter("How a query reads.") var queryTemplate = "{text}"
  @Parameter("How a passage reads.") var passageTemplate = "{text}"
  @Output("Groups.") var groups: GroupFile
  func run(_ context: StageContext) async throws {}
}

struct LoRA: ParameterGroup {
  @Parameter("Rank.", in: 1...1024) var r = 16
  @Parameter("Scale.") var alpha = 32.0
  @Parameter("Share of inputs dropped.", in: 0...0.9) var dropout = 0.1
  @Parameter("Layers.") var targetModules = WordOrList.word("all-linear")
  @Parameter("Scale by the root of the rank.", neutral: false) var useRslora = false
}

struct Teacher: Stage {
  static let kind = StageKind("teacher", revision: 1)
  static let abstract = "Trains a cross-encoder."
  static let numeric = true
  static let trains = true
  @Input("Model.") var base: ModelFolder
  @Input("Groups.") var train: GroupFile
  @Input("Groups.") var validation: GroupFile?
  @Parameter("Passes.", in: 1...1000, extends: true) var epochs = 3
  @Parameter("Pairs in a step.", in: 1...4096) var batchSize = 16
  @Parameter("Step size.", in: 0...1) var lr = 2e-5
  @Parameter("Tokens.", in: 8...8192) var maxLen = 256
  @Parameter("Groups to use.") var maxSamples: Int?
  @Group("Low-rank adapters.") var lora: LoRA?
  @Seed var seed
  @Output("Cross-encoder folder.") var model: ModelFolder
  func obstacleToExtending() -> String? { maxSamples == nil ? nil : "a sample" }
  func problems() -> [String] { maxLen > 512 && epochs > 100 ? ["that would take for ever"] : [] }
  func run(_ context: StageContext) async throws {}
}

struct Mine: Stage {
  enum Strategy: String, ParameterChoice { case random, nearest, bm25 }
  static let kind = StageKind("mine", revision: 1)
  static let abstract = "Finds candidates."
  @Input("Groups.") var groups: GroupFile
  @Parameter("How many.", in: 1...1000) var numNegatives = 15
  @Parameter("From where.") var strategy = Strategy.random
  @Parameter("Added later.", neutral: 0) var margin = 0
  @Seed var seed
  @Output("Candidates.") var candidates: CandidateFile
  func run(_ context: StageContext) async throws {}
}

struct Score: Stage {
  static let kind = StageKind("score", revision: 1)
  static let abstract = "Judges candidates."
  static let numeric = true
  @Input("Cross-encoder.") var teacher: ModelFolder
  @Input("Candidates.", records: true) var candidates: CandidateFile
  @Output("Scores.") var scores: ScoreFile
  @Output("Scores too, as in early drafts.") var scored: ScoreFile
  func run(_ context: StageContext) async throws {}
}

struct Distill: Stage {
  static let kind = StageKind("distill", revision: 1)
  static let abstract = "Distils a cross-encoder into a bi-encoder."
  static let numeric = true
  @Input("Student before training.") var base: ModelFolder
  @Input("Scores.") var scores: ScoreFile
  @Input("Groups.") var validation: GroupFile?
  @Parameter("Candidates per query.", in: 2...512) var K = 16
  @Parameter("Temperature.", in: 1e-3...100) var tau = 0.2
  @Parameter("Weight.", in: 0...100) var contrastiveWeight = 0.3
  @Parameter("Weight.", in: 0...100) var negativePenaltyWeight = 0.4
  @Seed var seed
  @Output("Sentence-transformers folder.") var student: ModelFolder
  func run(_ context: StageContext) async throws {}
}

struct Evaluate: Stage {
  static let kind = StageKind("evaluate", revision: 1)
  static let abstract = "Measures a model."
  static let numeric = true
  static let outsideTools = ["gnuplot"]
  @Input("Model.") var model: ModelFolder
  @Input("Groups.") var data: GroupFile
  @Output("Results.") var results: ResultFile
  @Output("Pictures.") var picture: PictureFile
  func run(_ context: StageContext) async throws {}
}

/// A project folder with data files, marked as a project by a `.retort` folder.
struct Project {
  let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    try folder.write("", to: ".retort/.gitignore")
    try folder.write("[]", to: "pipelines/data/qa.json")
    try folder.write("[]", to: "pipelines/data/GrammarBook_structured.json")
    try folder.write("print()", to: "pipelines/tools/summary.py")
  }

  /// Plans `text` as `pipelines/p.yaml`. Throws `Problems`.
  func plan(_ text: String, catalog: StageCatalog = catalog) throws -> Plan {
    try plan(Data(text.utf8), catalog: catalog)
  }

  func plan(_ bytes: Data, catalog: StageCatalog = catalog) throws -> Plan {
    try folder.write(bytes, to: "pipelines/p.yaml")
    let file = URL(
      filePath: "pipelines/p.yaml", relativeTo: URL(filePath: folder.url.path, directoryHint: .isDirectory))
    return try Plan(file: file, catalog: catalog, workingFolder: folder.url)
  }

  /// The problems of `text`, as they are shown; empty if there are none. The project's path is shown as `ROOT`.
  func problems(_ text: String) throws -> String {
    do {
      _ = try plan(text)
      return ""
    } catch let problems as Problems {
      return problems.description.replacing(folder.url.path, with: "ROOT")
    }
  }
}
