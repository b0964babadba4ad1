/// Placeholders: `${params.x}` in every value of a stage, `${in.x}` and `${out.y}` in commands, `$${` for a literal.
import Basics

/// A text in its pieces.
enum TemplatePiece: Hashable {
  case text(String)
  /// What stands between `${` and `}`.
  case placeholder(DottedName)
}

/// `nil` if a `${` has no `}`.
func templatePieces(_ text: String) -> [TemplatePiece]? {
  var pieces: [TemplatePiece] = []
  var literal = String.UnicodeScalarView()
  // Scalars: a sign that a combining mark follows is still that sign.
  var rest = text.unicodeScalars[...]
  while let dollar = rest.firstIndex(of: "$") {
    literal += rest[..<dollar]
    rest = rest[dollar...]
    if rest.starts(with: "$${".unicodeScalars) {
      literal += "${".unicodeScalars
      rest = rest.dropFirst(3)
    } else if rest.starts(with: "${".unicodeScalars) {
      guard let end = rest.firstIndex(of: "}") else { return nil }
      if !literal.isEmpty { pieces.append(.text(String(literal))) }
      literal = String.UnicodeScalarView()
      pieces.append(.placeholder(DottedName(String(rest[..<end].dropFirst(2)))))
      rest = rest[end...].dropFirst()
    } else {
      literal.append("$")
      rest = rest.dropFirst()
    }
  }
  literal += rest
  if !literal.isEmpty || pieces.isEmpty { pieces.append(.text(String(literal))) }
  return pieces
}

/// Fills `${params.x}` into the values of a file.
struct Substitution {
  /// The value of the file's `params`.
  let params: Node
  /// What `${matrix.x}` stands for; `nil` where the matrix is wrong, which is reported.
  var matrix: Combination? = []
  let diagnostics: Diagnostics
  /// What substitution may write in all; keeps `${params.big}${params.big}…` small.
  private var remainingBytes = 1 << 22
  private var remainingValues = 1_000_000

  init(params: Node, _ diagnostics: Diagnostics) {
    self.params = params
    self.diagnostics = diagnostics
  }

  /// The node with its placeholders filled. A scalar that is exactly one placeholder becomes the value itself.
  mutating func fill(_ node: Node) -> Node {
    var node = node
    switch node.value {
    case .invalid: break
    case .sequence(let nodes): node.value = .sequence(nodes.map { fill($0) })
    case .mapping(let entries):
      node.value = .mapping(
        entries.map { entry in
          var entry = entry
          entry.value = fill(entry.value)
          return entry
        })
    case .scalar(_, let text):
      guard text.utf8.contains(UInt8(ascii: "$")) else { break }
      return fill(text, at: node.mark)
    }
    return node
  }

  /// A value that comes from another file keeps its place there: what is wrong with it is wrong there, and its paths
  /// are meant there.
  private mutating func fill(_ text: String, at mark: Mark) -> Node {
    let invalid = Node(value: .invalid, mark: mark)
    guard let pieces = templatePieces(text) else {
      diagnostics.report("`${` without a `}`; a literal one is written `$${`", at: mark)
      return invalid
    }
    if pieces.count == 1, case .placeholder(let name) = pieces[0] {
      guard let node = lookUp(name, at: mark) else { return invalid }
      remainingValues -= node.count
      guard remainingValues >= 0 else {
        diagnostics.report("the file's placeholders expand to more than a million values", at: mark)
        return invalid
      }
      return Node(value: node.value, mark: node.mark.source == mark.source ? mark : node.mark)
    }
    var filled = ""
    for piece in pieces {
      switch piece {
      case .text(let text): filled += text
      case .placeholder(let name):
        guard let text = self.text(of: name, at: mark) else { return invalid }
        filled += text
      }
    }
    return Node(value: .scalar(.string(filled), text: filled), mark: mark)
  }

  /// The value of `${name}` as text, as it is written in `params`; `nil` after a report.
  mutating func text(of name: DottedName, at mark: Mark) -> String? {
    guard let node = lookUp(name, at: mark) else { return nil }
    guard case .scalar(_, let text) = node.value else {
      diagnostics.report("`${\(name.text.shortened)}` is \(node.inWords) and cannot stand inside a text", at: mark)
      return nil
    }
    remainingBytes -= text.utf8.count
    guard remainingBytes >= 0 else {
      diagnostics.report("the file's placeholders expand to more than 4 MB", at: mark)
      return nil
    }
    return text
  }

  /// `nil` after a report.
  private func lookUp(_ name: DottedName, at mark: Mark) -> Node? {
    var path = name.words.dropFirst()
    var node = params
    switch name.first {
    case "params" where !path.isEmpty: break
    case "matrix" where !path.isEmpty:
      guard let matrix else { return nil }
      let dimension = path.removeFirst()
      guard let value = matrix.first(where: { $0.name == dimension }) else {
        diagnostics.report(
          "there is no `\(dimension.shortened)` in the matrices of this stage and of those that it takes inputs from",
          at: mark, suggestion: nearest(to: dimension, in: matrix.map(\.name)).map { "${matrix.\($0)}" })
        return nil
      }
      node = value.node
    case "in", "out":
      diagnostics.report(
        "`${\(name.text.shortened)}` has a meaning only in the `cmd` of a stage that declares it", at: mark)
      return nil
    default:
      diagnostics.report(
        "`${\(name.text.shortened)}` is not known; write ${params.NAME}, or `$${` for a literal `${`", at: mark,
        suggestion: params.keys.contains(name.text) ? "${params.\(name.text)}" : nil)
      return nil
    }
    let isParameter = name.first == "params"
    for key in path {
      guard let next = node[key] else {
        diagnostics.report(
          isParameter
            ? "there is no parameter `\(name.text.shortened)` in `params`"
            : "`${\(name.text.shortened)}` names no value",
          at: mark, suggestion: nearest(to: key, in: node.keys).map { isParameter ? "params.\($0)" : $0 })
        return nil
      }
      node = next
    }
    if case .invalid = node.value { return nil }
    return node
  }
}

extension Node {
  /// Values in it, itself included.
  fileprivate var count: Int {
    switch value {
    case .scalar, .invalid: 1
    case .sequence(let nodes): nodes.reduce(1) { $0 + $1.count }
    case .mapping(let entries): entries.reduce(1) { $0 + $1.value.count }
    }
  }
}
