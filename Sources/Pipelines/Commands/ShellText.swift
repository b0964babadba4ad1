/// Follows bash's quoting through the text of a command, to tell how a value must be written where it stands, so that
/// it is data there whatever it is. See https://www.gnu.org/software/bash/manual/bash.html#Quoting.

struct ShellText {
  private enum Kind {
    /// At the top, in `(…)` and in `$(…)`.
    case command
    case doubleQuotes, singleQuotes, ansiQuotes, backquotes, comment
    case arithmetic(depth: Int)
    /// `${…}`.
    case expansion(inDoubleQuotes: Bool)
    case hereDocuments
  }
  private struct Frame {
    var kind: Kind
    /// The complete words of the simple command so far, and the one that goes on, without what is in quotes.
    var words: [String] = []
    var word: String?
  }
  private struct HereDocument {
    var delimiter: String
    var stripsTabs: Bool
  }
  private var frames = [Frame(kind: .command)]
  private var hereDocuments: [HereDocument] = []
  /// The line of a here-document so far.
  private var line = ""
  private var rest: ArraySlice<Unicode.Scalar> = []
  /// What makes the place after the text that was read impossible for a value.
  private var obstacle: String?
  /// Whether what follows may stand on another level than it seems to.
  private var isUnclear = false
  private let comparesNumbers: Bool

