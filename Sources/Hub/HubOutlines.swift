/// Folders in which models of the hub can be looked at before they are downloaded; they go with this object.
import Artifacts
import Foundation
import Pipelines
import Synchronization

package final class HubOutlines: Sendable {
  private let hub: Hub
  private let known: @Sendable (HubReference) throws -> HubRevision?
  private let watcher: @Sendable (HubProgress) -> Bool
  private let folder = FileManager.default.temporaryDirectory.appending(path: "retort-hub-\(UUID().uuidString)")
  private let found = Mutex<[HubReference: Result<(revision: HubRevision, folder: URL), any Error>]>([:])

  /// - Parameter known: what a name stood for when the hub was asked last, where somebody remembers that.
  package init(
    _ hub: Hub, known: @escaping @Sendable (HubReference) throws -> HubRevision? = { _ in nil },
    watcher: @escaping @Sendable (HubProgress) -> Bool = { _ in true }
  ) {
    self.hub = hub
    self.known = known
    self.watcher = watcher
  }

  deinit {
    // What is left of a temporary folder harms nobody; the system cleans it.
    try? FileManager.default.removeItem(at: folder)
  }

  /// See `Hub.outline`. - Throws: `HubError`.
  package func look(at reference: HubReference) throws -> (revision: HubRevision, folder: URL) {
    try found.withLock { found in
      if let known = found[reference] { return try known.get() }
      let result = Result { try outline(of: reference, in: folder.appending(path: "\(found.count)")) }
      found[reference] = result
      return try result.get()
    }
  }

  /// The same, unless it cannot be looked at yet.
  package func folder(of reference: HubReference) throws -> URL? {
    do { return try look(at: reference).folder } catch is WeightsNeeded { return nil }
  }

  private func outline(of reference: HubReference, in target: URL) throws -> (revision: HubRevision, folder: URL) {
    let revision = try hub.revision(of: reference, known: known(reference), watcher: watcher)
    try FileOperations().makeFolder(target)
    return (revision, try hub.outline(of: revision, at: target, watcher: watcher))
  }
}

/// Files of weights that do not begin with what they hold.
package struct WeightsNeeded: Error, CustomStringConvertible {
  let model: String
  let path: String
  package var description: String {
    "\(model): \(path) tells what it holds only once it is there; `retort vectors` or `retort run` downloads it"
  }
}
