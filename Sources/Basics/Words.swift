/// Finds the word that somebody meant who wrote another one.

/// The candidate that `word` was most likely meant to be, if one is near enough.
package func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
  let length = word.unicodeScalars.count
  guard length > 1 else { return nil }
  let limit = max(1, length / 3)
  return candidates.filter { abs($0.unicodeScalars.count - length) <= limit }.map {
    (distance: editDistance(word, $0), word: $0)
  }
  .filter { $0.distance <= limit && $0.word != word }
  .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
}

/// The end of a message about a word that is none: the one that was meant, or what is said where nobody knows.
package func didYouMean(_ word: String?, otherwise: @autoclosure () -> String = "") -> String {
  word.map { "; did you mean `\($0)`?" } ?? otherwise()
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) between two words.
func editDistance(_ left: String, _ right: String) -> Int {
  let left = Array(left.lowercased().unicodeScalars)
  let right = Array(right.lowercased().unicodeScalars)
  var rows = [Array(0...right.count)]
  for i in left.indices {
    var row = [i + 1]
    for j in right.indices {
      var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
      if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { best = min(best, rows[i - 1][j - 1] + 1) }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[left.count][right.count]
}
