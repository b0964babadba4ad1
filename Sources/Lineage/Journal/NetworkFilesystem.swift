/// Recognises filesystems on which several machines would write SQLite's log past each other.
import Artifacts
import CSystem
import Foundation

package struct NetworkFilesystem: Error, CustomStringConvertible {
  package let url: URL
  package let name: String
  package var description: String {
    "\(url.posixPath) lies on a network filesystem (\(name)), where SQLite's write-ahead log is unsafe; "
      + "put the store on a local disk with --store or RETORT_STORE"
  }

  /// `nil` for a local filesystem and for one that is not known.
  static func name(at folder: URL) -> String? {
    switch retort_filesystem(folder.posixPath) {
    case 0x6969: "NFS"
    case 0x517b, 0xff53_4d42, 0xfe53_4d42: "SMB"
    case 0x0102_1997: "9P"
    case 0x5346_414f: "AFS"
    case 0x00c3_6400: "Ceph"
    case 0x0bd0_0bd0: "Lustre"
    case 0x4750_4653: "GPFS"
    default: nil
    }
  }
}
