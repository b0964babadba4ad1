/// What a person hears of what a training was worth: at once, from the cache, beside others, with what is published.
import Foundation
import Testing

@Suite struct VerdictTests {
  /// A student that learns the labels, and one that starts from it and is ruined by a rate without measure.
  private let pipeline = """
    version: 1
    name: judged
    params: {tau: 0.2}
    defaults: {seed: 7, threads: 1, memory: 500MB}
    stages:
      groups:
        uses: groups
        in: {data: data/questions.json, passages: data/book.jsonl}
      base:
        uses: init
        in: {groups: groups.groups}
        with:
          {vocab_size: 120, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64,
           max_position_embeddings: 32, initializer_range: 0.1}
      candidates:
        uses: mine
        in: {groups: groups.groups, corpus: groups.corpus}
        with: {num_negatives: 3, strategy: random}
      teacher:
        uses: teacher
        in: {base: base.model, train: candidates.candidates}
        with: {epochs: 0, max_len: 32}
      scored:
        uses: score
        in: {teacher: teacher.model, candidates: candidates.candidates}
      student:
        uses: distill
        in: {base: base.model, scores: scored.scores, validation: groups.groups, corpus: groups.corpus}
        with: &labels
          {K: 4, epochs: 12, batch_size: 8, lr: 1e-2, max_len: 32, kl_weight: 0, contrastive: infonce,
           contrastive_weight: 1, negative_penalty_weight: 0, tau: "${params.tau}"}
        publish: {path: models/student, if: not_worse}
      ruined:
        uses: distill
        in: {base: student.student, scores: scored.scores, validation: groups.groups, corpus: groups.corpus}
        with: {<<: *labels, epochs: 3, lr: 5, schedule: constant, warmup_ratio: 0}
        publish: {path: models/ruined, if: not_worse}
      guarded:
        uses: guard
        in: {model: ruined.student, before: student.student, data: groups.groups, corpus: groups.corpus}
        publish: {path: models/guarded, if: not_worse}
      report:
        uses: evaluate
        in: {model: student.student, data: groups.groups, corpus: groups.corpus}

    """

  @Test func `a verdict is told, kept, shown, compared and published, and withholds what is worse`() async throws {
    let project = try Project(pipeline, data: smallData)
    let plan = try await project.retort("plan", "pipeline.yaml", "--no-probe")
    #expect(plan.output.contains("ruined is published to ") && plan.output.contains("(not_worse)"))

    let first = try await project.retort("run", "pipeline.yaml")
    try #require(first.code == 0, "\(first.output)\(first.errors)")
    #expect(first.output.contains("[student] better than where it began: nDCG@10 "))
    #expect(first.output.contains("[ruined] worse than where it began: nDCG@10 "))
    #expect(first.output.contains("models/ruined (`if: not_worse`): worse than where it began"))
    #expect(first.output.contains("[guard] the model forgot: its nDCG@10 fell by "))
    #expect(first.output.contains("models/guarded (`if: not_worse`): worse than where it began"))
    #expect(!FileManager.default.fileExists(atPath: project.root.appending(path: "models/guarded").path))
    let warnings = first.output.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
    #expect(Set(warnings).count == warnings.count)
    #expect(FileManager.default.fileExists(atPath: project.root.appending(path: "models/student").path))
    #expect(!FileManager.default.fileExists(atPath: project.root.appending(path: "models/ruined").path))
    #expect(first.output.contains("\nmodel: ") && first.output.contains("\npicture: .retort/views/"))
    #expect(first.output.contains("\nnext: retort show 1 | retort search "))

    // From the cache it is known just as well; what was withheld stays so.
    let second = try await project.retort("run", "pipeline.yaml")
    #expect(second.output.contains("0 failed") && second.output.contains("ran 0") == false)
    #expect(second.output.contains("training  verdict  held against  nDCG@10 before   after  queries"))
    #expect(second.output.contains("models/ruined (`if: not_worse`): worse than where it began"))
    struct Shown: Decodable {
      struct Verdict: Decodable {
        var outcome: String
        var metric: String
        var start: Double
        var end: Double
        var queries: Int
        var p: Double
        var against: String
      }
      struct Stage: Decodable {
        var name: String
        var state: String
        var verdict: Verdict?
      }
      var stages: [Stage]
    }
    let shown = try await project.retort("show", "2", "--json").decoded(Shown.self).stages
    let student = try #require(shown.first { $0.name == "student" })
    let verdict = try #require(student.verdict)
    #expect(student.state == "cached" && verdict.outcome == "better" && verdict.against == "start")
    #expect(verdict.queries == 24 && verdict.p < 0.05 && verdict.end > verdict.start && verdict.metric == "ndcg@10")
    #expect(shown.first { $0.name == "ruined" }?.verdict?.outcome == "worse")
    #expect(shown.first { $0.name == "teacher" }?.verdict == nil)
    let sentence = "better than where it began: nDCG@10 "
    #expect(try await project.retort("show", "2", "student").output.contains(sentence))
    #expect(
      try project.read("models/student/README.md").contains("## Verdict\n\nIt is better than where it began")
    )
    #expect(try project.read("models/student/retort.json").contains("\"outcome\" : \"better\""))

    // Beside another temperature, which with no weight on what it softens changes nothing but the key.
    let third = try await project.retort("run", "pipeline.yaml", "student", "--set", "params.tau=0.3", "--json")
    #expect(third.output.contains("\"event\":\"verdict\"") && third.output.contains("\"outcome\":\"better\""))
    let compared = try await project.retort("compare", "2", "3").output
    #expect(compared.contains("verdicts") && compared.contains("student   better, "))
  }
}
