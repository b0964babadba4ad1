/// `score`: a teacher's judgement of every candidate.
import Foundation
import Pipelines
import Tensors
import Training

struct Score: Stage {
  static let kind = StageKind("score", revision: 1)
  static let abstract = "Judges each query's candidates with a cross-encoder: logits and sigmoid scores."
  static let numeric = true

  @Input("Cross-encoder that judges.") var teacher: ModelFolder
  @Input("Queries with the candidates to judge.") var candidates: CandidateFile
  @Parameter("Tokens of a pair after which it is cut; absent: as the teacher was trained.", in: 3...1_000_000)
  var maxLen: Int?
  @Output("The candidates with logit and score.") var scores: ScoreFile

  func run(_ context: StageContext) async throws {
    let encoder = try CrossEncoder(
      folder: teacher.url, engine: Engine(threads: context.threads), maxTokens: maxLen)
    let lists = try CandidateList.read(candidates.url)
    let pairs = lists.flatMap { list in
      list.candidates.map { (query: list.query, passage: $0.passage.text, name: "\(list.id)/\($0.passage.id)") }
    }
    let logits = try encoder.score(pairs.map { ($0.query, $0.passage) }) {
      "query/passage \(pairs[$0].name)"
    } progress: {
      context.progress($0, of: pairs.count)
    }
    context.report(encoder.health, "score")
    var next = 0
    let scored = lists.map { list in
      ScoredList(
        id: list.id, query: list.query,
        candidates: list.candidates.map { candidate in
          defer { next += 1 }
          return ScoredCandidate(
            candidate: candidate, logit: logits[next], score: Float(sigmoid(Double(logits[next]))))
        }, type: list.type)
    }
    try ScoredList.write(scored, to: scores.url)
    context.log("[score] Queries: \(lists.count) | Pairs: \(pairs.count)")
    context.metric("pairs", Double(pairs.count))
  }
}
