/// Experiment files: what they change, what their variants share, and how they are refused.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct ExperimentTests {
  let project: Project
  private let pipeline = #"""
    version: 1
    params: {epochs: 3}
    stages:
      split: {uses: split, in: {data: data/qa.json}, with: {seed: 1}}
      groups: {uses: groups, in: {data: split.train}}
      teacher: {uses: teacher, in: {base: data, train: groups.groups}, with: {epochs: "${params.epochs}"}}
      candidates: {uses: mine, in: {groups: groups.groups}, with: {seed: 1}}
      scored: {uses: score, in: {teacher: teacher.model, candidates: candidates.candidates}}
      student: {uses: distill, in: {base: data, scores: scored.scores}, with: {K: 4}}
      scores: {uses: evaluate, in: {model: student.student, data: groups.groups}}
    """#

  init() throws {
    project = try Project()
    try project.folder.write(pipeline, to: "pipelines/p.yaml")
  }

  private func plan(_ experiment: String, settings: [String] = []) throws -> Plan {
    try project.folder.write(experiment, to: "experiments/x.yaml")
    let root = URL(filePath: project.folder.url.path, directoryHint: .isDirectory)
    return try Plan(
      file: URL(filePath: "experiments/x.yaml", relativeTo: root), settings: settings, catalog: catalog,
      workingFolder: project.folder.url)
  }

  private func problems(_ experiment: String, settings: [String] = []) throws -> String {
    do {
      _ = try plan(experiment, settings: settings)
      return ""
    } catch let problems as Problems {
      return problems.description.replacing(project.folder.url.path, with: "ROOT")
    }
  }

  private func stage(_ plan: Plan, _ name: String) throws -> PlannedStage {
    try #require(plan.stages.first { $0.name == name }, "\(plan.stages.map(\.name))")
  }

  @Test func `the headline is the file's own, else the first of compare, else the pipeline's`() throws {
    func headline(_ text: String) throws -> [String]? { try plan("pipeline: ../pipelines/p.yaml\n" + text).headline }
    #expect(try headline("") == nil)
    #expect(try headline("compare: {metrics: [scores.mrr, scores.auc]}") == ["scores.mrr"])
    #expect(
      try headline("headline: [scores.ndcg@10, student.loss]\ncompare: {metrics: [scores.mrr]}")
        == ["scores.ndcg@10", "student.loss"])
    try project.folder.write(pipeline + "\nheadline: [scores.margin]\n", to: "pipelines/p.yaml")
    #expect(try headline("") == ["scores.margin"])
    #expect(try headline("compare: {metrics: [scores.mrr]}") == ["scores.mrr"])
  }

  @Test func `a headline that names no stage is told at its place`() throws {
    let problems = try problems("pipeline: ../pipelines/p.yaml\nheadline: [scores.mrr, scors.auc, scores]\n")
    #expect(
      problems.contains(
        "x.yaml:2:24: error: `scors.auc` must be a stage of the pipeline and a metric, `stage.metric`; did you mean "
          + "`scores.auc`?"))
    #expect(problems.contains("x.yaml:2:35: error: `scores` must be"))
    try project.folder.write(pipeline + "\nheadline: 3\n", to: "pipelines/p.yaml")
    #expect(try self.problems("pipeline: ../pipelines/p.yaml").contains("p.yaml:11:11: error: `headline` must be"))
  }

  @Test func `variants share every stage that the matrix does not reach`() throws {
    let plan = try plan(
      #"""
      pipeline: ../pipelines/p.yaml
      set: {params.epochs: 1, stages.teacher.with.max_samples: 2000, stages.teacher.with.lora.r: 8}
      matrix: {stages.student.with.tau: [0.1, 0.2], stages.student.with.K: [4, 8]}
      compare: {metrics: [scores.ndcg@10, scores.margin], sort: -scores.ndcg@10}
      """#)
    #expect(plan.name == "x")
    #expect(
      plan.stages.map(\.name) == [
        "split", "groups", "teacher", "candidates", "scored", "student[tau=0.1,K=4]", "scores[tau=0.1,K=4]",
        "student[tau=0.1,K=8]", "scores[tau=0.1,K=8]", "student[tau=0.2,K=4]", "scores[tau=0.2,K=4]",
        "student[tau=0.2,K=8]", "scores[tau=0.2,K=8]",
      ])
    let teacher = try stage(plan, "teacher")
    #expect(teacher.parameters["epochs"] == .int(1))
    #expect(teacher.parameters["max_samples"] == .int(2000))
    let student = try stage(plan, "student[tau=0.2,K=8]")
    #expect((student.parameters["tau"], student.parameters["K"]) == (.double(0.2), .int(8)))
    #expect(student.coordinates == [Coordinate("tau", .double(0.2)), Coordinate("K", .int(8))])
    #expect(student.base == "student")
    #expect(try stage(plan, "scores[tau=0.2,K=8]").dependencies == [StageID(index: 1), student.id])
    #expect(plan.comparison == Comparison(metrics: ["scores.ndcg@10", "scores.margin"], sort: "-scores.ndcg@10"))
  }

  @Test func `a seed varies the stages that have one and what comes after them`() throws {
    let plan = try plan(
      "pipeline: ../pipelines/p.yaml\nmatrix: {defaults.seed: [1, 2], stages.student.with.tau: [0.1, 0.2]}\n")
    #expect(
      Set(plan.stages.map(\.name)) == [
        "split", "groups", "candidates", "teacher[seed=1]", "teacher[seed=2]", "scored[seed=1]", "scored[seed=2]",
        "student[seed=1,tau=0.1]", "student[seed=1,tau=0.2]", "student[seed=2,tau=0.1]", "student[seed=2,tau=0.2]",
        "scores[seed=1,tau=0.1]", "scores[seed=1,tau=0.2]", "scores[seed=2,tau=0.1]", "scores[seed=2,tau=0.2]",
      ])
  }

  @Test func `values that make no difference make no variants`() throws {
    let plan = try plan("pipeline: ../pipelines/p.yaml\nmatrix: {params.epochs: [3], stages.student.with.K: [4]}\n")
    #expect(plan.stages.map(\.name).allSatisfy { !$0.contains("[") })
  }

  @Test func `an experiment multiplies a pipeline's own matrix, and its values reach publish`() throws {
    try project.folder.write(
      pipeline.replacing(
        "with: {K: 4}}", with: "matrix: {tau: [0.1, 0.2]}, with: {K: 4, tau: \"${matrix.tau}\"}}"),
      to: "pipelines/p.yaml")
    let plan = try plan(
      #"""
      pipeline: ../pipelines/p.yaml
      set: {stages.student.publish: "models/K-${matrix.K}/tau-${matrix.tau}"}
      matrix: {stages.student.with.K: [4, 8]}
      """#)
    #expect(
      plan.stages.filter { $0.base == "student" }.map(\.name) == [
        "student[K=4,tau=0.1]", "student[K=4,tau=0.2]", "student[K=8,tau=0.1]", "student[K=8,tau=0.2]",
      ])
    #expect(
      plan.stages.compactMap(\.publish).map { $0.url.path.replacing(project.folder.url.path, with: "") }.sorted() == [
        "/models/K-4/tau-0.1", "/models/K-4/tau-0.2", "/models/K-8/tau-0.1", "/models/K-8/tau-0.2",
      ])
  }

  @Test func `dimensions of one name are told apart by what they belong to`() throws {
    let plan = try plan(
      "pipeline: ../pipelines/p.yaml\nmatrix: {stages.student.with.seed: [1, 2], stages.teacher.with.seed: [3, 4]}\n")
    #expect(plan.ids(named: "teacher").map { plan[$0].name } == ["teacher[teacher.seed=3]", "teacher[teacher.seed=4]"])
    #expect(plan.ids(named: "student[student.seed=1]").count == 2)
  }

  @Test func `a path in an experiment is relative to the experiment`() throws {
    try project.folder.write("[]", to: "experiments/other.json")
    let plan = try plan("pipeline: ../pipelines/p.yaml\nset: {stages.split.in.data: other.json}\n")
    #expect(
      try stage(plan, "split").inputs[0].source
        == .file(project.folder.url.appending(path: "experiments/other.json").absoluteURL))
  }

  @Test func `the command line has the last word`() throws {
    let plan = try plan(
      "pipeline: ../pipelines/p.yaml\nset: {params.epochs: 1}\n",
      settings: ["params.epochs=7", "stages.student.with.tau=0.5", "stages.split.in.data=pipelines/data/qa.json"])
    #expect(try stage(plan, "teacher").parameters["epochs"] == .int(7))
    #expect(try stage(plan, "student").parameters["tau"] == .double(0.5))
  }

  @Test(
    arguments: [
      ("pipeline: ../pipelines/q.yaml", "x.yaml:1:11: error: the pipeline `../pipelines/q.yaml` cannot be used"),
      ("pipeline: x.yaml", "is an experiment itself"),
      ("pipeline: ../pipelines/p.yaml\nsets: {}", "did you mean `set`?"),
      ("pipeline: ../pipelines/p.yaml\nset: {params.epoch: 1}", "did you mean `params.epochs`?"),
      ("pipeline: ../pipelines/p.yaml\nset: {stages.tacher.with.lr: 1}", "did you mean `stages.teacher.with.lr`?"),
      ("pipeline: ../pipelines/p.yaml\nset: {stages.teacher.wiht.lr: 1}", "a stage has no key `wiht`"),
      ("pipeline: ../pipelines/p.yaml\nset: {epochs: 1}", "must be a path such as params.NAME"),
      ("pipeline: ../pipelines/p.yaml\nset: {params.epochs.x: 1}", "leads into `3`, which has no keys"),
      ("pipeline: ../pipelines/p.yaml\nset: {stages.teacher.with.lr: fast}", "x.yaml:2:31: error: `with.lr` must be"),
      ("pipeline: ../pipelines/p.yaml\nmatrix: {stages.student.with.tau: 1}", "must be a list of values"),
      (
        "pipeline: ../pipelines/p.yaml\nmatrix: {stages.student.with.tau: [0.1, 1e9]}", "x.yaml:2:41: error: `with.tau`"
      ),
      ("pipeline: ../pipelines/p.yaml\ncompare: {metrics: [scors.ndcg@10]}", "did you mean `scores.ndcg@10`?"),
      ("pipeline: ../pipelines/p.yaml\ncompare: {metrics: [scores]}", "must be a stage of the pipeline and a metric"),
      (
        "pipeline: ../pipelines/p.yaml\nset: {stages.student.publish: m}\nmatrix: {stages.student.with.K: [4, 8]}",
        "`student[K=4]` and `student[K=8]` publish to the same path"
      ),
    ])
  func `what is wrong with an experiment is told at its place`(_ text: String, _ message: String) throws {
    let problems = try problems(text + "\n")
    #expect(problems.contains(message), "\(problems)")
  }

  @Test(
    arguments: [
      ("epochs", "write PATH=VALUE"), ("params.epochs=[", "error: not valid YAML"),
      ("params.epochs=three", "--set:1:16: error: `with.epochs`"),
      ("stages.student.with.tau=hot", "--set:1:26: error: `with.tau` must be"), ("params.epoch=1", "did you mean"),
      ("stages.student.with.K=4", "is a dimension of the experiment's matrix"),
    ])
  func `what is wrong with a setting is told`(_ setting: String, _ message: String) throws {
    let problems = try problems(
      "pipeline: ../pipelines/p.yaml\nmatrix: {stages.student.with.K: [4, 8]}\n", settings: [setting])
    #expect(problems.contains(message), "\(problems)")
  }
}