  /// - Parameter text: the whole command, without its values.
  init(of text: String) {
    let words = text.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }.map { String(Substring($0)) }
    comparesNumbers = !Set(["-eq", "-ne", "-lt", "-le", "-gt", "-ge"]).isDisjoint(with: words)
  }

  // MARK: - What a value is there

  /// - Throws: `ShellRefusal`.
  func quoting() throws(ShellRefusal) -> ShellQuoting {
    if let obstacle { throw ShellRefusal(reason: obstacle) }
    if case .comment = frames[frames.count - 1].kind { return .comment }
    if isUnclear {
      throw ShellRefusal(
        reason: "after a `case` in $(…) between quotes its place cannot be told: write `value=…` before")
    }
    let command = frames.last { if case .command = $0.kind { true } else { false } } ?? frames[0]
    if let evaluator = command.words.first(where: { ["eval", "ssh", "let", "trap", "alias"].contains($0) }) {
      throw ShellRefusal(reason: "`\(evaluator)` reads its words as a command once more: hand it over in a variable")
    }
    switch frames[frames.count - 1].kind {
    case .command:
      // `a[`, the beginning of an element of an array.
      let word = (command.word ?? "").utf8
      let isSubscript =
        word.firstIndex(of: UInt8(ascii: "[")).map { bracket in
          bracket > word.startIndex && word[..<bracket].allSatisfy(Self.isName) && !word.contains(UInt8(ascii: "]"))
        } ?? false
      let isTest = command.words.contains("[[")
      if isSubscript || comparesNumbers && isTest { return .arithmetic }
      return isTest ? .operand : command.words.isEmpty && command.word == nil ? .firstWord : .word
    case .expansion:
      throw ShellRefusal(reason: "in ${…} bash may evaluate it: write `value=…` before, and `$value` there")
    case .doubleQuotes:
      try checkProgram(command)
      return .doubleQuotes
    case .singleQuotes:
      try checkProgram(command)
      return .singleQuotes
    case .comment: return .comment  // returned above
    case .arithmetic: return .arithmetic
    case .ansiQuotes: throw ShellRefusal(reason: "`$'…'` has escapes of its own: write \"…\" or '…'")
    case .backquotes: throw ShellRefusal(reason: "between backquotes, quotes mean something else: write $(…)")
    case .hereDocuments:
      throw ShellRefusal(
        reason: "a here-document has no quotes: write `value=…` before it and `$value` in it, or hand it over as an "
          + "argument")
    }
  }

  /// Programs that take a text as a program after an option, but not behind an operand of theirs.
  private static let interpreters = [
    "bash", "sh", "dash", "ksh", "zsh", "fish", "python", "perl", "ruby", "node", "php", "Rscript", "lua", "julia",
  ]
  /// Programs that hand a text to a shell after an option.
  private static let launchers = ["su", "runuser", "flock", "script"]

  /// In the text of a program, quotes of the shell keep nothing apart.
  private func checkProgram(_ command: Frame) throws(ShellRefusal) {
    let words = command.words
    guard let option = words.last, ["-c", "-e", "-E", "-r", "-lc", "-ec", "--eval"].contains(option) else { return }
    let reads = words.indices.dropLast().contains { place in
      let name = words[place].split(separator: "/").last.map(String.init) ?? ""
      if Self.launchers.contains(name) { return true }
      guard Self.interpreters.contains(name.hasPrefix("python") ? "python" : name) else { return false }
      return words[(place + 1)...].indices.allSatisfy { words[$0].hasPrefix("-") || words[$0 - 1].hasSuffix("o") }
    }
    guard reads else { return }
    throw ShellRefusal(
      reason: "in a program it would be a piece of that program: hand it over as an argument after the program")
  }

  /// A value stands here.
  mutating func passValue() {
    if case .command = frames[frames.count - 1].kind { add("") }
  }

  // MARK: - Reading

  mutating func read(_ text: String) {
    rest = Array(text.unicodeScalars)[...]
    obstacle = nil
    while let scalar = rest.popFirst() { read(scalar) }
    let name = Self.variable(atEndOf: text)
    guard !name.isEmpty else { return }
    switch frames[frames.count - 1].kind {
    case .singleQuotes, .comment: break
    default: obstacle = "the name of the variable before it would go on in it: write `$${\(name)}`"
    }
  }

  private static func isName(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return UInt8(ascii: "a")...UInt8(ascii: "z") ~= letter || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
      || byte == UInt8(ascii: "_")
  }

  /// `name` of a text that ends in `$name`; empty if it does not, or if that dollar sign is none of bash's.
  private static func variable(atEndOf text: String) -> Substring {
    let utf8 = text.utf8
    guard let dollar = utf8.lastIndex(where: { !isName($0) }), utf8[dollar] == UInt8(ascii: "$") else { return "" }
    let before = utf8[..<dollar].last
    let name = text[dollar...].unicodeScalars.dropFirst()
    let isBash =
      before != UInt8(ascii: "\\") && before != UInt8(ascii: "$") && name.first.map { !("0"..."9" ~= $0) } ?? false
    return isBash ? Substring(name) : ""
  }

  private mutating func read(_ scalar: Unicode.Scalar) {
    switch frames[frames.count - 1].kind {
    case .command: readCommand(scalar)
    case .doubleQuotes:
      if scalar == "\"" { frames.removeLast() } else { _ = readQuotable(scalar) }
    case .singleQuotes: if scalar == "'" { frames.removeLast() }
    case .ansiQuotes:
      if scalar == "\\" { skipEscaped() } else if scalar == "'" { frames.removeLast() }
    case .backquotes:
      if scalar == "\\" { skipEscaped() } else if scalar == "`" { frames.removeLast() }
    case .comment:
      guard scalar == "\n" else { break }
      frames.removeLast()
      readCommand(scalar)
    case .expansion(let inDoubleQuotes):
      if scalar == "}" {
        frames.removeLast()
      } else if !readQuotable(scalar), !inDoubleQuotes || scalar == "\"" {
        readQuote(scalar)
      }
    case .arithmetic(let depth):
      switch scalar {
      case "(": frames[frames.count - 1].kind = .arithmetic(depth: depth + 1)
      case ")" where depth > 0: frames[frames.count - 1].kind = .arithmetic(depth: depth - 1)
      case ")":
        _ = skip(")")
        frames.removeLast()
      default: _ = readQuotable(scalar)
      }
    case .hereDocuments: readHereDocument(scalar)
    }
  }

  private mutating func readCommand(_ scalar: Unicode.Scalar) {
    let place = frames.count - 1
    if readQuotable(scalar) || readQuote(scalar) {
      // What is in quotes counts as a part of the word, and is not looked at.
      frames[place].word = (frames[place].word ?? "") + (scalar == "\\" ? "\\" : "")
      return
    }
    switch scalar {
    case " ", "\t": endWord()
    case "\n", ";", "&", "|":
      endCommand()
      if scalar == "\n" && !hereDocuments.isEmpty { frames.append(Frame(kind: .hereDocuments)) }
    case "#" where frames[frames.count - 1].word == nil: frames.append(Frame(kind: .comment))
    case "(":
      let isStart = frames[frames.count - 1].word == nil
      endCommand()
      frames.append(Frame(kind: isStart && skip("(") ? .arithmetic(depth: 0) : .command))
    case ")":
      endCommand()
      // Patterns of `case` close what nothing opened.
      if frames.count > 1 { frames.removeLast() }
    case "<" where rest.first == "<":
      rest.removeFirst()
      if skip("<") { endWord() } else { readHereDelimiter() }
    case "<", ">": endWord()
    default: add(String(scalar))
    }
  }

  /// What begins a level in double quotes as well as outside.
  private mutating func readQuotable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\\": skipEscaped()
    case "`": frames.append(Frame(kind: .backquotes))
    case "$" where rest.first == "(":
      rest.removeFirst()
      frames.append(Frame(kind: skip("(") ? .arithmetic(depth: 0) : .command))
    case "$" where rest.first == "{":
      rest.removeFirst()
      frames.append(Frame(kind: .expansion(inDoubleQuotes: isInDoubleQuotes)))
    default: return false
    }
    return true
  }

  @discardableResult private mutating func readQuote(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "'": frames.append(Frame(kind: .singleQuotes))
    case "\"": frames.append(Frame(kind: .doubleQuotes))
    case "$" where rest.first == "'":
      rest.removeFirst()
      frames.append(Frame(kind: .ansiQuotes))
    default: return false
    }
    return true
  }

  private var isInDoubleQuotes: Bool {
    switch frames[frames.count - 1].kind {
    case .doubleQuotes, .expansion(inDoubleQuotes: true): true
    default: false
    }
  }

  private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
    guard rest.first == scalar else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func skipEscaped() {
    if rest.popFirst() == nil { obstacle = "the backslash before it would take its first sign" }
  }

  private mutating func add(_ text: String) {
    frames[frames.count - 1].word = (frames[frames.count - 1].word ?? "") + text
  }

  private mutating func endWord() {
    guard let word = frames[frames.count - 1].word else { return }
    // A pattern's `)` looks like the end of `$(…)`.
    if word == "case" && frames.contains(where: { if case .doubleQuotes = $0.kind { true } else { false } }) {
      isUnclear = true
    }
    frames[frames.count - 1].words.append(word)
    frames[frames.count - 1].word = nil
  }

  private mutating func endCommand() {
    endWord()
    frames[frames.count - 1].words = []
  }

  // MARK: - Here-documents

  /// After `<<`: the word that is to end it.
  private mutating func readHereDelimiter() {
    endWord()
    let stripsTabs = skip("-")
    while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
    var delimiter = String.UnicodeScalarView()
    while let scalar = rest.first, !" \t\n;&|<>()".unicodeScalars.contains(scalar) {
      if !"'\"\\".unicodeScalars.contains(scalar) { delimiter.append(scalar) }
      rest.removeFirst()
    }
    if rest.isEmpty { obstacle = "it would be the word that ends a here-document" }
    hereDocuments.append(HereDocument(delimiter: String(delimiter), stripsTabs: stripsTabs))
  }

  private mutating func readHereDocument(_ scalar: Unicode.Scalar) {
    guard scalar == "\n" else { return line.unicodeScalars.append(scalar) }
    let found = hereDocuments[0].stripsTabs ? String(line.drop { $0 == "\t" }) : line
    line = ""
    guard found == hereDocuments[0].delimiter else { return }
    hereDocuments.removeFirst()
    if hereDocuments.isEmpty { frames.removeLast() }
  }
}
