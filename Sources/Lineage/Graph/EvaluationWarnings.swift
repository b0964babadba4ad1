/// Walks a run's lineage for evaluations whose figures are too good: their records also trained the model, chose its
/// checkpoint or fitted its calibration.
import Artifacts
import Pipelines

/// Sentences that name stages, as the pipeline file calls them, and ports; each once.
package func evaluationWarnings(of stages: [RecordedStage], _ catalog: StageCatalog) -> [String] {
  let walk = LineageWalk(stages, catalog)
  var sentences: [String] = []
  for evaluation in stages {
    for data in walk.ports(.evaluatedOn, of: evaluation) {
      let records = walk.records(of: data.input, part: walk.part(of: evaluation))
      func say(_ role: InputRole, of stage: RecordedStage, _ what: String) {
        for (port, input) in walk.ports(role, of: stage) {
          guard walk.records(of: input).contains(where: { other in records.contains { $0.overlaps(other) } }) else {
            continue
          }
          sentences.append(
            "`\(evaluation.report.base)` evaluates records (port `\(data.port)`) that \(what) (port `\(port)`): "
              + "the figures are too good")
        }
      }
      say(.choosesBy, of: evaluation, "its calibration was fitted on")
      for training in walk.trainings(behind: evaluation) {
        say(.learnsFrom, of: training, "`\(training.report.base)` was trained on")
        say(.choosesBy, of: training, "also chose the checkpoint of `\(training.report.base)`")
      }
    }
  }
  return distinct(sentences)
}

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
  private let meanings: [StageDescription]
  private let placeOfName: [String: Int]
  private let placeOfOutput: [Digest: Int]

  init(_ stages: [RecordedStage], _ catalog: StageCatalog) {
    self.stages = stages
    meanings = stages.map { catalog.meaning(ofKind: $0.report.kind, inputs: $0.report.inputs.keys) }
    placeOfName = Dictionary(stages.enumerated().map { ($1.report.name, $0) }) { first, _ in first }
    placeOfOutput = Dictionary(
      stages.enumerated().flatMap { place, stage in stage.report.outputs.values.map { ($0.digest, place) } }
    ) { first, _ in first }
  }

  /// The stage that made an input: the one that the run names, else one that made these bytes.
  private func maker(of input: RunReport.Input) -> Int? {
    if input.source != nil { return nil }
    if let output = input.output.flatMap(RecordedOutputName.init), let place = placeOfName[output.stage],
      stages[place].report.outputs[output.port]?.digest == input.digest
    {
      return place
    }
    return placeOfOutput[input.digest]
  }

  /// What is bound to the inputs with a role; of a list each by its own name, `data[2]`.
  func ports(_ role: InputRole, of place: Int) -> [(port: String, input: RunReport.Input)] {
    let names = meanings[place].inputs(role)
    return stages[place].report.inputs.filter { names.contains(VariantName($0.key).base) }
      .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  func ports(_ role: InputRole, of stage: RecordedStage) -> [(port: String, input: RunReport.Input)] {
    placeOfName[stage.report.name].map { ports(role, of: $0) } ?? []
  }

  /// Which part of folders a stage was told to read.
  func part(of stage: RecordedStage) -> String? {
    placeOfName[stage.report.name].flatMap { meanings[$0].parameter(.part) }.flatMap { stage.component("with.\($0)") }
  }

  /// The artifact itself and those that the same records were in before. Stages that hand no records on end the walk:
  /// what `split` or a command makes of one file may be disjoint, and passages are shared by right.
  func records(of input: RunReport.Input, part: String? = nil) -> Set<Records> {
    var records: Set = [Records(digest: input.digest, part: part)]
    if let place = maker(of: input) {
      let part = self.part(of: stages[place])
      for source in ports(.handsOn, of: place) { records.formUnion(self.records(of: source.input, part: part)) }
    }
    return records
  }

  /// Every training stage that led to what is evaluated, in the order in which they began.
  func trainings(behind evaluation: RecordedStage) -> [RecordedStage] {
    guard let own = placeOfName[evaluation.report.name] else { return [] }
    let models = meanings[own].modelPorts
    var seen: Set<Int> = []
    var next = evaluation.report.inputs.filter { models.contains(VariantName($0.key).base) }.values.compactMap(maker)
    while let place = next.popLast() {
      guard seen.insert(place).inserted else { continue }
      next += stages[place].report.inputs.values.compactMap(maker)
    }
    return seen.subtracting([own]).sorted().map { stages[$0] }
  }
}
