/// Planning looks at the models that a file names, if it has a checker: each once.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Pipelines

private struct Use: Stage {
  static let kind = StageKind("use", revision: 1)
  static let abstract = "Loads a model, and another one with its base."
  @Input("Any.", as: .biEncoder) var model: ModelFolder
  @Input("Any.", as: .crossEncoder, base: "base") var teacher: ModelFolder?
  @Output("Any.") var made: ModelFolder
  func run(_ context: StageContext) async throws {}
}

/// Keeps what it was asked.
private final class Witness: ModelChecker {
  private let asked = Mutex<[String]>([])
  var questions: [String] { asked.withLock { $0 } }

  func folder(of model: HubReference) throws -> URL? {
    struct Unknown: Error, CustomStringConvertible { var description: String { "nobody has it" } }
    if model.repository == "org/none" { throw Unknown() }
    return model.repository == "org/later" ? nil : URL(filePath: "/hub/\(model.repository)")
  }

  func look(at folder: URL, base: URL?, as use: ModelUse) -> ModelFindings {
    let question = "\(folder.lastPathComponent) \(base?.lastPathComponent ?? "-") \(use)"
    asked.withLock { $0.append(question) }
    return ModelFindings(problem: folder.lastPathComponent == "bad" ? "it is bad" : nil)
  }
}

@Suite struct ModelLookTests {
  private let project: Project
  private let witness = Witness()

  init() throws {
    project = try Project()
    for name in ["a", "b", "bad"] { try project.folder.write("", to: "pipelines/\(name)/config.json") }
  }

  private func plan(_ stages: String) throws -> Plan {
    try project.plan("version: 1\nstages:\n\(stages)", catalog: StageCatalog([Use.self], modelChecker: witness))
  }

  @Test func `a model is looked at once, however many stages load it, and with its base`() throws {
    _ = try plan(
      """
        s: {uses: use, matrix: {n: [1, 2, 3]}, in: {model: a}}
        t: {uses: use, in: {model: ./a, teacher: b, base: a}}
        u: {uses: use, in: {model: t.made, teacher: a, base: t.made}}
      """)
    #expect(witness.questions == ["a - biEncoder", "b a crossEncoder"])
  }

  @Test func `every model has a port for what it changes, which goes nowhere without the model`() throws {
    #expect(Use.description.inputs.map(\.name) == ["model", "model_base", "teacher", "base"])
    _ = try plan("  s: {uses: use, in: {model: a, model_base: b}}")
    #expect(witness.questions == ["a b biEncoder"])
    let message = try #require(throws: (any Error).self) { try plan("  s: {uses: use, in: {model: a, base: b}}") }
    #expect("\(message)".contains("bound to the port `base`, but none to `teacher`"), "\(message)")
    let bound = try Use.bound(
      to: StageBinding(
        inputs: [
          "model": BoundArtifact(url: URL(filePath: "/a")), "model_base": BoundArtifact(url: URL(filePath: "/b")),
        ],
        outputs: ["made": URL(filePath: "/c")]))
    #expect(bound.model.base?.path == "/b" && bound.teacher == nil)
  }

  @Test func `a hub's model is looked at like any other, where it can be`() throws {
    _ = try plan(
      """
        s: {uses: use, in: {model: "hf://org/name", teacher: b, base: "hf://org/later"}}
        t: {uses: use, in: {model: "hf://org/later"}}
      """)
    #expect(witness.questions == ["name - biEncoder"])
    let problems = #expect(throws: Problems.self) { try plan("  s: {uses: use, in: {model: 'hf://org/none'}}\n") }
    #expect(
      try #require(problems).all.map(\.message) == [
        "stage `s` cannot load the model at its port `model`: nobody has it"
      ])
  }

  @Test(arguments: ["hf://a", "hf://a/b/c", "hf://../b", "hf://a/..", "hf://a/b@", "hf://a/b@x/../../y", "hf://a/b@/x"])
  func `a name that would leave the cache is refused`(text: String) { #expect(HubReference(text) == nil) }

  @Test func `a problem is told at the value, for each stage that has it`() throws {
    let problems = #expect(throws: Problems.self) {
      try plan("  s: {uses: use, in: {model: bad}}\n  t: {uses: use, in: {model: a, teacher: bad}}\n")
    }
    #expect(
      try #require(problems).all.map { "\($0.location.line):\($0.location.column) \($0.message)" } == [
        "3:30 stage `s` cannot load the model at its port `model`: it is bad",
        "4:42 stage `t` cannot load the model at its port `teacher`: it is bad",
      ])
  }
}
