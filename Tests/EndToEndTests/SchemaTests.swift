/// The JSON Schema against `retort validate`, as a validator of its own (python's jsonschema) applies it.
import Foundation
import Testing

@Suite struct SchemaTests {
  /// What is wrong with each file: as the schema has it, and as Retort.
  private func check(
    _ files: [String], in project: Project
  ) async throws -> (schema: [String: [String]], retort: [String: [String]]) {
    struct Report: Decodable {
      struct Problem: Decodable { var message: String }
      var file: String
      var problems: [Problem]
    }
    let path = try await project.retort("schema", "--write").output.trimmingCharacters(in: .newlines)
    let script = checkout.appending(path: "Tests/Fixtures/schema/check.py").path
    let checked = try await project.run(URL(filePath: "/usr/bin/env"), ["python3", script, path] + files)
    try #require(checked.code == 0, "this test needs python3-jsonschema and python3-yaml: \(checked.errors)")
    let reports = try await project.run(retortProgram, ["validate", "--json"] + files).decoded([Report].self)
    return (
      try checked.decoded(), Dictionary(uniqueKeysWithValues: reports.map { ($0.file, $0.problems.map(\.message)) })
    )
  }

  @Test func `every YAML file that ships follows the schema`() async throws {
    let files = try ["pipelines", "experiments"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(
        at: checkout.appending(path: folder), includingPropertiesForKeys: nil
      ).filter { $0.pathExtension == "yaml" }.map(\.path)
    }
    try #require(files.count > 2)
    let (schema, retort) = try await check(files, in: Project())
    for file in files {
      #expect(schema[file] == [], "\(file)")
      #expect(retort[file] == [], "\(file)")
    }
  }

  @Test func `the schema and validate accept the same files and reject the same ones`() async throws {
    let project = try Project(data: [
      "data.jsonl": "", "base.yaml": pipeline("split: {uses: split, in: {data: data.jsonl}}"),
    ])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    var names: [String: (description: String, isRight: Bool)] = [:]
    for (isRight, table) in [(true, right), (false, wrong)] {
      for (index, (description, text)) in table.enumerated() {
        let name = "\(isRight ? "right" : "wrong")-\(index).yaml"
        try project.write(text, to: name)
        names[name] = (description, isRight)
      }
    }
    try #require(names.count == right.count + wrong.count && wrong.count >= 30)
    let (schema, retort) = try await check(names.keys.sorted(), in: project)
    for (name, (description, isRight)) in names {
      #expect(schema[name]?.isEmpty == isRight, "\(description): \(schema[name] ?? [])")
      #expect(retort[name]?.isEmpty == isRight, "\(description): \(retort[name] ?? [])")
    }
  }

  @Test func `the schema knows retries and checkpoints in full`() async throws {
    let files = [
      "retry.yaml": split("retry: {attempts: 3, delay: 500ms, max_delay: 1m}"),
      "checkpoint.yaml": teacher("epochs: 1").replacing("with:", with: "checkpoint: {every: 10m, keep: 2}, with:"),
      "steps.yaml": pipeline("c: {cmd: 'true'}", "defaults: {checkpoint: {every: 100}, retry: 1}\n"),
    ]
    let schema = try await check(files.keys.sorted(), in: try Project(data: files)).schema
    #expect(schema == files.mapValues { _ in [] })
  }

  @Test func `schema prints what it writes into the store`() async throws {
    let project = try Project()
    let printed = try await project.retort("schema")
    let path = try await project.retort("schema", "--write").output.trimmingCharacters(in: .newlines)
    #expect(path.hasSuffix("/.retort/schema.json"))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == printed.output)
  }
}

private func pipeline(_ stages: String, _ more: String = "") -> String {
  "version: 1\n\(more)stages:\n  \(stages.replacing("\n", with: "\n  "))\n"
}

private func split(_ more: String) -> String { pipeline("split: {uses: split, in: {data: data.jsonl}, \(more)}") }
private func groups(_ with: String) -> String {
  pipeline("g: {uses: groups, in: {data: data.jsonl}, with: {\(with)}}")
}
private func teacher(_ with: String) -> String {
  pipeline("t: {uses: teacher, in: {base: model, train: data.jsonl}, with: {\(with)}}")
}
private func command(_ more: String) -> String { pipeline("c: {cmd: 'true', \(more)}") }
private func experiment(_ more: String) -> String { "pipeline: base.yaml\n\(more)\n" }

