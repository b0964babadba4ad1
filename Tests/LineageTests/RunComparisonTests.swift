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

@Suite struct ComparedArgumentTests {
  private let history: History

  init() throws {
    history = try History()
    for tau in [0.1, 0.2, 0.2] { try history.run(trained(tau: tau, seed: 1, ndcg: tau, coordinates: false)) }
    try history.run(trained(tau: 0.3, seed: 1, ndcg: 0.3), pipeline: "other", name: "p")
  }

  private func compared(_ argument: String) throws -> (names: [String], note: String?) {
    let (variants, note) = try history.journal.comparedVariants(named: argument, store: history.store)
    return (variants.map(\.name), note)
  }

  @Test func `a range is all of its runs but those that only found cached results`() throws {
    let (names, note) = try compared("1-3")
    #expect(names == ["1", "2"] && note == "`1-3` without 3, which only found cached results")
    #expect(try compared("3-3").names == ["3"])
    #expect(try compared("2-2").note == nil)
    for wrong in ["3-1", "7-9", "1-", "-3", "1-2-3"] { #expect(throws: (any Error).self) { try compared(wrong) } }
  }

  @Test func `a pipeline is its latest run, and a name goes before it`() throws {
    let (names, note) = try compared("other[tau=0.3]")
    #expect(names == ["4[tau=0.3,seed=1]"] && note == "`other` is a pipeline: its latest run, 4")
    #expect(try compared("p").names == ["4[tau=0.3,seed=1]"])
    #expect(throws: (any Error).self) { try history.variants("other") }
    #expect { try compared("othr") } throws: { "\($0)".contains("did you mean `other`?") }
  }
}

@Suite struct RunComparisonTests {
  private let history: History

  init() throws { history = try History() }

  private func compare(
    _ arguments: String..., metrics: [String] = [], sort: String? = nil, ranks: Bool = false, all: Bool = false,
    types: [String: String] = [:], perQuery: (RecordedStage, String) -> PerQuery = noQueries
  ) throws -> RunComparison {
    var request = RunComparison.Request()
    (request.metrics, request.sort, request.ranks, request.all) = (metrics, sort, ranks, all)
    let variants = try arguments.flatMap { try history.journal.variants(named: $0, store: history.store) }
    return try RunComparison(
      variants, request, catalog: StageCatalog(BuiltInStages.all), perQuery: perQuery, types: { _ in types })
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
    #expect(comparison.metrics.map(\.name) == ["scores.ndcg@10"] && comparison.moreMetrics == 2)
    let metrics = try compare("1", "2", all: true).metrics
    #expect(metrics.map(\.name) == ["scores.ndcg@10", "scores.mean_rank", "scores.uniformity"])
    #expect(metrics.map { $0.cells[1].difference } == [-0.25, 2.5, 0.25])
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
    #expect(comparison.metrics.map { $0.cells[1].difference } == [0] && comparison.moreMetrics == 0)
  }

  @Test func `what the file says comes first, and metrics that differ where there is no headline`() throws {
    for (tau, ndcg) in [(0.1, 0.5), (0.2, 0.25)] {
      try history.run(
        trained(tau: tau, seed: 1, ndcg: ndcg, coordinates: false), headline: ["scores.uniformity", "scores.ndcg@10"])
      try history.run([History.Stage(base: "s", outputs: ["out": "\(tau)"], metrics: ["a": ndcg, "b": 1])])
    }
    #expect(try compare("1", "3").metrics.map(\.name) == ["scores.uniformity", "scores.ndcg@10"])
    #expect(
      try compare("1", "3", all: true).metrics.map(\.name)
        == ["scores.uniformity", "scores.ndcg@10", "scores.mean_rank"])
    #expect(try compare("2", "4").metrics.isEmpty, "one key, so the second found what the first had made")
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

