/// An advisory lock on a file, given back by the system when the last process that inherited it ends.
import Foundation

package final class FileLock: Sendable {
  package let url: URL
  package let descriptor: Int32

  /// Opens the file, making it if need be; takes no lock yet.
  /// - Parameter root: a folder beneath which no link is followed, in most cases the store.
  package init(at url: URL, beneath root: URL) throws {
    self.url = url
    descriptor = try Enclosure(root).open(url, O_RDWR | O_CREAT).release()
  }

  deinit { close(descriptor) }

  /// Whether it was free.
  package func take() throws -> Bool { try attempt(LOCK_EX | LOCK_NB) }

  /// Waits until it is free.
  package func wait() throws { _ = try attempt(LOCK_EX) }

  /// Waits until nobody has it alone, then has it together with others who share it.
  package func waitShared() throws { _ = try attempt(LOCK_SH) }

  /// Whether somebody has it alone. Never makes another asker believe that it is held.
  package static func isHeld(_ url: URL, beneath root: URL) throws -> Bool {
    let file: Descriptor
    do { file = try Enclosure(root).open(url, O_RDONLY) } catch let error as FileError where error.code == ENOENT {
      return false
    }
    while flock(file.raw, LOCK_SH | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return true }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return false
  }

  /// Whether the file at the lock's path is still the one that was opened.
  package var isInPlace: Bool {
    var own = stat()
    return fstat(descriptor, &own) == 0
      && FileStatus.of(url, followLinks: false)?.stamp.inode == FileStatus(own).stamp.inode
  }

  private func attempt(_ operation: Int32) throws -> Bool {
    while flock(descriptor, operation) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return true
  }
}
