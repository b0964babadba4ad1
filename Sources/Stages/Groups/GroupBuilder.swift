/// Collects queries and passages from any reader, and finishes them into groups and a corpus.
import Basics
import Foundation

/// A passage as it was read.
struct RawPassage {
  let id: String
  let title: String?
  /// The text alone, by which data may name the passage.
  let text: String
  /// What models see.
  let shown: String
  var category: String?
}

/// An id and the column that it stands in.
struct ReadID {
  let value: String
  let column: String
  /// Whether nobody has said that this is the column of ids.
  let isGuess: Bool
  /// Whether it is a column of the passages' file.
  var isPassages = false
}

/// Two texts under one id.
struct IDConflict: Error {
  let id: ReadID
  /// Of the second.
  let place: RecordPlace

  private var remedy: String {
    let key = id.isPassages ? "passage_columns" : "columns"
    let flag = "--" + key.replacing("_", with: "-")
    return "`\(key): {id: …}` names another column, `{id: \"\"}` none (`retort new`: `\(flag) id=…`, `id=`)"
  }

  var error: DataError {
    place.error(
      "the id `\(id.value)` occurs with two different texts, so `\(id.column)` cannot be the column of ids; \(remedy)")
  }

  var warning: String {
    "`\(id.column)` of \(place.file.lastPathComponent) is not taken for the column of ids: `\(id.value)`, again in record "
      + "\(place.number), has two different texts; \(remedy)"
  }
}

extension GroupReader {
  /// A column that only looks like one of ids is found out by two texts under one of them; then `body` is called again,
  /// with the columns that are not to be taken for ids and what told so.
  static func guessingIDs<Result>(
    _ body: (_ ignored: (queries: Set<String>, passages: Set<String>), _ conflicts: [IDConflict]) throws -> Result
  ) throws -> Result {
    var ignored: (queries: Set<String>, passages: Set<String>) = ([], [])
    var conflicts: [IDConflict] = []
    while true {
      do { return try body(ignored, conflicts) } catch let conflict as IDConflict {
        guard conflict.id.isGuess else { throw conflict.error }
        if conflict.id.isPassages {
          ignored.passages.insert(conflict.id.column)
        } else {
          ignored.queries.insert(conflict.id.column)
        }
        conflicts.append(conflict)
      }
    }
  }
}

struct GroupBuilder {
  private(set) var passages: [RawPassage] = []
  private var passageOfID: [String: Int] = [:]
  private var passageOfShown: [String: Int] = [:]
  /// `nil` inside: several passages go by it.
  private var passageOfText: [String: Int?] = [:]
  private var passageOfTitle: [String: Int?] = [:]
  private var drafts: [Draft] = []
  private var draftOfKey: [String: Int] = [:]
  /// Passages that were a positive and a negative of one query; they count as positives.
  private(set) var contradictions = 0
  /// Passages with an id of their own and the text of another.
  private(set) var repeats = 0
  var gaps: Gaps
  /// Positives and negatives of each record that has both, and its query.
  private var rows: [(query: Int, positives: [Int], negatives: [Int])] = []

  private struct Draft {
    let id: String
    let text: String
    let shown: String
    let type: String?
    let source: String?
    var positives: [Int] = []
    var negatives: [Int] = []
    /// Grades by passage, of positives that are more or less to the point than others.
    var grades: [Int: Double] = [:]
  }

  init(gaps: Gaps = Gaps()) { self.gaps = gaps }

  /// Queries so far.
  var drafted: Int { drafts.count }
  /// The queries as models see them, whether anything answers them or not.
  var queries: [Passage] { drafts.map { Passage(id: $0.id, text: $0.shown) } }

  func query(_ index: Int) -> (id: String, shown: String, type: String?) {
    (drafts[index].id, drafts[index].shown, drafts[index].type)
  }

  /// Registers a passage. Equal texts (after NFC) are one passage, whatever their ids. Throws `IDConflict` if an id has
  /// two texts.
  /// - Parameter isBare: whether it is a text alone, which may be the text of a passage that was read with more fields.
  mutating func passage(
    id: ReadID?, title: String? = nil, text: String, shown: String, category: String? = nil, isBare: Bool = false,
    at place: RecordPlace
  ) throws -> Int {
    if let id, let known = passageOfID[id.value] {
      guard passages[known].shown == shown else { throw IDConflict(id: id, place: place) }
      categorise(known, category)
      return known
    }
    if let known = (isBare ? passageOfText[text] ?? nil : nil) ?? passageOfShown[shown] {
      if let id {
        passageOfID[id.value] = known
        repeats += 1
      }
      if let title { Self.name(title, known, in: &passageOfTitle) }
      categorise(known, category)
      return known
    }
    let index = passages.count
    let name = id?.value ?? Self.free("p", index + 1, passageOfID)
    passages.append(RawPassage(id: name, title: title, text: text, shown: shown, category: category))
    passageOfID[name] = index
    passageOfShown[shown] = index
    Self.name(text, index, in: &passageOfText)
    if let title { Self.name(title, index, in: &passageOfTitle) }
    return index
  }