private let right: [(String, String)] = [
  ("the least", split("with: {}")),
  ("nothing where a mapping may be", split("with: null")),
  ("numbers of every spelling", split("with: {eval_ratio: 2e-1, test_ratio: .1, max_samples: 100, seed: 3}")),
  ("a word that YAML 1.1 takes for true", "name: on\n" + split("publish: no")),
  ("resources", split("threads: 2, memory: .5 GiB, precision: auto, retry: 2, timeout: 1h30m")),
  ("int8 where nothing is trained", split("precision: int8")),
  ("defaults", pipeline("c: {cmd: 'true'}", "defaults: {seed: 1, threads: 2, memory: 6GB}\n")),
  (
    "placeholders for a number, a choice, a list and a group",
    pipeline(
      """
      m: {uses: mine, in: {groups: data.jsonl}, with: {num_negatives: "${params.n}", strategy: "${params.s}", range: "${params.r}"}}
      t: {uses: teacher, in: {base: model, train: m.candidates}, with: {lora: "${params.lora}"}}
      """, "params: {n: 3, s: bm25, r: [0, 10], lora: {r: 4}}\n")
  ),
  ("a list where a word may be", teacher("lora: {target_modules: [query, value]}")),
  ("a list of inputs", pipeline("g: {uses: groups, in: {data: [data.jsonl, ./data.jsonl]}}")),
  ("a parameter that may be absent", teacher("max_samples: null, lora: null")),
  ("outputs in short", command("out: {a: a.txt, b: {type: text}, c: {path: d/c.txt}}")),
  ("all of a command", command("env: [LANG], secrets: [TOKEN], tools: [bash], metrics: m.json, in: {x: data.jsonl}")),
  (
    "a matrix",
    pipeline(
      """
      s: {uses: split, in: {data: data.jsonl}, with: {eval_ratio: "${matrix.e}"},
          matrix: {e: [0.1, 0.2], seed: [1, 2], exclude: [{e: 0.1, seed: 2}], include: [{e: 0.3, seed: 1}]}}
      """)
  ),
  (
    "an anchor and a merge",
    pipeline("a: &a {uses: split, in: {data: data.jsonl}}\nb: {<<: *a, with: {eval_ratio: 0.1}}")
  ),
  ("an output that is published on no condition", split("publish: {path: out}")),
  (
    "a model that is published unless it is worse",
    pipeline(
      "t: {uses: teacher, in: {base: model, train: data.jsonl, validation: data.jsonl}, "
        + "with: {early_stopping: {patience: 1}}, publish: {path: m, if: not_worse}}")
  ),
  ("a headline", pipeline("c: {cmd: 'true'}", "headline: [c.lines, c.ndcg@10]\n")),
  ("an experiment's headline", experiment("headline: [split.train]")),
  ("an experiment", experiment("name: x\nset: {stages.split.with.eval_ratio: 0.3}")),
  (
    "a sweep",
    experiment(
      "matrix: {defaults.seed: [1, 2], stages.split.with.eval_ratio: [0.1]}\n"
        + "compare: {metrics: [split.train], sort: -split.train}")
  ),
]

