/// The passages that queries search.
import Foundation

struct PassagePool {
  private(set) var passages: [Passage]
  private(set) var indexOfID: [String: Int]
  private var indexOfText: [String: Int] = [:]

  /// A corpus, of which every passage is one that may be found. Throws if an id occurs twice.
  init(_ corpus: [Passage], file: URL) throws {
    passages = corpus
    indexOfID = [:]
    for (index, passage) in corpus.enumerated() {
      if indexOfText[passage.text] == nil { indexOfText[passage.text] = index }
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

  /// Adds passages of groups that the pool lacks; equal texts (after NFC) are one passage, whatever their ids. Throws if
  /// an id has two texts.
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
          let index = indexOfText[passage.text] ?? passages.count
          indexOfID[passage.id] = index
          if index == passages.count {
            indexOfText[passage.text] = index
            passages.append(passage)
          }
        }
      }
    }
  }

  /// Where the passages lie that the pool has, each once.
  func indices(of passages: [Passage]) -> [Int] {
    var seen: Set<Int> = []
    return passages.compactMap { indexOfID[$0.id] }.filter { seen.insert($0).inserted }
  }

  var texts: [String] { passages.map(\.text) }
  var ids: [String] { passages.map(\.id) }
}
