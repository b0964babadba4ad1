/// What a valid file becomes: stages in order with everything resolved.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct PlanTests {
  let project: Project
  init() throws { project = try Project() }

  @Test func `the design's example validates`() throws {
    let plan = try project.plan(examplePipeline)
    #expect(plan.name == "korean-grammar")
    #expect(plan.root.path == project.folder.url.path)
    #expect(
      plan.stages.map(\.name) == [
        "split", "train-groups", "eval-groups", "teacher", "candidates", "scored", "student[tau=0.1]",
        "student[tau=0.2]", "scores[tau=0.1]", "scores[tau=0.2]", "summary",
      ])
  }

  @Test func `everything of a stage is resolved`() throws {
    let plan = try project.plan(examplePipeline)
    let teacher = try #require(plan.stages.first { $0.name == "teacher" })
    #expect(
      teacher.parameters == [
        "epochs": .int(3), "batch_size": .int(16), "lr": .double(2e-5), "max_len": .int(256),
        "max_samples": .int(2000),
        "lora": .map([
          "r": .int(32), "alpha": .double(64), "dropout": .double(0.1), "target_modules": .string("all-linear"),
          "use_rslora": .bool(false),
        ]),
      ])
    #expect(teacher.seed == 7)
    #expect(teacher.compute == Compute(threads: 2, memory: 6_000_000_000, precision: "auto"))
    #expect((teacher.retry, teacher.timeout) == (2, .seconds(4 * 3600)))
    #expect(teacher.inputs.map(\.port) == ["base", "train", "validation"])
    let model = try #require(HubReference("hf://intfloat/multilingual-e5-small"))
    #expect(teacher.inputs[0].source == .hub(model))
    #expect(teacher.inputs[1].source == .stage(StageID(index: 1), port: "groups"))
    #expect(teacher.inputs[1].location.column == 64)
    #expect(teacher.dependencies == [StageID(index: 1), StageID(index: 2)])
    let student = try #require(plan.stages.first { $0.base == "student" })
    let published = plan.root.appending(path: "models/bi_encoder_distilled/tau-0.1")
    #expect(student.publish?.url.path == published.path)
    #expect(student.publish?.targets.map(\.url.path) == [published.path])
    let split = plan.stages[0]
    #expect(split.inputs[0].source == .file(project.folder.url.appending(path: "pipelines/data/qa.json").absoluteURL))
    #expect(split.outputs.map(\.port) == ["eval", "train"])
    #expect(split.outputs.map(\.type) == [nil, nil])  // as its input, which only the content can tell
  }

  @Test func `a command keeps its ports as placeholders and gets quoted words in the end`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      params: {n: 1_000, title: it's}
      stages:
        report:
          cmd: |
            head -n ${params.n} ${in.data} | tee ${out.top}/x "$${HOME}"
            echo ${params.title} $(date) > m.json
          in: {data: data/qa.json}
          out: {top: a b, all: {type: json}}
          metrics: m.json
      """#)
    let command = try #require(plan.stages[0].command)
    #expect(
      command.canonicalText
        == "head -n 1_000 ${in.data} | tee ${out.top}/x \"$${HOME}\"\necho 'it'\\''s' $(date) > m.json\n")
    #expect(command.outputs == ["top": "a b", "all": "all"])
    #expect(plan.stages[0].outputs.map(\.type) == [.json, nil])
    let text = command.text(
      inputs: ["data": URL(filePath: "/s/x")],
      outputs: ["top": URL(filePath: "/w/a b"), "all": URL(filePath: "/w/all")])
    #expect(text == "head -n 1_000 /s/x | tee '/w/a b'/x \"${HOME}\"\necho 'it'\\''s' $(date) > m.json\n")
  }

  @Test func `placeholders keep a value's type when they stand alone, anchors and merges work`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      params: {lora: {r: 8, target_modules: [query, value]}, ratio: 0.5, name: a}
      stages:
        split: {uses: split, in: {data: data/qa.json}, with: &with {eval_ratio: "${params.ratio}", seed: 3}}
        again:
          uses: split
          in: {data: split.train}
          with: {<<: *with, group_by: "x-${params.name}-$${y}-${params.ratio}"}
          publish: out
      """#)
    #expect(plan.stages[1].parameters == ["eval_ratio": .double(0.5), "group_by": .string("x-a-${y}-0.5")])
    #expect(plan.stages[1].seed == 3)
    #expect(plan.stages[1].publish?.targets.map(\.port) == ["eval", "train"])
    #expect(plan.stages[1].publish?.targets.map { $0.url.path.suffix(8) } == ["out/eval", "ut/train"])
  }

  @Test func `a file named like a stage's output is written with a dot and a slash`() throws {
    try project.folder.write("", to: "pipelines/split.train")
    let plan = try project.plan(
      #"""
      version: 1
      stages:
        groups: {uses: groups, in: {data: ./split.train}}
        split: {uses: split, in: {data: data/qa.json}}
      """#)
    #expect(plan.name == "p")
    #expect(
      plan.stages[0].inputs[0].source
        == .file(project.folder.url.appending(path: "pipelines/split.train").absoluteURL))
  }

  @Test func `the project's root is the nearest marked folder, else the working folder, else the file's own`() throws {
    let folder = try ScratchFolder()
    let file = try folder.write("", to: "a/b/c/p.yaml")
    let elsewhere = URL(filePath: "/elsewhere")
    #expect(projectRoot(of: file, workingFolder: elsewhere).path == folder.url.path + "/a/b/c")
    #expect(projectRoot(of: file, workingFolder: folder.url.appending(path: "a")).path == folder.url.path + "/a")
    try folder.write("", to: "a/.git")
    #expect(projectRoot(of: file, workingFolder: elsewhere).path == folder.url.path + "/a")
    try folder.write("", to: "a/b/.retort/x")
    #expect(projectRoot(of: file, workingFolder: elsewhere).path == folder.url.path + "/a/b")
  }

  @Test func `sizes and times are read with their units`() {
    #expect(parseBytes("6GB") == 6_000_000_000)
    #expect(parseBytes("1.5 GiB") == 3 << 29)
    #expect(parseBytes("512mb") == 512_000_000)
    #expect(["6", "GB", "6 apples", "-1GB", "0B", "1e3GB", ""].map(parseBytes) == Array(repeating: nil, count: 7))
    #expect(
      [0, 999, 1500, 612_400_000, 999_600_000, 6_000_000_000].map(sizeText) == [
        "0B", "999B", "1.5KB", "612MB", "1GB", "6GB",
      ])
    #expect(parseDuration("4h") == .seconds(14400))
    #expect(parseDuration("500ms") == .milliseconds(500))
    #expect(parseDuration("1m1s250ms") == .milliseconds(61_250))
    #expect(parseDuration("1d2h30m5s") == .seconds(95405))
    #expect(["4", "h", "4h2", "5m4h", "0s", "-1s", ""].map(parseDuration) == Array(repeating: nil, count: 7))
  }

  @Test func `a job file has everything a worker needs and comes back from JSON as it was`() throws {
    let plan = try project.plan(examplePipeline)
    let summary = plan.stages[10]
    let material = KeyMaterial(stage: summary, inputs: [:], numericsProfile: "", environment: ["LANG": "C.UTF-8"])
    let work = URL(filePath: "/store/work/k"), store = URL(filePath: "/store")
    let inputs = [
      "script": BoundArtifact(url: URL(filePath: "/store/s")),
      "all[tau=0.2]": BoundArtifact(url: URL(filePath: "/b")), "all[tau=0.1]": BoundArtifact(url: URL(filePath: "/a")),
    ]
    let job = Job(material: material, key: material.key, inputs: inputs, work: work, store: store)
    #expect(
      job.command?.text
        == "python3 /store/s /store/work/k/in/all/tau=0.1 /store/work/k/in/all/tau=0.2 > /store/work/k/cwd/table.md")
    #expect(
      job.command?.links == ["in/all/tau=0.1": URL(filePath: "/a"), "in/all/tau=0.2": URL(filePath: "/b")])
    #expect(job.command?.environment == ["LANG": "C.UTF-8"])
    #expect(job.command?.secrets == ["HF_TOKEN"])
    let teacher = KeyMaterial(stage: plan.stages[3], inputs: [:], numericsProfile: "")
    for job in [job, Job(material: teacher, key: teacher.key, inputs: [:], work: work, store: store)] {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      let data = try encoder.encode(job)
      #expect(try encoder.encode(JSONDecoder().decode(Job.self, from: data)) == data)
    }
  }
}
