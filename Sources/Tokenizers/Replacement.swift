/// The `Replace` normalizer: every occurrence of a text, or of a repeated character, becomes another text.

struct Replacement: Sendable {
  private enum Pattern: Sendable {
    case text([UInt8])
    /// As many as there are of one character, from `least` up.
    case run(Atom, least: Int)
  }

  private enum Atom: Sendable {
    case whitespace
    case scalar(UInt32)

    func matches(_ scalar: UInt32) -> Bool {
      switch self {
      case .whitespace: ScalarTraits.of(scalar).contains(.whitespace)
      case .scalar(let own): own == scalar
      }
    }
  }

  private let pattern: Pattern
  private let content: [UInt8]

  /// How many times longer a text may become, at most.
  var growth: Double {
    switch pattern {
    case .text(let text): max(1, Double(content.count) / Double(text.count))
    case .run: max(1, Double(content.count))
    }
  }

  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    switch pattern {
    case .text(let wanted): replace(wanted, in: text, into: &output)
    case .run(let atom, let least): replaceRuns(of: atom, least, in: text, into: &output)
    }
  }

  private func replace(_ wanted: [UInt8], in text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    var copied = 0
    var index = 0
    while index + wanted.count <= text.count {
      if text[index] == wanted[0], text[index..<index + wanted.count].elementsEqual(wanted) {
        output.append(contentsOf: text[copied..<index])
        output += content
        index += wanted.count
        copied = index
      } else {
        index += 1
      }
    }
    output.append(contentsOf: text[copied...])
  }

  private func replaceRuns(
    of atom: Atom, _ least: Int, in text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]
  ) {
    var copied = 0
    var index = 0
    while index < text.count {
      let start = index
      guard atom.matches(text.scalar(at: &index)) else { continue }
      var count = 1
      while index < text.count {
        var next = index
        guard atom.matches(text.scalar(at: &next)) else { break }
        index = next
        count += 1
      }
      if count < least { continue }
      output.append(contentsOf: text[copied..<start])
      output += content
      copied = index
    }
    output.append(contentsOf: text[copied...])
  }
}

extension Replacement {
  init(_ fields: TokenizerFields) throws {
    let pattern = try fields.object("pattern")
    content = Array(try fields.string("content").utf8)
    guard let pattern, pattern.keys == ["String"] || pattern.keys == ["Regex"] else {
      throw fields.invalid("pattern", found: "without a text", expected: "{\"String\": …} or {\"Regex\": …}")
    }
    if pattern.keys == ["String"] {
      self.pattern = .text(Array(try pattern.string("String").utf8))
    } else {
      let written = try pattern.string("Regex")
      // Versions of the library differ in what they make of `$1`.
      guard let parsed = Self.pattern(Array(written.unicodeScalars)), !content.contains(UInt8(ascii: "$")) else {
        throw pattern.unsupported(written, supported: ["plain characters", "x+", "x{n,}", "\\s+", "\\s{n,}"])
      }
      self.pattern = parsed
    }
    if case .text([]) = self.pattern {
      throw fields.invalid("pattern", found: "empty", expected: "a text to replace")
    }
  }

  /// The regular expressions that occur: characters, or one that repeats; nil for any other.
  private static func pattern(_ written: [Unicode.Scalar]) -> Pattern? {
    let special = Set("\\^$.|?*+()[]{}".unicodeScalars)
    var atoms: [Atom] = []
    var index = 0
    while index < written.count {
      var atom = Atom.scalar(written[index].value)
      if written[index] == "\\" {
        index += 1
        guard index < written.count else { return nil }
        if written[index] == "s" {
          atom = .whitespace
        } else if special.contains(written[index]) {
          atom = .scalar(written[index].value)
        } else {
          return nil
        }
      } else if special.contains(written[index]) {
        return atoms.count == 1 ? least(written[index...]).map { .run(atoms[0], least: $0) } : nil
      }
      atoms.append(atom)
      index += 1
    }
    if case .whitespace? = atoms.first { return nil }
    var text: [UInt8] = []
    for atom in atoms {
      guard case .scalar(let scalar) = atom else { return nil }
      text.append(scalar: scalar)
    }
    return .text(text)
  }

  /// How often `+` or `{n,}` asks for, at least.
  private static func least(_ quantifier: ArraySlice<Unicode.Scalar>) -> Int? {
    if quantifier.elementsEqual(["+"]) { return 1 }
    guard quantifier.first == "{", quantifier.suffix(2).elementsEqual([",", "}"]) else { return nil }
    let digits = String(String.UnicodeScalarView(quantifier.dropFirst().dropLast(2)))
    return Int(digits).flatMap { (1...1000).contains($0) ? $0 : nil }
  }
}
