/// An advisory lock on a file, given back by the system when the last process that inherited it ends.
import Foundation

package final class FileLock: Sendable {
  package let url: URL
  package let descriptor: Int32

  /// Opens the file, making it if need be; takes no lock yet.
  package init(at url: URL) throws {
    self.url = url
    descriptor = open(url.posixPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("open", url) }
  }

  deinit { close(descriptor) }

  /// Whether it was free.
  package func take() throws -> Bool { try attempt(LOCK_EX | LOCK_NB) }

  /// Waits until it is free.
  package func wait() throws { _ = try attempt(LOCK_EX) }

  /// Waits until nobody has it alone, then has it together with others who share it.
  package func waitShared() throws { _ = try attempt(LOCK_SH) }

  /// Whether somebody has it alone. Never makes another asker believe that it is held.
  package static func isHeld(_ url: URL) throws -> Bool {
    let file = Descriptor(open(url.posixPath, O_RDONLY | O_CLOEXEC))
    if file.raw < 0 && (errno == ENOENT || errno == ENOTDIR) { return false }
    guard file.raw >= 0 else { throw FileError("open", url) }
    while flock(file.raw, LOCK_SH | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return true }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return false
  }

  /// Whether the file at the lock's path is still the one that was opened.
  package var isInPlace: Bool {
    var own = stat()
    return fstat(descriptor, &own) == 0 && FileStatus.of(url)?.stamp.inode == FileStatus(own).stamp.inode
  }

  private func attempt(_ operation: Int32) throws -> Bool {
    while flock(descriptor, operation) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return true
  }
}
