/// Models that are named on the command line or in a file: their folders, those of the hub downloaded or looked at.
import Artifacts
import Basics
import Foundation
import Hub
import Lineage
import Pipelines
import Reports
import Scheduling
import Synchronization

/// The folder of a model that a user named: a path, or `hf://org/name[@revision]`, which is downloaded.
func modelFolder(_ name: String) throws -> URL {
  guard let reference = try hubReference(name) else { return URL(filePath: name) }
  let (hub, line) = (Hub(), DownloadLine())
  defer { line.erase() }
  let revision = try hub.revision(of: reference, watcher: line.show)
  try hub.fetch(revision, watcher: line.show)
  return hub.folder(of: revision)
}

/// `nil` for a path.
func hubReference(_ name: String) throws -> HubReference? {
  guard name.hasPrefix(HubReference.scheme) else { return nil }
  guard let reference = HubReference(name) else {
    throw Failure("`\(name)` is not a model of the hub; write hf://org/name or hf://org/name@revision")
  }
  return reference
}

extension HubOutlines {
  /// Looks at the models that a pipeline file names, at the commits that its store remembers.
  static func ofModels(in file: URL, _ store: StoreOptions) -> HubOutlines {
    let here = URL(filePath: FileManager.default.currentDirectoryPath)
    let line = DownloadLine()
    return HubOutlines(KeyContext.thisMachine.hub) { reference in
      let root = projectRoot(of: file, workingFolder: here)
      return try store.reading(root: root).journal.hubRevision(of: reference)
    } watcher: { progress in
      line.show(progress)
    }
  }
}

extension HubProgress {
  /// For people.
  var line: String {
    let what = waits ? "another process downloads" : "downloads"
    return "\(what) \(model)  \(formatted(bytes: done)) of \(formatted(bytes: total))"
  }
}

/// One line on a terminal that tells how far a download is.
final class DownloadLine: Sendable {
  private let isLive = isatty(STDERR_FILENO) == 1
  private let isShown = Mutex(false)

  @Sendable func show(_ progress: HubProgress) -> Bool {
    guard isLive else { return true }
    isShown.withLock { $0 = true }
    Terminal.replaceErrorLine(with: progress.line)
    if progress.done == progress.total { erase() }
    return true
  }

  func erase() {
    isShown.withLock { shown in
      if shown { Terminal.replaceErrorLine(with: "") }
      shown = false
    }
  }
}
