/// Lists what lies in the store, and how much room it takes.
import Foundation

/// Names in the store's folders, as they were while they were read.
package struct StoreContents: Sendable {
  package var objects: Set<Digest> = []
  package var trees: Set<Digest> = []
  /// Digests of files that have names in `views`.
  package var views: Set<Digest> = []
  /// Folders of work, by key.
  package var work: Set<Digest> = []
  /// Folders of logs, by run.
  package var logs: Set<Int> = []
  /// What Retort does not write there.
  package var unknown: [URL] = []
}

extension Store {
  package func contents() throws -> StoreContents {
    var contents = StoreContents()
    contents.objects = try digests(in: "objects", &contents.unknown)
    contents.trees = try digests(in: "trees", &contents.unknown)
    if isFolder(root.appending(path: "views")) { contents.views = try digests(in: "views", &contents.unknown) }
    for name in try names("work") {
      let url = root.appending(path: "work/\(name)")
      if let key = Digest(hex: name), isFolder(url) {
        contents.work.insert(key)
      } else {
        contents.unknown.append(url)
      }
    }
    for name in try names("logs") {
      let url = root.appending(path: "logs/\(name)")
      if let run = Int(name), isFolder(url) {
        contents.logs.insert(run)
      } else {
        contents.unknown.append(url)
      }
    }
    return contents
  }

  private func digests(in area: String, _ unknown: inout [URL]) throws -> Set<Digest> {
    var digests: Set<Digest> = []
    for prefix in try names(area) {
      let folder = root.appending(path: "\(area)/\(prefix)")
      guard isFolder(folder) else {
        unknown.append(folder)
        continue
      }
      for name in try FolderScan.names(in: folder) {
        if prefix.count == 2, let digest = Digest(hex: prefix + name), digest.description == prefix + name {
          digests.insert(digest)
        } else {
          unknown.append(folder.appending(path: name))
        }
      }
    }
    return digests
  }

  private func isFolder(_ url: URL) -> Bool { FileStatus.of(url, followLinks: false)?.isFolder == true }

  private func names(_ area: String) throws -> [String] { try FolderScan.names(in: root.appending(path: area)) }
}

/// The room that a set of files and folders would give back: a file counts once, and only if all of its names go.
package struct DiskUse: Sendable {
  private struct Inode: Hashable {
    var device: Int64
    var number: Int64
  }
  private var names: [Inode: (left: Int, bytes: Int)] = [:]

  package init() {}

  /// Sum of the files' lengths.
  package private(set) var bytes = 0

  /// Adds a file, or a folder with all that is in it; what is not there takes no room.
  package mutating func add(_ url: URL) throws {
    guard let status = FileStatus.of(url, followLinks: false) else { return }
    if status.isFolder {
      let names: [String]
      do { names = try FolderScan.names(in: url) } catch let error as FileError where error.code == ENOENT { return }
      for name in names { try add(url.appending(path: name)) }
    } else if status.links == 1 {
      bytes += Int(status.stamp.size)
    } else {
      let inode = Inode(device: status.stamp.device, number: status.stamp.inode)
      let left = (names[inode]?.left ?? status.links) - 1
      names[inode] = (left, Int(status.stamp.size))
      if left == 0 { bytes += Int(status.stamp.size) }
    }
  }
}
