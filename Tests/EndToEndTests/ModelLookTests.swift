/// Models that a pipeline names are looked at before anything runs.
import Foundation
import TestSupport
import Testing

@Suite struct ModelLookTests {
  private let project: Project

  init() throws {
    project = try Project(
      data: ["texts.jsonl": #"{"id": "a", "text": "b"}"# + "\n", "model.bin": "no folder\n"])
    for name in ["sound", "wild", "cut", "dotted", "unpooled"] {
      try project.copy("Tests/Fixtures/models/sentence-transformer", to: name)
    }
    try project.copy("Tests/Fixtures/models/adapter", to: "adapter")
    try project.copy("Tests/Fixtures/models/classifier", to: "classifier")
    try change("wild/config.json", "\"gelu\"", "\"relu\"")
    let weights = project.root.appending(path: "cut/model.safetensors")
    try Data(contentsOf: weights).dropLast().write(to: weights)
    try change("dotted/config_sentence_transformers.json", "\"cosine\"", "\"dot\"")
    // Vectors of length 1 are compared by cosine, whatever the folder says.
    try project.write(
      #"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, "#
        + #"{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#,
      to: "dotted/modules.json")
    try project.write(#"{"pooling_mode": "median"}"#, to: "unpooled/1_Pooling/config.json")
  }

  private func change(_ path: String, _ old: String, _ new: String) throws {
    let text = try project.read(path)
    try #require(text.contains(old))
    try project.write(text.replacing(old, with: new), to: path)
  }

  /// Stages that load a model in another way each, and what is wrong with it.
  private static let broken: [(stage: String, column: Int, problem: String)] = [
    ("a: {uses: embed, in: {model: wild, texts: texts.jsonl}}", 32, "found \"relu\", expected \"gelu\""),
    ("b: {uses: embed, in: {model: cut, texts: texts.jsonl}}", 32, "cut/model.safetensors: tensor \""),
    ("c: {uses: score, in: {teacher: sound, candidates: texts.jsonl}}", 34, "an encoder without a classification head"),
    ("d: {uses: distill, in: {base: classifier, scores: texts.jsonl}}", 33, "a model with a classification head"),
    ("e: {uses: teacher, in: {base: adapter, train: texts.jsonl}}", 33, "found a PEFT adapter alone"),
    ("f: {uses: evaluate, in: {model: model.bin, data: texts.jsonl}}", 35, "found a file, expected a model's folder"),
    (
      "g: {uses: retrieve, in: {model: unpooled, queries: texts.jsonl, corpus: texts.jsonl}}", 35,
      "key \"pooling_mode\": found \"median\""
    ),
    ("h: {uses: score, in: {teacher: classifier, base: sound, candidates: texts.jsonl}}", 34, "leave out `base`"),
  ]

  @Test(arguments: [["validate", "p.yaml"], ["plan", "p.yaml"], ["run", "-n", "p.yaml"]])
  func `models that cannot be loaded are told with all other mistakes, each at its place`(
    command: [String]
  ) async throws {
    let lines = Self.broken.map { "  \($0.stage)\n" }.joined() + "  z: {uses: splitt}\n"
    try project.write("version: 1\nstages:\n" + lines, to: "p.yaml")
    let ended = try await project.run(retortProgram, command)
    #expect(ended.code == 2)
    let told = ended.errors.split(separator: "\n").filter { $0.hasPrefix("p.yaml:") }
    try #require(told.count == Self.broken.count + 1, "\(ended.errors)")
    for (number, broken) in Self.broken.enumerated() {
      #expect(told[number].hasPrefix("p.yaml:\(3 + number):\(broken.column): error: stage `\(broken.stage.prefix(1))`"))
    }
    for broken in Self.broken {
      #expect(ended.errors.contains(broken.problem), "\(broken.problem) is not in \(ended.errors)")
    }
  }

  @Test func `sound models, those that stages make, and what needs such a model pass`() async throws {
    try project.write(
      """
      version: 1
      stages:
        e: {uses: embed, in: {model: sound, texts: texts.jsonl}}
        t: {uses: teacher, in: {base: sound, train: texts.jsonl}}
        s: {uses: score, in: {teacher: t.model, candidates: texts.jsonl}}
        r: {uses: evaluate, in: {model: classifier, data: texts.jsonl, first_stage: sound}}
        b: {uses: score, in: {teacher: classifier, base: t.model, candidates: texts.jsonl}}
      """, to: "p.yaml")
    let ended = try await project.retort("validate", "p.yaml")
    #expect(ended.code == 0 && ended.output == "p.yaml: valid, 5 stages\n" && ended.errors.isEmpty, "\(ended)")
  }

  @Test func `a run that starts a stage ends at a later one's unusable model, if that is asked for`()
    async throws
  {
    try project.write(
      """
      version: 1
      stages:
        slow: {cmd: "echo slow > ${out.x}; sleep 30", out: {x: {path: x, type: text}}}
        e: {uses: embed, in: {model: cut, texts: texts.jsonl}}
        q: {cmd: "echo quick > ${out.x}", out: {x: {path: x, type: text}}}
      """, to: "p.yaml")
    let ended = try await project.retort("run", "p.yaml", "-j", "1")
    #expect(
      ended.code == 2 && ended.errors.hasPrefix("p.yaml:4:32: error: stage `e` cannot load the model"), "\(ended)")
    let alone = try await project.retort("run", "p.yaml", "q")
    #expect(alone.code == 0, "\(alone)")
  }

  private struct Report: Decodable {
    struct Warning: Decodable, Equatable {
      var line: Int
      var column: Int
      var message: String
    }
    var warnings: [Warning]
  }

  @Test func `what a stage will do otherwise than a folder says is a warning beforehand`() async throws {
    try project.write(
      "version: 1\nstages:\n  s: {uses: distill, in: {base: dotted, scores: texts.jsonl}}\n", to: "p.yaml")
    let ended = try await project.retort("validate", "p.yaml")
    #expect(ended.code == 0 && ended.output == "p.yaml: valid, 1 stage\n")
    #expect(
      ended.errors.hasPrefix("p.yaml:3:33: warning: base of stage `s`: the student's folder compares by dot product"))
    let report = try await project.retort("validate", "p.yaml", "--json").decoded([Report].self)
    let warning = try #require(report.first?.warnings.first)
    #expect(warning.line == 3 && warning.column == 33 && warning.message.contains("dot product"))
    #expect(try await project.retort("plan", "p.yaml", "--no-probe").errors == ended.errors)
  }
}
