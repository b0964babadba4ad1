/// Keys: equal to an independent program's, changed by all that decides the outputs, and by nothing else.
import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct KeyTests {
  let project: Project
  init() throws { project = try Project() }

  @Test func `keys equal those that a Python program computes from the documented encoding`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      params: {n: 3}
      defaults: {seed: 7}
      stages:
        teacher:
          uses: teacher
          in: {base: data, train: data/qa.json}
          with: {lr: 2e-5, lora: {r: 32, alpha: 64, target_modules: [query, value], use_rslora: false}}
        command:
          cmd: python3 ${in.script} ${params.n} $${x} > ${out.table}
          in: {script: tools/summary.py}
          out: {table: 표.md}
          metrics: m.json
          env: [UNSET, LANG]
          secrets: [TOKEN]
          tools: [python3]
        evaluate: {uses: evaluate, in: {model: data, data: data/qa.json}}
      """#)
    let keys = plan.stages.map { stage in
      KeyMaterial(
        stage: stage,
        inputs: Dictionary(
          uniqueKeysWithValues: stage.inputs.map { ($0.port, Digest(of: $0.port)) }),
        numericsProfile: "fp32 portable", environment: stage.command == nil ? [:] : ["LANG": "C.UTF-8"],
        tools: stage.command == nil ? [:] : ["python3": Digest(of: "python")],
        outsideTools: stage.description.outsideTools.isEmpty ? [:] : ["gnuplot": "6.0"]
      ).key.description
    }
    let golden = try JSONDecoder().decode(
      [String: String].self, from: Data(contentsOf: fixtures.appending(path: "pipelines/keys.json")))
    #expect(Dictionary(uniqueKeysWithValues: zip(plan.stages.map(\.name), keys)) == golden)
  }

  @Test func `key and preimage come from one traversal`() throws {
    let plan = try project.plan(examplePipeline)
    let teacher = KeyMaterial(stage: plan.stages[3], inputs: ["base": Digest(of: "b")], numericsProfile: "fp32")
    #expect(
      teacher.preimage.map(\.name) == [
        "kind", "revision", "with.batch_size", "with.epochs", "with.lora.alpha", "with.lora.dropout", "with.lora.r",
        "with.lora.target_modules", "with.lr", "with.max_len", "with.max_samples", "in.base", "seed", "numerics",
      ])
    #expect(teacher.preimage.first { $0.name == "with.lora.r" }?.value == .int(32))
  }

  @Test func `neutral parameters, numerics of text stages and seeds of stages without one stay out`() throws {
    let plan = try project.plan(examplePipeline)
    let mine = KeyMaterial(stage: plan.stages[4], inputs: [:], numericsProfile: "fp32")
    #expect(mine.preimage.map(\.name) == ["kind", "revision", "with.num_negatives", "with.strategy", "seed"])
    let groups = KeyMaterial(stage: plan.stages[1], inputs: [:], numericsProfile: "fp32")
    #expect(
      groups.preimage.map(\.name) == [
        "kind", "revision", "with.data_version", "with.passage_template", "with.query_template",
      ])
  }

  @Test func `a function's key leaves out the records and nothing else`() throws {
    let plan = try project.plan(examplePipeline)
    let score = try #require(plan.stages.first { $0.description.kind.name == "score" })
    func material(_ teacher: String, _ candidates: String, _ numerics: String = "fp32") -> KeyMaterial {
      KeyMaterial(
        stage: score, inputs: ["teacher": Digest(of: teacher), "candidates": Digest(of: candidates)],
        numericsProfile: numerics)
    }
    let function = try #require(material("t", "c").functionKey)
    #expect(material("t", "other").functionKey == function)
    #expect(material("t", "other").key != material("t", "c").key)
    #expect(material("other", "c").functionKey != function)
    #expect(material("t", "c", "bf16").functionKey != function)
    #expect(function != material("t", "c").key)
    #expect(KeyMaterial(stage: plan.stages[1], inputs: [:], numericsProfile: "fp32").functionKey == nil)
  }

  @Test func `where rows depend on named inputs alone, neither others nor parameters are in the function's key`() throws
  {
    struct Rows: Stage {
      static let kind = StageKind("rows", revision: 1)
      static let abstract = "Makes rows."
      static let numeric = true
      static let rowsDependOn: [String]? = ["model"]
      @Input("Model.") var model: ModelFolder?
      @Input("Texts.") var texts: DataFile
      @Parameter("How many to show.") var top = 10
      func run(_ context: StageContext) async throws {}
    }
    let folder = try ScratchFolder()
    func material(_ model: String?, _ texts: String, top: Int = 10, _ numerics: String = "fp32") throws -> KeyMaterial {
      let file = try folder.write(
        "version: 1\nstages: {r: {uses: rows, in: {model: m, texts: t.json}, with: {top: \(top)}}}\n", to: "p.yaml")
      for path in ["m", "t.json"] { try folder.write("", to: path) }
      let plan = try Plan(file: file, catalog: StageCatalog([Rows.self]), workingFolder: folder.url)
      var inputs = ["texts": Digest(of: texts)]
      inputs["model"] = model.map { Digest(of: $0) }
      return KeyMaterial(stage: plan.stages[0], inputs: inputs, numericsProfile: numerics)
    }
    let function = try #require(material("m", "t").functionKey)
    #expect(try material("m", "other").functionKey == function)
    #expect(try material("m", "t", top: 5).functionKey == function)
    #expect(try material("m", "t", top: 5).key != material("m", "t").key)
    #expect(try material("other", "t").functionKey != function)
    #expect(try material(nil, "t").functionKey != function)
    #expect(try material("m", "t", "bf16").functionKey != function)
  }

  /// One pipeline in many spellings; what is written about a stage beside its work.
  private struct Spelling {
    var lines: [(key: String, value: String)] = [
      ("seed", "5"), ("epochs", "3"), ("batch_size", "16"), ("lr", "2e-5"), ("max_len", "256"), ("max_samples", "2000"),
    ]
    var name = "t"
    var extra = [
      "retry: 2", "timeout: 4h", "threads: 2", "memory: 2GB", "publish: out/t", "checkpoint: {every: 5, keep: 3}",
    ]
    var data = "data/qa.json"

    func text(_ random: inout SplitMix) -> String {
      let parameters = lines.shuffled(using: &random).map { "      \($0.key): \($0.value)  # \(random.next())" }
      let parts = [
        "    uses: teacher", "    in: {base: data, train: \(data)}",
        "    with:\n" + parameters.joined(separator: "\n"),
      ]
      let chosen = extra.filter { _ in Bool.random(using: &random) }.map { "    " + $0 }
      let stage = (parts + chosen).shuffled(using: &random).joined(
        separator: Bool.random(using: &random) ? "\n\n" : "\n")
      let other = "  zz: {uses: split, in: {data: data/qa.json}}"
      return "version: 1\nname: n\(random.next())\nstages:\n"
        + ["  \(name):\n" + stage, other].shuffled(using: &random).joined(separator: "\n") + "\n"
    }
  }

  private func key(_ text: String, numerics: String = "fp32") throws -> StageKey {
    let stage = try #require(try project.plan(text).stages.first { $0.description.kind.name == "teacher" })
    return KeyMaterial(
      stage: stage, inputs: ["base": Digest(of: "b"), "train": Digest(of: "t")], numericsProfile: numerics
    )
    .key
  }

  @Test func `order, comments, names, paths and resources never change a key, every parameter does`() throws {
    var random = SplitMix(state: 20_240_601)
    try project.folder.write("[]", to: "pipelines/data/other.json")
    let original = try key(Spelling().text(&random))
    for round in 0..<60 {
      var same = Spelling()
      same.name = "t\(round)"
      same.lines[3].value = ["2e-5", "0.00002", "20e-6"].randomElement(using: &random)!
      same.data = ["data/qa.json", "data/other.json", "./data/../data/qa.json"].randomElement(using: &random)!
      same.extra.append("precision: auto")
      let text = same.text(&random)
      #expect(try key(text) == original, "\(text)")

      var changed = same
      let index = Int.random(in: 0..<changed.lines.count, using: &random)
      changed.lines[index].value = index == 3 ? "3e-\(5 + round)" : "\(17 + round)"
      let edited = changed.text(&random)
      #expect(try key(edited) != original, "\(edited)")
    }
    #expect(try key(Spelling().text(&random), numerics: "bf16") != original)
  }

  @Test func `a continuation's key leaves out what extends, and nothing else`() throws {
    func material(_ with: String) throws -> KeyMaterial {
      let plan = try project.plan(
        "version: 1\nstages:\n  t: {uses: teacher, in: {base: data, train: data/qa.json}, with: {\(with)}}\n")
      return KeyMaterial(stage: plan.stages[0], inputs: ["base": Digest(of: "b")], numericsProfile: "fp32")
    }
    let three = try material("epochs: 3, lr: 1e-3")
    let four = try material("epochs: 4, lr: 1e-3")
    let other = try material("epochs: 3, lr: 1e-4")
    #expect(three.continuation?.length == 3 && four.continuation?.length == 4)
    #expect(three.continuation?.key == four.continuation?.key && three.key != four.key)
    #expect(three.continuation?.key != other.continuation?.key && three.continuation?.key != three.key)
    #expect(try material("epochs: 3, max_samples: 5").continuation == nil)
  }

  @Test func `a stage that can be resumed has checkpoints and a retry, and its file may say otherwise`() throws {
    let plan = try project.plan(
      """
      version: 1
      defaults: {checkpoint: {every: 50}}
      stages:
        standard: {uses: teacher, in: {base: data, train: data/qa.json}}
        own: {uses: teacher, in: {base: data, train: data/qa.json}, retry: 0, checkpoint: {every: 1h30m, keep: 5}}
        other: {uses: split, in: {data: data/qa.json}}
      """)
    let stages = Dictionary(uniqueKeysWithValues: plan.stages.map { ($0.name, $0) })
    #expect(stages["standard"]?.checkpoint == CheckpointPolicy(every: .steps(50), keep: 2))
    #expect(stages["standard"]?.retry == 1)
    #expect(stages["own"]?.checkpoint == CheckpointPolicy(every: .seconds(5400), keep: 5))
    #expect(stages["own"]?.retry == 0)
    #expect(stages["other"]?.checkpoint == nil && stages["other"]?.retry == 0)
  }
}
