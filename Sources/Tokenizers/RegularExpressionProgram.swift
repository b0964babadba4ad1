/// A regular expression as a program of the places that a search tries, and as a deterministic automaton.

/// What can stand in a regular expression.
indirect enum RegularExpressionNode {
  case scalar(ScalarSet)
  /// The next scalar is one of the set, or there is none and `atEnd` says that this will do.
  case ahead(ScalarSet, atEnd: Bool)
  case sequence([RegularExpressionNode])
  case choice([RegularExpressionNode])
  case repeated(RegularExpressionNode, least: Int, most: Int?, isLazy: Bool)

  /// Whether it matches nothing at all somewhere.
  var canBeEmpty: Bool {
    switch self {
    case .scalar: false
    case .ahead: true
    case .sequence(let parts): parts.allSatisfy(\.canBeEmpty)
    case .choice(let ways): ways.contains(where: \.canBeEmpty)
    case .repeated(let part, let least, _, _): least == 0 || part.canBeEmpty
    }
  }
}

/// The instructions of Thompson's construction (Communications of the ACM 11, 1968), with an order among ways.
struct RegularExpressionProgram {
  private enum Instruction {
    case match
    case scalar(set: Int, next: Int)
    case ahead(set: Int, atEnd: Bool, next: Int)
    /// The first way is tried before the second.
    case either(Int, Int)
  }

  let classes: ScalarClasses
  private var instructions: [Instruction] = [.match]
  private var sets: [ScalarSet] = []
  private var start = 0

  private static let (mostInstructions, mostSteps) = (1 << 12, 1 << 16)

  init(_ node: RegularExpressionNode) throws(RegularExpression.Refusal) {
    if node.canBeEmpty { throw .init(reason: "it matches nothing at all") }
    var sets: [ScalarSet] = []
    Self.collect(node, into: &sets)
    guard let classes = ScalarClasses(sets) else { throw .init(reason: "it tells too many kinds of characters apart") }
    (self.sets, self.classes) = (sets, classes)
    start = try add(node, before: 0)
  }

  private static func collect(_ node: RegularExpressionNode, into sets: inout [ScalarSet]) {
    switch node {
    case .scalar(let set), .ahead(let set, _): if !sets.contains(set) { sets.append(set) }
    case .sequence(let parts), .choice(let parts): for part in parts { collect(part, into: &sets) }
    case .repeated(let part, _, _, _): collect(part, into: &sets)
    }
  }

  private mutating func add(_ instruction: Instruction) throws(RegularExpression.Refusal) -> Int {
    guard instructions.count < Self.mostInstructions else { throw .init(reason: "it is too long") }
    instructions.append(instruction)
    return instructions.count - 1
  }

  /// Adds what matches `node` and goes on at `next`: where it begins.
  private mutating func add(
    _ node: RegularExpressionNode, before next: Int
  ) throws(RegularExpression.Refusal) -> Int {
    func number(_ set: ScalarSet) -> Int { sets.firstIndex(of: set) ?? 0 }
    switch node {
    case .scalar(let set): return try add(.scalar(set: number(set), next: next))
    case .ahead(let set, let atEnd): return try add(.ahead(set: number(set), atEnd: atEnd, next: next))
    case .sequence(let parts):
      var next = next
      for part in parts.reversed() { next = try add(part, before: next) }
      return next
    case .choice(let ways):
      var begin: Int?
      for way in ways.reversed() {
        let own = try add(way, before: next)
        begin = if let begin { try add(.either(own, begin)) } else { own }
      }
      return begin ?? next
    case .repeated(let part, let least, let most, let isLazy):
      var begin = next
      func either(_ own: Int, _ out: Int) -> Instruction { isLazy ? .either(out, own) : .either(own, out) }
      if let most {
        for _ in least..<max(least, most) { begin = try add(either(try add(part, before: begin), next)) }
      } else {
        begin = try add(either(next, next))  // until the loop's body is there
        instructions[begin] = either(try add(part, before: begin), next)
      }
      for _ in 0..<least { begin = try add(part, before: begin) }
      return begin
    }
  }

  /// The steps of the automaton, as `RegularExpression` wants them.
  func determined() throws(RegularExpression.Refusal) -> [Int32] {
    let width = classes.members.count + 1
    var states: [[Int]] = [[], [start]]
    var numbers: [[Int]: Int32] = [[]: 0, [start]: 1]
    var steps: [Int32] = []
    var state = 0
    while state < states.count {
      for kind in 0..<width {
        let (next, isMatch) = step(from: states[state], kind < width - 1 ? classes.members[kind] : nil)
        let number = numbers[next] ?? Int32(states.count)
        if number == states.count {
          numbers[next] = number
          states.append(next)
        }
        steps.append(number << 1 | (isMatch ? 1 : 0))
      }
      guard states.count * width <= Self.mostSteps else { throw .init(reason: "its automaton has too many states") }
      state += 1
    }
    return steps
  }

  /// Where a search goes on after a scalar that lies in some sets, or nowhere at the text's end; and whether a match
  /// ends before it, after which nothing else is tried.
  private func step(from places: [Int], _ member: [Bool]?) -> (next: [Int], isMatch: Bool) {
    var next: [Int] = []
    var isSeen = Set<Int>()
    var waiting = Array(places.reversed())
    while let place = waiting.popLast() {
      guard isSeen.insert(place).inserted else { continue }
      switch instructions[place] {
      case .match: return (next, true)
      case .scalar(let set, let after): if member?[set] == true, !next.contains(after) { next.append(after) }
      case .ahead(let set, let atEnd, let after): if member?[set] ?? atEnd { waiting.append(after) }
      case .either(let first, let second): waiting += [second, first]
      }
    }
    return (next, false)
  }
}
