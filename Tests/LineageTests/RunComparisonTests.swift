/// What a comparison says of runs that were written into a journal by hand.
import Basics
import Foundation
@testable import Lineage
import Pipelines
import Stages
import Testing

private func noQueries(_: RecordedStage, _: String) -> PerQuery { .none }

@Suite struct VariantTests {
  private let history: History

  init() throws {
    history = try History()
    var stages: [History.Stage] = []
    for tau in [0.2, 0.1] { for seed in [1, 2] { stages += trained(tau: tau, seed: seed, ndcg: tau) } }
    // What all variants share is in the run once.
    try history.run([stages[0]] + stages.filter { $0.base != "data" })
    try history.run(trained(tau: 0.5, seed: 1, ndcg: 0.5, coordinates: false))
  }

  private func names(_ argument: String) throws -> [String] { try history.variants(argument).map(\.name) }

  @Test func `a run's variants are its maximal coordinates, in order, and each has the stages that all share`() throws {
    let variants = try history.variants("1")
    #expect(
      variants.map(\.name) == ["1[tau=0.1,seed=1]", "1[tau=0.1,seed=2]", "1[tau=0.2,seed=1]", "1[tau=0.2,seed=2]"])
    #expect(variants.allSatisfy { $0.stages.map(\.report.base) == ["data", "student", "scores"] })
    #expect(try names("2") == ["2"])
  }

  @Test func `an argument names a run, a variant, or all variants with some coordinates`() throws {
    #expect(try names("latest") == ["2"])
    #expect(try names("latest~1[seed=2]") == ["1[tau=0.1,seed=2]", "1[tau=0.2,seed=2]"])
    #expect(try names("1[seed=1, tau=2e-1]") == ["1[tau=0.2,seed=1]"])
  }

  @Test(arguments: ["1[tau=0.3]", "1[K=4]", "2[tau=0.1]", "1[tau", "1[tau]", "1[]", "3", "latest~2", "latest~-1", "x"])
  func `an argument that names nothing is an error`(argument: String) {
    #expect(throws: (any Error).self) { try names(argument) }
  }
}

@Suite struct RunComparisonTests {
  private let history: History

  init() throws { history = try History() }

  private func compare(
    _ arguments: String..., metrics: [String] = [], sort: String? = nil, ranks: Bool = false,
    perQuery: (RecordedStage, String) -> PerQuery = noQueries
  ) throws -> RunComparison {
    var request = RunComparison.Request()
    (request.metrics, request.sort, request.ranks) = (metrics, sort, ranks)
    let variants = try arguments.flatMap { try history.journal.variants(named: $0, store: history.store) }
    return try RunComparison(variants, request, catalog: StageCatalog(BuiltInStages.all), perQuery: perQuery)
  }