private let wrong: [(String, String)] = [
  ("no version", "stages: {split: {uses: split, in: {data: data.jsonl}}}\n"),
  ("another version", "version: 2\nstages: {split: {uses: split, in: {data: data.jsonl}}}\n"),
  ("a misspelt key of the file", "param: {x: 1}\n" + split("with: {}")),
  ("no stages", "version: 1\nname: x\n"),
  ("stages that are none", "version: 1\nstages: {}\n"),
  ("a stage's name", pipeline("1st: {uses: split, in: {data: data.jsonl}}")),
  ("both uses and cmd", split("cmd: 'true'")),
  ("neither uses nor cmd", pipeline("split: {in: {data: data.jsonl}}")),
  ("an unknown kind", pipeline("split: {uses: spilt, in: {data: data.jsonl}}")),
  ("a misspelt key of a stage", split("wiht: {eval_ratio: 0.1}")),
  ("a misspelt parameter", split("with: {eval_ration: 0.1}")),
  ("a text where a number is due", split("with: {eval_ratio: '0.1'}")),
  ("beyond the range", split("with: {eval_ratio: 1.5}")),
  ("below the range", split("with: {max_samples: 0}")),
  ("a fraction where an integer is due", split("with: {max_samples: 2.5}")),
  ("a seed below 0", split("with: {seed: -1}")),
  ("parameters in a list", split("with: [eval_ratio]")),
  ("nothing where a number is due", split("with: {eval_ratio: null}")),
  ("an unknown choice", groups("format: triples")),
  ("a word that YAML 1.1 takes for true, where one is due", groups("rewrite: yes")),
  ("a number where a text is due", groups("query_template: 3")),
  ("a mapping's value of another type", groups("columns: {query: 3}")),
  ("no inputs", pipeline("split: {uses: split}")),
  ("a missing input", pipeline("t: {uses: teacher, in: {base: model}}")),
  ("an unknown input", pipeline("split: {uses: split, in: {data: data.jsonl, extra: data.jsonl}}")),
  ("an input that is a number", pipeline("split: {uses: split, in: {data: 7}}")),
  ("an input that is no list", pipeline("m: {uses: mine, in: {groups: [data.jsonl]}}")),
  ("no hub model", pipeline("t: {uses: teacher, in: {base: 'hf://name', train: data.jsonl}}")),
  ("an unknown key of a group", teacher("lora: {rank: 4}")),
  ("a group's value out of range", teacher("lora: {r: 0}")),
  ("a list's element of another type", teacher("lora: {target_modules: [1]}")),
  ("a key of commands beside uses", split("out: {a: a.txt}")),
  ("parameters of a command", command("with: {x: 1}")),
  ("a command in a list", pipeline("c: {cmd: ['true']}")),
  ("a variable's name", command("env: [A-B]")),
  ("an output outside", command("out: {a: ../a.txt}")),
  ("an output's type", command("out: {a: {type: tabel}}")),
  ("an output's misspelt key", command("out: {a: {file: a.txt}}")),
  ("a size without a unit", split("memory: 6")),
  ("a size in words", split("memory: lots")),
  ("a time in words", split("timeout: 4 hours")),
  ("no threads", split("threads: 0")),
  ("an unknown precision", split("precision: fp8")),
  ("a training in int8", teacher("}, precision: int8, checkpoint: {keep: 1")),
  ("too many retries", split("retry: 101")),
  ("retries in words", split("retry: often")),
  ("retries of another kind", split("retry: {tries: 2}")),
  ("retries below 0", split("retry: {attempts: -1}")),
  ("a pause without a unit", split("retry: {attempts: 1, delay: 5}")),
  ("a misspelt key of checkpoint", teacher("}, checkpoint: {evry: 10m")),
  ("a checkpoint after no step", teacher("}, checkpoint: {every: 0")),
  ("no checkpoints to keep", teacher("}, checkpoint: {keep: 0")),
  ("a path that is a number", split("publish: 3")),
  ("a condition without a path", split("publish: {if: not_worse}")),
  ("an unknown condition", split("publish: {path: out, if: better}")),
  ("an unknown key of publish", split("publish: {path: out, unless: worse}")),
  ("patience without end", teacher("early_stopping: {patience: 0}")),
  ("an unknown default", pipeline("c: {cmd: 'true'}", "defaults: {sead: 1}\n")),
  ("a parameter that is a placeholder", pipeline("c: {cmd: 'true'}", "params: {a: 1, b: '${params.a}'}\n")),
  ("an unknown placeholder", split("with: {eval_ratio: '${env.X}'}")),
  ("a dimension that is no list", split("matrix: {e: 0.1}")),
  ("a dimension without values", split("matrix: {e: []}")),
  ("an include that is no list", split("matrix: {e: [1], include: {e: 2}}")),
  ("an experiment's misspelt key", experiment("sets: {name: x}")),
  ("an experiment with stages", experiment("stages: {c: {cmd: 'true'}}")),
  ("a pipeline that is a number", "pipeline: 3\n"),
  ("a path that leads nowhere", experiment("set: {param.x: 1}")),
  ("an experiment's dimension that is no list", experiment("matrix: {defaults.seed: 1}")),
  ("an unknown key of compare", experiment("compare: {metric: [split.train]}")),
  ("metrics that are no list", experiment("compare: {metrics: split.train}")),
  ("a headline that is no list", pipeline("c: {cmd: 'true'}", "headline: c.lines\n")),
  ("a headline without its stage", experiment("headline: [train]")),
  ("a metric without its stage", experiment("compare: {metrics: [train]}")),
]
