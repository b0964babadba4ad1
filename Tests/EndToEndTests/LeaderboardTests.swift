/// Weeks of runs at a glance: names, tags and notes, the list of runs, ranges, and what stays for comparisons.
import Foundation
import Testing

@Suite struct LeaderboardTests {
  private struct Line: Decodable {
    struct Headline: Decodable, Equatable { var metric: String, values: [Double] }
    var run: Int, id: String, name: String?, tags: [String], note: String?, headline: [Headline], stages: [String: Int]
  }

  /// Four runs of BM25 over other passages each, the second with a name.
  private func fourRuns() async throws -> Project {
    let project = try Project("headline: [lexical.mrr@10]\n" + smallPipeline, data: smallData)
    for number in 1...4 {
      let passage = #"{"id": "x\#(number)", "title": "word\#(number)", "text": "how is word\#(number) written"}"# + "\n"
      try project.write((smallData["data/book.jsonl"] ?? "") + passage, to: "data/book.jsonl")
      let ended =
        number == 2
        ? try await project.retort("run", "pipeline.yaml", "--name", "base")
        : try await project.retort("run", "pipeline.yaml")
      try #require(ended.code == 0, "\(ended.output) \(ended.errors)")
    }
    return project
  }

  private func lines(_ project: Project, _ arguments: String...) async throws -> [Line] {
    try await project.run(retortProgram, ["runs", "--json"] + arguments).decoded()
  }

  @Test func `runs are named, tagged and noted, found by it, and compared after gc`() async throws {
    struct Compared: Decodable {
      struct Test: Decodable { var p: Double }
      struct Cell: Decodable { var test: Test? }
      struct Metric: Decodable { var name: String, cells: [Cell] }
      struct Row: Decodable { var name: String, labels: [String] }
      var rows: [Row], metrics: [Metric], notes: [String]
    }
    let project = try await fourRuns()
    #expect(try await project.retort("tag", "latest", "best").output == "`best` stands on run 4\n")
    #expect(
      try await project.retort("tag", "3", "best").output == "`best` stands on run 3, no longer on run 4\n")
    #expect(try await project.retort("note", "best", "word3 twice").output == "run 3: word3 twice\n")
    #expect(try await project.retort("note", "3").output == "run 3: word3 twice\n")
    for arguments in [["show", "best"], ["show", "base"], ["lineage", "best"], ["pin", "base"], ["watch", "base"]] {
      #expect(try await project.run(retortProgram, arguments).code == 0, "\(arguments)")
    }
    let all = try await lines(project)
    #expect(all.map(\.id) == ["4", "3", "2", "1"] && all[1].tags == ["best"] && all[1].note == "word3 twice")
    #expect(all[2].name == "base" && all.allSatisfy { $0.headline.map(\.metric) == ["lexical.mrr@10"] })
    #expect(try await lines(project, "--where", "tag = best or name = base").map(\.run) == [3, 2])
    #expect(try await lines(project, "--where", "lexical.method = bm25", "--limit", "3").map(\.run) == [4, 3, 2])

    for _ in 0..<2 { #expect(try await project.retort("gc", "--keep", "1", "--grace", "0s", "--apply").code == 0) }
    let compared = try await project.retort("compare", "1-4", "--json").decoded(Compared.self)
    #expect(compared.rows.map(\.name) == ["1", "2", "3", "4"] && compared.rows[2].labels == ["best"])
    #expect(compared.metrics.map(\.name) == ["lexical.mrr@10"])
    #expect(compared.metrics[0].cells.dropFirst().allSatisfy { $0.test != nil }, "\(compared)")
    let named = try await project.retort("compare", "base", "small", "--json").decoded(Compared.self)
    #expect(named.rows.map(\.name) == ["2", "4"] && named.notes == ["`small` is a pipeline: its latest run, 4"])
    let text = try await project.retort("compare", "1-4").output
    #expect(text.contains("3 (best)") && text.contains("more metric differs; --all shows what there is"), "\(text)")
  }

