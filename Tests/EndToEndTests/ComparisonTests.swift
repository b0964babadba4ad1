/// compare, diff and show on a small experiment that really trains: two learning rates, two seeds each.
import Foundation
import Testing

private let experiment = """
  pipeline: pipeline.yaml
  matrix:
    stages.teacher.with.lr: [1e-5, 2e-2]
    stages.teacher.with.seed: [1, 2]
  compare: {metrics: [judged.mrr@10, judged.auc], sort: -judged.mrr@10}

  """

/// The test chose the checkpoint, which is to be found out.
private let pipeline =
  smallPipeline.replacing(
    "    in: {data: split.train, passages: data/book.jsonl}\n",
    with: """
          in: {data: split.train, passages: data/book.jsonl}
          with: {query_template: "<b>{text}</b> & \\"more\\""}

      """) + """
      base:
        uses: init
        in: {groups: train-groups.groups, corpus: train-groups.corpus}
        with: {vocab_size: 200, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}
      teacher:
        uses: teacher
        in: {base: base.model, train: candidates.candidates, validation: eval-groups.groups}
        with: {epochs: 2, batch_size: 16, max_len: 32}
      judged:
        uses: evaluate
        in: {model: teacher.model, data: eval-groups.groups, corpus: eval-groups.corpus}

    """

private struct Compared: Decodable {
  struct Row: Decodable { var name: String, members: [String] }
  struct Sample: Decodable { var mean: Double, deviation: Double?, count: Int }
  struct Test: Decodable { var p: Double, pairs: Int }
  struct Cell: Decodable { var sample: Sample?, values: [Double?], difference: Double?, test: Test? }
  struct Metric: Decodable { var name: String, direction: String?, cells: [Cell] }
  struct Line: Decodable { var name: String, values: [[String]], differs: Bool }
  struct Stage: Decodable { var name: String, relation: String, components: [String] }
  var rows: [Row]
  var metrics: [Metric]
  var parameters: [Line]
  var lineage: [Stage]
  var warnings: [String]
  var notes: [String]
}

