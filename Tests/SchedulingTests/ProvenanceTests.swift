/// What a publication carries with it: where it came from, and a card if it is a model.
import Artifacts
import Foundation
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct ProvenanceTests {
  private let scratch: ScratchFolder
  private let store: Store

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
  }

  private func folder(_ files: [String: String]) throws -> StoredArtifact {
    let name = "made/\(UUID().uuidString)"
    for (path, text) in files { try scratch.write(text, to: "\(name)/\(path)") }
    return try store.ingest(scratch.url.appending(path: name), owner: "test")
  }

  private let biEncoder = ["modules.json": "[]", "config.json": #"{"model_type": "bert"}"#]
  private let crossEncoder = [
    "config.json": #"{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}"#
  ]

  private func provenance(_ outputs: [String: StoredArtifact]) -> Provenance {
    let data = StoredArtifact(digest: Digest(of: "data"), bytes: 4, kind: .file)
    var split = Provenance.Stage(name: "split", kind: "split", key: StageKey(Digest(of: "1")))
    split.inputs = ["data": .init(data, source: "data/qa.json")]
    var student = Provenance.Stage(name: "student", kind: "distill", key: StageKey(Digest(of: "2")))
    student.retort = "1.2.3"
    student.inputs = ["base": .init(data, source: "hf://org/base@main"), "train": .init(data, output: "split.train")]
    student.parameters = ["tau": .double(0.1), "query": .string("a|b `c`\nd")]
    student.outputs = outputs.mapValues(Provenance.Output.init)
    student.metrics = ["ndcg@10": 0.5, "odd": .infinity]
    return Provenance(pipeline: "p", stage: "student", stages: [split, student])
  }

  private let trainer = StageDescription(
    kind: StageKind("train", revision: 1), abstract: "", numeric: true, outsideTools: [], usesSeed: true,
    inputs: [
      InputDescription(name: "base", documentation: "", accepts: [.model], isOptional: false, modelUse: .student)
    ], parameters: [], outputs: [])

  private func export(_ outputs: [String: StoredArtifact], names: [String: String] = [:]) throws -> URL {
    let target = scratch.url.appending(path: "exported/\(UUID().uuidString)")
    let content = try PublishedContent(
      outputs, named: { names[$0] ?? $0 }, in: store, meaning: trainer, provenance: provenance(outputs))
    try store.export(content, to: target)
    return target
  }

  private func text(_ url: URL, _ path: String) throws -> String {
    try String(contentsOf: url.appending(path: path), encoding: .utf8)
  }

  @Test(arguments: [(64, true), (200, false)])
  func `parameters are read as deep as a pipeline may nest them, and no deeper`(depth: Int, isRead: Bool) throws {
    var nested = provenance([:])
    nested.stages[1].parameters["deep"] = (0..<depth).reduce(.null) { value, _ in .list([value]) }
    try scratch.write(nested.encoded(), to: "deep/retort.json")
    let read = Result { try Provenance.read(at: scratch.url.appending(path: "deep")).provenance }
    #expect((try? read.get()) == (isRead ? nested : nil))
    if case .failure(let error) = read { #expect("\(error)".contains("is not what this version of retort writes")) }
  }

  @Test func `a retort.json that is too large to be one is refused`() throws {
    let file = try scratch.write("{}", to: "large/retort.json")
    #expect(truncate(file.path, 9 << 20) == 0)
    let error = #expect(throws: NoProvenance.self) { try Provenance.read(at: file.deletingLastPathComponent()) }
    #expect(error?.description.contains("retort.json: found 9437184 bytes, expected at most 8388608 bytes") == true)
  }

  @Test func `a model is published with a card that hubs and people can read`() throws {
    let target = try export(["student": folder(biEncoder)])
    let card = try text(target, "README.md")
    #expect(
      card.hasPrefix(
        """
        ---
        tags:
        - sentence-transformers
        - sentence-similarity
        - feature-extraction
        - retort
        library_name: sentence-transformers
        pipeline_tag: sentence-similarity
        base_model: org/base
        ---

        # student

        """))
    #expect(card.contains("made by Retort 1.2.3"))
    #expect(card.contains("SentenceTransformer(\"path/to/this/folder\")"))
    #expect(card.contains("| `train` | `split.train` | `\(Digest(of: "data"))` |"))
    #expect(card.contains("| `data/qa.json` | `split.data` | `\(Digest(of: "data"))` |"))
    #expect(card.contains("| `tau` | `0.1` |"))
    #expect(card.contains("| `ndcg@10` | 0.5 |"))
    // Whatever a value holds, it stays in its cell and its line.
    #expect(card.contains("| `query` | <code>&#34;a&#124;b&#32;&#96;c&#96;&#92;nd&#34;</code> |"))
  }

  @Test func `a cross-encoder's card says text-ranking and CrossEncoder`() throws {
    let card = try text(export(["model": folder(crossEncoder)]), "README.md")
    #expect(card.contains("pipeline_tag: text-ranking"))
    #expect(card.contains("CrossEncoder(\"path/to/this/folder\")"))
  }

  @Test func `a README of the stage's own stays, and what is no model gets none`() throws {
    let own = try export(["student": folder(biEncoder.merging(["README.md": "mine"]) { $1 })])
    #expect(try text(own, "README.md") == "mine")
    let other = try export(["rows": folder(["config.json": "no JSON", "rows": "1"])])
    #expect(try FolderScan.names(in: other).sorted() == ["config.json", "retort.json", "rows"])
  }

  @Test func `retort.json tells of the folder, of each output in it, and of their files`() throws {
    let single = try export(["student": folder(biEncoder)])
    #expect(try Provenance.read(at: single).contents == [".": "student.student"])
    #expect(
      try Provenance.read(at: single.appending(path: "config.json")).contents == ["config.json": "student.student"])
    let outputs = ["a": try folder(biEncoder), "b": try store.ingest(scratch.write("b", to: "b"), owner: "test")]
    let several = try export(outputs, names: ["b": "b.json"])
    var expected = provenance(outputs)
    expected.contents = ["a": "student.a", "b.json": "student.b"]
    #expect(try Provenance.read(at: several).provenance == expected)
    #expect(try Provenance.read(at: several.appending(path: "b.json")).contents == ["b.json": "student.b"])
    #expect(try text(several, "a/README.md").contains("output `a`"))
    #expect(throws: NoProvenance.self) { try Provenance.read(at: several.appending(path: "retort.json")) }
    #expect(throws: NoProvenance.self) { try Provenance.read(at: scratch.url) }
  }

  @Test func `a source is named relative to the project, elsewhere only by its name`() {
    let root = URL(filePath: "/home/me/project", directoryHint: .isDirectory)
    #expect(URL(filePath: "/home/me/project/data/qa.json").provenanceName(root: root) == "data/qa.json")
    #expect(URL(filePath: "/home/me/models/base").provenanceName(root: root) == "…/base")
    #expect(URL(filePath: "/home/me/project-2/x").provenanceName(root: root) == "…/x")
    #expect(URL(filePath: "/data/x").provenanceName(root: nil) == "…/x")
  }
}
