/// The models of a stage that come from the hub: downloaded before its worker starts, and checked.
import Artifacts
import Foundation
import Hub
import Pipelines
import Processes
import Synchronization

struct HubInputs: Sendable {
  private let revisions: [HubRevision]
  private let hub: Hub
  private let hasher: SourceHasher

  /// Whether anything has to be downloaded.
  var areMissing: Bool { !revisions.allSatisfy(hub.holds) }

  init(of stage: ResolvedStage, hub: Hub, hasher: SourceHasher) {
    revisions = stage.inputs.sorted { $0.key < $1.key }.compactMap(\.value.hub)
    self.hub = hub
    self.hasher = hasher
  }

  /// Downloads what is missing.
  /// - Returns: stamps by which the files are known.
  /// - Throws: `HubError`, also for files that are not what the hub lists.
  func fetch(_ report: @escaping @Sendable (HubProgress) -> Void) async throws -> [FileStamp: Digest] {
    guard !revisions.isEmpty else { return [:] }
    let stop = Mutex(false)
    return try await withTaskCancellationHandler {
      try await onOwnThread {
        var stamps: [FileStamp: Digest] = [:]
        for revision in revisions {
          try hub.fetch(revision) { progress in
            report(progress)
            return !stop.withLock { $0 }
          }
          stamps.merge(try check(revision)) { $1 }
        }
        return stamps
      }
    } onCancel: {
      stop.withLock { $0 = true }
    }
  }

  private func check(_ revision: HubRevision) throws -> [FileStamp: Digest] {
    let folder = hub.folder(of: revision)
    let found = try hasher.hash(folder, only: revision.files.map(\.path))
    if found.artifact == (try revision.artifact) { return found.stamps }
    for file in revision.files
    where try hasher.hash(folder.appending(path: file.path)).artifact.digest != file.digest {
      throw hub.damage(of: file, revision)
    }
    throw HubError(revision.name, "\(folder.posixPath) changed while it was read; run again")
  }
}
