/// From YAML events to one tree: anchors, aliases, merge keys, and the limits that keep hostile files small.
import Basics

/// Reads a file as one YAML document. Problems that leave a usable tree are reported; others give `nil`.
func parseYAML(_ diagnostics: Diagnostics, source: Int = 0) -> Node? {
  let bytes = diagnostics.sources[source].bytes
  if let offset = firstInvalidUTF8(bytes) {
    let hint = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) ? "; it looks like UTF-16" : ""
    diagnostics.report(
      "the byte 0x\(String(bytes[offset], radix: 16)) is not valid UTF-8\(hint); save the file as UTF-8",
      at: diagnostics.mark(ofByte: offset, source: source))
    return nil
  }
  return bytes.withUnsafeBufferPointer { buffer in
    do throws(YAMLSyntaxError) {
      var composer = Composer(stream: try EventStream(buffer, source: source), diagnostics: diagnostics)
      return try composer.document()
    } catch {
      let mark = error.mark ?? diagnostics.mark(ofByte: error.byte, source: source)
      let line = diagnostics.line(mark)
      let hint =
        line.contains("${")
        ? "; inside {…} and […] write \"${…}\" in quotes"
        : line.drop { $0 == " " }.hasPrefix("\t") ? "; indent with spaces, not with tabs" : ""
      diagnostics.report("not valid YAML: \(error.message)\(hint)", at: mark)
      return nil
    }
  }
}

private struct Composer {
  let stream: EventStream
  let diagnostics: Diagnostics
  private var anchors: [String: Composed] = [:]
  private var remainingNodes = Limit.nodes

  /// Generous for people, cheap for us.
  private enum Limit {
    static let nodes = 1_000_000  // after aliases are expanded
    static let depth = 64
    static let scalarBytes = 1 << 18
  }

  private struct Composed {
    var node: Node
    /// Nodes in it, aliases expanded.
    var size: Int
    /// Levels of collections in it.
    var height: Int
    /// Whether it may be the merge key `<<`.
    var isPlain = false
  }

  init(stream: EventStream, diagnostics: Diagnostics) {
    self.stream = stream
    self.diagnostics = diagnostics
  }

  mutating func document() throws(YAMLSyntaxError) -> Node? {
    let (first, start) = try stream.next()
    guard case .documentStart = first else {
      diagnostics.report("the file is empty", at: start)
      return nil
    }
    let (event, mark) = try stream.next()
    let root = try compose(event, at: mark, depth: 1)
    _ = try stream.next()
    let (last, end) = try stream.next()
    guard case .streamEnd = last else {
      throw YAMLSyntaxError(message: "a second document begins here; a pipeline file is one", mark: end)
    }
    return root.node
  }

  private mutating func compose(_ event: YAMLEvent, at mark: Mark, depth: Int) throws(YAMLSyntaxError) -> Composed {
    if case .alias(let name) = event { return try resolve(alias: name, at: mark, depth: depth) }
    let before = remainingNodes
    try spend(1, at: mark)
    var composed = Composed(node: Node(value: .invalid, mark: mark), size: 1, height: 0)
    let properties: YAMLEvent.Properties
    switch event {
    case .scalar(let text, let isPlain, let own):
      properties = own
      composed.isPlain = isPlain && own.tag == nil
      composed.node.value = .scalar(try typed(text, isPlain: isPlain, tag: own.tag, at: mark), text: text)
    case .sequenceStart(let own):
      properties = own
      try check(tag: own.tag, is: "tag:yaml.org,2002:seq", at: mark)
      var elements: [Node] = []
      while let element = try child(of: mark, depth: depth) {
        composed.height = max(composed.height, element.height + 1)
        elements.append(element.node)
      }
      composed.node.value = .sequence(elements)
    case .mappingStart(let own):
      properties = own
      try check(tag: own.tag, is: "tag:yaml.org,2002:map", at: mark)
      composed.node.value = .mapping(try entries(at: mark, depth: depth, height: &composed.height))
    case .alias, .collectionEnd, .documentStart, .documentEnd, .streamEnd:
      throw YAMLSyntaxError(message: "expected a value", mark: mark)
    }
    composed.size = before - remainingNodes
    if let anchor = properties.anchor { anchors[anchor] = composed }
    return composed
  }