  @Test func `commands that have the seed in their text are one row, others of another run are not`() throws {
    for _ in 1...2 {
      try history.run(
        [1, 2].map { seed in
          History.Stage(
            base: "train", kind: "cmd", coordinates: [Coordinate("seed", .int(seed))],
            components: [("cmd", .string("train --seed \(seed)"))], outputs: ["out": nil], metrics: ["loss": 0.5])
        })
    }
    #expect(try compare("1", "2").rows.map(\.members) == [["1[seed=1]", "1[seed=2]"], ["2[seed=1]", "2[seed=2]"]])
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

  @Test func `a difference that a test takes for chance is unclear, one that all tests see is clear`() throws {
    let queries = (0..<10).map { "q\($0)" }
    for (tau, values) in [(0.1, [0.5, 0.5, 0.5]), (0.2, [0.6, 0.6, 0.6]), (0.3, [0.2, 0.6, 1.0])] {
      for (seed, ndcg) in values.enumerated() {
        try history.run(trained(tau: tau, seed: seed, ndcg: ndcg, coordinates: false))
      }
    }
    /// Every query alike, so that p of 10 is 2/2¹⁰, or one that pays for the others.
    func cell(_ runs: [String], uneven: Bool = false) throws -> RunComparison.Cell {
      var request = RunComparison.Request()
      request.metrics = ["scores.ndcg@10"]
      let comparison = try RunComparison(
        try runs.flatMap { try history.variants($0) }, request, catalog: StageCatalog(BuiltInStages.all),
        perQuery: { stage, _ in
          let mean = stage.report.metrics["ndcg@10"] ?? 0
          return .values(
            Dictionary(
              uniqueKeysWithValues: queries.map { ($0, uneven && $0 != "q0" ? 0.5 : uneven ? mean * 10 - 4.5 : mean) }))
        })
      #expect(comparison.rows.count == 2)
      return comparison.metrics[0].cells[1]
    }
    let clear = try cell(["1", "2", "3", "4", "5", "6"])
    #expect(clear.verdict == .better && clear.test?.p == 2.0 / 1024 && clear.seedTest == nil, "seeds do not spread")
    let chance = try cell(["1", "2", "3", "4", "5", "6"], uneven: true)
    #expect(chance.verdict == .unclear && chance.test?.p == 1)
    // Means 0.5 and 0.6, deviations 0 and 0.4: t = 0.1/(0.4/√3) = √3/4 on 2 degrees, p = 1 − t/√(2 + t²).
    let seeds = try cell(["1", "2", "3", "7", "8", "9"])
    let t = 3.0.squareRoot() / 4
    #expect(abs(try #require(seeds.seedTest).p - (1 - t / (2 + t * t).squareRoot())) < 1e-9)
    #expect(seeds.verdict == .unclear && seeds.test?.p == 2.0 / 1024)
  }

  @Test func `results are divided by the type of queries`() throws {
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false))
    try history.run(trained(tau: 0.2, seed: 1, ndcg: 0.6, coordinates: false))
    let types = ["a": "x", "b": "x", "c": "y", "d": "y"]
    let comparison = try compare("1", "2", types: types) { stage, _ in
      let isFirst = stage.report.metrics["ndcg@10"] == 0.5
      return .values(isFirst ? ["a": 0, "b": 0.5, "c": 1, "d": 1] : ["a": 1, "b": 0.5, "c": 1, "d": 0, "e": 1])
    }
    let found = comparison.metrics[0].types
    #expect(found.map(\.type) == ["x", "y"] && found.map(\.queries) == [2, 2])
    #expect(found.map { $0.cells.map { $0.sample?.mean } } == [[0.25, 0.75], [1, 0.5]])
    #expect(
      found.map { $0.cells[1].difference } == [0.5, -0.5] && found.allSatisfy { $0.cells[1].verdict == .unclear })
    #expect(try compare("1", "2", types: ["a": "x"]) { _, _ in .values(["a": 1]) }.metrics[0].types.isEmpty)
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
