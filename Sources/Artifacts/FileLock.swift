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

  /// Whether nobody holds it, as far as one can tell without keeping others from taking it for more than a moment.
  package func isFree() throws -> Bool {
    guard try attempt(LOCK_SH | LOCK_NB) else { return false }
    _ = try attempt(LOCK_UN)
    return true
  }

  private func attempt(_ operation: Int32) throws -> Bool {
    while flock(descriptor, operation) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return true
  }
}
