/// What a run remembers and what it asks of earlier ones. `Lineage` implements it in SQLite; tests in memory.
import Artifacts
import Foundation
import Hub
import Pipelines

package protocol RunJournal: StampMemory {
  /// Closes the runs of this machine that ended without saying so.
  func closeAbandoned(isAlive: (_ run: Int) throws -> Bool) throws
  /// Opens a run and returns its number.
  /// - Parameter claim: makes the run known as alive; done before anybody else can see it.
  func begin(_ run: RunStart, claim: (_ run: Int) throws -> Void) throws -> Int
  /// Outputs of the pipeline's latest runs by key and port: most of what a run will ask for, in one question.
  func recentOutputs(ofPipeline name: String, file: URL) throws -> [StageKey: [String: StoredArtifact]]
  /// Outputs of a key's stage by port, if they were ever recorded.
  func outputs(for key: StageKey) throws -> [String: StoredArtifact]?
  /// Outputs of one function over whatever records, the latest first.
  func earlierOutputs(of function: StageKey, limit: Int) throws -> [[String: StoredArtifact]]
  /// The stages that led to a key's result, each after all that it was made from, the key's own last.
  func provenance(of key: StageKey) throws -> [Provenance.Stage]
  /// Final states kept under a key without the parameter that extends, of at most that length, the longest first.
  func continuations(of key: StageKey, upTo length: Int) throws -> [StoredContinuation]
  /// What was last published at a path.
  func publication(at target: URL) throws -> PublicationRecord?
  /// What a name of a model stood for when the hub was asked last.
  func hubRevision(of reference: HubReference) throws -> HubRevision?
  /// Writes what happened in one turn: all of it, or nothing.
  func record(_ entries: [JournalEntry], run: Int) throws
}

package struct RunStart: Sendable {
  package var pipeline: String
  package var file: URL
  package var root: URL
  package var time: Date
  /// Retort's own.
  package var version: String
  /// The commit that is checked out in the project; absent outside git.
  package var revision: String?
  package var comparison: Comparison?
  /// How many stages it is to bring to an end.
  package var stages: Int?
  /// What the user calls it.
  package var name: String?
  /// What the file says to show first, `stage.metric`; absent: it says nothing.
  package var headline: [String]?
  /// The run that was cut off and that this one goes on with.
  package var continues: CutOffRun?
  package init(
    pipeline: String, file: URL, root: URL, time: Date, version: String = retortVersion, revision: String? = nil,
    comparison: Comparison? = nil, stages: Int? = nil, name: String? = nil, headline: [String]? = nil,
    continues: CutOffRun? = nil
  ) {
    self.pipeline = pipeline
    self.file = file
    self.root = root
    self.time = time
    self.version = version
    self.revision = revision
    self.comparison = comparison
    self.stages = stages
    self.name = name
    self.headline = headline
    self.continues = continues
  }
}

/// A run that did not come to its end by itself.
package struct CutOffRun: Codable, Sendable, Hashable {
  package enum Reason: String, Codable, Sendable, CaseIterable {
    case machineRestarted = "its machine restarted"
    case killed = "its process was killed"
    case toldToEnd = "it was told to end"
  }
  package var run: Int
  package var reason: Reason

  package init(run: Int, reason: Reason) {
    self.run = run
    self.reason = reason
  }
}

package struct PublicationRecord: Sendable, Hashable {
  package var target: URL
  package var stage: String
  /// The digest of what was meant to be there: artifacts and description.
  package var content: Digest
  /// The digest of what lay there when it was done.
  package var digest: Digest
  package init(target: URL, stage: String, content: Digest, digest: Digest) {
    self.target = target
    self.stage = stage
    self.content = content
    self.digest = digest
  }
}

package enum JournalEntry: Sendable {
  case stage(StageRecord)
  /// A running stage has what it needed: its own time counts from now.
  case begins(stage: String, time: Date)
  /// What a worker made.
  /// - Parameters:
  ///   - function: see `KeyMaterial.functionKey`.
  ///   - isKept: whether it becomes the key's result; not if an earlier one with other bytes is kept.
  case result(RecordedResult, function: StageKey? = nil, isKept: Bool = true)
  case stamps([FileStamp: Digest])
  /// What a name of a model stands for from now on.
  case model(HubReference, HubRevision)
  case publication(PublicationRecord)
  /// Something a person may want to read later: a failed attempt, a warning, damage.
  case event(stage: String?, kind: String, message: String, time: Date)
  case ended(RunOutcome, time: Date)
}

/// A stage's state in a run.
package struct StageRecord: Sendable {
  package struct Input: Sendable {
    package var artifact: StoredArtifact
    /// Where it lay, if it is not of another stage.
    package var path: URL?
    /// `hf://org/name@commit`, if it comes from the hub.
    package var hub: String?
    /// Which output it is of another stage, `split.train`.
    package var output: String?
  }
  package enum State: String, Sendable, Codable { case running, ran, cached, failed, skipped, interrupted }
  package var stage: String
  /// The stage as the pipeline file names it, and what the matrix says of this one.
  package var base: String
  package var coordinates: [Coordinate] = []
  package var kind: String
  package var state: State
  package var attempt: Int
  package var time: Date
  /// Absent if the inputs were never known.
  package var key: StageKey?
  /// By port; of a stage that begins to run.
  package var inputs: [String: Input] = [:]
  package var error: String?
}

/// How a run ended.
package enum RunOutcome: String, Sendable, Codable {
  case done
  /// A stage failed.
  case failed
  /// Another run held a stage for longer than this one was told to wait.
  case waitedTooLong = "waited too long"
  case interrupted

  package var exitCode: Int32 {
    switch self {
    case .done: 0
    case .failed: 1
    case .waitedTooLong: 4
    case .interrupted: 130
    }
  }
}

extension StageState {
  /// As the journal has it; states on the way leave no trace.
  var recorded: StageRecord.State? {
    switch self {
    case .waiting, .resolving, .ready, .backingOff: nil
    // Its outputs are in use from now on.
    case .running, .publishing: .running
    case .ran: .ran
    case .cached: .cached
    case .failed: .failed
    case .skipped: .skipped
    case .interrupted: .interrupted
    }
  }
}