  @Test func `what is misspelt is answered with what was meant`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    #expect(try await project.retort("run", "pipeline.yaml", "--name", "base").code == 0)
    for (arguments, expected) in [
      (["rnus"], "there is no command `rnus`; did you mean `runs`?"),
      (["show", "bsae"], "did you mean `base`?"), (["show", "base", "lexcal"], "did you mean `lexical`?"),
      (["run", "pipelin.yaml"], "did you mean pipeline.yaml?"),
      (["run", "pipeline.yaml", "lexicl"], "did you mean `lexical`?"),
      (["plan", "pipeline.yaml", "--set", "params.negatvies=3"], "did you mean `params.negatives`?"),
      (
        ["plan", "pipeline.yaml", "--set", "stages.lexcal.with.method=bm25"],
        "did you mean `stages.lexical.with.method`?"
      ),
      (["run", "pipeline.yaml", "--name", "1-3"], "`1-3` cannot be the name of a run"),
      (["tag", "base", "latest"], "`latest` cannot be the name of a run or a tag"),
      (["tag", "none", "--remove"], "stands on no run"),
      (["runs", "--where", "lines > 1 and lexical.mrr@1 = 1"], "  lines > 1 and lexical.mrr@1 = 1\n                ^"),
    ] {
      let ended = try await project.run(retortProgram, arguments)
      #expect(ended.code == 2 && ended.errors.contains(expected), "\(arguments) \(ended.errors)")
    }
  }

  @Test func `show lists every parameter, with defaults marked, and the variants of a matrix`() async throws {
    struct Parameter: Decodable, Equatable { var name: String, isDefault: Bool? }
    struct Shown: Decodable {
      struct Stage: Decodable { var name: String, parameters: [Parameter]? }
      var stages: [Stage]
    }
    let matrix = smallPipeline.replacing(
      "with: {num_negatives: \"${params.negatives}\", strategy: bm25}",
      with: "with: {num_negatives: \"${matrix.n}\", strategy: bm25}\n    matrix: {n: [2, 3]}")
    let project = try Project(matrix, data: smallData)
    _ = try await project.run()
    let shown = try await project.retort("show", "1", "candidates", "--json").decoded(Shown.self)
    #expect(shown.stages.map(\.name) == ["candidates[n=2]", "candidates[n=3]"])
    let parameters = try #require(shown.stages[0].parameters)
    #expect(parameters.contains(Parameter(name: "num_negatives", isDefault: false)))
    let listed = try await project.retort("show", "1", "candidates").output
    #expect(listed.contains("candidates[n=2]") && listed.contains("candidates[n=3]"))
    let lexical = try await project.retort("show", "latest", "lexical").output
    #expect(lexical.contains("with.method") && lexical.contains("with.rerank") && lexical.contains("50  (default)"))
    #expect(try await project.retort("show", "1", "candidates", "--raw").code == 2)
  }

  @Test func `the Tab key offers stages, kinds and names of runs`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    #expect(try await project.retort("run", "pipeline.yaml", "--name", "base").code == 0)
    let script = try await project.retort("--generate-completion-script", "bash").output
    #expect(script.contains("---completion"))
    func offered(_ arguments: String...) async throws -> [String] {
      try await project.run(retortProgram, arguments, environment: ["SAP_SHELL": "bash"])
        .output.split(separator: "\n").map(String.init)
    }
    #expect(
      try await offered("---completion", "run", "--", "positional@1", "3", "0", "retort", "run", "pipeline.yaml", "")
        == ["split", "train-groups", "eval-groups", "candidates", "lexical", "count"])
    #expect(
      try await offered("---completion", "show", "--", "positional@0", "2", "0", "retort", "show", "") == [
        "latest", "base",
      ])
    #expect(
      try await offered("---completion", "show", "--", "positional@1", "3", "0", "retort", "show", "base", "").contains(
        "lexical"))
    #expect(
      try await offered("---completion", "help", "--", "positional@0", "2", "0", "retort", "help", "").contains(
        "distill"))
  }
}
