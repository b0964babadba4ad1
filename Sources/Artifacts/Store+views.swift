/// Gives files of the store the names that people know them by, so that whatever goes by a name's end opens them.
import Foundation

extension Store {
  /// Where an artifact lies under that name: `views/ab/cdef…/per_query.jsonl`, another name of the same file.
  /// - Returns: the artifact's own place if it is a folder, or where no such name can be made, as in another user's store.
  package func view(of artifact: StoredArtifact, named name: String) throws -> URL {
    let object = url(of: artifact)
    let view = views(of: artifact.digest).appending(path: name, directoryHint: .notDirectory)
    guard artifact.kind == .file, let status = FileStatus.of(object, followLinks: false) else { return object }
    if let present = FileStatus.of(view, followLinks: false), present.stamp.inode == status.stamp.inode { return view }
    do {
      let hold = try keepingAll()  // or a collection could leave the name without the object
      defer { withExtendedLifetime(hold) {} }
      try files.makeFolder(view.deletingLastPathComponent())
      try files.remove(view)
      return try files.link(object, at: view) ? view : object
    } catch let error as FileError where [EACCES, EPERM, EROFS, ENOENT, EEXIST].contains(error.code) {
      return object
    }
  }

  /// The folder of a file's other names.
  package func views(of digest: Digest) -> URL { place("views", digest) }
}
