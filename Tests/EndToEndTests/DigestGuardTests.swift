/// Two stages with one key have the same outputs: a change of the engine that changes results raises its revision.
import Foundation
import Tensors
import Testing

@Suite struct DigestGuardTests {
  /// Tests/Fixtures/engine/digests.json, made anew by `RETORT_RECORD_DIGESTS=1 swift test --filter DigestGuardTests`.
  private struct Golden: Codable {
    struct Stage: Codable, Equatable {
      /// Of the stage's kind and parameters, of its inputs' content, and of the engine's revision.
      var key: String
      var outputs: [String: String]
    }
    /// Of the engine that made these, by precision.
    var revisions: [String: Int]
    var stages: [String: Stage]
  }

  private static let revisions = Dictionary(
    uniqueKeysWithValues: Precision.allCases.map { ($0.rawValue, NumericsProfile.revision($0)) })

  private let file = checkout.appending(path: "Tests/Fixtures/engine/digests.json")

  private let pipeline =
    bertPipeline + ["xlm-roberta", "mpnet"].map(kinPipeline).joined()
    + rotary.map(rotaryPipeline).joined()

  private static let bertPipeline = """
    version: 1
    defaults: {seed: 7, threads: 1, memory: 500MB}
    stages:
      groups:
        uses: groups
        in: {data: data/questions.json, passages: data/book.jsonl}
      base:
        uses: init
        in: {groups: groups.groups, corpus: groups.corpus}
        with:
          {vocab_size: 120, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64,
           max_position_embeddings: 32, initializer_range: 0.2}
      candidates:
        uses: mine
        in: {groups: groups.groups, corpus: groups.corpus}
        with: {num_negatives: 3, strategy: bm25}
      teacher:
        uses: teacher
        in: {base: base.model, train: candidates.candidates, validation: groups.groups}
        with: &teacher {epochs: 1, batch_size: 4, lr: 1e-3, max_len: 32, head_dropout: 0.1, schedule: cosine}
      teacher-lora:
        uses: teacher
        in: {base: base.model, train: candidates.candidates, validation: groups.groups}
        with: {<<: *teacher, lora: &lora {r: 4, alpha: 8, dropout: 0.2}}
        precision: bf16
      scored:
        uses: score
        in: {teacher: teacher.model, candidates: candidates.candidates}
      scored-bf16:
        uses: score
        in: {teacher: teacher-lora.model, candidates: candidates.candidates}
        precision: bf16
      student:
        uses: distill
        in: {base: base.model, scores: scored.scores, validation: groups.groups, corpus: groups.corpus}
        with: &student
          epochs: 1
          batch_size: 4
          lr: 1e-3
          max_len: 32
          K: 4
          tau: 0.2
          student_scores: normalized
          teacher_scores: sigmoid
          kl_weight: 1
          contrastive_weight: 0.3
          negative_penalty_weight: 0.4
      student-lora:
        uses: distill
        in: {base: base.model, scores: scored-bf16.scores}
        with: {<<: *student, lora: *lora}
        precision: bf16
      dual:
        uses: dual-encoder
        in: {base: base.model, train: candidates.candidates, validation: groups.groups, corpus: groups.corpus}
        with: &dual {epochs: 1, batch_size: 4, lr: 1e-3, max_len: 32, matryoshka: [32, 16]}
      dual-lora:
        uses: dual-encoder
        in: {base: base.model, train: [candidates.candidates, groups.groups], guide: base.model}
        with: {<<: *dual, lora: *lora, directions: [query_to_doc, doc_to_query], hardness_mode: hard_negatives, hardness_strength: 3}
        precision: bf16
      dual-ce:
        uses: dual-encoder
        in: {base: base.model, train: scored.scores}
        with: {<<: *dual, loss: ce}
      dual-quantized:
        uses: dual-encoder
        in: {base: base.model, train: candidates.candidates}
        with: {<<: *dual, lora: *lora, quantization: &quantization {block: 32}}
      student-quantized:
        uses: distill
        in: {base: base.model, scores: scored-bf16.scores}
        with: {<<: *student, lora: *lora, quantization: *quantization}
        precision: bf16
      dual-int8:
        uses: dual-encoder
        in: {base: base.model, train: candidates.candidates}
        with: {<<: *dual, lora: *lora, quantization: {type: int8}}
      hits:
        uses: retrieve
        in: {queries: groups.groups, corpus: groups.corpus, model: dual.model}
        with: {vectors: int8, top_k: 3}
      merged:
        uses: merge
        in: {adapter: dual-quantized.model, base: base.model}
        with: {into: original, quantization: *quantization}
      vectors-quantized:
        uses: embed
        in: {model: base.model, texts: groups.corpus}
        with: {quantization: *quantization}
        precision: int8
      vectors:
        uses: embed
        in: {model: student.student, texts: groups.corpus}
      vectors-bits:
        uses: embed
        in: {model: student.student, texts: groups.corpus}
        with: {vectors: binary}
      vectors-bf16:
        uses: embed
        in: {model: student-lora.student, texts: groups.corpus}
        precision: bf16
      vectors-int8:
        uses: embed
        in: {model: student.student, texts: groups.corpus}
        precision: int8

    """

