/// Ends that are not good: exit codes, what is said, and what the next run makes of it.
import Foundation
import Testing

@Suite struct FailureTests {
  /// One command stage, which follows a stage that is done.
  private func pipeline(_ command: String, _ more: String = "") -> String {
    """
    version: 1
    stages:
      first:
        cmd: echo one > ${out.text}
        out: {text: {path: text.txt, type: text}}
      second:
        cmd: |
          \(command.replacing("\n", with: "\n      "))
          echo two > ${out.text}
        in: {text: first.text}
        out: {text: {path: text.txt, type: text}}
        \(more)

    """
  }
  /// In a command: the process that runs the pipeline.
  private let coordinator = "$(cut -d' ' -f4 /proc/$PPID/stat)"

  private func second(_ project: Project) async throws -> Run.Stage {
    try #require(try await project.retort("show", "latest", "--json").decoded(Run.self)["second"])
  }

  @Test func `a failed command is reported with the last lines it printed`() async throws {
    let project = try Project(pipeline("echo to output\necho to errors >&2\nfalse"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1)
    #expect(ended.output.contains("  to output\n  to errors\n  error: the command ended with exit code 1\n"))
    #expect(ended.output.contains("run 1 failed: 1 ran, 0 cached, 1 failed"))
    #expect(try await second(project).error?.contains("to errors") == true)
  }

  @Test func `a worker that is killed is reported with its signal, and the next run continues`() async throws {
    let project = try Project(pipeline("[ -e $HOME/again ] || { touch $HOME/again; kill -9 $PPID; sleep 100; }"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1 && ended.output.contains("killed by signal 9"))
    #expect(try await project.run() == ["second"])
  }

  @Test func `a stage that takes too long is ended, and a retry may succeed`() async throws {
    let command = "[ -e $HOME/again ] || { touch $HOME/again; sleep 100; }"
    let project = try Project(pipeline(command, "timeout: 1s"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1 && ended.output.contains("timeout"))

    let patient = try Project(pipeline("[ -e $HOME/again ] || { touch $HOME/again; exit 3; }", "retry: 1"))
    #expect(try await patient.run() == ["first", "second"])
    #expect(try await second(patient).attempts == 2)
  }

  @Test func `an interrupted run ends with 130, leaves nothing running, and is continued`() async throws {
    let project = try Project(
      pipeline("[ -e $HOME/again ] || { echo $$ > $HOME/again; kill -INT \(coordinator); sleep 100; }"))
    #expect(try await project.retort("run", "pipeline.yaml").code == 130)
    #expect(try await second(project).state == "interrupted")
    let command = try #require(Int32(project.read("again").trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(kill(command, 0) != 0)
    #expect(try await project.run() == ["second"])
  }

  @Test func `a run is continued after the kill of the process that ran it`() async throws {
    let project = try Project(
      pipeline("[ -e $HOME/again ] || { touch $HOME/again; kill -9 \(coordinator); sleep 100; }"))
    #expect(try await project.retort("run", "pipeline.yaml").code == 128 + SIGKILL)
    #expect(try await project.run() == ["second"])
    struct Line: Decodable { var state: String }
    #expect(try await project.retort("runs", "--json").decoded([Line].self).map(\.state) == ["done", "interrupted"])
  }

  @Test func `a published file that was changed is not replaced unless asked for`() async throws {
    let project = try Project(pipeline("true", "publish: kept/two.txt"))
    #expect(try await project.run() == ["first", "second"])
    #expect(try project.read("kept/two.txt") == "two\n")
    try project.write("mine", to: "kept/two.txt")
    let refused = try await project.retort("run", "pipeline.yaml")
    #expect(refused.code == 1 && refused.output.contains("--overwrite"))
    #expect(try project.read("kept/two.txt") == "mine")
    #expect(try await project.run("--overwrite") == [])
    #expect(try project.read("kept/two.txt") == "two\n")
  }

  @Test func `a secret reaches its command and no file of the store`() async throws {
    let project = try Project(
      pipeline("echo token $TOKEN", "secrets: [TOKEN]"))
    let ended = try await project.retort("run", "pipeline.yaml", environment: ["TOKEN": "open-sesame"])
    #expect(ended.code == 0)
    let found = try await project.run(
      URL(filePath: "/usr/bin/env"), ["grep", "-rla", "open-sesame", project.store.path])
    #expect(found.output == "")
    let log = try project.read(".retort/logs/1/second.1.log")
    #expect(log.contains("token ***"))
    #expect(try await project.retort("run", "pipeline.yaml", "--force", "second").output.contains("TOKEN is not set"))
  }

  @Test func `a secret is in the environment only of processes of the stages that declare it`() async throws {
    // A worker's own environment is its command's parent's.
    let look = "tr '\\\\0' '\\\\n' < /proc/$PPID/environ | grep -c -e ^FIRST= -e ^SECOND= > ${out.o} || true"
    func stage(_ name: String, _ secrets: String) -> String {
      "  \(name): {cmd: \": \(name); \(look)\", secrets: [\(secrets)], out: {o: {path: o, type: text}}, publish: \(name)}"
    }
    let project = try Project(
      (["version: 1", "stages:", stage("none", ""), stage("one", "FIRST"), stage("both", "FIRST, SECOND")])
        .joined(separator: "\n"))
    let ended = try await project.retort(
      "run", "pipeline.yaml", environment: ["FIRST": "open-sesame", "SECOND": "shut-sesame"])
    #expect(ended.code == 0)
    #expect(try ["none", "one", "both"].map(project.read) == ["0\n", "1\n", "2\n"])
  }

  @Test func `a failure's message and last lines hold no secret, wherever they are kept`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        a:
          cmd: "printf pre-$B; mkdir o; ln -s /nowhere/$B o/link; printf %s $B | base64"
          secrets: [A, B]
          out: {o: {path: o, type: folder}}
      """)
    let ended = try await project.retort(
      "run", "pipeline.yaml", environment: ["A": "pre-HUNTER2-post", "B": "HUNTER2"])
    #expect(ended.code == 1 && ended.output.contains("pre-***"))
    let stored = try await project.run(
      URL(filePath: "/usr/bin/env"), ["grep", "-rlae", "HUNTER2", "-e", "SFVOVEVS", project.store.path])
    // The folder of a failed stage is the command's own, and is removed by the next attempt.
    #expect(stored.output.split(separator: "\n").allSatisfy { $0.contains("/work/") })
    #expect(!ended.output.contains("HUNTER2") && !ended.errors.contains("HUNTER2"))
  }

  @Test func `mistakes in a file are reported together, with their place, before anything runs`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        a:
          cmd: cat ${in.x} > ${out.y}
          in: {x: b.y}
          out: {y: {path: y, type: text}}
        b:
          cmd: cat ${in.x} > ${out.y}
          in: {x: a.y}
          out: {y: {path: y, type: text}}
        c:
          uses: splitt
        d:
          cmd: cat ${in.x} > ${out.y}
          in: {x: a.z}
          out: {y: {path: y, type: text}}
      """)
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 2)
    for text in ["pipeline.yaml:12:", "did you mean `split`", "pipeline.yaml:15:", "wait for each other"] {
      #expect(ended.errors.contains(text), "\(text) is not in \(ended.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: project.store.appending(path: "retort.sqlite").path))

    try project.write("a: [1\nb: }")
    let broken = try await project.retort("validate", "pipeline.yaml")
    #expect(broken.code == 2 && broken.errors.contains("pipeline.yaml:2:"))
    try project.write("version: 1\nstages: {a: {cmd: 'true > ${out.x}', out: {x: x}, timeout: 1s}}")
    #expect(try await project.retort("validate", "pipeline.yaml", "--set", "stages.a.timeout=2s").code == 0)
    let set = try await project.retort("validate", "pipeline.yaml", "--set", "stages.a.timeout=soon")
    #expect(set.code == 2 && set.errors.contains("soon"))
    #expect(try await project.retort("run", "nowhere.yaml").code == 2)
    #expect(try await project.retort("run", ".").errors.contains("is a folder"))
    #expect(try await project.retort("show", "latest").code == 2)
  }

  @Test func `a model that is cut short or holds what is no number is named`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        embedded:
          uses: embed
          in: {model: model, texts: texts.jsonl}
      """, data: ["texts.jsonl": #"{"id": "a", "text": "one two"}"# + "\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let file = project.root.appending(path: "model/model.safetensors")
    let sound = try Data(contentsOf: file)
    try sound.dropLast().write(to: file)
    let cut = try await project.retort("run", "pipeline.yaml", "-k")
    #expect(cut.code == 1 && cut.output.contains("model/model.safetensors: ") && cut.output.contains("truncated"))
    // The header's length, the header, then the numbers.
    let header = 8 + sound.prefix(8).reversed().reduce(0) { $0 << 8 + Int($1) }
    try (sound.prefix(header) + Data(repeating: 0xff, count: sound.count - header)).write(to: file)
    let wild = try await project.retort("run", "pipeline.yaml")
    #expect(wild.code == 1 && wild.output.contains("embeddings.word_embeddings.weight"))
    try sound.write(to: file)
    #expect(try await project.run() == ["embedded"])
  }

  @Test(arguments: [
    ("broken.jsonl", #"{"query": "a", "passage": "b", "label": 1}"# + "\n{\"query\": \n", ["broken.jsonl:2:"]),
    ("short.csv", "frage,passage,label\na,b,1\n", ["short.csv:1", "query"]),
    ("empty.csv", "query,passage,label\na,b,1\n,b,0\n", ["empty.csv:3", "record 2"]),
  ])
  func `an error in data names its file, line and record`(name: String, text: String, expected: [String]) async throws {
    let pipeline = """
      version: 1
      stages:
        copy:
          cmd: cp ${in.data} ${out.data}
          in: {data: \(name)}
          out: {data: {path: data, type: records}}
        direct:
          uses: groups
          in: {data: \(name)}
          with: {file_format: \(name.hasSuffix("csv") ? "csv" : "jsonl"), format: pairs}
        handed-on:
          uses: groups
          in: {data: copy.data}
          with: {file_format: \(name.hasSuffix("csv") ? "csv" : "jsonl"), format: pairs, query_template: "q: {text}"}
      """
    let project = try Project(pipeline, data: [name: text])
    #expect(try await project.retort("run", "pipeline.yaml", "-k").code == 1)
    let run = try await project.retort("show", "latest", "--json").decoded(Run.self)
    #expect(run["copy"]?.state == "ran")
    for part in expected {
      #expect(run["direct"]?.error?.contains(part) == true)
      // What another stage made has no name of its own: it goes by its stage and port.
      #expect(run["handed-on"]?.error?.contains(part.replacing(name, with: "copy.data")) == true)
    }
  }

  @Test func `a worker with other kernels than the run was planned with computes nothing and names both`() async throws
  {
    let project = try Project(
      "version: 1\nstages: {vectors: {uses: embed, in: {model: model, texts: texts.jsonl}}}\n",
      data: ["texts.jsonl": #"{"id": "t", "text": "the word"}"# + "\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let planned = try await project.retort("run", "pipeline.yaml", environment: ["RETORT_KERNELS": "portable"])
    #expect(planned.code == 0, "\(planned)")
    try FileManager.default.removeItem(at: project.store.appending(path: "work"))
    // A worker ends with its standard input, and then all of its group.
    let worker = try await project.run(
      URL(filePath: "/bin/bash"),
      ["-c", "mkfifo open; exec setsid --wait \(retortProgram.path) worker .retort/logs/1/vectors.1.job.json <> open"],
      environment: ["RETORT_KERNELS": "reference"])
    #expect(
      worker.code == 118
        && worker.errors.contains(", fp32, portable`, and this worker computes with `engine ")
        && worker.errors.contains(", fp32, reference`"), "\(worker)")
    let work = try FileManager.default.contentsOfDirectory(atPath: project.store.appending(path: "work").path)
    #expect(work.count == 1 && !FileManager.default.fileExists(atPath: project.store.path + "/work/\(work[0])/out"))
  }
}
