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
  /// Hands the descriptor to whoever closes it from now on.
  package consuming func release() -> Int32 {
    let raw = raw
    discard self
    return raw
  }
}

/// The operations themselves; stateless but for the hooks. New files and folders get what the process's umask leaves.
package struct FileOperations: Sendable {
  /// Called with an operation's name and its file before the operation; tests throw from it or end the process.
  package typealias Hook = @Sendable (_ operation: String, _ file: URL) throws -> Void
  /// How many of the bytes that are to be written the system takes at once, at least one; tests make it few.
  package typealias WriteLimit = @Sendable (_ bytes: Int) -> Int
  let before: Hook
  private let limit: WriteLimit
  package private(set) var enclosure: Enclosure

  /// - Parameter root: a folder beneath which no symbolic link is followed.
  package init(
    beneath root: URL? = nil, before: @escaping Hook = { _, _ in }, limit: @escaping WriteLimit = { $0 }
  ) {
    enclosure = Enclosure(root)
    self.before = before
    self.limit = limit
  }

  /// The same, beneath another folder.
  func beneath(_ root: URL) -> FileOperations {
    var files = self
    files.enclosure = Enclosure(root)
    return files
  }

  /// The modification time of what never changes again, 2000-01-01: a later one tells that somebody wrote there.
  static let sealTime = 946_684_800

  /// Copies `source`, a file outside, to the new file `target` in one pass, durable when this returns.
  package func copy(
    _ source: URL, to target: URL, mode: mode_t = 0o666, sealed: Bool = false
  ) throws -> (digest: Digest, bytes: Int) {
    try write(toNew: target, mode: mode, sealed: sealed) { write in try FileContent.read(source, write) }
  }

  /// Writes a new file, durable when this returns.
  package func write(_ data: Data, toNew target: URL, mode: mode_t = 0o666, sealed: Bool = false) throws {
    try write(toNew: target, mode: mode, sealed: sealed) { write in try data.withUnsafeBytes(write) }
  }

  /// The same, with content that `body` hands over piece by piece. The file is closed when this returns.
  func write<Result>(
    toNew target: URL, mode: mode_t, sealed: Bool = false,
    _ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Result
  ) throws -> Result {
    let output = try create(target, mode: mode)
    let result = try body { try write($0, to: output, at: target) }
    if sealed { try seal(target) }
    try sync(output, at: target)
    return result
  }

  /// Gives a file the time by which `FileStatus.isSealed` knows it.
  func seal(_ url: URL) throws {
    try before("seal", url)
    let time = timespec(tv_sec: Self.sealTime, tv_nsec: 0)
    let place = try enclosure.place(of: url)
    try check(utimensat(place.folder.raw, place.name, [time, time], AT_SYMLINK_NOFOLLOW), "set the time of", url)
  }

  /// Replaces a file as a whole: a reader sees the old content or the new, also after a crash.
  package func replace(_ target: URL, with data: Data, mode: mode_t = 0o666) throws {
    try replace(target, mode: mode) { write in try data.withUnsafeBytes(write) }
  }

  /// The same, with content that `body` hands over piece by piece. Nothing is left behind by an error.
  package func replace(
    _ target: URL, mode: mode_t = 0o666, writing body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let temporary = target.sibling(".\(target.lastPathComponent).\(getpid())")
    try remove(temporary)
    do {
      try write(toNew: temporary, mode: mode, body)
      try rename(temporary, to: target)
    } catch {
      try? remove(temporary)  // what went wrong first is what counts
      throw error
    }
  }

  /// Renames within one filesystem, durable when this returns.
  package func rename(_ source: URL, to target: URL) throws {
    try move(source, to: target)
    try syncFolder(target.deletingLastPathComponent())
  }

  /// Renames within one filesystem, where it does no harm if a power failure undoes it.
  func move(_ source: URL, to target: URL) throws {
    try before("rename", target)
    let from = try enclosure.place(of: source)
    let to = try enclosure.place(of: target)
    try check(renameat(from.folder.raw, from.name, to.folder.raw, to.name), "rename", target)
  }

  /// Exchanges two files or folders at once, where the filesystem can; otherwise by two renames.
  package func exchange(_ one: URL, _ other: URL) throws {
    try before("exchange", other)
    let from = try enclosure.place(of: one)
    let to = try enclosure.place(of: other)
    let result = retort_exchange(from.folder.raw, from.name, to.folder.raw, to.name)
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
    let from = try enclosure.place(of: source)
    let to = try enclosure.place(of: target)
    if linkat(from.folder.raw, from.name, to.folder.raw, to.name, 0) == 0 { return true }
    guard [EPERM, EXDEV, EMLINK, ENOTSUP, ENOSYS].contains(errno) else { throw FileError("link", target) }
    return false
  }

  /// A symbolic link, and the folders it lies in.
  package func makeLink(_ url: URL, to target: URL) throws {
    try makeFolder(url.deletingLastPathComponent())
    try before("symlink", url)
    let place = try enclosure.place(of: url)
    try check(symlinkat(target.posixPath, place.folder.raw, place.name), "link", url)
  }

  /// Makes a folder and its parents, durable when this returns; one that exists is left alone.
  package func makeFolder(_ url: URL) throws {
    if let status = try enclosure.status(of: url) { return try expectFolder(status, url) }
    try before("make", url)
    let parent = url.deletingLastPathComponent()
    // Where the parent is there, as in /proc, making it would not help.
    if try enclosure.status(of: parent) == nil, url.pathComponents.count > 1 { try makeFolder(parent) }
    let place = try enclosure.place(of: url)
    if mkdirat(place.folder.raw, place.name, 0o777) == 0 { return try syncFolder(parent) }
    guard errno == EEXIST, let status = try enclosure.status(of: url) else { throw FileError("make folder", url) }
    try expectFolder(status, url)
  }

  private func expectFolder(_ status: FileStatus, _ url: URL) throws {
    if !status.isFolder { throw UnexpectedFile(url: url, found: status.kind, expected: "a folder") }
  }

  /// Takes everybody's permission to write.
  func makeReadOnly(_ url: URL) throws { try changeMode(of: url) { $0 & ~0o222 } }

  /// Makes a folder one that its owner may change. Another user's stays as it is: what its group may do, works.
  func makeWritable(_ url: URL) throws {
    do { try changeMode(of: url) { $0 | 0o700 } } catch let error as FileError where error.code == EPERM {}
  }

  private func changeMode(of url: URL, _ change: (mode_t) -> mode_t) throws {
    try before("chmod", url)
    let place = try enclosure.place(of: url)
    guard let status = place.status else { throw FileError("change the mode of", url, code: ENOENT) }
    let result = setMode(change(status.mode), status, place.name, in: place.folder.raw)
    try check(result, "change the mode of", url)
  }

  /// Makes a folder's entries durable.
  package func syncFolder(_ url: URL) throws {
    try before("sync folder", url)
    let place = try enclosure.place(of: url)
    let folder = Descriptor(openat(place.folder.raw, place.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    try check(folder.raw, "open", url)
    // Some network filesystems refuse to sync a folder; they order its entries themselves.
    if fsync(folder.raw) != 0 && errno != EINVAL { throw FileError("sync", url) }
  }

  /// Removes a file or a folder with all that is in it, read-only or not; what is gone already is fine.
  package func remove(_ url: URL) throws {
    do {
      let place = try enclosure.place(of: url)
      try remove(place.name, in: place.folder.raw, url)
    } catch let error as FileError where error.code == ENOENT {}
  }

  private func remove(_ name: String, in parent: Int32, _ url: URL) throws {
    guard let status = FileStatus.of(name, in: parent) else { return }
    try before("remove", url)
    do {
      guard status.isFolder else { return try check(unlinkat(parent, name, 0), "remove", url) }
      // Another user's folder stays as it is: its group may be allowed to empty it as well.
      if setMode(status.mode | 0o700, status, name, in: parent) != 0 && errno != EPERM {
        throw FileError("change the mode of", url)
      }
      let folder = Descriptor(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
      try check(folder.raw, "open", url)
      for inner in try FolderScan.names(in: folder, url) {
        try remove(inner, in: folder.raw, url.appending(path: inner))
      }
      try check(unlinkat(parent, name, AT_REMOVEDIR), "remove", url)
    } catch let error as FileError where error.code == ENOENT {}
  }

  /// - Returns: as system calls do.
  private func setMode(_ mode: mode_t, _ status: FileStatus, _ name: String, in folder: Int32) -> Int32 {
    if mode == status.mode { return 0 }
    let result = fchmodat(folder, name, mode, AT_SYMLINK_NOFOLLOW)
    // Some systems can only where /proc is mounted.
    return result != 0 && errno == EOPNOTSUPP && !status.isLink ? fchmodat(folder, name, mode, 0) : result
  }

  private func create(_ url: URL, mode: mode_t) throws -> Descriptor {
    try before("create", url)
    let place = try enclosure.place(of: url)
    let descriptor = Descriptor(openat(place.folder.raw, place.name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode))
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

  func sync(_ file: borrowing Descriptor, at url: URL) throws {
    try before("sync", url)
    try check(fsync(file.raw), "sync", url)
  }

  func check(_ result: Int32, _ operation: String, _ url: URL) throws {
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

  /// The path as a key: URLs and texts whose letters look alike are equal to Swift, and may be two files.
  package var pathBytes: [UInt8] { Array(posixPath.utf8) }
}
