/// Names that have parts, each read once into them.

/// Words with dots between them: `params.x` of a placeholder, `stages.teacher.with.lr` of a setting, `student.loss` of a
/// metric.
package struct DottedName: Hashable, Sendable {
  package let text: String
  /// The first word: a metric's stage.
  package let first: String
  /// What follows the first dot, which may hold further ones; `nil` without a dot.
  package let rest: String?

  package init(_ text: String) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    self.text = text
    first = parts[0]
    rest = parts.count > 1 ? parts[1] : nil
  }

  var words: [String] { text.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
}

/// `student[tau=0.1]`, `all[2]`, `12[tau=0.1,K=4]`: the name of a stage, a port or a run, and which variant of it.
package struct VariantName: Hashable, Sendable {
  package let base: String
  /// What stands in the brackets; `nil` without them.
  package let variant: String?

  package init(_ text: String) {
    // Scalars: a bracket that a combining mark follows is still a bracket.
    let scalars = text.unicodeScalars
    if let open = scalars.firstIndex(of: "["), scalars.last == "]" {
      base = String(scalars[..<open])
      variant = String(scalars[open...].dropFirst().dropLast())
    } else {
      base = text
      variant = nil
    }
  }

  /// The texts of the coordinates, `tau=0.1`.
  package var coordinates: [String] {
    // A comma may also belong to a value that is a list.
    (variant ?? "").split(separator: ",").reduce(into: []) { texts, part in
      if part.contains("=") || texts.isEmpty {
        texts.append(String(part))
      } else {
        texts[texts.count - 1] += ",\(part)"
      }
    }
  }
}

/// `student[tau=0.1].model`: an output as runs record it. A port's name has no dot, a stage's may have some.
package struct RecordedOutputName: Hashable, Sendable {
  package let stage: String
  package let port: String

  package init?(_ text: String) {
    guard let dot = text.lastIndex(of: ".") else { return nil }
    stage = String(text[..<dot])
    port = String(text[text.index(after: dot)...])
  }
}
