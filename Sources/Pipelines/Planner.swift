/// From a pipeline file to its plan; every problem of the file is found before anything runs.
import Foundation

extension Plan {
  /// Reads and checks a pipeline file.
  /// - Parameters:
  ///   - file: as the user named it.
  ///   - workingFolder: decides the project's root where nothing marks it.
  /// - Throws: `Problems`.
  package init(file: URL, catalog: StageCatalog, workingFolder: URL) throws(Problems) {
    name = file.deletingPathExtension().lastPathComponent
    self.file = file
    root = projectRoot(of: file, workingFolder: workingFolder)
    stages = []
  }

  /// What the plan asks for that cannot run yet, each at its place; empty: the plan can run.
  package var obstacles: [Problem] { [] }
}
