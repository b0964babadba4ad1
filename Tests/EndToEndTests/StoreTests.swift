/// The store's own commands: what leaves it, what is wrong in it, and what it shares with another machine.
import Foundation
import Testing

@Suite struct StoreTests {
  private let pipeline = """
    version: 1
    params: {word: one}
    stages:
      first:
        cmd: mkdir parts; echo ${params.word} > parts/a.txt; printf '#!/bin/sh\\n' > parts/b.sh; chmod +x parts/b.sh
        out: {parts: {path: parts}}
      second:
        cmd: |
          cat ${in.parts}/* > ${out.text}
          echo '{"lines": 2}' > m.json
        in: {parts: first.parts}
        out: {text: {path: all.txt, type: text}}
        metrics: m.json
    """

  private struct Shown: Decodable {
    struct Stage: Decodable {
      struct Output: Decodable { var digest, path: String }
      var name, state: String
      var outputs: [String: Output]
      var metrics: [String: Double]
    }
    var stages: [Stage]
    var outputs: [String: Stage.Output] {
      Dictionary(uniqueKeysWithValues: stages.flatMap { stage in stage.outputs.map { ("\(stage.name).\($0)", $1) } })
    }
  }
  private func shown(_ project: Project, _ run: String = "latest") async throws -> Shown {
    try await project.retort("show", run, "--json").decoded(Shown.self)
  }
  private func overwrite(_ path: String, _ text: String) throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  @Test func `gc shows what would go and removes it when told, pinned runs aside`() async throws {
    struct Report: Decodable {
      struct Part: Decodable { var count, bytes: Int }
      var removed: [String: Part]
    }
    let project = try Project(pipeline)
    _ = try await project.run()
    try project.write(pipeline.replacing("word: one", with: "word: two"))
    _ = try await project.run()
    #expect(try await project.retort("pin", "1").output == "pinned: 1\n")
    let flags = ["gc", "--keep", "1", "--grace", "0s", "--json"]
    let pinned = try await project.run(retortProgram, flags).decoded(Report.self)
    #expect(pinned.removed["object"] == nil)
    #expect(try await project.retort("pin", "1", "--unpin").output == "no run is pinned\n")
    // Of run 1: two texts and the manifest; the program belongs to run 2 as well.
    #expect(try await project.run(retortProgram, flags).decoded(Report.self).removed["object"]?.count == 3)
    #expect(
      try await project.run(retortProgram, flags + ["--apply"]).decoded(Report.self).removed["object"]?.count == 3)
    #expect(try await project.run() == [])
    #expect(try await project.retort("verify").code == 0)
    try project.write(pipeline)
    #expect(try await project.run() == ["first", "second"])
  }

  @Test func `verify names damage and its stage, ends with 3, and the next run makes it again`() async throws {
    let project = try Project(pipeline)
    _ = try await project.run()
    let before = try await shown(project)
    let text = try #require(before.outputs["second.text"]?.path)
    let modified = try FileManager.default.attributesOfItem(atPath: text)[.modificationDate] as? Date
    try overwrite(text, "ONE")
    // A disk that flips bits leaves no trace but in the bytes.
    try FileManager.default.setAttributes([.modificationDate: try #require(modified)], ofItemAtPath: text)
    #expect(try await project.run() == [])
    let report = try await project.retort("verify", "-n")
    #expect(report.code == 3)
    let object = URL(filePath: text.replacing("/views/", with: "/objects/")).deletingLastPathComponent().path
    #expect(report.output.contains("damaged: \(object): found bytes of "))
    #expect(report.output.contains("of stage second of run 1"))
    #expect(try await project.retort("verify").code == 3)
    #expect(try await project.retort("verify").code == 0)
    #expect(try await project.run() == ["second"])
    #expect(try await shown(project).outputs["second.text"]?.digest == before.outputs["second.text"]?.digest)
    #expect(try await project.retort("verify").output.hasPrefix("sound: "))
  }

  @Test func `a run notices that a file of a folder was written to, and one that is a copy is mended at once`()
    async throws
  {
    let project = try Project(pipeline)
    _ = try await project.run()
    let before = try await shown(project)
    let parts = try #require(before.outputs["first.parts"]?.path)
    // An executable file is a copy of its object: the folder is made again without running anything.
    try overwrite(parts + "/b.sh", "#!/bin/no")
    #expect(try await project.run() == [])
    #expect(try project.read(parts.replacing(project.root.path + "/", with: "") + "/b.sh") == "#!/bin/sh\n")
    // Another file is the object itself.
    try overwrite(parts + "/a.txt", "ONE")
    #expect(try await project.run() == ["first"])
    #expect(try await shown(project).outputs["first.parts"]?.digest == before.outputs["first.parts"]?.digest)
    #expect(try await project.retort("verify").code == 0)
  }

  @Test func `verify runs a stage again and says where other bytes begin`() async throws {
    let project = try Project(
      """
      version: 1
      stages:
        steady:
          cmd: mkdir parts; seq 1 9 > parts/a.txt
          out: {parts: {path: parts}}
        clock:
          cmd: cat ${in.parts}/a.txt > ${out.text}; date +%s.%N >> ${out.text}
          in: {parts: steady.parts}
          out: {text: {path: text.txt, type: text}}
      """)
    _ = try await project.run()
    let same = try await project.retort("verify", "--rerun", "steady")
    #expect(same.code == 0, "\(same.errors)")
    #expect(same.output.hasPrefix("steady.parts: the same bytes, "))
    let other = try await project.retort("verify", "--rerun", "clock", "1")
    #expect(other.code == 1)
    #expect(other.output.hasPrefix("clock.text: DIFFERENT bytes than recorded: differs at line 10 (byte "))
    #expect(try await project.run() == [])
    #expect(try await project.retort("verify").code == 0)
    let none = try await project.retort("verify", "--rerun", "neither")
    #expect(none.code == 2)
  }

  @Test func `verify runs a stage again whose job file is of a version without devices`() async throws {
    let project = try Project(pipeline)
    _ = try await project.run()
    let file = ".retort/logs/1/first.1.job.json"
    let data = Data(try project.read(file).utf8)
    var order = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    var job = try #require(order["job"] as? [String: Any])
    job.merge(try #require(job.removeValue(forKey: "compute") as? [String: Any])) { $1 }
    job["device"] = nil
    order["job"] = job
    try project.write(String(decoding: JSONSerialization.data(withJSONObject: order), as: UTF8.self), to: file)
    let same = try await project.retort("verify", "--rerun", "first")
    #expect(same.code == 0 && same.output.contains("the same bytes"), "\(same.errors)")
  }

  @Test func `a result goes through a remote store to another project, with its metrics`() async throws {
    let (one, two) = (try Project(pipeline), try Project(pipeline))
    let scratch = try Project()
    let shared = scratch.root.appending(path: "shared").path
    _ = try await one.run()
    let refused = try await one.retort("push", "--remote", shared)
    #expect(refused.code == 1)
    #expect(refused.errors.contains("No such file or directory; make the folder, or mount what holds it"))
    try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
    #expect(try await one.retort("push", "--remote", shared).code == 0)
    #expect(
      try await one.retort("push", "latest", environment: ["RETORT_REMOTE": shared]).output.contains("] 0 files sent"))

    #expect(try await two.run("--pull", "--remote", shared) == [])
    let (made, pulled) = (try await shown(one), try await shown(two))
    #expect(pulled.stages.map(\.state) == ["cached", "cached"])
    #expect(pulled.outputs.mapValues(\.digest) == made.outputs.mapValues(\.digest))
    #expect(pulled.stages.last?.metrics == ["lines": 2])
    #expect(try await two.retort("verify").code == 0)

    let three = try Project(pipeline)
    let report = try await three.retort("pull", "pipeline.yaml", "--remote", shared)
    #expect(report.output.contains("[second] pulled from \(shared)"))
    #expect(report.output.hasSuffix("2 pulled from \(shared), 0 were here\n"))
    #expect(try await three.run() == [])
    try three.write(pipeline.replacing("echo '{\"lines\"", with: "echo  '{\"lines\""))
    #expect(
      try await three.retort("pull", "pipeline.yaml", "--remote", shared).output
        == "0 pulled from \(shared), 1 were here\nnot in the remote store: second\n")
  }

  @Test func `what is damaged in a remote store is never taken in`() async throws {
    let (one, two, scratch) = (try Project(pipeline), try Project(pipeline), try Project())
    let shared = scratch.root.path
    _ = try await one.run()
    #expect(try await one.retort("push", "--remote", shared).code == 0)
    let digest = try #require(try await shown(one).outputs["second.text"]?.digest)
    try overwrite("\(shared)/objects/\(digest.prefix(2))/\(digest.dropFirst(2))", "ONE")
    let pull = try await two.retort("pull", "pipeline.yaml", "--remote", shared)
    #expect(pull.code == 1)
    #expect(pull.output.contains("in the remote store is damaged (bytes of "))
    #expect(try await two.run("--pull", "--remote", shared) == ["second"])
    #expect(try await two.retort("verify").code == 0)
    for file in FileManager.default.enumerator(atPath: "\(shared)/keys")?.compactMap({ $0 as? String }) ?? [] {
      if file.hasSuffix(".json") { try overwrite("\(shared)/keys/\(file)", "[") }
    }
    let three = try Project(pipeline)
    #expect(try await three.run("--pull", "--remote", shared) == ["first", "second"])
    let missing = try await three.retort("run", "pipeline.yaml", "--pull", "--remote", shared + "/none")
    #expect(missing.code == 0)
    #expect(missing.errors.hasPrefix("warning: the remote store "))
  }

  @Test(arguments: [
    ("sed -i s/a/CHANGED/ ${in.i}/f", "sed"), ("echo more >> ${in.i}/f", "append"), ("rm -f ${in.i}/f", "rm"),
    ("touch ${in.i}/new", "a file more"), ("rm -rf ${in.i}", "all"),
  ])
  func `a stage that changes what another made fails, is named, and the next run makes it again`(
    change: String, _ what: String
  ) async throws {
    let project = try Project(
      """
      version: 1
      stages:
        make: {cmd: "mkdir ${out.d}; echo a > ${out.d}/f", out: {d: {path: d, type: folder}}}
        edit: {cmd: "chmod -R u+w ${in.i}; \(change); echo 1 > ${out.o}", in: {i: make.d}, out: {o: o}}
        count: {cmd: "ls ${in.i} > ${out.o}; cat ${in.i}/* >> ${out.o}", in: {i: make.d}, out: {o: o}, publish: counted}
      """)
    let ended = try await project.retort("run", "pipeline.yaml", "edit")
    #expect(ended.code == 1)
    #expect(ended.output.contains("input `i`, the output make.d, was changed while the stage ran"), "\(ended.output)")
    _ = try await project.retort("run", "pipeline.yaml", "count")
    #expect(try project.read("counted") == "f\na\n")
    #expect(try await project.retort("verify").code == 0)
  }

  @Test func `names that look alike are names of their own, in inputs, folders and what becomes of them`() async throws
  {
    let (one, two, odd) = ("\u{e9}.txt", "e\u{301}.txt", "\u{fe0f}x")
    let project = try Project(
      """
      version: 1
      stages:
        a: {cmd: "cat ${in.data} > ${out.text}", in: {data: \(one)}, out: {text: {path: t, type: text}}, publish: a}
        b: {cmd: "cat ${in.data} > ${out.text}", in: {data: \(two)}, out: {text: {path: t, type: text}}, publish: b}
        copy: {cmd: "mkdir -p ${out.d}; cp -r ${in.data}/* ${out.d}/", in: {data: d}, out: {d: {path: d}}, publish: d2}
      """)
    // A dictionary would take them for the same.
    let files = [
      (one, "one"), (two, "two"), ("d/\(one)", "one"), ("d/\(two)", "two"), ("d/\(odd)", "odd"), ("d/\u{e9}/f", "1"),
      ("d/e\u{301}/f", "2"),
    ]
    for (path, text) in files { try project.write(text, to: path) }
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 0, "\(ended.output)\(ended.errors)")
    #expect(try project.read("a") == "one" && project.read("b") == "two")
    for (path, text) in [(one, "one"), (two, "two"), (odd, "odd"), ("\u{e9}/f", "1"), ("e\u{301}/f", "2")] {
      #expect(try project.read("d2/\(path)") == text)
    }
    #expect(try await project.retort("verify").code == 0)
    #expect(try await project.run() == [])
    try project.write("changed", to: "d/\(two)")
    #expect(try await project.run() == ["copy"])
    let diff = try await project.retort("diff", "1", "latest", "--tensors")
    #expect(diff.code == 0 && Array(diff.output.utf8).contains(0xcc), "\(diff.output)\(diff.errors)")
  }
}
