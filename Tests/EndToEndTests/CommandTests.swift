/// What every command prints, and that `--json` has the documented shape.
import Foundation
import Testing

/// `retort show --json`.
struct Run: Decodable {
  struct Artifact: Decodable, Hashable {
    var digest: String
    var bytes: Int
    var path: String?
  }
  struct Stage: Decodable {
    var name: String
    var kind: String
    var state: String
    var attempts: Int
    var seconds: Double?
    var key: String?
    var inputs: [String: Artifact]
    var outputs: [String: Artifact]
    var metrics: [String: Double]
    var error: String?
  }
  var run: Int
  var pipeline: String
  var state: String
  var stages: [Stage]

  subscript(name: String) -> Stage? { stages.first { $0.name == name } }
}

private struct Stage: Decodable, Equatable {
  var name: String
  var state: String
}

@Suite struct CommandTests {
  @Test func `show names what every stage took and made, by the SHA-256 of its bytes`() async throws {
    let project = try Project(smallPipeline, data: smallData)
    _ = try await project.run()
    let run = try await project.retort("show", "latest", "--json").decoded(Run.self)
    #expect(run.run == 1 && run.pipeline == "small" && run.state == "done" && run.stages.count == 6)
    #expect(run["split"]?.inputs["data"]?.bytes == smallData["data/questions.json"]?.utf8.count)
    #expect(run["candidates"]?.inputs["groups"]?.digest == run["train-groups"]?.outputs["groups"]?.digest)
    #expect(run["count"]?.metrics == ["lines": 18] && run["count"]?.kind == "cmd")
    for (name, output) in run.stages.flatMap({ stage in stage.outputs.map { ("\(stage.name).\($0)", $1) } }) {
      let path = try #require(output.path)
      let sum = try await project.run(URL(filePath: "/usr/bin/env"), ["sha256sum", path])
      #expect(sum.output.hasPrefix(output.digest), "\(name)")
    }
    _ = try await project.run()
    let again = try await project.retort("show", "latest", "--json").decoded(Run.self)
    #expect(again.stages.allSatisfy { $0.state == "cached" })
    #expect(again["count"]?.metrics == ["lines": 18] && again["count"]?.outputs == run["count"]?.outputs)
  }

  @Test func `plan, status and why tell what a run would do, and run -n does not do it`() async throws {
    struct Plan: Decodable { var stages: [Stage] }
    struct Why: Decodable {
      struct Change: Decodable, Equatable { var component: String, old: String?, new: String? }
      var state: String
      var changes: [Change]
    }
    let project = try Project(smallPipeline, data: smallData)
    let fresh = try await project.retort("plan", "pipeline.yaml", "--json").decoded(Plan.self)
    #expect(fresh.stages.first == Stage(name: "split", state: "will run"))
    #expect(fresh.stages.dropFirst().allSatisfy { $0.state == "may run" })
    _ = try await project.run()

    try project.write(smallPipeline.replacing("negatives: 3}", with: "negatives: 2}"))
    let states = ["split", "train-groups", "eval-groups"].map { Stage(name: $0, state: "cached") }
    for command in [["plan"], ["run", "-n"]] {
      let plan = try await project.run(retortProgram, command + ["pipeline.yaml", "--json"]).decoded(Plan.self)
      #expect(plan.stages.filter { states.contains($0) } == states)
      #expect(plan.stages.contains(Stage(name: "candidates", state: "will run")))
      #expect(plan.stages.contains(Stage(name: "count", state: "may run")))
    }
    #expect(try await project.retort("status", "pipeline.yaml", "--json").decoded([Stage].self).count == 6)
    let why = try await project.retort("why", "pipeline.yaml", "candidates", "--json").decoded(Why.self)
    #expect(why.state == "will run")
    #expect(why.changes == [.init(component: "with.num_negatives", old: "3", new: "2")])
    struct Line: Decodable { var run: Int, state: String, stages: [String: Int] }
    let runs = try await project.retort("runs", "--json").decoded([Line].self)
    #expect(runs.map(\.run) == [1] && runs[0].stages == ["ran": 6])
  }

  @Test func `lineage leads from a result to its sources, and export takes it out of the store`() async throws {
    struct Lineage: Decodable { var stages: [Stage]; struct Stage: Decodable { var name: String } }
    struct Provenance: Decodable { var pipeline: String; var stages: [Lineage.Stage] }
    let project = try Project(smallPipeline, data: smallData)
    _ = try await project.run()
    let up = try await project.retort("lineage", "count.count", "--json").decoded(Lineage.self)
    #expect(Set(up.stages.map(\.name)) == ["split", "train-groups", "candidates", "count"])
    let run = try await project.retort("show", "latest", "--json").decoded(Run.self)
    let source = try #require(run["split"]?.inputs["data"]?.digest)
    let down = try await project.retort("lineage", String(source.prefix(16)), "--down", "--json").decoded(Lineage.self)
    #expect(Set(down.stages.map(\.name)) == Set(run.stages.map(\.name)))

    #expect(try await project.retort("export", "latest", "lexical", "copy", "--json").code == 0)
    let copied = try project.read("copy/bi_encoder_evaluation_results.json")
    let results = try #require(run["lexical"]?.outputs["results"]?.path)
    #expect(results.hasSuffix("/bi_encoder_evaluation_results.json"))
    #expect(copied == (try String(contentsOf: URL(filePath: results), encoding: .utf8)))
    let provenance = try JSONDecoder().decode(Provenance.self, from: Data(project.read("copy/retort.json").utf8))
    #expect(provenance.stages.map(\.name).last == "lexical")
    #expect(try await project.retort("export", "latest", "lexical", "copy").code == 2)
  }

  @Test func `every stage kind and every command explains itself`() async throws {
    struct Kind: Decodable { var kind: String, outputs: [String] }
    let project = try Project()
    for kind in try await project.retort("stages", "--json").decoded([Kind].self) {
      let help = try await project.retort("help", kind.kind)
      #expect(help.code == 0 && kind.outputs.allSatisfy(help.output.contains))
    }
    #expect(try await project.retort("help", "cmd").output.contains("secrets"))
    for command in try await commands(of: project) {
      #expect(try await project.retort("help", command).output.contains("USAGE: retort \(command)"))
      #expect(try await project.retort(command, "--no-such-option").code == 2)
    }
    struct Finding: Decodable { var name: String, value: String }
    let doctor = try await project.retort("doctor", "--json")
    let findings = Set(try doctor.decoded([Finding].self).map(\.name))
    #expect(doctor.code == 0 && findings.isSuperset(of: ["fp32", "bf16", "int8", "OpenBLAS", "gnuplot"]))
    #expect(try await project.retort("--generate-completion-script", "bash").code == 0)
  }
}

/// Those that `retort help` lists.
func commands(of project: Project) async throws -> [String] {
  let help = try await project.retort("--help").output
  let list = help.components(separatedBy: "SUBCOMMANDS:\n").last?.components(separatedBy: "\n\n").first ?? ""
  return list.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
    .compactMap { $0.split(separator: " ").first.map(String.init) }
}
