/// Runs a stage in a scratch folder, and keeps what it reported.
import Foundation
import Pipelines
import Synchronization
import TestSupport
import Testing

@testable import Stages

final class StageRun: Sendable {
  let folder: ScratchFolder
  private let events = Mutex<[StageEvent]>([])

  init() throws { folder = try ScratchFolder() }

  /// Runs the stage on files of the folder; outputs are written beside them, under their ports' names.
  /// - Parameter counting: the files that count of folders at ports, where not all do.
  func run<S: Stage>(
    _ stage: S.Type, inputs: [String: String], with parameters: [String: ParameterValue] = [:], seed: UInt64? = 7,
    earlier: [[String: EarlierOutput]] = [], counting: [String: [String]] = [:]
  ) async throws {
    let outputs = S.description.outputs.map { ($0.name, folder.url.appending(path: $0.name)) }
    let bound = try S.bound(
      to: StageBinding(
        inputs: Dictionary(
          uniqueKeysWithValues: inputs.map { port, path in
            let url = path.hasPrefix("/") ? URL(filePath: path) : folder.url.appending(path: path)
            // Members of a list go by their names, as the planner has it where they lie in one folder.
            return (port, BoundArtifact(url: url, label: port.hasSuffix("]") ? path : nil, files: counting[port]))
          }), parameters: parameters,
        outputs: Dictionary(uniqueKeysWithValues: outputs), seed: seed))
    let context = StageContext(Compute(), scratch: folder.url, earlier: earlier) { event in
      self.events.withLock { $0.append(event) }
    }
    let before = events.withLock(\.count)
    try await bound.run(context)
    let description = S.description
    let undeclared = events.withLock { events in
      events.dropFirst(before).compactMap { event -> String? in
        if case .metric(let name, _, _) = event, description.metric(name) == nil { name } else { nil }
      }
    }
    #expect(undeclared == [], "a stage declares every metric that it reports")
  }

  func lines(_ name: String) throws -> [String] {
    try String(contentsOf: folder.url.appending(path: name), encoding: .utf8).split(separator: "\n").map(String.init)
  }

  var messages: [String] {
    events.withLock { events in
      events.compactMap { event in
        switch event {
        case .log(let message), .warning(let message): message
        default: nil
        }
      }
    }
  }

  /// The last of them.
  var verdict: Verdict? {
    events.withLock { events in events.compactMap { if case .verdict(let verdict) = $0 { verdict } else { nil } }.last }
  }

  func metric(_ name: String) -> Double? { metrics(name).first }

  /// Every value, in the order in which they were reported.
  func metrics(_ name: String) -> [Double] {
    events.withLock { events in
      events.compactMap { if case .metric(name, let value, _) = $0 { value } else { nil } }
    }
  }
}

/// What a failing body says, without the scratch folder's name.
func failure(_ body: () async throws -> some Any) async -> String {
  do {
    _ = try await body()
    return "no error"
  } catch {
    return "\(error)".replacing(/\S*retort-test-[^\/]+\//, with: "")
  }
}

extension CandidateList {
  /// A group's own passages, as `mine` hands them on.
  init(given group: QueryGroup) {
    self.init(
      id: group.id, query: group.query,
      candidates: group.positives.map { Candidate(passage: $0, isPositive: true, source: .positive) }
        + group.negatives.map { Candidate(passage: $0, isPositive: false, source: .given) })
  }
}
