/// Fills a template: runs its statements and writes what they say.

struct Evaluator {
  private(set) var output = ""
  /// What `strftime_now` tells; absent: there is no such function.
  let time: LocalTime?
  var frame: Frame
  private var depth = 0
  private var steps = 0
  /// Beyond these a template runs away.
  private static let (mostDepth, mostSteps, mostBytes) = (500, 1_000_000, 1 << 24)

  enum Flow { case goesOn, breaks, continues }

  init(_ variables: Frame, time: LocalTime?) { (frame, self.time) = (variables, time) }

  // MARK: - Limits

  func checked(_ text: String) throws(Unfit) -> String {
    guard text.utf8.count <= Self.mostBytes else { throw Unfit("a text of more than \(Self.mostBytes) bytes") }
    return text
  }

  mutating func deeper<T>(_ offset: Int, _ body: (inout Evaluator) throws(Fault) -> T) throws(Fault) -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.mostDepth else { throw Fault(offset, "more than \(Self.mostDepth) levels, of macros perhaps") }
    try step(offset)
    return try body(&self)
  }

  private mutating func step(_ offset: Int) throws(Fault) {
    steps += 1
    guard steps <= Self.mostSteps else { throw Fault(offset, "more than \(Self.mostSteps) steps") }
  }

  private mutating func write(_ text: String, _ offset: Int) throws(Fault) {
    output += text
    guard output.utf8.count <= Self.mostBytes else { throw Fault(offset, "more than \(Self.mostBytes) bytes") }
  }

  // MARK: - Statements

  mutating func run(_ statements: [Statement]) throws(Fault) -> Flow {
    for statement in statements {
      let flow = try deeper(statement.offset) { (evaluator) throws(Fault) in try evaluator.run(statement) }
      if flow != .goesOn { return flow }
    }
    return .goesOn
  }

  private mutating func run(_ statement: Statement) throws(Fault) -> Flow {
    switch statement.kind {
    case .text(let text): try write(text, statement.offset)
    case .output(let value): try write(try evaluate(value).text, statement.offset)
    case .condition(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test).isTrue { return try run(branch.body) }
      return try run(otherwise)
    case .loop(let loop): try run(loop, depth: 1, statement.offset)
    case .assignment(let target, let value): try assign(try evaluate(value), to: target, statement.offset)
    case .capture(let target, let body, let filters):
      let text = try captured(body, in: frame).text
      try assign(
        try filters.map { (filter) throws(Fault) in try self.filtered(text, filter) } ?? .string(text), to: target,
        statement.offset)
    case .macro(let macro): frame.set(macro.name, .function(.macro(macro, frame)))
    case .filtered(let filter, let body):
      let text = try captured(body, in: Frame(frame)).text
      try write(try filtered(text, filter).text, statement.offset)
    case .skip(let isBreak):
      return isBreak ? .breaks : .continues
    }
    return .goesOn
  }

  /// What a body writes.
  private mutating func captured(_ body: [Statement], in scope: Frame) throws(Fault) -> (text: String, flow: Flow) {
    let (outer, outerFrame) = (output, frame)
    (output, frame) = ("", scope)
    let flow = try run(body)
    defer { (output, frame) = (outer, outerFrame) }
    return (output, flow)
  }

  private mutating func filtered(_ text: String, _ filter: Expression) throws(Fault) -> Value {
    let outer = frame
    frame = Frame(outer)
    frame.set(Parser.captured, .string(text))
    defer { frame = outer }
    return try evaluate(filter)
  }

  private mutating func run(_ loop: Loop, depth: Int, _ offset: Int) throws(Fault) {
    var items: [Value] = []
    let over = try evaluate(loop.over)
    do throws(Unfit) { items = try over.items() } catch { throw error.at(loop.over.offset) }
    try run(loop, over: items, depth: depth, in: frame)
  }

  /// Runs a loop in the scope around it.
  private mutating func run(_ loop: Loop, over all: [Value], depth: Int, in outer: Frame) throws(Fault) {
    let before = frame
    defer { frame = before }
    var items: [Value] = []
    for item in all {
      guard let condition = loop.condition else {
        items = all
        break
      }
      frame = Frame(outer)
      try assign(item, to: loop.target, loop.over.offset)
      if try evaluate(condition).isTrue { items.append(item) }
    }
    let state = LoopState(items, depth: depth, body: loop.isRecursive ? (loop, outer) : nil)
    for (index, item) in items.enumerated() {
      try step(loop.over.offset)
      state.index = index
      frame = Frame(outer)
      try assign(item, to: loop.target, loop.over.offset)
      frame.set("loop", .loop(state))
      if try run(loop.body) == .breaks { break }
    }
    if items.isEmpty {
      frame = Frame(outer)
      _ = try run(loop.otherwise)
    }
  }

  private mutating func assign(_ value: Value, to target: Target, _ offset: Int) throws(Fault) {
    switch target {
    case .name(let name): frame.set(name, value)
    case .attribute(let name, let attribute):
      guard case .namespace(let space)? = frame.find(name) else {
        throw Fault(offset, "`\(name)` is no namespace: only attributes of namespaces can be set")
      }
      space.set(attribute, value)
    case .tuple(let targets):
      var items: [Value] = []
      do throws(Unfit) { items = try value.items() } catch { throw error.at(offset) }
      guard items.count == targets.count else {
        throw Fault(offset, "\(items.count) values for \(targets.count) names")
      }
      for (target, item) in zip(targets, items) { try assign(item, to: target, offset) }
    }
  }

  // MARK: - Calls

  mutating func call(_ function: Function, _ arguments: Called, _ offset: Int) throws(Fault) -> Value {
    switch function {
    case .macro(let macro, let scope): return .string(try call(macro, in: scope, arguments, offset))
    case .method(let value, let name):
      do throws(Unfit) { return try value.call(name, arguments, checked) } catch { throw error.at(offset) }
    case .global(let name):
      do throws(Unfit) { return try Globals.call(name, arguments, time) } catch { throw error.at(offset) }
    }
  }

  private mutating func call(_ macro: Macro, in scope: Frame, _ arguments: Called, _ offset: Int) throws(Fault)
    -> String
  {
    let inner = Frame(scope)
    guard arguments.plain.count <= macro.parameters.count else {
      throw Fault(offset, "macro `\(macro.name)` takes \(macro.parameters.count) arguments")
    }
    if let other = arguments.named.first(where: { name, _ in !macro.parameters.contains { $0.name == name } }) {
      throw Fault(offset, "macro `\(macro.name)` has no parameter `\(other.name)`")
    }
    let outer = frame
    for (index, parameter) in macro.parameters.enumerated() {
      if index < arguments.plain.count {
        inner.set(parameter.name, arguments.plain[index])
      } else if let given = arguments.named.first(where: { $0.name == parameter.name }) {
        inner.set(parameter.name, given.value)
      } else if let value = parameter.value {
        frame = inner
        defer { frame = outer }
        inner.set(parameter.name, try evaluate(value))
      } else {
        inner.set(parameter.name, .undefined("`\(parameter.name)`"))
      }
    }
    return try captured(macro.body, in: inner).text
  }

  mutating func call(_ state: LoopState, _ arguments: Called, _ offset: Int) throws(Fault) -> Value {
    guard let (loop, scope) = state.body else { throw Fault(offset, "the loop is not recursive") }
    guard arguments.plain.count == 1 else { throw Fault(offset, "a loop is called with one list") }
    var items: [Value] = []
    do throws(Unfit) { items = try arguments.plain[0].items() } catch { throw error.at(offset) }
    let outer = output
    output = ""
    defer { output = outer }
    try run(loop, over: items, depth: state.depth + 1, in: scope)
    return .string(output)
  }
}

/// Arguments of a call.
struct Called {
  var plain: [Value] = []
  var named: [(name: String, value: Value)] = []
}
