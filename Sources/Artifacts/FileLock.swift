/// An advisory lock on a file, given back by the system when the last process that inherited it ends.
import Foundation

package struct FileLock: ~Copyable {
  package let url: URL
  private let file: Descriptor
  package var descriptor: Int32 { file.raw }

  /// Opens the file, making it if need be; takes no lock yet.
  package init(at url: URL) throws {
    self.url = url
    file = Descriptor(open(url.posixPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644))
    guard file.raw >= 0 else { throw FileError("open", url) }
  }

  /// Whether it was free.
  package borrowing func take() throws -> Bool {
    if try attempt(LOCK_EX | LOCK_NB) { return true }
    return false
  }

  /// Waits until it is free.
  package borrowing func wait() throws { _ = try attempt(LOCK_EX) }

  private borrowing func attempt(_ operation: Int32) throws -> Bool {
    while flock(file.raw, operation) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw FileError("lock", url) }
    }
    return true
  }
}
