/// The passages that queries search.
import Foundation

struct PassagePool {
  private(set) var passages: [Passage]
  private(set) var indexOfID: [String: Int]

  /// A corpus. Throws if an id occurs twice.
  init(_ corpus: [Passage], file: URL) throws {
    passages = corpus
    indexOfID = [:]
    for (index, passage) in corpus.enumerated() {
      if indexOfID.updateValue(index, forKey: passage.id) != nil {
        throw DataError(file, line: index + 1, "the passage id `\(passage.id)` occurs twice")
      }
    }
  }

  /// The union of all positives and negatives, in order of appearance.
  init(of groups: [QueryGroup], file: URL) throws {
    passages = []
    indexOfID = [:]
    try add(groups, file: file)
  }

  /// Adds passages of groups that the pool has not. Throws if an id has two texts.
  mutating func add(_ groups: [QueryGroup], file: URL) throws {
    for (number, group) in groups.enumerated() {
      for passage in group.positives + group.negatives {
        if let known = indexOfID[passage.id] {
          guard passages[known].text == passage.text else {
            throw DataError(
              file, line: number + 1,
              "the passage id `\(passage.id)` has another text here than before; "
                + "make both with the same `passage_template`")
          }
        } else {
          indexOfID[passage.id] = passages.count
          passages.append(passage)
        }
      }
    }
  }

  /// The first passage with the same text (after NFC) as each: what counts as one passage.
  var firstOfText: [Int] {
    var first: [String: Int] = [:]
    return passages.indices.map { index in
      if let known = first[passages[index].text] { return known }
      first[passages[index].text] = index
      return index
    }
  }

  var texts: [String] { passages.map(\.text) }
  var ids: [String] { passages.map(\.id) }
}
