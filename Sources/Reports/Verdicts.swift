/// What trainings were worth, as tables: of one run, and of runs side by side.
import Lineage
import Pipelines

extension ReportSection {
  package init(_ trainings: [JudgedTraining]) {
    self.init(
      title: "training",
      header: ["training", "verdict", "held against", "nDCG@10 before", "after", "queries", "p"],
      rows: trainings.map { training in
        let verdict = training.verdict
        return [
          training.stage, verdict.outcome.word, verdict.against.word, formatted(metric: verdict.start),
          formatted(metric: verdict.end), "\(verdict.queries)", verdict.shownP,
        ].map { ReportCell($0) }
      }, numbers: [3, 4, 5, 6])
  }
}

extension RunReport {
  package var judgedTrainings: [JudgedTraining] {
    stages.compactMap { stage in stage.verdict.map { JudgedTraining(stage: stage.name, verdict: $0) } }
  }
}

extension ReportSection {
  /// Each training's verdict in each row.
  init(verdicts: [RunComparison.Trained], names: [String]) {
    self.init(title: "verdicts", header: ["verdicts"] + names)
    rows = verdicts.map { training in
      [ReportCell(training.stage)] + training.verdicts.map { ReportCell(verdicts: $0) }
    }
    if !rows.isEmpty {
      lines = ["nDCG@10 of validation's queries, before and after; BM25's or the first stage's before a new head"]
    }
  }
}

extension ReportCell {
  /// Shows the verdicts of a row's members: a single one in full, of more how many there are of which.
  fileprivate init(verdicts: [Verdict]) {
    let outcomes = Set(verdicts.map(\.outcome))
    let tone: Tone = outcomes == [.better] ? .better : outcomes == [.worse] ? .worse : .plain
    if verdicts.count == 1 {
      let verdict = verdicts[0]
      self.init(
        "\(verdict.outcome.word), \(formatted(metric: verdict.start)) → \(formatted(metric: verdict.end)) (p \(verdict.shownP))",
        tone)
    } else {
      let counts = [Verdict.Outcome.better, .unclear, .worse].compactMap { outcome in
        let count = verdicts.count { $0.outcome == outcome }
        return count > 0 ? "\(count) \(outcome.word)" : nil
      }
      self.init(counts.joined(separator: ", "), tone)
    }
  }
}

extension Verdict.Outcome {
  package var word: String {
    switch self {
    case .better: "better"
    case .worse: "worse"
    case .unclear: "no clear difference"
    }
  }
}

extension Verdict.Start {
  fileprivate var word: String {
    switch self {
    case .start: "its start"
    case .bm25: "BM25"
    case .firstStage: "its first stage"
    }
  }
}
