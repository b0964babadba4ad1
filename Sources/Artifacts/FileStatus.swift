/// What the system says of a file without reading it, and the stamp that stands for unchanged content.
import Foundation

/// Two stamps that are equal belong to the same bytes, if the first was taken more than two seconds after the change.
package struct FileStamp: Hashable, Sendable, Codable {
  package var device: Int64
  package var inode: Int64
  package var size: Int64
  /// Nanoseconds since 1970, of content and of the inode.
  package var modified: Int64
  package var changed: Int64

  package init(device: Int64, inode: Int64, size: Int64, modified: Int64, changed: Int64) {
    self.device = device
    self.inode = inode
    self.size = size
    self.modified = modified
    self.changed = changed
  }
}

package struct FileStatus: Sendable {
  package let stamp: FileStamp
  package let isFolder: Bool
  package let isFile: Bool
  package let isLink: Bool
  /// For people.
  package let kind: String
  package let isExecutable: Bool
  package let owner: uid_t
  /// Permissions, with the set-id and sticky bits.
  package let mode: mode_t
  /// How many names the file has.
  package let links: Int
  /// Nobody wrote to it since the store took it in, see `FileOperations.seal`.
  var isSealed: Bool { stamp.modified == Int64(FileOperations.sealTime) * 1_000_000_000 }

  /// `nil` if there is no such file, or none that can be reached.
  package static func of(_ url: URL, followLinks: Bool = true) -> FileStatus? {
    var status = stat()
    let path = url.posixPath
    return (followLinks ? stat(path, &status) : lstat(path, &status)) == 0 ? FileStatus(status) : nil
  }

  /// A file in an open folder; a link is what it is.
  static func of(_ name: String, in folder: Int32) -> FileStatus? {
    var status = stat()
    return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? FileStatus(status) : nil
  }

  init(_ status: stat) {
    #if canImport(Glibc)
      let (modified, changed) = (status.st_mtim, status.st_ctim)
    #else
      let (modified, changed) = (status.st_mtimespec, status.st_ctimespec)
    #endif
    stamp = FileStamp(
      device: Int64(truncatingIfNeeded: status.st_dev), inode: Int64(truncatingIfNeeded: status.st_ino),
      size: Int64(status.st_size), modified: Self.nanoseconds(modified), changed: Self.nanoseconds(changed))
    let type = status.st_mode & S_IFMT
    isFolder = type == S_IFDIR
    isFile = type == S_IFREG
    isLink = type == S_IFLNK
    isExecutable = status.st_mode & 0o100 != 0
    owner = status.st_uid
    mode = status.st_mode & 0o7777
    kind =
      switch type {
      case S_IFREG: "a file"
      case S_IFDIR: "a folder"
      case S_IFLNK: "a symbolic link"
      case S_IFIFO: "a fifo"
      case S_IFSOCK: "a socket"
      default: "a device"
      }
    links = Int(status.st_nlink)
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Nanoseconds since 1970.
  package static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return nanoseconds(time)
  }
}