  /// The next element of a collection; `nil` at its end.
  private mutating func child(of mark: Mark, depth: Int) throws(YAMLSyntaxError) -> Composed? {
    let (event, mark) = try stream.next()
    if case .collectionEnd = event { return nil }
    guard depth < Limit.depth else { throw tooDeep(mark) }
    return try compose(event, at: mark, depth: depth + 1)
  }

  private mutating func entries(
    at mark: Mark, depth: Int, height: inout Int
  ) throws(YAMLSyntaxError) -> [Node.Entry] {
    var entries: [Node.Entry] = []
    var keys: [String: Mark] = [:]
    var merged: [Node] = []
    while let key = try child(of: mark, depth: depth) {
      guard let value = try child(of: mark, depth: depth) else { break }
      height = max(height, value.height + 1)
      guard case .scalar(_, let text) = key.node.value else {
        diagnostics.report("a key must be one word, not \(key.node.inWords)", at: key.node.mark)
        continue
      }
      if text == "<<" && key.isPlain {
        merged.append(value.node)
      } else if let first = keys.updateValue(key.node.mark, forKey: text) {
        keys[text] = first
        diagnostics.report("the key `\(text.shortened)` is here twice; first in line \(first.line)", at: key.node.mark)
      } else {
        entries.append(Node.Entry(key: text, mark: key.node.mark, value: value.node))
      }
    }
    for source in merged {
      for mapping in mappings(toMerge: source) {
        for entry in mapping where keys.updateValue(entry.mark, forKey: entry.key) == nil { entries.append(entry) }
      }
    }
    return entries
  }

  /// The value of `<<`: a mapping, or a list of mappings of which the earlier ones win.
  private func mappings(toMerge node: Node, inList: Bool = false) -> [[Node.Entry]] {
    switch node.value {
    case .mapping(let entries): return [entries]
    case .sequence(let nodes) where !inList: return nodes.flatMap { mappings(toMerge: $0, inList: true) }
    case .invalid: return []
    case .scalar, .sequence:
      diagnostics.report("`<<` merges a mapping or a list of mappings, not \(node.inWords)", at: node.mark)
      return []
    }
  }

  private mutating func resolve(alias name: String, at mark: Mark, depth: Int) throws(YAMLSyntaxError) -> Composed {
    guard let target = anchors[name] else {
      let known = didYouMean(nearest(to: name, in: anchors.keys).map { "*\($0)" })
      throw YAMLSyntaxError(message: "no anchor `&\(name.shortened)` ends before this alias\(known)", mark: mark)
    }
    guard depth + target.height <= Limit.depth else { throw tooDeep(mark) }
    try spend(target.size, at: mark)
    return target
  }

  private mutating func spend(_ nodes: Int, at mark: Mark) throws(YAMLSyntaxError) {
    remainingNodes -= nodes
    guard remainingNodes >= 0 else {
      throw YAMLSyntaxError(message: "with its aliases the file has more than \(Limit.nodes) values", mark: mark)
    }
  }

  private func tooDeep(_ mark: Mark) -> YAMLSyntaxError {
    YAMLSyntaxError(message: "nested deeper than \(Limit.depth) levels", mark: mark)
  }

  private func check(tag: String?, is expected: String, at mark: Mark) throws(YAMLSyntaxError) {
    guard let tag, tag != expected, tag != "!" else { return }
    throw YAMLSyntaxError(message: "the tag `\(tag.shortened)` is not supported here", mark: mark)
  }

  private func typed(
    _ text: String, isPlain: Bool, tag: String?, at mark: Mark
  ) throws(YAMLSyntaxError) -> ParameterValue {
    guard text.utf8.count <= Limit.scalarBytes else {
      throw YAMLSyntaxError(
        message: "a text of \(text.utf8.count) bytes; at most \(Limit.scalarBytes) are allowed, "
          + "keep longer ones in a file of their own", mark: mark)
    }
    guard !text.utf8.contains(0) else { throw YAMLSyntaxError(message: "a text must not contain NUL", mark: mark) }
    guard let tag else { return isPlain ? ParameterValue(plain: text) : .string(text) }
    guard let value = ParameterValue(text, tag: tag) else {
      throw YAMLSyntaxError(message: "`\(text.shortened)` does not fit the tag `\(tag.shortened)`", mark: mark)
    }
    return value
  }
}

/// The offset of the first byte that does not continue a valid UTF-8 text.
private func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
  guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
  var decoder = UTF8()
  var iterator = bytes.makeIterator()
  var valid = 0
  while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
  return min(valid, bytes.count - 1)
}
