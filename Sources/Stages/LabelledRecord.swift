/// What a dual encoder learns from: labelled queries of several files, as model inputs.
import Foundation
import Models
import Pipelines
import Tokenizers
import Training

/// A query with its passages and, where a teacher has judged them, logits by the passages' ids.
struct LabelledRecord {
  let group: QueryGroup
  let logits: [String: Double]?
}

/// A member of the list at the port `train`: groups, candidates or scores.
struct LearningFile: Artifact {
  static let type = ArtifactType.groups
  static let accepts: [ArtifactType] = [.groups, .candidates, .scores]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  private func type() throws -> ArtifactType { try bound.type ?? ArtifactType(lookingAt: url) }

  /// Ids of each query's negatives that were looked for among what resembles an answer; none in groups.
  func hardNegatives() throws -> [String: Set<String>] {
    var hard: [String: Set<String>] = [:]
    func see(_ query: String, _ candidate: Candidate) {
      if candidate.source.isHard { hard[query, default: []].insert(candidate.passage.id) }
    }
    switch try type() {
    case .candidates: try CandidateList.forEach(in: url) { list in list.candidates.forEach { see(list.id, $0) } }
    case .scores: try ScoredList.forEach(in: url) { list in list.candidates.forEach { see(list.id, $0.candidate) } }
    default: break
    }
    return hard
  }

  /// - Parameter count: other queries' passages that a query without negatives gets, drawn by lot.
  func read(drawing count: Int, seed: UInt64) throws -> [LabelledRecord] {
    guard try type() == .scores else {
      return try LabelledFile(bound).read(drawing: count, seed: seed).map { LabelledRecord(group: $0, logits: nil) }
    }
    return try ScoredList.read(url).map { list in
      LabelledRecord(
        group: QueryGroup(list.unscored).withoutRepeats(),
        logits: Dictionary(list.candidates.map { ($0.candidate.passage.id, Double($0.logit)) }) { first, _ in first })
    }
  }
}

extension ScoredList {
  fileprivate var unscored: CandidateList {
    CandidateList(id: id, query: query, candidates: candidates.map(\.candidate), type: type)
  }
}

/// Queries and passages of all sets, tokenized; a passage that many queries share is one.
struct LabelledTexts {
  let queries: [LabelledQuery]
  let passages: [Encoding]
  private let queryTexts: [String]
  private let passageTexts: [String]

  init(_ sets: [[LabelledRecord]], files: [URL], _ encoder: BiEncoder) throws {
    var pools: [PassagePool] = []
    for (records, file) in zip(sets, files) { pools.append(try PassagePool(of: records.map(\.group), file: file)) }
    // Sets may use an id for different texts: what is equal are texts.
    var places: [String: Int] = [:]
    var texts: [String] = []
    func place(_ text: String) -> Int {
      if let known = places[text] { return known }
      places[text] = texts.count
      texts.append(text)
      return texts.count - 1
    }
    let records = sets.flatMap(\.self)
    let inputs = try encoder.tokenize(records.map(\.group.query), as: .query) { "query \(records[$0].group.id)" }
    var queries: [LabelledQuery] = []
    for (set, (records, pool)) in zip(sets, pools).enumerated() {
      func indices(_ passages: [Passage]) -> [Int] { pool.indices(of: passages).map { place(pool.passages[$0].text) } }
      for record in records {
        let positives = indices(record.group.positives)
        let known = Set(positives)
        let logits = record.logits.map { logits in
          Dictionary(
            logits.compactMap { id, logit in pool.indexOfID[id].map { (place(pool.passages[$0].text), logit) } }
          ) {
            first, _ in first
          }
        }
        queries.append(
          LabelledQuery(
            id: record.group.id, input: inputs[queries.count], positives: positives,
            negatives: indices(record.group.negatives).filter { !known.contains($0) }, logits: logits, set: set))
      }
    }
    self.queries = queries
    queryTexts = records.map(\.group.query)
    passageTexts = texts
    passages = try encoder.tokenize(texts, as: .passage) { "passage “\(texts[$0].prefix(40))”" }
  }

  /// The guide's vectors of all texts.
  func judged(by guide: BiEncoder) throws -> LabelTask.Guide {
    func rows(_ texts: [String], _ role: TextRole) throws -> [[Float]] {
      let vectors = try guide.encode(texts, as: role, normalizing: true)
      let (numbers, width) = (vectors.array, vectors.columns)
      return texts.indices.map { Array(numbers[$0 * width..<($0 + 1) * width]) }
    }
    return LabelTask.Guide(queries: try rows(queryTexts, .query), passages: try rows(passageTexts, .passage))
  }
}
