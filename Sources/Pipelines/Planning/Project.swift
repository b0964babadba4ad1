/// Where a pipeline file's project begins: `publish` resolves against it, and the store `.retort` lies in it.
import Foundation

/// The nearest ancestor of `file` with `.git` or `.retort`; else the working folder if the file lies in it; else the
/// file's own folder.
package func projectRoot(of file: URL, workingFolder: URL) -> URL {
  let home = file.absoluteURL.standardizedFileURL.deletingLastPathComponent()
  var folder = home
  while true {
    let marked = [".git", ".retort"].contains {
      FileManager.default.fileExists(atPath: folder.appending(path: $0).path)
    }
    if marked { return folder }
    let parent = folder.deletingLastPathComponent().standardizedFileURL
    if parent.path == folder.path { break }
    folder = parent
  }
  return home.lies(in: workingFolder) ? workingFolder.absoluteURL.standardizedFileURL : home
}

extension URL {
  /// A path as it is meant in `folder`: absolute, without `..`, no matter what lies there.
  init(path: String, in folder: URL) {
    let base = URL(filePath: folder.path, directoryHint: .isDirectory)
    self = URL(filePath: path, directoryHint: .notDirectory, relativeTo: base).absoluteURL.standardizedFileURL
  }

  /// Whether it is `folder` or beneath it, by name.
  package func lies(in folder: URL) -> Bool {
    let path = absoluteURL.standardizedFileURL.pathComponents
    return path.starts(with: folder.absoluteURL.standardizedFileURL.pathComponents)
  }
}
