/// Collects queries and passages from any reader, and finishes them into groups and a corpus.
import Foundation

/// A passage as it was read, before the template.
struct RawPassage {
  let id: String
  let title: String?
  let text: String
}

struct GroupBuilder {
  private(set) var passages: [RawPassage] = []
  private var passageOfID: [String: Int] = [:]
  private var passageOfText: [String: Int] = [:]
  private var passageOfTitle: [String: Int] = [:]
  private var drafts: [Draft] = []
  private var draftOfKey: [String: Int] = [:]
  /// Passages that were a positive and a negative of one query; they count as positives.
  private(set) var contradictions = 0

  private struct Draft {
    let id: String
    let text: String
    let type: String?
    var positives: [Int] = []
    var negatives: [Int] = []
  }

  /// Registers a passage. Without an id, equal texts (after NFC) are one passage. Throws if an id has two texts.
  mutating func passage(id: String?, title: String? = nil, text: String, at place: RecordPlace) throws -> Int {
    if let known = id.map({ passageOfID[$0] }) ?? passageOfText[text] {
      guard passages[known].text == text else {
        throw place.error("the passage id `\(passages[known].id)` occurs with two different texts")
      }
      return known
    }
    let index = passages.count
    let id = id ?? "p\(index + 1)"
    passages.append(RawPassage(id: id, title: title, text: text))
    passageOfID[id] = index
    if passageOfText[text] == nil { passageOfText[text] = index }
    if let title, passageOfTitle[title] == nil { passageOfTitle[title] = index }
    return index
  }

  /// The passage of that id, or else of that title.
  func passage(named name: String, at place: RecordPlace) throws -> Int {
    if let index = passageOfID[name] ?? passageOfTitle[name] { return index }
    throw place.error(
      "there is no passage `\(name)`" + suggestion(for: name, among: passages.map(\.id) + passages.compactMap(\.title)))
  }

  /// Registers a query. Without an id, equal texts (after NFC) are one query. Throws if an id has two texts.
  mutating func query(id: String?, text: String, type: String?, at place: RecordPlace) throws -> Int {
    let key = id.map { "id " + $0 } ?? "text " + text
    if let known = draftOfKey[key] {
      guard drafts[known].text == text else {
        throw place.error("the query id `\(drafts[known].id)` occurs with two different texts")
      }
      return known
    }
    draftOfKey[key] = drafts.count
    drafts.append(Draft(id: id ?? "q\(drafts.count + 1)", text: text, type: type))
    return drafts.count - 1
  }

  mutating func add(_ passage: Int, to query: Int, isPositive: Bool) {
    let isKnownPositive = drafts[query].positives.contains(passage)
    let negative = drafts[query].negatives.firstIndex(of: passage)
    switch (isPositive, isKnownPositive, negative) {
    case (true, false, let place):
      drafts[query].positives.append(passage)
      if let place {
        drafts[query].negatives.remove(at: place)
        contradictions += 1
      }
    case (false, true, _): contradictions += 1
    case (false, false, nil): drafts[query].negatives.append(passage)
    default: break
    }
  }

  /// Groups of the queries that have a positive, and how many had none; every passage as the corpus.
  func finish(query: (String) -> String, passage: (RawPassage) -> String)
    -> (groups: [QueryGroup], corpus: [Passage], withoutPositive: Int)
  {
    let corpus = passages.map { Passage(id: $0.id, text: passage($0)) }
    let answered = drafts.filter { !$0.positives.isEmpty }
    let groups = answered.map { draft in
      QueryGroup(
        id: draft.id, query: query(draft.text), positives: draft.positives.map { corpus[$0] },
        negatives: draft.negatives.map { corpus[$0] }, type: draft.type)
    }
    return (groups, corpus, drafts.count - answered.count)
  }
}
