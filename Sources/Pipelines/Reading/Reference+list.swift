/// Lists of references: one after another, and paths with patterns.
import Artifacts
import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension ReferenceResolver {
  struct Member {
    var reference: Reference
    var mark: Mark
  }

  /// A reference, a pattern of paths, or a list of these; `nil` after a report.
  mutating func list(_ node: Node, named name: String) -> [Member]? {
    guard case .sequence(let nodes) = node.value else { return members(node, named: name) }
    if nodes.isEmpty {
      diagnostics.report("`\(name)` is an empty list; name a path or the output of a stage", at: node.mark)
      return nil
    }
    let members = nodes.map { self.members($0, named: name) }
    return members.contains { $0 == nil } ? nil : members.flatMap { $0 ?? [] }
  }

  private mutating func members(_ node: Node, named name: String) -> [Member]? {
    guard case .scalar(.string(let text), _) = node.value, isPattern(text) else {
      return resolve(node, named: name).map { [Member(reference: $0, mark: node.mark)] }
    }
    let files = Self.files(matching: text, in: diagnostics.sources[node.mark.source].folder)
    if files.isEmpty {
      diagnostics.report("no file matches `\(text.shortened)`", at: node.mark)
      return nil
    }
    if files.contains(nil) {
      diagnostics.report("`\(text.shortened)` matches a file whose name is not UTF-8; rename it", at: node.mark)
      return nil
    }
    return files.compactMap { $0.map { Member(reference: .file($0), mark: node.mark) } }
  }

  /// In the order of their names' bytes; `nil` for a name that is not UTF-8.
  private static func files(matching pattern: String, in folder: URL) -> [URL?] {
    // What the folder is called is no pattern, and brackets are none.
    let wanted = pattern.hasPrefix("/") ? "" : "\(Self.escaped(folder.path, "*?[\\"))/"
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(wanted + Self.escaped(pattern, "[\\"), GLOB_NOSORT, nil, &found) == 0 else { return [] }
    let paths = (0..<Int(found.gl_pathc)).map { found.gl_pathv[$0].flatMap { String(validatingCString: $0) } }
    if paths.contains(nil) { return [nil] }
    return paths.compactMap(\.self).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .map { URL(path: $0, in: folder) }
  }

  private static func escaped(_ text: String, _ signs: String) -> String {
    text.unicodeScalars.map { signs.unicodeScalars.contains($0) ? "\\\($0)" : "\($0)" }.joined()
  }
}

extension Node {
  /// Whether it is a list, a pattern or a gather; any other is one reference, which most are.
  var mayBeSeveral: Bool {
    switch value {
    case .sequence: true
    case .scalar(.string(let text), _): text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
    default: false
    }
  }
}

/// The files' names from the deepest folder on that holds all of them: `2020/a.csv`, `2021/a.csv`.
func labels(of files: [URL]) -> [String] {
  let paths = files.map { $0.pathBytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) }
  guard let first = paths.first else { return [] }
  let shared = paths.reduce(first.count - 1) { shared, path in
    zip(path.dropLast(), first.prefix(shared)).prefix { $0.elementsEqual($1) }.count
  }
  return paths.map {
    String(decoding: Array($0.dropFirst(shared).joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
  }
}
