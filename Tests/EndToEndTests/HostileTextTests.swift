/// Texts in data, files, names and parameters that would be code where they go: none is run, none is obeyed.
import Foundation
import Testing

/// A quote that a combining mark follows is one `Character`, and a quote to every other program.
private let mark = "\u{301}"
/// Sets a terminal's clipboard, its title, a link; a C1 control; text that runs backwards.
private let obeyed = "\u{1B}]52;c;aGk=\u{7}\u{1B}]0;title\u{7}\u{1B}]8;;http://x\u{1B}\\\u{9B}31m\u{202E}"

/// Scripts that do what an attacker would and print OK or FAIL; they lie beside the checkout where the team works.
private let attacks = checkout.deletingLastPathComponent().appending(path: "shared/cases/security")
private let scripts = (try? FileManager.default.contentsOfDirectory(atPath: attacks.path).sorted()) ?? []

@Suite struct HostileTextTests {
  @Test(.enabled(if: !scripts.isEmpty, "there is no ../shared/cases/security"), arguments: scripts)
  func `what an attacker prepared does no harm`(script: String) async throws {
    let project = try Project()
    let work = project.root.appending(path: "work")
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    let path =
      retortProgram.deletingLastPathComponent().path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
    // The scripts' seconds are for an idle machine; beside all other tests a minute tells what hangs from what is slow.
    let patience =
      #"timeout() { [ "$1" = -k ] && shift 2; shift; command timeout -k 3 60 "$@"; }; export -f timeout; "#
    let ended = try await project.run(
      URL(filePath: "/bin/bash"),
      ["-c", patience + "cd work && bash \"$1\" 2>&1 | tail -n 1", "", attacks.appending(path: script).path],
      environment: ["PATH": path])
    #expect(ended.output == "OK\n")
  }

  private func isOwned(_ project: Project) -> Bool {
    FileManager.default.fileExists(atPath: project.root.appending(path: "OWNED").path)
  }

