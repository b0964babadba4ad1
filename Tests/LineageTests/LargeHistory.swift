/// Fills a store with the history of many weeks, for benchmarks: `experiments/benchmarks/leaderboard.py` asks for it.
import Foundation
@testable import Lineage
import Pipelines
import TestSupport
import Testing

private let folder = ProcessInfo.processInfo.environment["RETORT_LARGE_HISTORY"]

@Suite struct LargeHistory {
  /// Ten stages a run: a teacher for every tenth run, a student for each but every twentieth, which finds all cached, and
  /// every fiftieth a matrix.
  @Test(.enabled(if: folder != nil)) func `ten thousand runs are written`() throws {
    let history = try History(in: URL(filePath: try #require(folder)))
    var generator = SplitMix(state: 1)
    func share() -> Double { Double.random(in: 0..<1, using: &generator) }
    func metrics(_ level: Double) -> [String: Double] {
      let names = ["ndcg@10", "mrr@10", "mrr", "map@100", "map_cut_100", "mean_rank", "auc", "margin", "uniformity"]
      let cuts = ["accuracy", "precision", "recall"].flatMap { name in [1, 3, 5, 10].map { "\(name)@\($0)" } }
      return Dictionary(uniqueKeysWithValues: (names + cuts).map { ($0, level * (0.8 + 0.2 * share())) })
    }
    var last: [History.Stage] = []
    for run in 0..<10_000 {
      if run % 20 == 19 {
        try history.run(last, pipeline: "weeks", headline: ["student-test.ndcg@10"])
        continue
      }
      let teacher = run / 10
      func stage(
        _ base: String, _ kind: String, _ parameters: [(String, ParameterValue)] = [], _ inputs: [String: String],
        _ output: String, _ coordinates: [Coordinate] = []
      ) -> History.Stage {
        let common = (1...8).map { ("with.common_\($0)", ParameterValue.int($0)) }
        return History.Stage(
          base: base, kind: kind, coordinates: coordinates,
          components: parameters.map { ("with.\($0.0)", $0.1) } + common, inputs: inputs, outputs: [output: nil])
      }
      var stages = [
        stage("split", "split", [:].map { $0 }, ["data": "/d/data"], "test"),
        stage("train-groups", "groups", [], ["data": "split.test"], "groups"),
        stage("candidates", "mine", [], ["groups": "train-groups.groups"], "candidates"),
        stage("base", "init", [], ["groups": "train-groups.groups"], "model"),
        stage("bm25-test", "evaluate", [], ["data": "split.test"], "results"),
        stage(
          "teacher", "teacher", [("lr", .double(1e-5 * Double(1 + teacher % 7))), ("rank", .int(teacher))],
          ["base": "base.model", "train": "candidates.candidates"], "model"),
        stage("teacher-test", "evaluate", [], ["model": "teacher.model", "data": "split.test"], "results"),
        stage("scored", "score", [], ["teacher": "teacher.model", "candidates": "candidates.candidates"], "scores"),
      ]
      let taus = run % 50 == 0 ? [0.05, 0.1, 0.2] : [[0.05, 0.1, 0.2, 0.4][run % 4]]
      for tau in taus {
        let place = taus.count > 1 ? [Coordinate("tau", .double(tau))] : []
        stages += [
          stage(
            "student", "distill", [("tau", .double(tau)), ("draw", .int(run))],
            ["base": "base.model", "scores": "scored.scores"], "student", place),
          stage(
            "student-test", "evaluate", [], ["model": "student\(place.suffix).student", "data": "split.test"],
            "results", place),
        ]
      }
      for place in stages.indices {
        switch stages[place].kind {
        case "evaluate": stages[place].metrics = metrics(share())
        case "teacher", "distill":
          stages[place].curves = ["loss": (0..<50).map { _ in share() }, "lr": (0..<50).map { _ in share() }]
        default: break
        }
      }
      try history.run(stages, pipeline: "weeks", headline: ["student-test.ndcg@10"])
      last = stages
    }
    for run in stride(from: 100, to: 10_000, by: 500) { _ = try history.journal.tag(run, RunName("best-\(run)")) }
  }
}
