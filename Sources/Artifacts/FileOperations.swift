/// Every operation with which the store changes files: one place for durability, and for tests to make fail.
import CSystem
import Foundation

/// An operation that failed, on which file, and why.
package struct FileError: Error, CustomStringConvertible, Equatable {
  package let operation: String
  package let path: String
  package let code: Int32

  package init(_ operation: String, _ url: URL, code: Int32 = errno) {
    self.operation = operation
    path = url.posixPath
    self.code = code
  }

  package var description: String {
    let remedy =
      switch code {
      case ENOSPC, EDQUOT: "; free some space and run again, nothing that was finished is lost"
      case EACCES, EPERM, EROFS: "; check the permissions"
      default: ""
      }
    return "cannot \(operation) \(path): \(String(cString: strerror(code)))\(remedy)"
  }
}

/// A file descriptor that closes with its owner.
package struct Descriptor: ~Copyable {
  package let raw: Int32
  package init(_ raw: Int32) { self.raw = raw }
  deinit { close(raw) }
}

/// The operations themselves; stateless but for the hooks.
package struct FileOperations: Sendable {
  /// Called with an operation's name and its file before the operation; tests throw from it or end the process.
  package typealias Hook = @Sendable (_ operation: String, _ file: URL) throws -> Void
  /// How many of the bytes that are to be written the system takes at once, at least one; tests make it few.
  package typealias WriteLimit = @Sendable (_ bytes: Int) -> Int
  private let before: Hook
  private let limit: WriteLimit

  package init(before: @escaping Hook = { _, _ in }, limit: @escaping WriteLimit = { $0 }) {
    self.before = before
    self.limit = limit
  }

  /// The modification time of what never changes again, 2000-01-01: a later one tells that somebody wrote there.
  static let sealTime = 946_684_800

  /// Copies `source` to the new file `target` in one pass, durable when this returns; its digest and length.
  package func copy(
    _ source: URL, to target: URL, mode: mode_t = 0o644, sealed: Bool = false
  ) throws -> (digest: Digest, bytes: Int) {
    let output = try create(target, mode: mode)
    let result = try FileContent.read(source) { chunk in try write(chunk, to: output, at: target) }
    if sealed { try seal(target) }
    try sync(output, at: target)
    return result
  }

  /// Writes a new file, durable when this returns.
  package func write(_ data: Data, toNew target: URL, mode: mode_t = 0o644, sealed: Bool = false) throws {
    let output = try create(target, mode: mode)
    try data.withUnsafeBytes { try write($0, to: output, at: target) }
    if sealed { try seal(target) }
    try sync(output, at: target)
  }

  /// Gives a file the time by which `FileStatus.isSealed` knows it.
  func seal(_ url: URL) throws {
    try before("seal", url)
    let time = timespec(tv_sec: Self.sealTime, tv_nsec: 0)
    try check(utimensat(AT_FDCWD, url.posixPath, [time, time], 0), "set the time of", url)
  }

  /// Replaces a file as a whole: a reader sees the old content or the new, also after a crash.
  package func replace(_ target: URL, with data: Data) throws {
    try replace(target) { write in try data.withUnsafeBytes(write) }
  }

  /// The same, with content that `body` hands over piece by piece. Nothing is left behind by an error.
  package func replace(
    _ target: URL, writing body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let temporary = target.sibling(".\(target.lastPathComponent).\(getpid())")
    try remove(temporary)
    do {
      try writeNew(temporary, body)
      try rename(temporary, to: target)
    } catch {
      try? remove(temporary)  // what went wrong first is what counts
      throw error
    }
  }

  /// The file is closed when this returns.
  private func writeNew(
    _ url: URL, _ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let output = try create(url, mode: 0o644)
    try body { try write($0, to: output, at: url) }
    try sync(output, at: url)
  }

  /// Renames within one filesystem, durable when this returns.
  package func rename(_ source: URL, to target: URL) throws {
    try move(source, to: target)
    try syncFolder(target.deletingLastPathComponent())
  }

  /// Renames within one filesystem, where it does no harm if a power failure undoes it.
  func move(_ source: URL, to target: URL) throws {
    try before("rename", target)
    try check(Foundation.rename(source.posixPath, target.posixPath), "rename", target)
  }

  /// Exchanges two files or folders at once, where the filesystem can; otherwise by two renames.
  package func exchange(_ one: URL, _ other: URL) throws {
    try before("exchange", other)
    let result = retort_exchange(one.posixPath, other.posixPath)
    if result != 0 && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) {
      let aside = other.sibling(".\(other.lastPathComponent).\(getpid()).aside")
      try rename(other, to: aside)
      try rename(one, to: other)
      try rename(aside, to: one)
    } else {
      try check(result, "exchange", other)
      try syncFolder(other.deletingLastPathComponent())
    }
  }

  /// A second name for a file; `false` where the filesystem refuses links.
  package func link(_ source: URL, at target: URL) throws -> Bool {
    try before("link", target)
    if Foundation.link(source.posixPath, target.posixPath) == 0 { return true }
    guard [EPERM, EXDEV, EMLINK, ENOTSUP, ENOSYS].contains(errno) else { throw FileError("link", target) }
    return false
  }

  /// A symbolic link, and the folders it lies in.
  package func makeLink(_ url: URL, to target: URL) throws {
    try makeFolder(url.deletingLastPathComponent())
    try before("symlink", url)
    try check(symlink(target.posixPath, url.posixPath), "link", url)
  }

  /// Makes a folder and its parents, durable when this returns; one that exists is left alone.
  package func makeFolder(_ url: URL) throws {
    if FileStatus.of(url)?.isFolder == true { return }
    try before("make", url)
    if mkdir(url.posixPath, 0o755) == 0 { return try syncFolder(url.deletingLastPathComponent()) }
    switch errno {
    case EEXIST where FileStatus.of(url)?.isFolder == true: return
    // Where the parent is there, as in /proc, making it would not help.
    case ENOENT where FileStatus.of(url.deletingLastPathComponent()) == nil && url.pathComponents.count > 1:
      try makeFolder(url.deletingLastPathComponent())
      try makeFolder(url)
    default: throw FileError("make folder", url)
    }
  }

  package func setMode(_ mode: mode_t, of url: URL) throws {
    try before("chmod", url)
    try check(chmod(url.posixPath, mode), "change the mode of", url)
  }

  /// Makes a folder's entries durable.
  package func syncFolder(_ url: URL) throws {
    try before("sync folder", url)
    let folder = Descriptor(open(url.posixPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    try check(folder.raw, "open", url)
    // Some network filesystems refuse to sync a folder; they order its entries themselves.
    if fsync(folder.raw) != 0 && errno != EINVAL { throw FileError("sync", url) }
  }

  /// Removes a file or a folder with all that is in it, read-only or not; what is gone already is fine.
  package func remove(_ url: URL) throws {
    guard let status = FileStatus.of(url, followLinks: false) else { return }
    try before("remove", url)
    do {
      if status.isFolder {
        try check(chmod(url.posixPath, 0o755), "change the mode of", url)
        for name in try FolderScan.names(in: url) { try remove(url.appending(path: name)) }
        try check(rmdir(url.posixPath), "remove", url)
      } else {
        try check(unlink(url.posixPath), "remove", url)
      }
    } catch let error as FileError where error.code == ENOENT {}
  }

  private func create(_ url: URL, mode: mode_t) throws -> Descriptor {
    try before("create", url)
    let descriptor = Descriptor(open(url.posixPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode))
    try check(descriptor.raw, "create", url)
    return descriptor
  }

  private func write(_ bytes: UnsafeRawBufferPointer, to file: borrowing Descriptor, at url: URL) throws {
    var rest = bytes
    while !rest.isEmpty {
      try before("write", url)
      let count = Foundation.write(file.raw, rest.baseAddress, limit(rest.count))
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw FileError("write", url) }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  private func sync(_ file: borrowing Descriptor, at url: URL) throws {
    try before("sync", url)
    try check(fsync(file.raw), "sync", url)
  }

  private func check(_ result: Int32, _ operation: String, _ url: URL) throws {
    if result < 0 { throw FileError(operation, url) }
  }
}

extension URL {
  /// The path as the system calls take it.
  package var posixPath: String {
    let path = path(percentEncoded: false)
    return path.utf8.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
  package func sibling(_ name: String) -> URL { deletingLastPathComponent().appending(path: name) }
}