  /// Puts a text of the basic plane into a JSON or YAML document, each sign by its number.
  private func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { String(format: "\\u%04x", $0.value) }.joined() + "\""
  }

  @Test(arguments: [
    "'\(mark)`touch OWNED`", "\"\(mark)`touch OWNED`", "'; system 'touch OWNED'; '", "\\`touch OWNED`",
    "\n!touch OWNED\n",
  ])
  func `queries, titles and names of passages are drawn, not run`(text: String) async throws {
    let evil = text.replacing("touch OWNED", with: "touch $HOME/OWNED")
    let project = try Project(
      """
      version: 1
      stages:
        g: {uses: groups, in: {data: ./g.jsonl}}
        e: {uses: evaluate, in: {data: g.groups}, with: {method: bm25, title: \(quoted(evil))}, publish: out}
      """)
    let group =
      #"{"query":\#(quoted(evil)),"positives":[{"id":\#(quoted(evil)),"text":"b"}],"negatives":[{"id":"n","text":\#(quoted(evil))}]}"#
    try project.write(group + "\n", to: "g.jsonl")
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    let picture = project.root.appending(path: "out/bi_encoder_evaluation_analysis.png")
    #expect(FileManager.default.fileExists(atPath: picture.path))
    #expect(!isOwned(project))
  }

  @Test(arguments: ["\u{2028}", "\u{2029}", "\u{85}", "\r", "\n", "\r\n", "\u{B}", "\u{C}"])
  func `keys, ids and file names that break lines add nothing to the pipeline that new writes`(end: String) async throws
  {
    let stage = "\(end)  zz:\(end)    cmd: touch $HOME/OWNED; touch o\(end)    out: {o: {path: o, type: text}}\(end)  #"
    let project = try Project()
    let (key, name) = ("ref\(stage)", "qa\(stage.prefix(60)).jsonl".replacing("/", with: ""))
    let questions = (0..<20).map {
      "{\"question\": \"what \($0)\", \(quoted(key)): \(quoted("r\($0 % 5)\(stage)"))}\n"
    }
    let book = (0..<5).map {
      "{\"id\": \(quoted("r\($0)\(stage)")), \"title\": \"T\($0)\", \"text\": \"passage \($0)\"}\n"
    }
    try project.write(questions.joined(), to: name)
    try project.write(book.joined(), to: "book.jsonl")
    let new = try await project.retort("new", name, "book.jsonl", "--output", "new.yaml")
    #expect(new.code == 0, "\(new.output)\(new.errors)")
    let planned = try await project.retort("plan", "new.yaml", "--json", "--no-probe")
    #expect(planned.code == 0 && !planned.output.contains("\"zz\""), "\(planned.output)\(planned.errors)")
    let run = try await project.retort("run", "new.yaml", "--until", "split")
    #expect(run.code == 0 && !isOwned(project), "\(run.output)\(run.errors)")
  }

  @Test func `a column named like a placeholder is a column`() async throws {
    let project = try Project()
    let rows = (0..<8).map {
      #"{"question ${params.x}": "what is \#($0)?", "passage $${y}": "it is the number \#($0)"}"# + "\n"
    }
    try project.write(rows.joined(), to: "${params.x}.jsonl")
    let new = try await project.retort(
      "new", "${params.x}.jsonl", "--output", "new.yaml", "--columns", "query=question ${params.x}", "--columns",
      "passage=passage $${y}")
    #expect(new.code == 0, "\(new.output)\(new.errors)")
    let run = try await project.retort("run", "new.yaml", "--until", "split")
    #expect(run.code == 0, "\(run.output)\(run.errors)")
  }

  @Test(arguments: ["\(mark)", "\u{308}", "\u{200D}", "\u{FE0F}", ""], ["'", "\"", "`", "$(", "\\", "$HOME", "\n"])
  func `a parameter, a variant and a path are one word of a command`(mark: String, sign: String) async throws {
    let text = "x\(sign)\(mark);touch $HOME/OWNED;#"
    let name = "in \(sign)\(mark);touch OWNED;#.txt"
    let project = try Project(
      """
      version: 1
      params: {k: a}
      stages:
        a:
          cmd: printf '%s\\0' ${params.k} ${matrix.m} ${in.f} ${in.g} > ${out.o}
          matrix: {m: [\(quoted(text))]}
          in: {f: \(quoted("./" + name)), g: b.*.o}
          out: {o: {path: o, type: file}}
          publish: out
        b:
          cmd: touch ${out.o}
          matrix: {n: [\(quoted(text)), other]}
          out: {o: o}
      """, data: [name.replacing("/", with: ""): "f"])
    let ended = try await project.retort(
      "run", "pipeline.yaml", "--set", "params.k=\(quoted(text))")
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    let words = try project.read("out").utf8.split(separator: 0).map { Array($0) }
    #expect(words.count == 5)
    #expect(words.prefix(2) == [Array(text.utf8), Array(text.utf8)])
    #expect(words.dropFirst(2).first == Array(project.root.appending(path: name).path(percentEncoded: false).utf8))
    #expect(!isOwned(project))
  }

  @Test func `projects, models, columns and metrics of any name run nothing`() async throws {
    let evil = "x'\(mark);touch OWNED;`touch OWNED`$(touch OWNED)\"\(mark) | & #"
    let project = try Project()
    let folder = project.root.appending(path: evil)
    let rows = (0..<12).map {
      "{\(quoted("질문 \(evil)")): \(quoted("what is \($0)? \(evil)")), \(quoted("답 \(evil)")): \"it is the number \($0)\"}\n"
    }
    for (path, text) in ["\(evil).jsonl": rows.joined(), ".retort/none": "", "m.json": "{\(quoted(evil)): 1}"] {
      try project.write(text, to: "\(evil)/\(path)")
    }
    func retort(_ arguments: String...) async throws {
      let inside = ["-c", "cd \"$1\"; shift; exec \"$@\"", "", folder.path, retortProgram.path]
      let ended = try await project.run(URL(filePath: "/bin/bash"), inside + arguments)
      #expect(ended.code == 0, "\(arguments): \(ended.output)\(ended.errors)")
    }
    try await retort(
      "new", "\(evil).jsonl", "--output", "new.yaml", "--columns", "query=질문 \(evil)", "--columns", "passage=답 \(evil)")
    let pipeline = try String(contentsOf: folder.appending(path: "new.yaml"), encoding: .utf8)
    try project.write(
      pipeline + """
        \n  evil: {cmd: "cp ${in.m} m.json; cat ${in.all}/config.json > ${out.o}", in: {m: ./m.json, all: base.model}, metrics: m.json, out: {o: o}, publish: \(quoted("out \(evil)"))}
          named: {uses: evaluate, in: {model: base.model, data: split.test}, publish: \(quoted("named \(evil)"))}

        """, to: "\(evil)/new.yaml")
    try await retort("run", "new.yaml", "named", "evil")
    try await retort("export", "latest", "base", "model \(evil)")
    try await retort(
      "new", "\(evil).jsonl", "--output", "with model.yaml", "--columns", "query=질문 \(evil)", "--columns",
      "passage=답 \(evil)", "--model", "model \(evil)")
    try await retort("run", "with model.yaml", "--until", "candidates")
    try await retort("lineage", "./model \(evil)", "--format", "dot")
    try await retort("compare", "1", "2", "--html", "page \(evil).html")
    let found = FileManager.default.enumerator(at: project.root, includingPropertiesForKeys: nil)
    #expect((found?.allObjects as? [URL])?.contains { $0.lastPathComponent == "OWNED" } == false)
  }

  @Test func `variants of any value run, gather and have logs of their own`() async throws {
    let values = [
      "org/base", "org_base", "..", "x/../../y", "é*?", "e\u{301}", "", "a\nb",
      String(repeating: "시험 문제를 읽고 ", count: 60),
    ]
    let project = try Project(
      """
      version: 1
      stages:
        a: {cmd: "printf '<%s>' ${matrix.v} | tee ${out.o}", matrix: {v: [\(values.map(quoted).joined(separator: ", "))]}, out: {o: o}}
        all: {cmd: "cat ${in.i} > ${out.o}", in: {i: a.*.o}, out: {o: o}, publish: out}
      """)
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    let gathered = try project.read("out")
    #expect(values.allSatisfy { gathered.contains("<\($0)>") })
    struct Report: Decodable {
      struct Stage: Decodable { var name: String, log: String? }
      var stages: [Stage]
    }
    let logs = try await project.retort("show", "latest", "--json").decoded(Report.self).stages.compactMap(\.log)
    let texts = try logs.map { try String(contentsOfFile: $0, encoding: .utf8) }
    #expect(Set(texts.map { Array($0.utf8) }).isSuperset(of: values.map { Array("<\($0)>".utf8) }))
  }

  /// Names and texts of every kind, through every command that prints.
  @Test func `no command prints what a terminal would obey, but the log on request and files`() async throws {
    let metrics = "{\(quoted("m\(obeyed)")): 1, \(quoted("=cmd\(obeyed)")): 2}"
    let project = try Project(
      """
      version: 1
      name: \(quoted("p\(obeyed)"))
      stages:
        a:
          cmd: "cat ${in.m} > m.json; cat ${in.m}; printf %s ${matrix.v} | tee ${out.o}"
          matrix: {v: [\(quoted("v\(obeyed)")), \(quoted("=1+1\(obeyed)"))]}
          in: {m: \(quoted("./m\(obeyed.replacing("/", with: "")).json"))}
          metrics: m.json
          out: {o: {path: o, type: text}}
          publish: \(quoted("out-${matrix.v}"))
        b: {cmd: "printf %s ${params.k}; touch ${out.o}; exit 3", out: {o: o}}
      params: {k: \(quoted(obeyed))}
      """, data: ["m\(obeyed.replacing("/", with: "")).json": metrics])
    var printed: [(String, Ended)] = []
    func print(_ arguments: String...) async throws {
      printed.append((arguments.joined(separator: " "), try await project.run(retortProgram, arguments)))
    }
    try await print("validate", "pipeline.yaml")
    try await print("plan", "pipeline.yaml")
    try await print("run", "pipeline.yaml", "-k")
    try await print("run", "pipeline.yaml", "--json", "-k")
    for command in ["status", "plan"] { try await print(command, "pipeline.yaml", "--json") }
    try await print("status", "pipeline.yaml")
    try await print("runs")
    try await print("show", "latest")
    try await print("show", "latest", "b")
    try await print("watch", "--once")
    for format in ["text", "md", "csv", "json"] { try await print("compare", "1", "--all", "--format", format) }
    for format in ["text", "mermaid", "dot", "json"] { try await print("lineage", "a.o", "--format", format) }
    try await print("why", "pipeline.yaml", "a")
    try await print("verify")
    try await print("show", "latest", "no\(obeyed)")
    try await print("run", "no\(obeyed).yaml")
    try await print("run", "pipeline.yaml", "--set", "no\(obeyed)=1")
    try await print("help", "no\(obeyed)")
    try await print("no\(obeyed)")
    for (command, code) in [("validate pipeline.yaml", 0), ("run pipeline.yaml -k", 1), ("show latest", 0)] {
      let ended = try #require(printed.first { $0.0 == command }).1
      #expect(ended.code == code, "\(command): \(ended.errors)")
    }
    for (command, ended) in printed {
      #expect(!(ended.output + ended.errors).isEmpty, "\(command)")
      let signs = (ended.output + ended.errors).replacing("\r\n", with: "\n").unicodeScalars.filter {
        $0 != "\n" && ($0.properties.generalCategory == .control || $0 == "\u{202E}")
      }
      #expect(signs.isEmpty, "\(command): \(ended.output.debugDescription) \(ended.errors.debugDescription)")
    }
    let csv = try #require(printed.first { $0.0.hasSuffix("csv") }).1.output
    #expect(csv.contains("'=1+1") && !csv.contains(",=1+1"))
    let raw = try await project.retort("show", "1", "b", "--raw")
    #expect(raw.code == 0 && Array(raw.output.utf8).starts(with: obeyed.utf8), "\(raw.errors)")
  }

  @Test func `output that is lost ends with an error, and a closed one is nobody else's file`() async throws {
    let project = try Project("version: 1\nstages: {a: {cmd: 'echo > ${out.o}', out: {o: o}}}\n")
    let bash = URL(filePath: "/bin/bash")
    for (command, code) in [
      ("run pipeline.yaml >/dev/full", 1), ("runs --json >/dev/full", 1), ("--help >/dev/full", 1), ("runs >&-", 1),
      ("validate missing.yaml 2>&-", 2), ("validate missing.yaml >&- 2>&- <&-", 2), ("runs | true", 0),
      ("run pipeline.yaml --force a --json | head -n 1", 0), ("verify", 0),
    ] {
      let ended = try await project.run(bash, ["-c", "set -o pipefail; \"$0\" \(command)", retortProgram.path])
      #expect(ended.code == code, "\(command): \(ended.output)\(ended.errors)")
    }
  }
}