  /// The first category that a passage is read with counts.
  private mutating func categorise(_ index: Int, _ category: String?) {
    passages[index].category = passages[index].category ?? category
  }

  private static func name(_ name: String, _ index: Int, in names: inout [String: Int?]) {
    if let known = names[name] { names[name] = .some(known == index ? known : nil) } else { names[name] = index }
  }

  private static func free(_ letter: String, _ number: Int, _ taken: [String: Int]) -> String {
    var name = "\(letter)\(number)"
    while taken[name] != nil { name += "'" }
    return name
  }

  /// The passage of that id, or else of that title, or else with that text; a gap if there is none or are several.
  mutating func passage(named name: String, at place: RecordPlace) throws -> Int? {
    if let index = passageOfID[name] { return index }
    guard let named = passageOfTitle[name] ?? passageOfText[name] ?? passageOfShown[name].map(Optional.some) else {
      try gaps.add(
        .reference,
        place.error(
          "there is no passage `\(name)`"
            + didYouMean(nearest(to: name, in: passages.map(\.id) + passages.compactMap(\.title)))))
      return nil
    }
    if let named { return named }
    try gaps.add(.reference, place.error("several passages go by `\(name)`; name them by id"))
    return nil
  }

  /// Registers a query. Without an id, equal texts (after NFC) are one query. Throws `IDConflict` if an id has two texts.
  /// - Parameter source: the label of its file, of several; a query of two files has the first's.
  mutating func query(
    id: ReadID?, text: String, type: String?, source: String?, at place: RecordPlace, shown: () throws -> String
  ) throws -> Int {
    let key = id.map { "id " + $0.value } ?? "text " + text
    if let known = draftOfKey[key] {
      if let id, drafts[known].text != text { throw IDConflict(id: id, place: place) }
      return known
    }
    draftOfKey[key] = drafts.count
    drafts.append(
      Draft(id: id?.value ?? "q\(drafts.count + 1)", text: text, shown: try shown(), type: type, source: source))
    return drafts.count - 1
  }

  /// - Parameter grade: how much to the point a positive is; trec_eval's gain.
  mutating func add(_ passage: Int, to query: Int, isPositive: Bool, grade: Double = 1) {
    if isPositive, grade != 1 { drafts[query].grades[passage] = grade }
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

  /// The passages of one record.
  mutating func add(positives: [Int], negatives: [Int], to query: Int) {
    for passage in positives { add(passage, to: query, isPositive: true) }
    for passage in negatives { add(passage, to: query, isPositive: false) }
    rows.append((query, positives, negatives))
  }

  /// Record by record, also where several have one query; queries are counted as `finish` gives them.
  var triplets: [Triplet] {
    var places: [Int: Int] = [:]
    for (draft, place) in zip(drafts.indices.filter { !drafts[$0].positives.isEmpty }, 0...) { places[draft] = place }
    func passage(_ index: Int) -> Passage { Passage(id: passages[index].id, text: passages[index].shown) }
    return rows.flatMap { row in
      let record = QueryGroup(
        id: "", query: "", positives: row.positives.map(passage), negatives: row.negatives.map(passage))
      return places[row.query].map { query in
        record.pairs.map { Triplet(query: query, positive: $0.positive, negative: $0.negative) }
      } ?? []
    }
  }

  /// Whether most queries stand word for word in a passage that answers them, or hold it; of many the first are asked.
  var answersRepeatQueries: Bool {
    let asked = drafts.lazy.filter { !$0.positives.isEmpty }.prefix(1000)
    let repeating = asked.count { draft in
      draft.positives.contains { passages[$0].text.contains(draft.text) || draft.text.contains(passages[$0].text) }
    }
    return repeating * 2 > asked.count
  }

  /// Groups of the queries that have a positive, and how many had none; every passage as the corpus.
  /// - Parameter graded: whether groups keep the grades of their positives.
  func finish(graded: Bool = false) -> (groups: [QueryGroup], corpus: [Passage], withoutPositive: Int) {
    let corpus = passages.map { Passage(id: $0.id, text: $0.shown, category: $0.category) }
    let answered = drafts.filter { !$0.positives.isEmpty }
    let groups = answered.map { draft in
      QueryGroup(
        id: draft.id, query: draft.shown, positives: draft.positives.map { corpus[$0] },
        negatives: draft.negatives.map { corpus[$0] }, type: draft.type, source: draft.source,
        grades: graded && !draft.grades.isEmpty ? draft.positives.map { draft.grades[$0] ?? 1 } : nil)
    }
    return (groups, corpus, drafts.count - answered.count)
  }
}
