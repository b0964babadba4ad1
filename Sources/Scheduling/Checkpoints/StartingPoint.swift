/// Where a worker begins a stage that can be resumed: at the newest whole checkpoint, else at the final state of a
/// shorter run, else at the beginning. The event file is cut to what belongs to that moment.
import Artifacts
import Foundation
import Pipelines

struct StartingPoint {
  var state: SavedState?
  var place: SavedPlace?
  /// Bytes of the event file.
  var events = 0
  /// For people: what was taken, what could not be.
  var remarks: [StageEvent] = []

  /// - Parameter files: cleared of what a writer left that was killed.
  init(_ job: Job, _ continuation: Continuation?, in work: WorkFolder, _ files: FileOperations) throws {
    try files.makeFolder(work.checkpoints)
    for name in try FolderScan.names(in: work.checkpoints) where name.hasPrefix(".") {
      try files.remove(work.checkpoints.appending(path: name))
    }
    for url in try work.checkpointFiles().reversed() {
      if let file = read(url, of: job.key) {
        if try work.enclosure.status(of: work.events)?.stamp.size ?? 0 >= file.events {
          try work.cutEvents(to: file.events)
          begin(at: file, url)
          remarks.append(.resumed(step: file.state.step))
          return
        }
        refuse(url, "the stage's events up to it are gone")
      }
      // It must not count among the states that are kept.
      try files.remove(url)
    }
    try files.remove(work.events)
    guard let continuation, let folder = continuation.from else { return }
    let url = folder.appending(path: FinalState.state)
    guard let file = read(url, of: continuation.key) else { return }
    _ = try files.copy(folder.appending(path: FinalState.events), to: work.events)
    begin(at: file, url)
  }

  private mutating func read(_ url: URL, of key: StageKey) -> CheckpointFile? {
    do { return try CheckpointFile(url, of: key) } catch {
      refuse(url, (error as? UnusableCheckpoint)?.reason ?? "\(error)")
      return nil
    }
  }

  private mutating func refuse(_ url: URL, _ reason: String) {
    remarks.append(.warning("\(UnusableCheckpoint(url: url, reason: reason)); an earlier one is used, or none"))
  }

  private mutating func begin(at file: CheckpointFile, _ url: URL) {
    state = file.state
    place = SavedPlace(step: file.state.step, url: url)
    events = file.events
    remarks.append(.log("continues after step \(file.state.step), from \(url.posixPath)"))
  }
}

/// The folder that keeps the end of a training for a longer one.
enum FinalState {
  static let state = "state"
  /// The metrics up to it, as in an event file.
  static let events = "events.jsonl"
}

extension WorkFolder {
  var checkpoints: URL { scratch.appending(path: "checkpoints") }
  var finalState: URL { scratch.appending(path: "final") }

  fileprivate func cutEvents(to length: Int) throws {
    let file = try enclosure.open(events, O_WRONLY)
    guard ftruncate(file.raw, off_t(length)) == 0 else { throw FileError("cut", events) }
  }

  func checkpointFile(step: Int) -> URL {
    let digits = String(step)
    return checkpoints.appending(path: String(repeating: "0", count: max(0, 12 - digits.count)) + digits + ".state")
  }

  /// Oldest first.
  func checkpointFiles() throws -> [URL] {
    guard FileStatus.of(checkpoints) != nil else { return [] }
    return try FolderScan.names(in: checkpoints).filter { $0.hasSuffix(".state") && !$0.hasPrefix(".") }.sorted()
      .map { checkpoints.appending(path: $0) }
  }

  /// The step of the newest checkpoint, if there is one.
  package func savedStep() throws -> Int? {
    try checkpointFiles().last.flatMap { Int($0.deletingPathExtension().lastPathComponent) }
  }
}
