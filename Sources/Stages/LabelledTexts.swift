/// What a dual encoder learns from: labelled queries of several files, as model inputs.
import Foundation
import Models
import Pipelines
import Tokenizers
import Training

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
