/// What queries begin with alike, an instruction mostly: where there is room for little, the rest tells them apart.

struct SharedBeginnings {
  private let sorted: [String.UnicodeScalarView]
  /// How many queries have to share a beginning.
  private let fewest: Int
  private static let shortest = 8

  init(of queries: [String]) {
    sorted = queries.map(\.unicodeScalars).sorted { $0.lexicographicallyPrecedes($1) }
    fewest = max(3, queries.count / 20)
  }

  /// The query from the first word in which it differs from nearly all that begin as it does, after `…`; the whole query
  /// if it shares little.
  func rest(of query: String) -> String {
    let scalars = query.unicodeScalars
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle].lexicographicallyPrecedes(scalars) { low = middle + 1 } else { high = middle }
    }
    // In the sorted order the queries that share most with one stand around it.
    let first = max(0, low - fewest + 1)
    let shared =
      (first...max(first, low)).map { start -> Int in
        guard start + fewest <= sorted.count else { return 0 }
        let (one, other) = (sorted[start], sorted[start + fewest - 1])
        return min(common(one, other), common(one, scalars))
      }.max() ?? 0
    guard shared >= Self.shortest, let end = scalars.prefix(shared).lastIndex(where: \.properties.isWhitespace) else {
      return query
    }
    let rest = scalars[end...].dropFirst()
    return rest.isEmpty ? query : "…" + String(rest)
  }

  private func common(_ one: String.UnicodeScalarView, _ other: String.UnicodeScalarView) -> Int {
    zip(one, other).prefix { $0 == $1 }.count
  }
}
