/// Opens files that somebody else wrote: regular ones only, that lie in their folder, and no larger than they may be.
import Foundation

package enum ForeignFile {
  /// Why a file is not read.
  package struct Refusal: Error, Equatable, CustomStringConvertible {
    package let found: String
    package let expected: String
    package var description: String { "found \(found), expected \(expected)" }
  }

  /// The bytes of a file, copied: they stay, whatever happens to it.
  /// - Parameters:
  ///   - root: the folder that the file must lie in, links resolved; absent: anywhere.
  ///   - limit: the most bytes that it may have.
  package static func contents(of url: URL, in root: URL? = nil, atMost limit: Int) throws(Refusal) -> Data {
    let (descriptor, size) = try open(url, in: root, atMost: limit)
    defer { close(descriptor) }
    var data = Data(count: size)
    var filled = 0
    while filled < size {
      let count = data.withUnsafeMutableBytes { bytes in
        read(descriptor, bytes.baseAddress.map { $0 + filled }, size - filled)
      }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw Refusal(found: reason(errno), expected: "a file that can be read") }
      if count == 0 { return data.prefix(filled) }
      filled += count
    }
    return data
  }

  /// The bytes of a file that is large, mapped: only what is looked at is read.
  package static func mapped(_ url: URL, in root: URL? = nil, atMost limit: Int = .max) throws(Refusal) -> Data {
    let (descriptor, size) = try open(url, in: root, atMost: limit)
    defer { close(descriptor) }
    guard size > 0 else { return Data() }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw Refusal(found: reason(errno), expected: "a file that can be mapped")
    }
    return Data(bytesNoCopy: base, count: size, deallocator: .unmap)
  }

  /// Whether anything bears that name, even what cannot be used.
  package static func exists(_ url: URL) -> Bool {
    var status = stat()
    return lstat(url.path(percentEncoded: false), &status) == 0
  }

  /// Whether a file or folder lies in `root` once all links are resolved. What a snapshot in a hub's cache links to lies
  /// in `blobs` beside `snapshots`, and counts as lying in the snapshot.
  package static func lies(_ url: URL, in root: URL) -> Bool {
    guard let place = resolved(url), let root = resolved(root) else { return false }
    let (parts, within) = (components(place), components(root))
    if parts.starts(with: within) { return true }
    guard parts.count >= 2, parts[parts.count - 2].elementsEqual("blobs".utf8) else { return false }
    let snapshots = Array(parts.dropLast(2)) + [Array("snapshots".utf8)]
    return within.starts(with: snapshots)
  }

  private static func open(
    _ url: URL, in root: URL?, atMost limit: Int
  ) throws(Refusal) -> (descriptor: Int32, size: Int) {
    let path = url.path(percentEncoded: false)
    guard !path.utf8.contains(0) else {
      throw Refusal(found: "a zero byte in its name", expected: "a name without one")
    }
    if let root, exists(url), !lies(url, in: root) {
      throw Refusal(found: "a link that leads out of the folder", expected: "a file that lies in it")
    }
    // Who opens a fifo or a device to read it may wait for ever.
    let descriptor = Foundation.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw Refusal(found: reason(errno), expected: "a file that can be read") }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw Refusal(found: kind(status.st_mode), expected: "a regular file")
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      close(descriptor)
      throw Refusal(found: "\(size) bytes", expected: "at most \(limit) bytes")
    }
    return (descriptor, size)
  }

  /// The path without links; `nil` if there is no such file.
  private static func resolved(_ url: URL) -> String? {
    guard let path = realpath(url.path(percentEncoded: false), nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
  }

  private static func components(_ path: String) -> [[UInt8]] {
    path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

  private static func kind(_ mode: mode_t) -> String {
    switch mode & S_IFMT {
    case S_IFDIR: "a folder"
    case S_IFIFO: "a named pipe"
    case S_IFCHR, S_IFBLK: "a device"
    case S_IFSOCK: "a socket"
    default: "no file"
    }
  }
}
