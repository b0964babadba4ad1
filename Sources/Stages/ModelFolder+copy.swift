/// A model handed on as it came.
import Foundation
import Pipelines

extension ModelFolder {
  /// Copies the files that count, and what links lead to: others may lie beside them, which no key knows.
  func copy(to target: URL) throws {
    for path in try files ?? FileManager.default.contentsOfDirectory(atPath: url.path) { try copy(path, to: target) }
  }

  /// Copies a file or a folder.
  private func copy(_ path: String, to target: URL) throws {
    let files = FileManager.default
    let (from, to) = (url.appending(path: path).resolvingSymlinksInPath(), target.appending(path: path))
    if from.isFolder {
      for name in try files.contentsOfDirectory(atPath: from.path) { try copy("\(path)/\(name)", to: target) }
    } else {
      try files.createDirectory(at: to.deletingLastPathComponent(), withIntermediateDirectories: true)
      try files.copyItem(at: from, to: to)
    }
  }
}
