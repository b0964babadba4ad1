/// Reads expressions, in Jinja's order of precedence.

struct Parser {
  private let tokens: [Token]
  private var place = 0
  private var nesting = 0
  /// Loops around what is read.
  var loops = 0
  /// The name of what a filter block filters.
  static let captured = ""
  /// How deep expressions and statements may be.
  private static let (mostNested, deepest) = (64, 128)

  init(_ tokens: [Token]) { self.tokens = tokens }

  // MARK: - Tokens

  var current: Token { tokens[place] }
  private var next: Token { tokens[min(place + 1, tokens.count - 1)] }

  mutating func advance() { if place < tokens.count - 1 { place += 1 } }

  func at(_ symbol: String) -> Bool { current.kind == .symbol(symbol) }
  func atName(_ name: String) -> Bool { current.kind == .name(name) }

  /// Steps over the symbol, if it is there.
  mutating func skip(_ symbol: String) -> Bool {
    guard at(symbol) else { return false }
    advance()
    return true
  }

  mutating func skipName(_ name: String) -> Bool {
    guard atName(name) else { return false }
    advance()
    return true
  }

  mutating func expect(_ symbol: String) throws(Fault) {
    guard skip(symbol) else { throw unexpected("`\(symbol)`") }
  }

  mutating func name() throws(Fault) -> String {
    guard case .name(let name) = current.kind else { throw unexpected("a name") }
    advance()
    return name
  }

  func unexpected(_ expected: String) -> Fault {
    let found =
      switch current.kind {
      case .text: "text"
      case .name(let name): "`\(name)`"
      case .string: "a string"
      case .integer, .float: "a number"
      case .symbol(let symbol): "`\(symbol)`"
      case .statementStart: "`{%`"
      case .outputStart: "`{{`"
      case .statementEnd, .outputEnd: "the tag's end"
      case .end: "the template's end"
      }
    return Fault(current.offset, "found \(found), expected \(expected)")
  }

  mutating func nested<T>(_ body: (inout Parser) throws(Fault) -> T) throws(Fault) -> T {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.mostNested else { throw Fault(current.offset, "more than \(Self.mostNested) levels") }
    return try body(&self)
  }

  private func made(_ kind: Expression.Kind, _ offset: Int, over parts: [Expression]) throws(Fault) -> Expression {
    let depth = 1 + (parts.map(\.depth).max() ?? 0)
    guard depth <= Self.deepest else { throw Fault(offset, "an expression of more than \(Self.deepest) levels") }
    return Expression(kind: kind, offset: offset, depth: depth)
  }

  // MARK: - Operators

  /// An expression, or several with commas between as a tuple.
  mutating func tuple(hasConditions: Bool = true) throws(Fault) -> Expression {
    let offset = current.offset
    let first = try hasConditions ? expression() : disjunction()
    guard at(",") else { return first }
    var parts = [first]
    while skip(",") {
      switch current.kind {
      case .statementEnd, .outputEnd, .symbol(")"), .symbol("]"): break
      default: parts.append(try hasConditions ? expression() : disjunction())
      }
    }
    return try made(.list(parts, isTuple: true), offset, over: parts)
  }

  mutating func expression() throws(Fault) -> Expression {
    try nested { (parser) throws(Fault) in
      let offset = parser.current.offset
      var result = try parser.disjunction()
      while parser.skipName("if") {
        let test = try parser.disjunction()
        let otherwise = parser.skipName("else") ? try parser.expression() : nil
        result = try parser.made(
          .condition(test, then: result, otherwise: otherwise), offset,
          over: [result, test] + (otherwise.map { [$0] } ?? []))
      }
      return result
    }
  }

  /// A condition without `if`.
  mutating func disjunction() throws(Fault) -> Expression {
    var left = try conjunction()
    while atName("or") {
      let offset = current.offset
      advance()
      let right = try conjunction()
      left = try made(.binary("or", left, right), offset, over: [left, right])
    }
    return left
  }

  private mutating func conjunction() throws(Fault) -> Expression {
    var left = try negation()
    while atName("and") {
      let offset = current.offset
      advance()
      let right = try negation()
      left = try made(.binary("and", left, right), offset, over: [left, right])
    }
    return left
  }

  private mutating func negation() throws(Fault) -> Expression {
    let offset = current.offset
    guard skipName("not") else { return try comparison() }
    let value = try nested { (parser) throws(Fault) in try parser.negation() }
    return try made(.unary("not", value), offset, over: [value])
  }

