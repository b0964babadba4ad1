/// One walk through the automaton that remembers where in the log the bytes came from which it was shown.

struct SecretTrail: Sendable {
  private let automaton: SecretAutomaton
  private var node: Int32 = 0
  /// Places in the log of the latest bytes, as a ring.
  private var places: [Int]
  private var count = 0

  init(_ automaton: SecretAutomaton) {
    self.automaton = automaton
    var size = 1
    while size < automaton.longest { size *= 2 }
    places = [Int](repeating: 0, count: size)
  }

  /// - Parameters:
  ///   - byte: what the log says, decoded.
  ///   - place: the stretch of the log that says it.
  ///   - found: gets the stretch of the log that holds the longest secret which ends here.
  mutating func step(_ byte: UInt8, at place: Range<Int>, _ found: inout Stretches) {
    places[count & (places.count - 1)] = place.lowerBound
    count += 1
    node = automaton.step(node, byte)
    let length = automaton.matched(at: node)
    if length > 0 { found.insert(places[(count - length) & (places.count - 1)]..<place.upperBound) }
  }

  /// Where the bytes begin that may become a secret; `nil` if there are none.
  var beginning: Int? {
    let depth = automaton.depth(of: node)
    return depth == 0 ? nil : places[(count - depth) & (places.count - 1)]
  }

  mutating func restart() { node = 0 }
}

/// Ranges in order, none of which touches another.
struct Stretches: Sendable {
  private(set) var ranges: [Range<Int>] = []

  /// Merges it with those that it touches; it mostly belongs at the end.
  mutating func insert(_ range: Range<Int>) {
    var range = range
    var index = ranges.count
    while index > 0, ranges[index - 1].lowerBound > range.upperBound { index -= 1 }
    let end = index
    while index > 0, ranges[index - 1].upperBound >= range.lowerBound {
      index -= 1
      range = min(range.lowerBound, ranges[index].lowerBound)..<max(range.upperBound, ranges[index].upperBound)
    }
    ranges.replaceSubrange(index..<end, with: CollectionOfOne(range))
  }

  /// Forgets what ends before a place or at it.
  mutating func forget(upTo place: Int) {
    ranges.removeFirst(ranges.prefix { $0.upperBound <= place }.count)
  }
}
