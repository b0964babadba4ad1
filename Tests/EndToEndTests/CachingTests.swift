/// What a run executes after which change.
import Foundation
import Testing

@Suite struct CachingTests {
  @Test func `a second run executes nothing, nor does one after a change of form only`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    #expect(
      try await Set(project.run())
        == ["split", "train-groups", "eval-groups", "candidates", "lexical", "count"])
    #expect(try await project.run() == [])

    try project.write("# A comment.\n" + smallPipeline.replacing("uses: split\n", with: "uses: split  # another\n"))
    #expect(try await project.run() == [])
    try project.write(
      smallPipeline.replacing("eval_ratio: 0.25, group_by: pair", with: "group_by: 'pair', eval_ratio: 25e-2"))
    #expect(try await project.run() == [])
    try project.write(
      smallPipeline.replacing("candidates", with: "mined").replacing("mined.mined", with: "mined.candidates")
        .replacing("in.mined", with: "in.candidates").replacing("in: {mined:", with: "in: {candidates:"))
    #expect(try await project.run() == [])
    try project.write(smallPipeline.replacing("threads: 1, memory: 500MB", with: "threads: 2, memory: 1GB"))
    #expect(try await project.run() == [])
  }

  @Test func `a changed parameter runs its stage and what follows, nothing else`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    _ = try await project.run()
    try project.write(smallPipeline.replacing("negatives: 3}", with: "negatives: 2}"))
    #expect(try await project.run() == ["candidates", "count"])
    try project.write(smallPipeline)
    #expect(try await project.run() == [])
  }

  @Test func `what was computed with other instructions is planned anew, and both are named`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        groups: {uses: groups, in: {data: data/questions.json, passages: data/book.jsonl}}
        base: {uses: init, in: {groups: groups.groups}, with: {vocab_size: 100, hidden_size: 8, num_attention_heads: 2}}

      """, data: smallData)
    _ = try await project.retort("run", "pipeline.yaml", environment: ["RETORT_KERNELS": "portable"])
    let plan = try await project.retort("plan", "pipeline.yaml", environment: ["RETORT_KERNELS": "reference"]).output
    let both = /changed: numerics; computed with engine \d+, fp32, portable then, with engine \d+, fp32, reference here/
    #expect(plan.contains(both), "\(plan)")
    let again = try await project.retort("plan", "pipeline.yaml", environment: ["RETORT_KERNELS": "portable"]).output
    #expect(!again.contains("will run"), "\(again)")
  }

  @Test func `a changed input that leaves the output of split as it was stops there`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    _ = try await project.run()
    try project.write(project.read("data/questions.json").replacing(",\n", with: " ,\n\n"), to: "data/questions.json")
    #expect(try await project.run() == ["split"])
  }

  @Test func `a file changed inside an input folder runs what reads the folder`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        read:
          cmd: cat ${in.folder}/*/* > ${out.text}
          in: {folder: folder}
          out: {text: {path: text.txt, type: text}}
        other:
          cmd: cat ${in.file} > ${out.text}
          in: {file: file.txt}
          out: {text: {path: text.txt, type: text}}
      """, data: ["folder/a/one.txt": "1", "folder/b/two.txt": "2", "file.txt": "3"])
    #expect(try await Set(project.run()) == ["read", "other"])
    try project.write("4", to: "folder/b/two.txt")
    #expect(try await project.run() == ["read"])
  }

  @Test func `a model edited in place runs what uses it, and different threads and memory give the same bytes`()
    async throws
  {
    let pipeline = """
      version: 1
      defaults: {threads: 1, memory: 500MB}
      stages:
        embedded:
          uses: embed
          in: {model: model, texts: texts.jsonl}
      """
    let project = try Project(pipeline, data: ["texts.jsonl": #"{"id": "a", "text": "one two"}"# + "\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    #expect(try await project.run() == ["embedded"])
    let first = try await project.retort("show", "latest", "--json").decoded(Run.self)

    try project.write(project.read("model/config.json") + "\n", to: "model/config.json")
    try project.write(pipeline.replacing("threads: 1, memory: 500MB", with: "threads: 2, memory: 2GB"))
    #expect(try await project.run() == ["embedded"])
    let second = try await project.retort("show", "latest", "--json").decoded(Run.self)
    #expect(first.stages[0].outputs == second.stages[0].outputs)
  }
}
