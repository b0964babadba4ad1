/// An input of queries with passages that answer them and passages that do not: groups, or mined candidates.
import Foundation
import Pipelines
import Training

struct LabelledFile: LookedAtFile {
  static let accepts: [ArtifactType] = [.groups, .candidates]
  let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }

  /// Candidates become groups; a query without negatives gets `count` of other queries' passages, drawn by lot.
  func read(drawing count: Int, seed: UInt64) throws -> [QueryGroup] {
    let holdsCandidates = try [.candidates, .scores].contains(type())
    let groups = (holdsCandidates ? try CandidateList.read(url).map(QueryGroup.init) : try QueryGroup.read(url))
      .map { $0.withoutRepeats() }
    guard count > 0, groups.contains(where: \.negatives.isEmpty) else { return groups }
    let pool = try PassagePool(of: groups, file: url).passages
    let draws = SeededDraws(seed: seed)
    return groups.enumerated().map { number, group in
      guard group.negatives.isEmpty else { return group }
      let own = Set(group.positives.map(\.text))
      // As many more as may turn out to be the query's own.
      let drawn = draws.negatives(count + own.count, of: pool.count, query: number).map { pool[$0] }
      return QueryGroup(
        id: group.id, query: group.query, positives: group.positives,
        negatives: Array(drawn.filter { !own.contains($0.text) }.prefix(count)), type: group.type)
    }
  }
}

extension QueryGroup {
  /// Each text (after NFC) once, as a positive if it is one.
  func withoutRepeats() -> QueryGroup {
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
