/// Inputs that take several files: lists and patterns.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

private struct Collect: Stage {
  static let kind = StageKind("collect", revision: 1)
  static let abstract = "Takes several files."
  @Input("Any.") var data: [RecordFile]
  @Output("All.") var all: RecordFile
  func run(_ context: StageContext) async throws {}
}

@Suite struct ListInputTests {
  private let project: Project

  init() throws {
    project = try Project()
    for name in ["b.csv", "a.csv", "B.csv", "c.tsv"] { try project.folder.write(name, to: "pipelines/in/\(name)") }
    // Its name is no pattern: it has nothing that matches `*.csv`.
    try project.folder.write("", to: "pipelines/in[x]/y.csv")
  }

  private func plan(_ data: String) throws -> Plan {
    try project.plan(
      "version: 1\nstages:\n  first: {uses: collect, in: {data: in/c.tsv}}\n  s: {uses: collect, in: {data: \(data)}}\n",
      catalog: StageCatalog([Collect.self]))
  }

  private func inputs(_ data: String) throws -> [String] {
    let plan = try plan(data)
    let stage = try #require(plan.stages.first { $0.name == "s" })
    return stage.inputs.map { input in
      switch input.source {
      case .file(let url): "\(input.port) \(url.lastPathComponent)"
      case .stage(let id, let port): "\(input.port) \(plan[id].name).\(port)"
      case .hub: "hub"
      }
    }
  }

  @Test func `members of a list keep their order, one alone has the port's name`() throws {
    #expect(
      try inputs("[in/b.csv, first.all, in/a.csv]") == ["data[1] b.csv", "data[2] first.all", "data[3] a.csv"])
    #expect(try inputs("[in/b.csv]") == ["data b.csv"])
    #expect(try inputs("in/b.csv") == ["data b.csv"])
  }

  @Test func `a pattern stands for what it matches, by the bytes of the names`() throws {
    #expect(try inputs("in/*.csv") == ["data[1] B.csv", "data[2] a.csv", "data[3] b.csv"])
    #expect(try inputs("[in/?.tsv, 'in[x]/*.csv']") == ["data[1] c.tsv", "data[2] y.csv"])
  }

  @Test(arguments: [
    ("in/*.json", "no file matches `in/*.json`"), ("[]", "`in.data` is an empty list"),
    ("[in/a.csv, in/d.csv]", "`in/d.csv` is neither a file nor"), ("{a: b}", "must be a path"),
    ("first.*.all", "takes one artifact"),
  ])
  func `what names nothing is an error`(data: String, message: String) throws {
    let problems = #expect(throws: Problems.self) { try plan(data) }
    #expect(try #require(problems).description.contains(message), "\(problems as Any)")
  }

  @Test func `a stage gets the files in their order, also beyond nine`() throws {
    let files = (1...11).map { ("data[\($0)]", BoundArtifact(url: URL(filePath: "/\($0)"))) }
    let stage = try Collect.bound(
      to: StageBinding(
        inputs: Dictionary(uniqueKeysWithValues: files), outputs: ["all": URL(filePath: "/all")]))
    #expect(stage.data.map(\.url.path) == (1...11).map { "/\($0)" })
  }

  @Test func `the order enters the key`() throws {
    let stages = try ["[in/a.csv, in/b.csv]", "[in/b.csv, in/a.csv]"].map { data in
      try #require(try plan(data).stages.first { $0.name == "s" })
    }
    #expect(stages[0].inputs.map(\.port) == stages[1].inputs.map(\.port))
    #expect(stages[0].inputs.map(\.source) != stages[1].inputs.map(\.source))
  }
}
