/// A folder in which the tests here run stages one after the other, on a vocabulary of forty words.
import Foundation
import Pipelines
import Synchronization
import TestSupport
import Training

@testable import Stages

/// Collects what a stage reports.
final class Reports: Sendable {
  private let events = Mutex<[StageEvent]>([])
  func add(_ event: StageEvent) { events.withLock { $0.append(event) } }

  var lines: [String] {
    events.withLock { events in
      events.compactMap {
        switch $0 {
        case .log(let line), .warning(let line): line
        default: nil
        }
      }
    }
  }
  /// Values of one metric, step by step.
  func steps(_ name: String) -> [Double] {
    events.withLock { events in
      events.compactMap { if case .metric(name, let value, step: .some) = $0 { value } else { nil } }
    }
  }
  func final(_ name: String) -> Double? {
    events.withLock { events in
      events.compactMap { if case .metric(name, let value, step: nil) = $0 { value } else { nil } }.last
    }
  }
}

/// A folder in which stages run one after the other.
struct Workshop {
  let folder = Result { try ScratchFolder() }
  var threads = 2
  var memory = 1 << 30

  func url(_ path: String) throws -> URL { try folder.get().url.appending(path: path) }

  /// Runs a stage with files of the folder at its ports; further outputs lie beside the first, `OUTPUT.PORT`.
  @discardableResult
  /// The least memory that one chunk of a training needs, as the refusal of none says.
  func leastMemory(_ train: (Workshop) async throws -> Void) async throws -> Int {
    var poor = self
    poor.memory = 0
    do { try await train(poor) } catch TrainingError.doesNotFit(let needed, let available, _) {
      return needed - available
    }
    throw Unexpected(description: "a training ran without memory")
  }

  private struct Unexpected: Error { let description: String }

  func run<S: Stage>(
    _ kind: S.Type, _ inputs: [String: String], _ parameters: [String: ParameterValue] = [:], to output: String
  ) async throws -> Reports {
    let ports = S.description.outputs.map(\.name)
    let outputs = ports.enumerated().map { ($1, $0 == 0 ? output : "\(output).\($1)") }
    try FileManager.default.createDirectory(at: url("scratch"), withIntermediateDirectories: true)
    let stage = try S.bound(
      to: StageBinding(
        inputs: try inputs.mapValues { BoundArtifact(url: try url($0)) }, parameters: parameters,
        outputs: try Dictionary(uniqueKeysWithValues: outputs).mapValues { try url($0) }, seed: 3))
    let reports = Reports()
    try await stage.run(
      StageContext(Compute(threads: threads, memory: memory), scratch: try url("scratch")) {
        reports.add($0)
      })
    return reports
  }

  /// Twelve queries about three subjects; a passage answers those of its subject.
  func writeGroups() throws {
    let subjects = ["river": "water bank stream", "market": "price trade goods", "forest": "tree leaf wood"]
    let passages = subjects.sorted { $0.key < $1.key }.map { subject, words in
      Passage(id: subject, text: "the \(words) of a \(subject)")
    }
    let groups = (0..<12).map { index in
      let passage = passages[index % 3]
      let word = passage.text.split(separator: " ")[1 + index % 3]
      return QueryGroup(
        id: "q\(index)", query: "where is \(word) number \(index)", positives: [passage],
        negatives: passages.filter { $0.id != passage.id })
    }
    try QueryGroup.write(groups, to: url("groups.jsonl"))
    try CandidateList.write(groups.map(CandidateList.init(given:)), to: url("candidates.jsonl"))
    try Passage.write(passages, to: url("corpus.jsonl"))
  }

  func makeBase(width: Int = 16, layers: Int = 1) async throws {
    try writeGroups()
    try await run(
      Initialise.self, ["groups": "groups.jsonl"],
      [
        "vocab_size": .int(120), "hidden_size": .int(width), "num_hidden_layers": .int(layers),
        "num_attention_heads": .int(2), "intermediate_size": .int(2 * width), "max_position_embeddings": .int(32),
        "initializer_range": .double(0.1),
      ], to: "base")
  }

  /// Every file below a folder, by path.
  func bytes(_ path: String) throws -> [String: Data] {
    let root = try url(path)
    let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path)
    return Dictionary(
      uniqueKeysWithValues: try paths.filter { !root.appending(path: $0).hasDirectoryPath }
        .compactMap { name in
          let file = root.appending(path: name)
          let isFolder = try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory ?? false
          return isFolder ? nil : (name, try Data(contentsOf: file))
        })
  }
}

let smallTraining: [String: ParameterValue] = [
  "epochs": .int(4), "batch_size": .int(6), "lr": .double(2e-3), "max_len": .int(32),
]
let smallLora: ParameterValue = .map(["r": .int(2), "alpha": .double(4)])

func mean(_ values: some Collection<Double>) -> Double { values.reduce(0, +) / Double(values.count) }
