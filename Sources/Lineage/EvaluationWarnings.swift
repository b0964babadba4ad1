/// Walks a run's lineage for evaluations whose figures are too good: their records also trained the model, chose its
/// checkpoint or fitted its calibration.
import Artifacts
import Pipelines

/// Sentences that name stages, as the pipeline file calls them, and ports; each once.
package func evaluationWarnings(of stages: [RecordedStage]) -> [String] {
  let walk = LineageWalk(stages)
  var sentences: [String] = []
  for evaluation in stages where isEvaluation(evaluation.report.kind) {
    guard let data = evaluation.report.inputs["data"] else { continue }
    let records = walk.records(of: data)
    func overlaps(_ input: RunReport.Input?) -> Bool {
      guard let input else { return false }
      return walk.records(of: input).contains { other in records.contains { $0.overlaps(other) } }
    }
    let here = "`\(evaluation.report.base)` evaluates records (port `data`)"
    if evaluation.report.kind == "normalize", overlaps(evaluation.report.inputs["validation"]) {
      sentences.append("\(here) that its calibration was fitted on (port `validation`): the figures are too good")
    }
    for training in walk.trainings(behind: evaluation) {
      let (name, inputs) = (training.report.base, training.report.inputs)
      for port in ["train", "scores"] where overlaps(inputs[port]) {
        sentences.append("\(here) that `\(name)` was trained on (port `\(port)`): the figures are too good")
      }
      if overlaps(inputs["validation"]) {
        sentences.append(
          "\(here) that also chose the checkpoint of `\(name)` (port `validation`): the figures are too good")
      }
    }
  }
  return distinct(sentences)
}

/// Whether stages of this kind report on what lies at their port `data`.
func isEvaluation(_ kind: String) -> Bool { kind == "evaluate" || kind == "normalize" }

/// Content that records were taken from: all of an artifact, or one part of a folder with several.
private struct Records: Hashable {
  let digest: Digest
  let part: String?

  func overlaps(_ other: Records) -> Bool {
    digest == other.digest && (part == nil || other.part == nil || part == other.part)
  }
}

private struct LineageWalk {
  private let stages: [RecordedStage]
  private let placeOfName: [String: Int]
  private let placeOfOutput: [Digest: Int]

  init(_ stages: [RecordedStage]) {
    self.stages = stages
    placeOfName = Dictionary(stages.enumerated().map { ($1.report.name, $0) }) { first, _ in first }
    placeOfOutput = Dictionary(
      stages.enumerated().flatMap { place, stage in stage.report.outputs.values.map { ($0.digest, place) } }
    ) { first, _ in first }
  }

  /// The stage that made an input: the one that the run names, else one that made these bytes.
  private func maker(of input: RunReport.Input) -> Int? {
    if input.source != nil { return nil }
    if let output = input.output, let dot = output.lastIndex(of: "."), let place = placeOfName[String(output[..<dot])],
      stages[place].report.outputs[String(output[output.index(after: dot)...])]?.digest == input.digest
    {
      return place
    }
    return placeOfOutput[input.digest]
  }

  /// Where each kind takes its records from. Others end the walk: what `split` or a command makes of one file may be
  /// disjoint, and passages are shared by right.
  private static let recordPorts = ["groups": "data", "mine": "groups", "score": "candidates"]

  /// The artifact itself and those that the same records were in before.
  func records(of input: RunReport.Input, part: String? = nil) -> Set<Records> {
    var records: Set = [Records(digest: input.digest, part: part)]
    if let place = maker(of: input), let port = Self.recordPorts[stages[place].report.kind],
      let source = stages[place].report.inputs[port]
    {
      records.formUnion(self.records(of: source, part: stages[place].component("with.part")))
    }
    return records
  }

  /// Every training stage that led to what is evaluated, in the order in which they began.
  func trainings(behind evaluation: RecordedStage) -> [RecordedStage] {
    var seen: Set<Int> = []
    var next = evaluation.report.inputs.filter { !["data", "validation", "corpus", "samples"].contains($0.key) }
      .values.compactMap(maker)
    while let place = next.popLast() {
      guard seen.insert(place).inserted else { continue }
      next += stages[place].report.inputs.values.compactMap(maker)
    }
    let ports: Set = ["train", "scores", "validation"]
    return seen.sorted().map { stages[$0] }
      .filter { !isEvaluation($0.report.kind) && !ports.isDisjoint(with: $0.report.inputs.keys) }
  }
}