@Suite struct ComparisonTests {
  @Test func `an experiment's variants are compared, and what sets two of them apart is found`() async throws {
    let project = try Project(pipeline, data: smallData)
    try project.write(experiment, to: "experiment.yaml")
    let ran = try await project.retort("run", "experiment.yaml")
    try #require(ran.code == 0, "\(ran.output) \(ran.errors)")

    let compared = try await project.retort("compare", "latest", "--json").decoded(Compared.self)
    #expect(compared.rows.map(\.members.count) == [2, 2])
    #expect(compared.metrics.map(\.name) == ["judged.mrr@10", "judged.auc"])
    let cells = compared.metrics[0].cells
    let means = try cells.map { try #require($0.sample).mean }
    #expect(means[0] >= means[1] && cells[1].difference == means[1] - means[0])
    #expect(cells[1].test?.pairs == 6 && compared.metrics[1].cells[1].test == nil)
    #expect(compared.lineage.first { $0.relation != "same" }?.name == "teacher")
    #expect(compared.lineage.first { $0.name == "judged" }?.relation == "follows")
    #expect(compared.parameters.filter(\.differs).map(\.name) == ["teacher.with.lr", "teacher.seed"])
    let warning = "`judged` evaluates records (port `data`) that also chose the checkpoint of `teacher`"
    #expect(compared.warnings.count == 1 && compared.warnings[0].hasPrefix(warning))
    #expect(compared.notes.isEmpty)
    #expect(try await project.retort("show", "latest").output.contains("warning: \(warning)"))

    try await checkFormats(of: project, compared)
    try await checkDifference(in: project, compared)
    try await checkErrors(in: project)

    // Without the bytes there is no test, and a note says so.
    for area in ["objects", "trees"] { try FileManager.default.removeItem(at: project.store.appending(path: area)) }
    let left = try await project.retort("compare", "latest", "--json").decoded(Compared.self)
    #expect(left.metrics[0].cells.map(\.sample?.mean) == means && left.metrics[0].cells.allSatisfy { $0.test == nil })
    #expect(left.notes.count == 4)
  }

  private func checkFormats(of project: Project, _ compared: Compared) async throws {
    let csv = try await project.retort("compare", "latest", "--format", "csv").output.components(separatedBy: "\r\n")
    #expect(
      csv.count == 4
        && csv[0].hasPrefix("run,variants,teacher.with.lr,teacher.seed,judged.mrr@10,judged.mrr@10 deviation,"))
    #expect(csv[1].contains(compared.rows[0].members.joined(separator: " ")))
    let markdown = try await project.retort("compare", "latest", "--format", "md").output
    #expect(markdown.contains("| teacher.with.lr |") && markdown.contains("## warnings"))
    let text = try await project.retort("compare", "latest", "--metric", "judged.auc", "--sort", "judged.auc")
    #expect(text.output.contains(" ± ") && text.output.contains("difference"))

    #expect(try await project.retort("compare", "latest", "--all", "--html", "page.html").code == 0)
    let page = try project.read("page.html")
    #expect(page.contains("&lt;b&gt;{text}&lt;/b&gt; &amp; &quot;more&quot;") && !page.contains("<b>"))
    #expect(!page.contains("<script") && !page.contains("http"))
    #expect(page.contains("<figcaption>teacher.loss</figcaption>"))
    // One line a variant for each of loss and the five validation metrics, and one a row in the legend.
    #expect(page.components(separatedBy: "<polyline").count - 1 == 6 * 4 + 2)
    try project.write(String(page.drop { $0 != "\n" }), to: "page.xml")
    let parsed = try await project.run(
      URL(filePath: "/usr/bin/env"), ["python3", "-c", "import xml.etree.ElementTree as x; x.parse('page.xml')"])
    #expect(parsed.code == 0, "this test needs python3 on PATH: \(parsed.errors)")
  }

  private func checkDifference(in project: Project, _ compared: Compared) async throws {
    struct Difference: Decodable {
      struct Step: Decodable { var step: Int, metric: String, left: Double?, right: Double? }
      struct Tensor: Decodable { var tensor: String, index: [Int]?, left: String, right: String }
      struct File: Decodable { var path: String, tensor: Tensor? }
      struct Output: Decodable { var stage: String, step: Step?, files: [File] }
      var first: String?
      var outputs: [Output]?
    }
    let members = compared.rows.flatMap(\.members)
    let difference = try await project.retort("diff", members[0], members[1], "--tensors", "--json")
      .decoded(Difference.self)
    #expect(difference.first == "teacher")
    let output = try #require(difference.outputs?.first { $0.stage == "teacher" })
    #expect(output.step?.step == 1 && output.step?.metric == "loss" && output.step?.left != output.step?.right)
    #expect(output.files.first?.path == "model.safetensors" && output.files.first?.tensor?.index != nil)
    let text = try await project.retort("diff", members[0], members[1], "--tensors", "--stage", "teacher").output
    #expect(text.contains("step 1: loss is") && text.contains("model/model.safetensors: "))
    let same = try await project.retort("diff", members[0], members[0])
    #expect(same.output.contains("are the same: 9 stages"), "\(same.output)")
  }

  private func checkErrors(in project: Project) async throws {
    for arguments in [
      ["compare", "7"], ["compare", "latest[lr=3]"], ["compare", "latest", "--metric", "judged.mrr@1"],
      ["compare", "latest", "--sort", "-judged.mrr@1"], ["diff", "latest", "latest"],
      ["diff", "latest[seed=1,lr=1e-5]", "latest[seed=2,lr=1e-5]", "--stage", "x"],
      ["compare", "latest[seed=1,lr=1e-5]"],
    ] {
      let ended = try await project.run(retortProgram, arguments)
      #expect(ended.code == 2 && ended.errors.hasPrefix("error: "), "\(arguments) \(ended.errors)")
    }
  }
}
