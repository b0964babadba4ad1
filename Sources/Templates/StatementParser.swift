/// Reads a template's statements.

extension Parser {
  /// The whole template.
  mutating func template() throws(Fault) -> [Statement] {
    let (body, _) = try statements(until: [])
    return body
  }

  /// Statements up to a tag of one of these names, whose name is stepped over and returned.
  private mutating func statements(until ends: Set<String>) throws(Fault) -> (body: [Statement], end: String) {
    var body: [Statement] = []
    while true {
      let offset = current.offset
      switch current.kind {
      case .end:
        guard ends.isEmpty else { throw unexpected(ends.sorted().map { "`{% \($0) %}`" }.joined(separator: " or ")) }
        return (body, "")
      case .text(let text):
        body.append(Statement(kind: .text(text), offset: offset))
        advance()
      case .outputStart:
        advance()
        let value = try tuple()
        guard current.kind == .outputEnd else { throw unexpected("`}}`") }
        advance()
        body.append(Statement(kind: .output(value), offset: offset))
      default:
        advance()
        let nameOffset = current.offset
        let name = try self.name()
        if ends.contains(name) { return (body, name) }
        let made = try nested { (parser) throws(Fault) in try parser.statement(name, nameOffset) }
        body += made
      }
    }
  }

  mutating func endTag() throws(Fault) {
    guard current.kind == .statementEnd else { throw unexpected("`%}`") }
    advance()
  }

  private mutating func statement(_ name: String, _ offset: Int) throws(Fault) -> [Statement] {
    let kind: Statement.Kind
    switch name {
    case "if": kind = try condition()
    case "for": kind = .loop(try loop())
    case "set": kind = try assignment()
    case "macro": kind = .macro(try macro())
    case "filter":
      let filters = try filtered(try filter(Expression(kind: .name(Parser.captured), offset: offset, depth: 1)))
      try endTag()
      kind = .filtered(filters, try block("endfilter"))
    case "generation": return try block("endgeneration")
    case "break", "continue":
      guard loops > 0 else { throw Fault(offset, "`\(name)` outside of a loop") }
      try endTag()
      kind = .skip(isBreak: name == "break")
    default: throw Fault(offset, "there is no tag `\(name)`, or it is not supported")
    }
    return [Statement(kind: kind, offset: offset)]
  }

  /// Statements up to the tag of that name, which is stepped over.
  private mutating func block(_ end: String) throws(Fault) -> [Statement] {
    if current.kind == .statementEnd { advance() }
    let (body, _) = try statements(until: [end])
    try endTag()
    return body
  }

  private mutating func condition() throws(Fault) -> Statement.Kind {
    var branches: [(test: Expression, body: [Statement])] = []
    while true {
      let test = try tuple(hasConditions: false)
      try endTag()
      let (body, end) = try statements(until: ["elif", "else", "endif"])
      branches.append((test, body))
      if end == "elif" { continue }
      try endTag()
      return .condition(branches, otherwise: end == "else" ? try block("endif") : [])
    }
  }

  private mutating func loop() throws(Fault) -> Loop {
    let target = try self.target(isLoop: true)
    guard skipName("in") else { throw unexpected("`in`") }
    let over = try tuple(hasConditions: false)
    let condition = skipName("if") ? try expression() : nil
    let isRecursive = skipName("recursive")
    try endTag()
    loops += 1
    let (body, end) = try statements(until: ["else", "endfor"])
    loops -= 1
    try endTag()
    return Loop(
      target: target, over: over, condition: condition, body: body,
      otherwise: end == "else" ? try block("endfor") : [], isRecursive: isRecursive)
  }

  private mutating func target(isLoop: Bool) throws(Fault) -> Target {
    let isEnclosed = skip("(")
    var parts = [try part()]
    while skip(",") {
      if at(")") || at("=") || atName("in") { break }
      parts.append(try part())
    }
    if isEnclosed { try expect(")") }
    return parts.count == 1 && !isEnclosed ? parts[0] : .tuple(parts)
  }

  private mutating func part() throws(Fault) -> Target {
    let offset = current.offset
    let name = try self.name()
    guard !["true", "false", "none", "True", "False", "None", "loop"].contains(name) else {
      throw Fault(offset, "`\(name)` cannot be given a value")
    }
    return skip(".") ? .attribute(name, try self.name()) : .name(name)
  }

  private mutating func assignment() throws(Fault) -> Statement.Kind {
    let target = try self.target(isLoop: false)
    if skip("=") {
      let value = try tuple()
      try endTag()
      return .assignment(target, value)
    }
    let offset = current.offset
    var filters: Expression?
    if skip("|") {
      filters = try filtered(try filter(Expression(kind: .name(Parser.captured), offset: offset, depth: 1)))
    }
    try endTag()
    return .capture(target, try block("endset"), filters: filters)
  }

  private mutating func macro() throws(Fault) -> Macro {
    let name = try self.name()
    try expect("(")
    var parameters: [(name: String, value: Expression?)] = []
    while !at(")") {
      let name = try self.name()
      parameters.append((name, skip("=") ? try expression() : nil))
      if !at(")") { try expect(",") }
    }
    try expect(")")
    try endTag()
    return Macro(name: name, parameters: parameters, body: try block("endmacro"))
  }
}
