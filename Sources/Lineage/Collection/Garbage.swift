/// Decides what goes now and what has to wait. Touches neither disk nor database.
import Artifacts
import Foundation

/// Something in the store that nothing may refer to.
package struct StoredItem: Hashable, Sendable {
  package enum Area: String, Sendable, Codable, CaseIterable {
    /// A file in `objects`, and with a folder's manifest its folder in `trees`.
    case object
    case work
    case log
  }
  package var area: Area
  /// A digest, a key, or a run's number.
  package var name: String
}

/// What nothing refers to, by when it was first seen so.
struct Garbage {
  /// Goes now.
  var due: Set<StoredItem> = []
  /// Waits, since when.
  var waiting: [StoredItem: Date] = [:]

  /// - Parameters:
  ///   - unreachable: everything in the store that no root leads to.
  ///   - marks: of earlier collections.
  ///   - manifests: of the folders among the unreachable.
  init(
    unreachable: Set<StoredItem>, marks: [StoredItem: Date], manifests: [Digest: FolderManifest], now: Date,
    grace: TimeInterval
  ) {
    for item in unreachable {
      let since = marks[item] ?? now
      if since.addingTimeInterval(grace) <= now { due.insert(item) } else { waiting[item] = since }
    }
    // A folder that waits is still a whole: its files wait as long as it does.
    for (digest, manifest) in manifests {
      guard let since = waiting[.object(digest)] else { continue }
      for file in manifest.files {
        guard unreachable.contains(.object(file)) else { continue }
        due.remove(.object(file))
        waiting[.object(file)] = max(since, waiting[.object(file)] ?? since)
      }
    }
  }
}

extension StoredItem {
  static func object(_ digest: Digest) -> StoredItem { StoredItem(area: .object, name: digest.description) }
}
