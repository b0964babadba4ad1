/// Which code a run is of: this program's version, and the commit of the project.
import Artifacts
import Foundation

package let retortVersion = "0.2.0"

extension URL {
  /// The commit that is checked out in this folder, read from `.git`; `nil` if there is none.
  func gitRevision() throws -> String? {
    var git = appending(path: ".git")
    // Of a worktree it is a file that names the folder.
    if FileStatus.of(git)?.isFile == true, let link = try git.line?.dropPrefix("gitdir: ") {
      git = URL(filePath: String(link), relativeTo: self).absoluteURL
    }
    guard let head = try git.appending(path: "HEAD").line else { return nil }
    guard let name = head.dropPrefix("ref: ") else { return head }
    let shared = try git.appending(path: "commondir").line
    let common = shared.map { URL(filePath: $0, relativeTo: git).absoluteURL } ?? git
    for folder in [git, common] {
      if let commit = try folder.appending(path: String(name)).line { return commit }
    }
    guard FileStatus.of(common.appending(path: "packed-refs")) != nil else { return nil }
    let packed = try String(contentsOf: common.appending(path: "packed-refs"), encoding: .utf8)
    return packed.split(separator: "\n").first { $0.hasSuffix(" \(name)") }.map { String($0.prefix { $0 != " " }) }
  }

  /// A small file's only line; `nil` if there is no such file.
  private var line: String? {
    get throws {
      guard FileStatus.of(self)?.isFile == true else { return nil }
      return try String(contentsOf: self, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }
}

extension String {
  fileprivate func dropPrefix(_ prefix: String) -> Substring? { hasPrefix(prefix) ? dropFirst(prefix.count) : nil }
}