  @Test func `two runs differ in a parameter, its metrics, and the stages from there on`() throws {
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false), revision: "abc")
    try history.run(trained(tau: 0.2, seed: 1, ndcg: 0.25, coordinates: false), revision: "def")
    let comparison = try compare("1", "2")
    #expect(comparison.rows.map(\.name) == ["1", "2"])
    #expect(comparison.parameters.filter(\.differs).map(\.name) == ["student.with.tau"])
    #expect(comparison.parameters.first { $0.differs }?.values == [["0.1"], ["0.2"]])
    #expect(comparison.code.filter(\.differs).map(\.values) == [[["abc"], ["def"]]])
    #expect(comparison.inputs.map(\.name) == ["data.file", "scores.data"])
    #expect(comparison.inputs.allSatisfy { !$0.differs })
    #expect(comparison.lineage.map(\.relation) == [.same, .differs, .follows])
    #expect(comparison.lineage[1].components == ["with.tau"])
    #expect(comparison.times.map(\.differs) == [false, true, true])
    #expect(comparison.times[1].seconds == [10, 20])
    let metrics = comparison.metrics
    #expect(metrics.map(\.name) == ["scores.mean_rank", "scores.ndcg@10", "scores.uniformity"])
    #expect(metrics.map { $0.cells[1].difference } == [2.5, -0.25, 0.25])
    #expect(metrics.map { $0.cells[1].verdict } == [.worse, .worse, nil])
    #expect(comparison.warnings.isEmpty && comparison.notes.isEmpty)
  }

  @Test func `an input from outside that has other bytes is named by digest and path`() throws {
    for bytes in ["one", "two"] {
      try history.run([History.Stage(base: "s", inputs: ["in": "/d/x"], bytes: ["in": bytes], outputs: ["out": "o"])])
    }
    let comparison = try compare("1", "2")
    let line = try #require(comparison.inputs.first { $0.differs })
    // `printf one | sha256sum`, `printf two | sha256sum`
    #expect(line.values == [["7692c3ad3540 /d/x"], ["3fc4ccfe7458 /d/x"]])
    #expect(comparison.lineage[0].relation == .differs && comparison.lineage[0].components == ["in.in"])
  }

  @Test func `a cached result has the time that making it took, and nothing differs`() throws {
    for _ in 0..<2 { try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false)) }
    let comparison = try compare("1", "2")
    #expect(comparison.rows.count == 2)
    #expect(comparison.times[1].seconds == [10, 10] && comparison.times.allSatisfy { !$0.differs })
    #expect(comparison.lineage.allSatisfy { $0.relation == .same })
    #expect(comparison.metrics.isEmpty)
  }

  private func sweep(comparison: Comparison? = nil) throws {
    var stages: [History.Stage] = []
    for (tau, values) in [(0.1, [0.5, 0.75]), (0.2, [0.625, 0.875])] {
      for (seed, ndcg) in values.enumerated() { stages += trained(tau: tau, seed: seed, ndcg: ndcg) }
    }
    try history.run([stages[0]] + stages.filter { $0.base != "data" }, comparison: comparison)
  }

  @Test func `variants that differ only in seed are one row, the best row first`() throws {
    try sweep()
    let comparison = try compare("1", metrics: ["scores.ndcg@10"], ranks: true)
    #expect(comparison.rows.map(\.name) == ["1[tau=0.2]", "1[tau=0.1]"])
    #expect(comparison.rows[0].members == ["1[tau=0.2,seed=0]", "1[tau=0.2,seed=1]"])
    let cells = comparison.metrics[0].cells
    #expect(cells.map { $0.sample?.mean } == [0.75, 0.625])
    // √((⅛² + ⅛²) / 1)
    let deviation = Double(0.03125).squareRoot()
    #expect(cells.map { $0.sample?.deviation } == [deviation, deviation])
    #expect(cells[0].values == [0.625, 0.875])
    #expect(cells[0].difference == nil && cells[1].difference == -0.125 && cells[1].verdict == .worse)
    #expect(comparison.parameters.first { line in line.name == "student.seed" }?.values == [["0", "1"], ["0", "1"]])
  }

  @Test func `what the experiment says decides columns and order, unless the arguments do`() throws {
    try sweep(comparison: Comparison(metrics: ["scores.mean_rank"], sort: "-scores.mean_rank"))
    let own = try compare("1")
    #expect(own.metrics.map(\.name) == ["scores.mean_rank"])
    #expect(own.rows.map(\.name) == ["1[tau=0.1]", "1[tau=0.2]"])
    let asked = try compare("1", metrics: ["scores.ndcg@10"], sort: "scores.ndcg@10")
    #expect(asked.metrics.map(\.name) == ["scores.ndcg@10"])
    #expect(asked.rows.map(\.name) == ["1[tau=0.1]", "1[tau=0.2]"])
    #expect(try compare("1", sort: "-scores.ndcg@10").rows.map(\.name) == ["1[tau=0.2]", "1[tau=0.1]"])
    #expect(throws: ComparisonError.self) { try compare("1", metrics: ["scores.ndcg@5"]) }
  }

  @Test func `runs without a matrix that differ only in seed are one row, equal ones are not counted twice`() throws {
    for seed in [1, 2, 1] { try history.run(trained(tau: 0.1, seed: seed, ndcg: 0.5, coordinates: false)) }
    let rows = try compare("1", "2", "3").rows
    #expect(rows.map(\.members) == [["1", "2"], ["3"]])
    #expect(rows[0].name == "1 + 2")
  }

  @Test func `queries are averaged over seeds, then tested against the first row`() throws {
    try sweep()
    // tau 0.1: means 0 0 0; tau 0.2: means 1 ½ 1: differences of one sign, p = 2/2³.
    let queries: [String: [String: Double]] = [
      "tau=0.1,seed=0": ["a": 0, "b": 0, "c": 0], "tau=0.1,seed=1": ["a": 0, "b": 0, "c": 0],
      "tau=0.2,seed=0": ["a": 1, "b": 1, "c": 1], "tau=0.2,seed=1": ["a": 1, "b": 0, "c": 1],
    ]
    let comparison = try compare("1", metrics: ["scores.ndcg@10"], ranks: true) { stage, _ in
      .values(queries[String(stage.report.name.dropFirst("scores[".count).dropLast())] ?? [:])
    }
    let test = try #require(comparison.metrics[0].cells[1].test)
    #expect(test == RandomisationTest(differences: [-1, -0.5, -1]))
    #expect(test.p == 0.25 && test.pairs == 3)
    #expect(comparison.metrics[0].cells[0].test == nil)
  }

  @Test func `results per query that are gone are named, and nothing fails`() throws {
    try sweep()
    let comparison = try compare("1", metrics: ["scores.ndcg@10"]) { stage, _ in
      stage.report.coordinates["tau"] == .double(0.1) ? .gone("it is gone") : .values(["a": 1])
    }
    #expect(comparison.metrics[0].cells.allSatisfy { $0.test == nil })
    #expect(
      comparison.notes == [
        "no test for `scores` of 1[tau=0.1,seed=0]: it is gone",
        "no test for `scores` of 1[tau=0.1,seed=1]: it is gone",
      ])
  }

  @Test func `figures on different data are not tested, and a warning says that they cannot be compared`() throws {
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false))
    try history.run(trained(tau: 0.2, seed: 1, ndcg: 0.6, coordinates: false, test: "/d/other"))
    let comparison = try compare("1", "2") { _, _ in .values(["a": 1]) }
    #expect(comparison.metrics.allSatisfy { $0.cells[1].test == nil })
    #expect(comparison.warnings.count == 1 && comparison.warnings[0].hasPrefix("`scores`: not all rows evaluate"))
  }

  @Test func `a variant that failed has no figures and stands last`() throws {
    var failed = trained(tau: 0.1, seed: 1, ndcg: 0)
    for place in 1...2 { failed[place].state = .skipped }
    try history.run(failed + trained(tau: 0.2, seed: 1, ndcg: 0.5).dropFirst())
    let comparison = try compare("1", metrics: ["scores.ndcg@10"], ranks: true)
    #expect(comparison.rows.map(\.name) == ["1[tau=0.2,seed=1]", "1[tau=0.1,seed=1]"])
    #expect(comparison.metrics[0].cells[1].sample == nil)
    #expect(comparison.lineage.map(\.relation) == [.same, .partial, .partial])
  }

  @Test func `a stage that only one run has stands at its place`() throws {
    let stages = trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false)
    try history.run(stages)
    try history.run([stages[0], History.Stage(base: "extra", outputs: ["out": "x"])] + stages[1...])
    let comparison = try compare("1", "2")
    #expect(comparison.lineage.map(\.name) == ["data", "extra", "student", "scores"])
    #expect(comparison.lineage.map(\.relation) == [.same, .partial, .same, .same])
  }

  @Test func `keys whose components the cache has forgotten still differ, and a note says so`() throws {
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false))
    try history.run(trained(tau: 0.2, seed: 1, ndcg: 0.6, coordinates: false))
    try history.journal.database.write { try $0.execute(sql: "DELETE FROM key_component") }
    let comparison = try compare("1", "2")
    #expect(comparison.lineage.map(\.relation) == [.same, .differs, .differs])
    #expect(comparison.notes.count == 1 && comparison.notes[0].contains("`student`, `scores`"))
  }

  @Test func `diff names the first stage that differs, its components and outputs, and the first step`() throws {
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, loss: [3, 2, 1], coordinates: false))
    try history.run(trained(tau: 0.2, seed: 1, ndcg: 0.5, loss: [3, 2.5, 1, 0.5], coordinates: false))
    let variants = try history.variants("1", "2")
    let difference = try RunDifference(variants[0], variants[1])
    #expect(difference.stages.map(\.isSame) == [true, false, false])
    #expect(difference.stages[1].components == [KeyDifference(component: "with.tau", old: "0.1", new: "0.2")])
    #expect(difference.stages[1].outputs.map(\.isSame) == [false])
    #expect(difference.stages[2].relation == .follows)
    let curves = try difference.stages[1].makers.map { try history.journal.curves(ofMaker: #require($0)) }
    let step = try #require(StepDifference(curves[0], curves[1]))
    #expect(step.step == 2 && step.metric == "loss" && step.left == 2 && step.right == 2.5)
    #expect(StepDifference(curves[0], curves[0]) == nil)
    #expect(try RunDifference(variants[0], variants[1], stage: "scores").stages.map(\.name) == ["scores"])
    #expect(throws: ComparisonError.self) { try RunDifference(variants[0], variants[1], stage: "score") }
  }
}
