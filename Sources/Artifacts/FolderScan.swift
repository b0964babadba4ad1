/// Lists what a folder holds, in the order in which it is hashed; links are followed as long as they stay inside.
import Foundation

package enum FolderScan {
  package struct Entry: Sendable {
    /// Relative to the folder, components separated by `/`.
    package let path: String
    package let url: URL
    /// Files, and folders that are empty; other folders follow from their files' paths.
    package let isFile: Bool
    package let isExecutable: Bool
  }

  package struct Problem: Error, CustomStringConvertible {
    package let url: URL
    package let reason: String
    package var description: String { "\(url.posixPath): \(reason)" }
  }

  /// Never part of an artifact.
  private static let skipped: Set<String> = [".git", ".retort"]

  /// Byte-sorted by path.
  package static func entries(of folder: URL) throws -> [Entry] {
    let root = folder.resolvingSymlinksInPath()
    var entries: [Entry] = []
    try add(root, path: "", root: root, ancestors: [], to: &entries)
    return entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private static func add(
    _ folder: URL, path: String, root: URL, ancestors: Set<[UInt8]>, to entries: inout [Entry]
  ) throws {
    let ancestors = ancestors.union([Array(folder.posixPath.utf8)])
    let names = try names(in: folder).filter { !skipped.contains($0) }
    if names.isEmpty && !path.isEmpty {
      entries.append(Entry(path: path, url: folder, isFile: false, isExecutable: false))
    }
    for name in names {
      var url = folder.appending(path: name)
      let inner = path.isEmpty ? name : "\(path)/\(name)"
      if FileStatus.of(url, followLinks: false)?.isLink == true {
        let target = url.resolvingSymlinksInPath()
        guard target.posixPath.utf8.starts(with: (root.posixPath + "/").utf8) else {
          throw Problem(
            url: url, reason: "a symbolic link that leads out of the folder; replace it by what it links to")
        }
        guard !ancestors.contains(Array(target.posixPath.utf8)) else {
          throw Problem(url: url, reason: "a symbolic link to a folder that contains it")
        }
        url = target
      }
      guard let status = FileStatus.of(url) else { throw FileError("read", url) }
      if status.isFolder {
        try add(url, path: inner, root: root, ancestors: ancestors, to: &entries)
      } else if status.isFile {
        entries.append(Entry(path: inner, url: url, isFile: true, isExecutable: status.isExecutable))
      } else {
        throw Problem(url: url, reason: "neither a file nor a folder")
      }
    }
  }

  /// Names in a folder without `.` and `..`, in no order.
  package static func names(in folder: URL) throws -> [String] {
    guard let stream = opendir(folder.posixPath) else { throw FileError("open", folder) }
    return try names(in: stream, folder)
  }

  /// The same of a folder that is open.
  static func names(in descriptor: borrowing Descriptor, _ folder: URL) throws -> [String] {
    let copy = fcntl(descriptor.raw, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0, let stream = fdopendir(copy) else { throw FileError("open", folder) }
    return try names(in: stream, folder)
  }

  private static func names(in stream: OpaquePointer, _ folder: URL) throws -> [String] {
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let capacity = MemoryLayout.size(ofValue: entry.pointee.d_name)
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: capacity) { String(validatingCString: $0) }
      }
      guard let name else { throw Problem(url: folder, reason: "holds a file whose name is not UTF-8; rename it") }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw FileError("read", folder) }
    return names
  }
}
