/// What outputs are called wherever people meet them.
import Foundation
import Testing

@testable import Pipelines

private struct Report: Stage {
  static let kind = StageKind("report", revision: 1)
  static let abstract = "Reports."
  @Output("Figures.", file: "figures.json") var results: ResultFile
  @Output("A model.") var model: ModelFolder
  func run(_ context: StageContext) async throws {}
}

@Suite struct OutputNamesTests {
  @Test func `a declared name counts, else the port's`() {
    let names = StageCatalog([Report.self]).outputNames(ofKind: "report", paths: [:])
    #expect(names["results"] == "figures.json")
    #expect(names["model"] == "model")
    #expect(names["unheard-of"] == "unheard-of")
  }

  @Test func `a command's files keep their own names where these tell them apart`() {
    let names = OutputNames(paths: ["table": "out/table.md", "plot": "plot.png"])
    #expect(names["table"] == "table.md")
    #expect(names["plot"] == "plot.png")
  }

  @Test(arguments: [
    ["one": "a/t.md", "two": "b/t.md"], ["one": "retort.json", "two": "t.md"],
  ])
  func `names that say nothing or are taken give way to the ports'`(paths: [String: String]) {
    let names = OutputNames(paths: paths)
    #expect(names["one"] == "one")
    #expect(names["two"] == "two")
  }

  @Test func `names enter no key`() {
    var stage = PlannedStage(
      id: StageID(index: 0), base: "a", location: SourceLocation(file: URL(filePath: "p"), line: 1, column: 1),
      description: Report.description)
    let key = KeyMaterial(stage: stage, inputs: [:], numericsProfile: "").key
    for index in stage.description.outputs.indices { stage.description.outputs[index].file = nil }
    #expect(KeyMaterial(stage: stage, inputs: [:], numericsProfile: "").key == key)
  }
}
