/// `score`: a teacher's judgement of every candidate.
import Artifacts
import Basics
import Foundation
import Pipelines
import Tensors
import Training

struct Score: Stage {
  static let kind = StageKind("score", revision: 2)
  static let abstract = "Judges each query's candidates with a cross-encoder: logits and sigmoid scores."
  static let numeric = true
  static let metrics = [
    MetricDescription("pairs", "Pairs that were judged.", nil)
  ]

  @Input("Cross-encoder that judges.", as: .crossEncoder, base: "base") var teacher: ModelFolder
  @Input("Queries with the candidates to judge.", .handsOn, records: true) var candidates: CandidateFile
  @Parameter("Tokens of a pair after which it is cut; absent: as the teacher was trained.", in: 3...1_000_000)
  var maxLen: Int?
  @Parameter("A pair as the tokenizer has it, or as one text: `query [SEP] passage`.", neutral: PairForm.pair)
  var pairForm = PairForm.pair
  @Group("Quantizes the model first, in a stage of its own, `NAME.quantized`.", isNeutral: true)
  var quantization: QuantizationParameters?
  @Output("The candidates with logit and score.", file: "scores.jsonl") var scores: ScoreFile

  /// Pairs whose texts are held at a time; decides no bit.
  private static let pairsAtOnce = 1 << 15

  func run(_ context: StageContext) async throws {
    let encoder = try CrossEncoder(
      folder: teacher.url, base: teacher.base, on: context.device, maxTokens: maxLen, form: pairForm)
    context.tell(encoder.notices, "score")
    var (queries, pairs) = (0, 0)
    var records: Set<Digest> = []
    try CandidateList.forEach(in: candidates.url) { list in
      queries += 1
      pairs += list.candidates.count
      for candidate in list.candidates { records.insert(list.record(of: candidate)) }
    }
    let known: [Digest: Float] = context.reuse(records, from: "scores") { file, take in
      try ScoredList.forEach(in: file) { list in
        for candidate in list.candidates { take(list.record(of: candidate.candidate), candidate.logit) }
      }
    }

    let writer = try LineWriter(scores.url)
    var (sum, squares) = (0.0, 0.0)
    var (finished, computed) = (0, 0)
    var lists: [CandidateList] = []
    var held = 0
    var missing: [(query: String, passage: String, name: String)] = []
    func scoreHeld() throws {
      let logits = try encoder.score(missing.map { ($0.query, $0.passage) }) {
        "query/passage \(missing[$0].name)"
      } progress: {
        context.progress(finished + $0, of: pairs)
      }
      var next = 0
      for list in lists {
        let scored = list.scored { candidate in
          if let logit = known[list.record(of: candidate)] { return logit }
          defer { next += 1 }
          return logits[next]
        }
        for candidate in scored.candidates {
          sum += Double(candidate.score)
          squares += Double(candidate.score) * Double(candidate.score)
        }
        try writer.write(scored.json)
      }
      finished += held
      computed += logits.count
      (lists, held, missing) = ([], 0, [])
    }
    try CandidateList.forEach(in: candidates.url) { list in
      lists.append(list)
      held += list.candidates.count
      for candidate in list.candidates where known[list.record(of: candidate)] == nil {
        missing.append((list.query, candidate.passage.text, "\(list.id)/\(candidate.passage.id)"))
      }
      if held >= Self.pairsAtOnce { try scoreHeld() }
    }
    try scoreHeld()
    try writer.close()
    if computed > 0 { context.report(encoder.health, "score") }
    context.log("[score] Queries: \(queries) | Pairs: \(pairs) | Reused: \(pairs - computed)")
    context.metric("pairs", Double(pairs))
    let mean = sum / Double(max(1, pairs))
    let deviation = max(0, squares / Double(max(1, pairs)) - mean * mean).squareRoot()
    // Where a candidate in a hundred is an answer, a teacher that knows it has ten times that.
    if pairs > 1, deviation < 0.01 {
      context.warn(
        "[score] all \(pairs) scores are alike: mean \(decimal(mean)), standard deviation \(decimal(deviation)); the teacher "
          + "does not tell candidates apart, and a student learns next to nothing from it; train the teacher longer, with a "
          + "higher `lr`, or from a `base` that was pretrained")
    }
  }
}

extension CandidateList {
  fileprivate func scored(_ logit: (Candidate) -> Float) -> ScoredList {
    ScoredList(
      id: id, query: query,
      candidates: candidates.map { candidate in
        let logit = logit(candidate)
        return ScoredCandidate(candidate: candidate, logit: logit, score: Float(logistic(Double(logit))))
      }, type: type)
  }
  fileprivate func record(of candidate: Candidate) -> Digest { recordDigest(query, candidate.passage.text) }
}

extension ScoredList {
  fileprivate func record(of candidate: Candidate) -> Digest { recordDigest(query, candidate.passage.text) }
}
