/// How much room there is for what will be written.
import Foundation

package enum MachineDisk {
  /// Free space of the disk that a folder lies on, or will lie on.
  package static func freeBytes(at folder: URL) throws -> Int {
    let existing = sequence(first: folder) { $0.deletingLastPathComponent() }
      .first { FileManager.default.fileExists(atPath: $0.path) }
    let free = try FileManager.default.attributesOfFileSystem(forPath: existing?.path ?? "/")[.systemFreeSize]
    return (free as? NSNumber)?.intValue ?? 0
  }
}
