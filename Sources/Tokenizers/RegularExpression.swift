/// Regular expressions of tokenizer.json, matched as Oniguruma does, in time that grows with the text alone.

/// Finds, among the matches that begin at a place, the one that a backtracking search finds first, by a deterministic
/// automaton: a state is the list of the places in the expression that such a search would try, in its order.
struct RegularExpression: Sendable {
  private let classes: ScalarClasses
  /// By state and class of the next scalar, last that of the end: twice the next state, plus 1 if a match ends before
  /// that scalar. State 0 leads nowhere, in state 1 a search begins.
  private let steps: [Int32]  // [states, classes + 1]

  /// Why an expression is not taken.
  struct Refusal: Error, Equatable { let reason: String }

  init(_ written: String) throws(Refusal) {
    var syntax = RegularExpressionSyntax(written)
    let program = try RegularExpressionProgram(try syntax.parsed())
    (classes, steps) = (program.classes, try program.determined())
  }

  /// Searches go back over what they have seen in vain; after so many scalars they remember it.
  private static let forgotten = 32

  /// Calls `body` with each match in `range` of `text`, one after the other. No match is empty.
  @inline(__always)
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    let text = UnsafeBufferPointer(rebasing: text[..<range.upperBound])
    var vain: Set<UInt64> = []  // places and states from which no match ends (Reps, ACM TOPLAS 20, 1998)
    var start = range.lowerBound
    while start < text.count {
      if let end = end(of: text, from: start, &vain) {
        body(start..<end)
        start = end
      } else {
        _ = text.scalar(at: &start)
      }
    }
  }

  /// Where the match that begins at `start` ends.
  @inline(__always)
  private func end(of text: UnsafeBufferPointer<UInt8>, from start: Int, _ vain: inout Set<UInt64>) -> Int? {
    steps.withUnsafeBufferPointer { steps in
      let width = classes.members.count + 1
      var state = 1
      var end: Int?
      var place = start
      var seen = 0  // since the last match
      var trail: [UInt64] = []
      while true {
        var next = place
        let step = steps[state * width + (place < text.count ? classes.number(of: text.scalar(at: &next)) : width - 1)]
        if step & 1 != 0 {
          end = place
          seen = 0
          trail.removeAll()
        }
        state = Int(step >> 1)
        if state == 0 || place == text.count { break }
        place = next
        seen += 1
        if seen > Self.forgotten {
          let here = UInt64(place) << 24 | UInt64(state)
          if vain.contains(here) { break }
          trail.append(here)
        }
      }
      vain.formUnion(trail)
      return end
    }
  }
}