  private mutating func comparison() throws(Fault) -> Expression {
    let offset = current.offset
    let left = try operation(0)
    var others: [(symbol: String, right: Expression)] = []
    while true {
      if case .symbol(let symbol) = current.kind, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
        advance()
        others.append((symbol, try operation(0)))
      } else if skipName("in") {
        others.append(("in", try operation(0)))
      } else if atName("not"), next.kind == .name("in") {
        advance()
        advance()
        others.append(("not in", try operation(0)))
      } else {
        return others.isEmpty ? left : try made(.comparison(left, others), offset, over: [left] + others.map(\.right))
      }
    }
  }

  private static let operators = [["+", "-"], ["~"], ["*", "/", "//", "%"], ["**"]]

  private mutating func operation(_ level: Int) throws(Fault) -> Expression {
    guard level < Self.operators.count else { return try unary(isFiltered: true) }
    var left = try operation(level + 1)
    while case .symbol(let symbol) = current.kind, Self.operators[level].contains(symbol) {
      let offset = current.offset
      advance()
      let right = try operation(level + 1)
      left = try made(.binary(symbol, left, right), offset, over: [left, right])
    }
    return left
  }

  private mutating func unary(isFiltered: Bool) throws(Fault) -> Expression {
    let offset = current.offset
    var result: Expression
    if case .symbol(let sign) = current.kind, sign == "-" || sign == "+" {
      advance()
      let value = try nested { (parser) throws(Fault) in try parser.unary(isFiltered: false) }
      result = try made(.unary(sign, value), offset, over: [value])
    } else {
      result = try primary()
    }
    result = try postfix(result)
    return isFiltered ? try filtered(result) : result
  }

  // MARK: - What stands behind a value

  private mutating func postfix(_ value: Expression) throws(Fault) -> Expression {
    var value = value
    while true {
      let offset = current.offset
      if skip(".") {
        if case .integer(let index) = current.kind {
          advance()
          let index = try made(.constant(.int(index)), offset, over: [])
          value = try made(.item(value, index), offset, over: [value, index])
        } else {
          value = try made(.attribute(value, try name()), offset, over: [value])
        }
      } else if skip("[") {
        value = try subscripted(value, offset)
        try expect("]")
      } else if at("(") {
        let arguments = try self.arguments()
        value = try made(.call(value, arguments), offset, over: [value] + arguments.all)
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(_ value: Expression, _ offset: Int) throws(Fault) -> Expression {
    var parts: [Expression?] = []
    var part: Expression?
    if !at(":") { part = try expression() }
    guard at(":") else {
      guard let index = part else { throw unexpected("an index") }
      if at(",") { throw unexpected("`]`: one index") }
      return try made(.item(value, index), offset, over: [value, index])
    }
    parts.append(part)
    while parts.count < 3, skip(":") {
      parts.append(at(":") || at("]") ? nil : try expression())
    }
    parts += Array(repeating: nil, count: 3 - parts.count)
    return try made(
      .slice(value, from: parts[0], to: parts[1], step: parts[2]), offset, over: [value] + parts.compactMap { $0 })
  }

  mutating func filtered(_ value: Expression) throws(Fault) -> Expression {
    var value = value
    while true {
      let offset = current.offset
      if at("|") {
        advance()
        value = try filter(value)
      } else if skipName("is") {
        value = try test(value, offset)
      } else if at("(") {
        let arguments = try self.arguments()
        value = try made(.call(value, arguments), offset, over: [value] + arguments.all)
      } else {
        return value
      }
    }
  }

  /// From the filter's name on.
  mutating func filter(_ value: Expression) throws(Fault) -> Expression {
    let offset = current.offset
    let name = try name()
    guard Filters.names.contains(name) else { throw Fault(offset, "there is no filter `\(name)`") }
    let arguments = at("(") ? try self.arguments() : Arguments()
    return try made(.filter(value, name, arguments), offset, over: [value] + arguments.all)
  }

  private mutating func test(_ value: Expression, _ offset: Int) throws(Fault) -> Expression {
    let isNegated = skipName("not")
    let nameOffset = current.offset
    let name = try name()
    guard Tests.names.contains(name) else { throw Fault(nameOffset, "there is no test `\(name)`") }
    var arguments = Arguments()
    switch current.kind {
    case .symbol("("): arguments = try self.arguments()
    case .name(let word) where ["else", "or", "and", "is", "if", "not", "in"].contains(word): break
    case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
      arguments.plain = [try postfix(try primary())]
    default: break
    }
    return try made(
      .test(value, name, arguments, isNegated: isNegated), offset, over: [value] + arguments.all)
  }

  mutating func arguments() throws(Fault) -> Arguments {
    try expect("(")
    var arguments = Arguments()
    while !at(")") {
      if case .name(let name) = current.kind, next.kind == .symbol("=") {
        advance()
        advance()
        arguments.named.append((name, try expression()))
      } else if at("*") || at("**") {
        throw unexpected("an argument: lists and dictionaries are not spread")
      } else {
        guard arguments.named.isEmpty else { throw unexpected("`NAME=`, as the arguments before have it") }
        arguments.plain.append(try expression())
      }
      if !at(")") { try expect(",") }
    }
    advance()
    return arguments
  }

  // MARK: - Values

  private mutating func primary() throws(Fault) -> Expression {
    let (token, offset) = (current, current.offset)
    switch token.kind {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return try made(.constant(.bool(true)), offset, over: [])
      case "false", "False": return try made(.constant(.bool(false)), offset, over: [])
      case "none", "None": return try made(.constant(.none), offset, over: [])
      default: return try made(.name(name), offset, over: [])
      }
    case .string(var text):
      advance()
      while case .string(let more) = current.kind {
        text += more
        advance()
      }
      return try made(.constant(.string(text)), offset, over: [])
    case .integer(let number):
      advance()
      return try made(.constant(.int(number)), offset, over: [])
    case .float(let number):
      advance()
      return try made(.constant(.double(number)), offset, over: [])
    case .symbol("("):
      advance()
      if skip(")") { return try made(.list([], isTuple: true), offset, over: []) }
      let value = try tuple()
      try expect(")")
      return value
    case .symbol("["):
      advance()
      var parts: [Expression] = []
      while !at("]") {
        parts.append(try expression())
        if !at("]") { try expect(",") }
      }
      advance()
      return try made(.list(parts, isTuple: false), offset, over: parts)
    case .symbol("{"):
      advance()
      var members: [(key: Expression, value: Expression)] = []
      while !at("}") {
        let key = try expression()
        try expect(":")
        members.append((key, try expression()))
        if !at("}") { try expect(",") }
      }
      advance()
      return try made(.dictionary(members), offset, over: members.flatMap { [$0.key, $0.value] })
    default: throw unexpected("a value")
    }
  }
}

extension Arguments {
  fileprivate var all: [Expression] { plain + named.map(\.value) }
}
