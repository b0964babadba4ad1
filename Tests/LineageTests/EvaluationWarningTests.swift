/// Evaluations on records that were seen before, directly or further up the lineage, and those that are all right.
import Foundation
import Lineage
import Pipelines
import Stages
import Testing

@Suite struct EvaluationWarningTests {
  private typealias Stage = History.Stage
  private let history: History

  init() throws { history = try History() }

  /// Splits one file into three disjoint ones and makes groups of each.
  private func prepared(_ sources: [String: String] = [:]) -> [Stage] {
    [Stage(base: "split", kind: "split", inputs: ["data": "/d/qa"], outputs: ["train": "1", "eval": "2", "test": "3"])]
      + ["train", "eval", "test"].map { part in
        Stage(
          base: "\(part)-groups", kind: "groups", components: [("with.part", .string("train"))],
          inputs: ["data": sources[part] ?? "split.\(part)", "passages": "/d/book"],
          outputs: ["groups": "groups of \(part)", "corpus": "book"])
      }
  }

  private func stages(validation: String, data: String, fit: String) -> [Stage] {
    [
      Stage(
        base: "candidates", kind: "mine", inputs: ["groups": "train-groups.groups", "corpus": "train-groups.corpus"],
        outputs: ["candidates": "mined"]),
      Stage(
        base: "teacher", kind: "teacher",
        inputs: ["train": "candidates.candidates", "validation": "eval-groups.groups"],
        outputs: ["model": "teacher"]),
      Stage(
        base: "scored", kind: "score", inputs: ["teacher": "teacher.model", "candidates": "candidates.candidates"],
        outputs: ["scores": "scored"]),
      Stage(
        base: "student", kind: "distill", inputs: ["scores": "scored.scores", "validation": validation],
        outputs: ["student": "student"]),
      Stage(
        base: "scores", kind: "evaluate",
        inputs: ["model": "student.student", "data": data, "corpus": "test-groups.corpus"], outputs: ["results": "r"]),
      Stage(
        base: "normalized", kind: "normalize",
        inputs: ["model": "student.student", "data": "test-groups.groups", "validation": fit], outputs: ["results": "n"]
      ),
    ]
  }

  private func warnings(_ stages: [Stage]) throws -> [String] {
    try history.journal.evaluationWarnings(
      ofRun: history.run(stages), store: history.store, catalog: StageCatalog(BuiltInStages.all))
  }

  @Test func `a test of its own is no reason to warn, although all records came from one file and one book`() throws {
    let stages = stages(validation: "eval-groups.groups", data: "test-groups.groups", fit: "eval-groups.groups")
    #expect(try warnings(prepared() + stages) == [])
  }

  @Test func `data that chose the checkpoint are named with both ports`() throws {
    let stages = stages(validation: "test-groups.groups", data: "test-groups.groups", fit: "eval-groups.groups")
    let end = "that also chose the checkpoint of `student` (port `validation`): the figures are too good"
    #expect(
      try warnings(prepared() + stages) == [
        "`scores` evaluates records (port `data`) \(end)", "`normalized` evaluates records (port `data`) \(end)",
      ])
  }

  @Test func `data that fitted the calibration are named`() throws {
    let stages = stages(validation: "eval-groups.groups", data: "test-groups.groups", fit: "test-groups.groups")
    #expect(
      try warnings(prepared() + stages) == [
        "`normalized` evaluates records (port `data`) that its calibration was fitted on (port `validation`): "
          + "the figures are too good"
      ])
  }

  @Test func `data that were trained on are found through mining and scoring, for every training on the way`() throws {
    let stages = stages(validation: "eval-groups.groups", data: "train-groups.groups", fit: "eval-groups.groups")
    #expect(
      try warnings(prepared() + stages) == [
        "`scores` evaluates records (port `data`) that `teacher` was trained on (port `train`): the figures are too good",
        "`scores` evaluates records (port `data`) that `student` was trained on (port `scores`): the figures are too good",
      ])
  }

  @Test func `other groups of the very same file are the same records`() throws {
    let stages = stages(validation: "eval-groups.groups", data: "test-groups.groups", fit: "eval-groups.groups")
    let found = try warnings(prepared(["test": "split.eval"]) + stages)
    #expect(found.count == 5 && found.allSatisfy { $0.contains("chose the checkpoint") || $0.contains("calibration") })
  }

  @Test func `two parts of one folder are different records, one part twice is the same`() throws {
    func stages(_ part: String) -> [Stage] {
      let parts = [("a", "dev"), ("b", part)].map { name, part in
        Stage(
          base: name, kind: "groups",
          components: [("with.part", .string(part)), ("with.query_template", .string(name))],
          inputs: ["data": "/d/beir"], outputs: ["groups": nil])
      }
      return parts + [
        Stage(
          base: "t", kind: "teacher", inputs: ["train": "/d/train", "validation": "a.groups"], outputs: ["model": "m"]),
        Stage(
          base: "e", kind: "evaluate", inputs: ["model": "t.model", "data": "b.groups"], outputs: ["results": "r"]),
      ]
    }
    #expect(try warnings(stages("test")) == [])
    #expect(try warnings(stages("dev")).count == 1)
  }

  @Test func `a variant is judged by its own lineage, and a run names each thing once`() throws {
    let stages = [(0.1, "/d/test"), (0.2, "/d/other"), (0.3, "/d/test")].flatMap { tau, validation in
      let place = [Coordinate("tau", .double(tau))]
      return [
        Stage(
          base: "t", kind: "teacher", coordinates: place, components: [("with.tau", .double(tau))],
          inputs: ["train": "/d/train", "validation": validation], outputs: ["model": nil]),
        Stage(
          base: "e", kind: "evaluate", coordinates: place,
          inputs: ["model": "t\(place.suffix).model", "data": "/d/test"], outputs: ["results": nil]),
      ]
    }
    #expect(try warnings(stages).count == 1)
    let comparison = try RunComparison(history.variants("1"), catalog: StageCatalog(BuiltInStages.all)) { _, _ in .none
    }
    #expect(comparison.warnings.count == 1 && comparison.warnings[0].hasSuffix("(in 1[tau=0.1], 1[tau=0.3])"))
  }
}
