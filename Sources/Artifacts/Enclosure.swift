/// Opens files where somebody else may have prepared links, fifos or devices: in a store and in a remote store.
import Foundation

/// Something else lies where a file or a folder belongs.
package struct UnexpectedFile: Error, CustomStringConvertible, Sendable {
  package let url: URL
  package let found: String
  package let expected: String
  package init(url: URL, found: String, expected: String) {
    self.url = url
    self.found = found
    self.expected = expected
  }

  package var description: String {
    "\(url.posixPath) is \(found), expected \(expected); look at it and move it away"
  }
}

/// A folder beneath which no symbolic link is followed. People name the folder itself, so a link may lead to it.
/// Paths elsewhere are taken as they are.
package struct Enclosure: Sendable {
  private let root: String?

  package init(_ root: URL?) {
    var path = root?.posixPath
    while let longer = path, longer.utf8.last == UInt8(ascii: "/") { path = String(longer.dropLast()) }
    self.root = path
  }

  /// A file as the system calls take it: the folder that it lies in, open, and its name there.
  struct Place: ~Copyable {
    let folder: Descriptor
    let name: String
    let url: URL

    /// `nil` if nothing is there. A link is what it is.
    var status: FileStatus? { FileStatus.of(name, in: folder.raw) }
  }

  /// - Throws: `UnexpectedFile` if the way there leads through a link or a file, `FileError` if a folder is missing.
  func place(of url: URL) throws -> Place {
    let path = url.posixPath
    guard let root, path.utf8.starts(with: root.utf8) else {
      return Place(folder: Descriptor(AT_FDCWD), name: path, url: url)
    }
    let rest = path.utf8.dropFirst(root.utf8.count)
    guard rest.first == UInt8(ascii: "/") else { return Place(folder: Descriptor(AT_FDCWD), name: path, url: url) }
    var names = rest.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    guard names.allSatisfy({ ![".", ".."].contains($0) }), let name = names.popLast() else {
      throw FileError("open", url, code: EINVAL)
    }
    var folder = Descriptor(Foundation.open(root.isEmpty ? "/" : root, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    guard folder.raw >= 0 else { throw FileError("open", URL(filePath: root, directoryHint: .notDirectory)) }
    var way = root
    for name in names {
      way += "/" + name
      let inner = Descriptor(openat(folder.raw, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
      guard inner.raw >= 0 else {
        let code = errno
        let there = Place(folder: folder, name: name, url: URL(filePath: way, directoryHint: .notDirectory))
        if let status = there.status, !status.isFolder {
          throw UnexpectedFile(url: there.url, found: status.kind, expected: "a folder")
        }
        throw FileError("open", there.url, code: code)
      }
      folder = inner
    }
    return Place(folder: folder, name: name, url: url)
  }

  /// What lies there, a link as what it is; elsewhere than beneath the root, links are followed. `nil` if nothing does.
  package func status(of url: URL) throws -> FileStatus? {
    guard isAround(url) else { return FileStatus.of(url) }
    do { return try place(of: url).status } catch let error as FileError where error.code == ENOENT { return nil }
  }

  private func isAround(_ url: URL) -> Bool {
    guard let root else { return false }
    return url.posixPath.utf8.starts(with: (root + "/").utf8)
  }

  /// Opens a regular file; waits for nobody and follows no link to it.
  package func open(_ url: URL, _ flags: Int32, mode: mode_t = 0o666) throws -> Descriptor {
    let place = try place(of: url)
    // Opening a device may do something.
    if let status = place.status, !status.isFile {
      throw UnexpectedFile(url: url, found: status.kind, expected: "a file")
    }
    let file = Descriptor(openat(place.folder.raw, place.name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode))
    guard file.raw >= 0 else { throw FileError(flags & O_CREAT == 0 ? "open" : "create", url) }
    let status = try file.status(of: url)
    guard status.isFile else { throw UnexpectedFile(url: url, found: status.kind, expected: "a file") }
    return file
  }

  /// Reads a whole file.
  /// - Throws: `FileTooLarge`, having read no more than `limit` bytes.
  package func read(_ url: URL, atMost limit: Int = .max) throws -> Data {
    let file = try open(url, O_RDONLY)
    let size = Int(try file.status(of: url).stamp.size)
    guard size <= limit else { throw FileTooLarge(url: url, limit: limit) }
    let data = try file.bytes(of: url, expected: size, atMost: limit == .max ? limit : limit + 1)
    guard data.count <= limit else { throw FileTooLarge(url: url, limit: limit) }
    return data
  }
}

package struct FileTooLarge: Error, CustomStringConvertible {
  let url: URL
  let limit: Int
  package var description: String { "\(url.posixPath) has more than \(limit) bytes, which is the most it may have" }
}

extension Descriptor {
  func status(of url: URL) throws -> FileStatus {
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw FileError("read", url) }
    return FileStatus(status)
  }

  package func length(of url: URL) throws -> Int { Int(try status(of: url).stamp.size) }

  /// The bytes from `offset` to the end as it is when it is reached.
  package func bytes(of url: URL, from offset: Int = 0, expected: Int = 0, atMost limit: Int = .max) throws -> Data {
    var data = Data()
    data.reserveCapacity(expected)
    let chunk = min(max(expected, 1 << 12), 1 << 20)
    try withUnsafeTemporaryAllocation(byteCount: chunk, alignment: 16) { buffer in
      while data.count < limit {
        let count = pread(raw, buffer.baseAddress, min(chunk, limit - data.count), off_t(offset + data.count))
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw FileError("read", url) }
        if count == 0 { break }
        data.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    return data
  }
}
