/// Inputs that take several files: lists and patterns.
import Artifacts
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

private struct Alike: Stage {
  static let kind = StageKind("alike", revision: 1)
  static let abstract = "Hands on what it takes."
  @Input("Any.") var data: [DataFile]
  @Output("All.", like: "data") var all: DataFile
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
    ("[in/a.csv, first.*.none]", "has no output `none`"),
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

  /// With content that is the same in all files.
  private func key(_ data: String) throws -> StageKey {
    let stage = try #require(try plan(data).stages.first { $0.name == "s" })
    let inputs = stage.inputs.map { input in
      if case .file(let url) = input.source {
        (input.port, Digest(of: url.lastPathComponent.lowercased()))
      } else {
        (input.port, Digest(of: "of a stage"))
      }
    }
    return KeyMaterial(stage: stage, inputs: Dictionary(uniqueKeysWithValues: inputs), numericsProfile: "").key
  }

  @Test func `the order and the files' names enter the key of a list, never those of one file`() throws {
    #expect(try key("[in/a.csv, in/b.csv]") != key("[in/b.csv, in/a.csv]"))
    #expect(try key("[in/a.csv, in/b.csv]") != key("[in/a.csv, in/B.csv]"))
    #expect(try key("[in/b.csv]") == key("in/B.csv"))
    // Where the project lies is no part of it.
    try project.folder.write("", to: "pipelines/copy/in/a.csv")
    try project.folder.write("", to: "pipelines/copy/in/b.csv")
    #expect(try key("[in/a.csv, in/b.csv]") == key("[copy/in/a.csv, copy/in/b.csv]"))
  }

  @Test func `members are labelled by what their paths do not share, and by stage and port`() throws {
    try project.folder.write("", to: "pipelines/in/x/a.csv")
    let stage = try #require(try plan("[in/a.csv, first.all, 'in/x/*.csv']").stages.first { $0.name == "s" })
    #expect(stage.inputs.map(\.label) == ["a.csv", "first.all", "x/a.csv"])
    #expect(try plan("[in/x/a.csv]").stages.allSatisfy { $0.inputs.allSatisfy { $0.label == nil } })
    #expect(labels(of: [URL(filePath: "/a/b"), URL(filePath: "/a/b")]) == ["b", "b"])
    #expect(labels(of: []) == [])
  }

  private func bound(_ stages: String, of name: String) throws -> [String] {
    let plan = try project.plan("version: 1\nstages:\n" + stages, catalog: StageCatalog([Collect.self]))
    return plan.stages.filter { $0.base == name }.flatMap { stage in
      stage.inputs.map { input in
        guard case .stage(let id, let port) = input.source else { return "\(stage.name) \(input.port) file" }
        return "\(stage.name) \(input.port) \(plan[id].name).\(port)"
      }
    }
  }

  @Test func `a gather in a list stands for every variant, in the matrix's order`() throws {
    let varied = "  v: {uses: collect, matrix: {n: [2, 1]}, in: {data: in/a.csv}}\n"
    #expect(
      try bound(varied + "  s: {uses: collect, in: {data: [in/b.csv, v.*.all]}}\n", of: "s") == [
        "s data[1] file", "s data[2] v[n=2].all", "s data[3] v[n=1].all",
      ])
    #expect(
      try bound(varied + "  s: {uses: collect, in: {data: v.*.all}}\n", of: "s") == [
        "s data[1] v[n=2].all", "s data[2] v[n=1].all",
      ])
    // Without the star the stage follows the variants, as it does of a single input.
    #expect(
      try bound(varied + "  s: {uses: collect, in: {data: [in/b.csv, v.all]}}\n", of: "s") == [
        "s[n=2] data[1] file", "s[n=2] data[2] v[n=2].all", "s[n=1] data[1] file", "s[n=1] data[2] v[n=1].all",
      ])
    let problems = #expect(throws: Problems.self) {
      try bound(varied + "  s: {uses: collect, matrix: {n: [3]}, in: {data: v.*.all}}\n", of: "s")
    }
    #expect(try #require(problems).description.contains("no variant of the stage agrees with the matrix of `s`"))
  }

  @Test func `an output like a list has the type that all members have`() throws {
    func type(_ data: String) throws -> ArtifactType? {
      let plan = try project.plan(
        """
        version: 1
        stages:
          a: {uses: collect, in: {data: in/a.csv}}
          t: {cmd: "true > ${out.x}", out: {x: {path: x, type: text}}}
          s: {uses: alike, in: {data: \(data)}}
        """, catalog: StageCatalog([Collect.self, Alike.self]))
      return try #require(plan.stages.first { $0.name == "s" }).outputs[0].type
    }
    #expect(try type("[a.all, a.all]") == .records && type("a.all") == .records)
    #expect(try type("[a.all, t.x]") == nil && type("[a.all, in/a.csv]") == nil)
  }

  @Test func `a name that is not UTF-8 is an error, not skipped`() throws {
    let path = project.folder.url.appending(path: "pipelines/in").path + "/\u{1}.csv"
    var bytes = Array(path.utf8CString)
    bytes[bytes.count - 6] = CChar(bitPattern: 0xff)
    let descriptor = bytes.withUnsafeBufferPointer { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o600) }
    try #require(descriptor >= 0)
    close(descriptor)
    let problems = #expect(throws: Problems.self) { try plan("in/*.csv") }
    #expect(try #require(problems).description.contains("matches a file whose name is not UTF-8; rename it"))
  }
}
