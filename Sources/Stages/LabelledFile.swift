/// An input of queries with passages that answer them and passages that do not, as what trains and `mine` read it.
import Foundation
import Pipelines
import Training

/// A query with its passages, each text once.
struct LabelledRecord: Hashable {
  var group: QueryGroup
  /// Ids of the negatives that were looked for among what resembles an answer.
  let hard: Set<String>
  /// A teacher's, by the passages' ids; `nil` where none has judged them.
  let logits: [String: Double]?
}

/// Groups, mined candidates, or a teacher's scores; a file given by its path is looked at.
struct LabelledFile: Artifact {
  static let type = ArtifactType.groups
  static let accepts: [ArtifactType] = [.groups, .candidates, .scores]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  /// Gives each query with its candidates; those of groups are given ones. Throws `DataError`.
  func forEach(_ body: (CandidateList, _ logits: [String: Double]?) throws -> Void) throws {
    switch try bound.type ?? ArtifactType(lookingAt: url) {
    case .candidates: try CandidateList.forEach(in: url) { try body($0, nil) }
    case .scores:
      try ScoredList.forEach(in: url) { list in
        let logits = list.candidates.map { ($0.candidate.passage.id, Double($0.logit)) }
        try body(
          CandidateList(id: list.id, query: list.query, candidates: list.candidates.map(\.candidate), type: list.type),
          Dictionary(logits) { first, _ in first })
      }
    default: try QueryGroup.forEach(in: url) { try body(CandidateList($0), nil) }
    }
  }

  /// - Parameter count: other queries' passages that a query without negatives gets, drawn by lot, if no teacher has
  ///   judged it.
  func read(drawing count: Int, seed: UInt64) throws -> [LabelledRecord] {
    var records: [LabelledRecord] = []
    try forEach { list, logits in
      records.append(
        LabelledRecord(
          group: QueryGroup(list).withoutRepeats(),
          hard: Set(list.candidates.filter(\.source.isHard).map(\.passage.id)), logits: logits))
    }
    let bare = records.indices.filter { records[$0].group.negatives.isEmpty && records[$0].logits == nil }
    guard count > 0, !bare.isEmpty else { return records }
    let pool = try PassagePool(of: records.map(\.group), file: url).passages
    let draws = SeededDraws(seed: seed)
    for number in bare {
      let group = records[number].group
      let own = Set(group.positives.map(\.text))
      // As many more as may turn out to be the query's own.
      let drawn = draws.negatives(count + own.count, of: pool.count, query: number).map { pool[$0] }
      records[number].group = QueryGroup(
        id: group.id, query: group.query, positives: group.positives,
        negatives: Array(drawn.filter { !own.contains($0.text) }.prefix(count)), type: group.type)
    }
    return records
  }
}

extension QueryGroup {
  /// Each text (after NFC) once, as a positive if it is one.
  fileprivate func withoutRepeats() -> QueryGroup {
    var texts: Set<String> = []
    func first(_ passages: [Passage]) -> [Passage] { passages.filter { texts.insert($0.text).inserted } }
    return QueryGroup(id: id, query: query, positives: first(positives), negatives: first(negatives), type: type)
  }

  init(_ list: CandidateList) {
    self.init(
      id: list.id, query: list.query, positives: list.candidates.filter(\.isPositive).map(\.passage),
      negatives: list.candidates.filter { !$0.isPositive }.map(\.passage), type: list.type)
  }
}

extension CandidateList {
  fileprivate init(_ group: QueryGroup) {
    self.init(
      id: group.id, query: group.query,
      candidates: group.positives.map { Candidate(passage: $0, isPositive: true, source: .positive) }
        + group.negatives.map { Candidate(passage: $0, isPositive: false, source: .given) },
      type: group.type)
  }
}
