/// Moves files into the store that nobody can write to any more.
import CSystem
import Foundation

extension FileOperations {
  /// Moves a file to the new name `target` instead of copying it, hashed, sealed and durable when this returns. `nil`,
  /// with the file at its old name, where it has to be copied: somebody has it open for writing or may reach it by
  /// another name, it is another user's, or it cannot be moved.
  func take(_ source: URL, to target: URL) throws -> (digest: Digest, bytes: Int)? {
    try before("take", source)
    guard let found = try enclosure.status(of: source), found.isFile, found.links == 1, found.owner == geteuid() else {
      return nil
    }
    let file = try enclosure.open(source, O_RDONLY)
    do { try move(source, to: target) } catch let error as FileError
      where [EXDEV, EPERM, EACCES].contains(error.code)
    { return nil }
    // What a new file gets there: the folder was made under the same umask.
    let allowed = try enclosure.status(of: target.deletingLastPathComponent())?.mode ?? 0
    try before("chmod", target)
    try check(fchmod(file.raw, 0o444 & allowed), "change the mode of", target)
    // From here on nobody knows the name, and nobody opens the file for writing.
    let status = try file.status(of: target)
    if status.links == 1, status.stamp.inode == found.stamp.inode, !file.hasWriters {
      let content = try FileContent.read(file, target) { _ in }
      if try file.status(of: target).stamp == status.stamp {
        try seal(target)
        try sync(file, at: target)
        return content
      }
    }
    try move(target, to: source)
    return nil
  }
}

extension Descriptor {
  /// Whether somebody may yet write to the file, one of this user's; the system need not know.
  var hasWriters: Bool { retort_has_writers(raw) != 0 }
}
