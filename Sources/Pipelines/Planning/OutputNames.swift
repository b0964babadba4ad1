/// The names of a stage's outputs wherever people meet them: published, exported, shown.

package struct OutputNames: Sendable {
  private let files: [String: String]

  package init(_ description: StageDescription) {
    files = Dictionary(uniqueKeysWithValues: description.outputs.map { ($0.name, $0.file ?? $0.name) })
  }

  /// Gives the names for a command's outputs: those of its files where they tell these apart, else the ports'.
  /// - Parameter paths: where it leaves its outputs, by port.
  package init(paths: [String: String]) {
    let names = paths.mapValues { path in path.split(separator: "/").last.map(String.init) ?? path }
    let different = Set(names.values.map { Array($0.utf8) })
    // What tells of the files is put beside them.
    let areApart = different.count == names.count && !different.contains(Array("retort.json".utf8))
    files = areApart ? names : [:]
  }

  package subscript(port: String) -> String { files[port] ?? port }
}

extension StageCatalog {
  /// - Parameter paths: where a command left its outputs, by port.
  package func outputNames(ofKind kind: String, paths: [String: String]) -> OutputNames {
    describe(kind).map { OutputNames($0) } ?? OutputNames(paths: paths)
  }
}
