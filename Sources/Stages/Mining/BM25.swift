/// BM25, the lexical baseline: scores of every passage for a query.
import Foundation

/// Robertson and Zaragoza 2009 with Lucene's inverse document frequency, which is never negative:
/// score = Σ over the query's terms, repeats included, of
/// ln(1 + (N − df + ½)/(df + ½)) · tf/(tf + k1·(1 − b + b·length/mean length)), k1 = 1.2, b = 0.75.
package struct BM25 {
  private let k1 = 1.2
  private let b = 0.75
  private var termNumber: [String: Int] = [:]
  /// For each term, the passages it occurs in and its contribution to their score.
  private var postings: [[(passage: Int32, weight: Float)]] = []
  /// Passages.
  package let count: Int

  package init(_ passages: [String]) {
    count = passages.count
    var frequencies: [[(passage: Int32, count: Int)]] = []
    var lengths: [Int] = []
    for (index, passage) in passages.enumerated() {
      let terms = bm25Terms(passage)
      lengths.append(terms.count)
      for term in terms {
        let number = termNumber[term] ?? termNumber.count
        if number == frequencies.count {
          termNumber[term] = number
          frequencies.append([])
        }
        if let last = frequencies[number].last, last.passage == Int32(index) {
          frequencies[number][frequencies[number].count - 1].count += 1
        } else {
          frequencies[number].append((Int32(index), 1))
        }
      }
    }
    let mean = Double(lengths.reduce(0, +)) / Double(max(1, count))
    postings = frequencies.map { [k1, b, count] occurrences in
      let df = Double(occurrences.count)
      let idf = log(1 + (Double(count) - df + 0.5) / (df + 0.5))
      return occurrences.map { passage, tf in
        let norm = k1 * (1 - b + b * Double(lengths[Int(passage)]) / mean)
        return (passage, Float(idf * Double(tf) / (Double(tf) + norm)))
      }
    }
  }

  /// The score of every passage, in the order they were given.
  package func scores(_ query: String) -> [Float] {
    var scores = [Float](repeating: 0, count: count)
    for number in bm25Terms(query).compactMap({ termNumber[$0] }) {
      for (passage, weight) in postings[number] { scores[Int(passage)] += weight }
    }
    return scores
  }
}

/// Lower-case words of letters and digits after NFC; runs of Hangul, Han and Kana as overlapping pairs of characters
/// instead (as Lucene's CJKAnalyzer), because Korean endings and particles would keep whole words from matching.
func bm25Terms(_ text: String) -> [String] {
  var terms: [String] = []
  var word = ""
  var run: [Unicode.Scalar] = []
  func flush() {
    if !word.isEmpty { terms.append(word) }
    if run.count == 1 { terms.append(String(run[0])) }
    for (left, right) in zip(run, run.dropFirst()) { terms.append("\(left)\(right)") }
    word = ""
    run = []
  }
  for scalar in text.precomposedStringWithCanonicalMapping.lowercased().unicodeScalars {
    if scalar.isCJK {
      if !word.isEmpty { flush() }
      run.append(scalar)
    } else if scalar.properties.isAlphabetic || scalar.properties.numericType != nil
      || scalar.properties.generalCategory == .nonspacingMark
    {
      if !run.isEmpty { flush() }
      word.unicodeScalars.append(scalar)
    } else {
      flush()
    }
  }
  flush()
  return terms
}

extension Unicode.Scalar {
  /// Hangul syllables and jamo, Kana, and unified Han.
  fileprivate var isCJK: Bool {
    switch value {
    case 0x1100...0x11FF, 0x3040...0x30FF, 0x3130...0x318F, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3,
      0xF900...0xFAFF, 0x20000...0x3134F:
      true
    default: false
    }
  }
}