  /// What differs between encoders: whole and with adapters, in every precision.
  private static func kinPipeline(_ kind: String) -> String {
    """
      base-\(kind):
        uses: init
        in: {groups: groups.groups, corpus: groups.corpus}
        with:
          {model_type: \(kind), vocab_size: 120, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2,
           intermediate_size: 64, max_position_embeddings: 32, initializer_range: 0.2}
      teacher-\(kind):
        uses: teacher
        in: {base: base-\(kind).model, train: candidates.candidates, validation: groups.groups}
        with: {<<: *teacher, hidden_dropout: 0.1, attention_dropout: 0.1}
      student-\(kind):
        uses: distill
        in: {base: base-\(kind).model, scores: scored.scores}
        with: {<<: *student, lora: *lora}
        precision: bf16
      vectors-\(kind):
        uses: embed
        in: {model: student-\(kind).student, texts: groups.corpus}
        precision: int8

    """
  }

  /// Cross-encoders with rotary positions, as tests of models have them.
  private static let rotary = ["qwen3-biases", "gemma3", "modernbert"]

  private static func rotaryPipeline(_ name: String) -> String {
    """
      teacher-\(name):
        uses: teacher
        in: {base: bases/\(name), train: candidates.candidates, validation: groups.groups}
        with: {<<: *teacher, hidden_dropout: 0.1, attention_dropout: 0.1}
      teacher-lora-\(name):
        uses: teacher
        in: {base: bases/\(name), train: candidates.candidates, validation: groups.groups}
        with: {<<: *teacher, lora: *lora}
        precision: bf16
      scored-\(name):
        uses: score
        in: {teacher: teacher-\(name).model, candidates: candidates.candidates}
        precision: int8

    """
  }

  /// Puts the models where the pipeline has them, with a tokenizer of as many pieces as they know.
  private func addBases(to project: Project) throws {
    let fixtures = checkout.appending(path: "Tests/Fixtures")
    let data = try Data(contentsOf: fixtures.appending(path: "models/classifier/tokenizer.json"))
    var tokenizer = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    var model = try #require(tokenizer["model"] as? [String: Any])
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "how", "is", "word", "written", "so", ",", "?"]
    let all = pieces + (0..<10).map { "##\($0)" }
    model["vocab"] = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) })
    tokenizer["model"] = model
    let text = try JSONSerialization.data(withJSONObject: tokenizer, options: .sortedKeys)
    for name in Self.rotary {
      try project.write(String(decoding: text, as: UTF8.self), to: "bases/\(name)/tokenizer.json")
      try project.copy(
        "Tests/Fixtures/models/classifier/tokenizer_config.json", to: "bases/\(name)/tokenizer_config.json")
      for file in ["config.json", "model.safetensors"] {
        try project.copy("Tests/Fixtures/architectures/\(name)/\(file)", to: "bases/\(name)/\(file)")
      }
    }
  }

  /// What the pipeline makes with the kernels that every machine has.
  private func made(_ environment: [String: String] = [:]) async throws -> [Run.Stage] {
    let project = try Project(pipeline, data: smallData)
    try addBases(to: project)
    let portable = environment.merging(["RETORT_KERNELS": "portable"]) { $1 }
    let ended = try await project.retort("run", "pipeline.yaml", environment: portable)
    try #require(ended.code == 0, "\(ended.output)\(ended.errors)")
    return try await project.retort("show", "latest", "--json").decoded(Run.self).stages
  }

  @Test func `with the portable kernels a key stands for the bytes that were recorded with it`() async throws {
    let stages = try await made()
    if ProcessInfo.processInfo.environment["RETORT_RECORD_DIGESTS"] != nil {
      let made = try stages.map { stage in
        (stage.name, Golden.Stage(key: try #require(stage.key), outputs: stage.outputs.mapValues(\.digest)))
      }
      let golden = Golden(
        revisions: Self.revisions, stages: Dictionary(uniqueKeysWithValues: made))
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
      try (encoder.encode(golden) + Data("\n".utf8)).write(to: file)
      Issue.record("recorded \(file.path); now run without RETORT_RECORD_DIGESTS")
      return
    }
    let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    let again = "record anew with `RETORT_RECORD_DIGESTS=1 swift test --filter DigestGuardTests`"
    try #require(
      golden.revisions == Self.revisions,
      "\(file.path) is of engine \(golden.revisions), this is engine \(Self.revisions): \(again)")
    #expect(Set(golden.stages.keys) == Set(stages.map(\.name)), "the pipeline has other stages: \(again)")
    for stage in stages {
      let recorded = try #require(golden.stages[stage.name], "stage `\(stage.name)` is new: \(again)")
      try #require(
        recorded.key == stage.key,
        "the key of stage `\(stage.name)` changed, by its kind's revision, a parameter or what it is given: \(again)")
      try #require(
        recorded.outputs == stage.outputs.mapValues(\.digest),
        """
        stage `\(stage.name)` makes other bytes for the same key, and stores that hold the old ones would go on with \
        them. Where that is meant, raise `NumericsProfile.revision` of its precision, or the revision of its StageKind \
        where the engine is as it was; then \(again)
        """)
    }
  }

  /// The kernels call no function of the C library; losses, the optimizer's bias, schedules and random weights do, in
  /// double precision, and glibc's exp, log, pow, sin and cos differ in a last bit between processors with and without
  /// fused multiplication. Rounded to float that is lost here; this test hides those instructions from the library.
  @Test func `the portable kernels' bytes are those of a processor without fused multiplication`() async throws {
    let tunables = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F"
    let (here, there) = (try await made(), try await made(["GLIBC_TUNABLES": tunables]))
    for stage in here {
      let other = try #require(there.first { $0.name == stage.name })
      #expect(stage.outputs.mapValues(\.digest) == other.outputs.mapValues(\.digest), "\(stage.name)")
    }
  }
}
