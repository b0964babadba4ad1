/// Stores and remote stores that somebody else has prepared, and those that a group shares, through the program.
import Foundation
import Testing

@Suite struct HostileStoreTests {
  private let pipeline = """
    version: 1
    stages:
      first:
        cmd: mkdir parts; echo one > parts/a.txt; printf '#!/bin/sh\\n' > parts/b.sh; chmod +x parts/b.sh
        out: {parts: {path: parts}}
      second:
        cmd: cat ${in.parts}/* > ${out.text}
        in: {parts: first.parts}
        out: {text: {path: all.txt, type: text}}
      third:
        cmd: echo three > ${out.text}
        out: {text: {path: three.txt, type: text}}
    """
  private let secret = "a secret of sixteen bytes or more"

  /// Runs a line of bash in the project's root, with `$retort` as the program.
  private func bash(_ line: String, in project: Project, environment: [String: String] = [:]) async throws -> Ended {
    try await project.run(
      URL(filePath: "/bin/bash"), ["-c", line],
      environment: environment.merging(["retort": retortProgram.path]) { $1 })
  }

  // MARK: - Remote stores

  /// A remote store with a run's results, `$R` in lines of bash.
  private func shared(_ flags: String...) async throws -> (one: Project, remote: Project) {
    let (one, remote) = (try Project(pipeline), try Project())
    _ = try await one.run()
    let pushed = try await one.run(retortProgram, ["push", "--remote", remote.root.path] + flags)
    try #require(pushed.code == 0, "\(pushed.errors)")
    return (one, remote)
  }

  private struct Pulled: Decodable {
    struct Refusal: Decodable { var stage, reason: String }
    var pulled, present, missing: [String]
    var refused: [Refusal]
  }

  @Test(arguments: [
    "rm $F; mkfifo $F", "rm $F; ln -s /dev/zero $F", "rm $F; mkdir $F", "chmod +w $F; truncate -s 1000000000000 $F",
    "rm -f $K; mkfifo $K", "rm $K; ln -s /dev/zero $K", "truncate -s 1000000000000 $K", "echo '[[[[' > $K",
    "mkdir $R/elsewhere; mv ${F%/*} $R/elsewhere; ln -s $R/elsewhere/${F:${#R}+9:2} ${F%/*}",
  ])
  func `what a remote store should not hold is named, the rest is pulled, and a run computes it`(
    attack: String
  ) async throws {
    let (_, remote) = try await shared()
    // The object that only `third` needs, and its key's file.
    let find = """
      set -e; K=$(grep -l '"stage":"third"' $R/keys/*/*.json)
      d=$(grep -o '"digest":"[0-9a-f]*"' $K | cut -d'"' -f4); F=$R/objects/${d:0:2}/${d:2}
      """
    let planted = try await bash("R=$PWD; \(find)\n\(attack)", in: remote)
    try #require(planted.code == 0, "\(planted.errors)")

    let two = try Project(pipeline)
    let line = "timeout 30 $retort pull pipeline.yaml --json --remote \(remote.root.path)"
    let pull = try await bash(line, in: two)
    #expect(pull.code == 1, "\(pull.errors)")
    let report = try pull.decoded(Pulled.self)
    #expect(report.pulled == ["first", "second"])
    #expect(report.refused.map(\.stage) == ["third"])
    #expect(report.refused.allSatisfy { $0.reason.contains(remote.root.path + "/") }, "\(report.refused)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: two.store.path + "/tmp") == [])
    #expect(try await two.run("--pull", "--remote", remote.root.path) == ["third"])
    #expect(try await two.retort("verify").code == 0)
  }

  @Test func `with a key results are signed, and what it did not sign is refused by name`() async throws {
    let (one, remote) = (try Project(pipeline), try Project())
    try remote.write(secret + "\n", to: "key")
    try remote.write("another secret of sixteen bytes", to: "other")
    _ = try await one.run()
    let flags = ["--remote", remote.root.path, "--remote-key", remote.root.path + "/key"]
    #expect(try await one.run(retortProgram, ["push"] + flags).code == 0)

    // The secret itself in the environment is the same key; without one, what is signed is read as well.
    let two = try Project(pipeline)
    let pulled = try await two.retort(
      "pull", "pipeline.yaml", "--remote", remote.root.path, environment: ["RETORT_REMOTE_KEY": secret])
    #expect(pulled.output.hasSuffix("3 pulled from \(remote.root.path), 0 were here\n"), "\(pulled.errors)")
    let three = try Project(pipeline)
    #expect(try await three.run("--pull", "--remote", remote.root.path) == [])

    let four = try Project(pipeline)
    let refused = try await four.retort(
      "pull", "pipeline.yaml", "--remote", remote.root.path, "--remote-key", remote.root.path + "/other")
    #expect(refused.code == 1)
    #expect(refused.output.contains(".json in the remote store is damaged (signed with another key)"))
    // What somebody without the key puts there instead.
    let file = try await bash("grep -l '\"stage\":\"third\"' keys/*/*", in: remote).output.dropLast()
    let unsigned = try remote.read(String(file)).replacing(/,"signature":"[0-9a-f]*"/, with: "")
    try remote.write(unsigned, to: String(file))
    let events = try await four.run(
      retortProgram, ["run", "pipeline.yaml", "--pull"] + flags)
    #expect(events.output.contains("not signed, although --remote-key asks for that"), "\(events.output)")
    #expect(events.output.contains("1 ran, 2 cached, 0 failed"), "\(events.output)")
    // The secret is nowhere in a store.
    for project in [one, two, four] {
      #expect(try await bash("grep -r '\(secret)' .retort", in: project).code == 1)
    }
    #expect(try await bash("grep -r '\(secret)' objects keys", in: remote).code == 1)
  }

  @Test(
    arguments: [
      (["--remote-key", "/nonexistent"], [:], "cannot be read"), (["--remote-key", "short"], [:], "holds 5 bytes"),
      ([], ["RETORT_REMOTE_KEY": ""], "holds 0 bytes"),
      ([], ["RETORT_REMOTE_KEY": "short"], "is the name of a file, expected the secret itself"),
    ] as [([String], [String: String], String)])
  func `a key that cannot be one ends the command`(
    flags: [String], environment: [String: String], message: String
  ) async throws {
    let project = try Project(pipeline)
    try project.write("short", to: "short")
    _ = try await project.run()
    for command in [["push"], ["pull", "pipeline.yaml"], ["run", "pipeline.yaml", "--pull"]] {
      let ended = try await project.run(
        retortProgram, command + ["--remote", project.root.path] + flags, environment: environment)
      #expect(ended.code == 2, "\(command)")
      #expect(ended.errors.contains(message), "\(ended.errors)")
    }
  }

  // MARK: - Stores

  private static let commands = [
    "run ../pipeline.yaml", "plan ../pipeline.yaml", "status ../pipeline.yaml", "why ../pipeline.yaml third", "runs",
    "show latest", "watch", "compare 1 1", "lineage 1", "gc", "gc --apply", "pin 1", "verify", "push --remote /tmp",
    "pull ../pipeline.yaml --remote /tmp", "export 1 third there", "schema --write", "doctor",
  ]

  @Test func `a store that was found and that everybody may write to is used by no command`() async throws {
    let project = try Project(pipeline)
    _ = try await project.run()
    let prepared = try await bash("mkdir deep; chmod 777 .retort; find .retort | sort > before", in: project)
    #expect(prepared.code == 0)
    for command in Self.commands {
      let ended = try await bash("cd deep; $retort \(command)", in: project)
      #expect(ended.code == 2, "\(command): \(ended.output)")
      #expect(
        ended.errors.contains(
          "the store \(project.store.path) was found and not named, and everybody may write to it"),
        "\(command): \(ended.errors)")
    }
    #expect(try await bash("find .retort | sort | diff - before", in: project).code == 0)
    let named = try await bash("cd deep; $retort run ../pipeline.yaml --store ../.retort", in: project)
    #expect(named.output.contains("0 ran, 3 cached"), "\(named.errors)")
    let variable = try await bash("cd deep; RETORT_STORE=../.retort $retort show latest", in: project)
    #expect(variable.code == 0, "\(variable.errors)")
  }

  /// Only root may give files away.
  @Test(.enabled(if: geteuid() == 0))
  func `another user's store is used where it is named, or the working folder is that user's as well`() async throws {
    let project = try Project(pipeline)
    _ = try await project.run()
    #expect(try await bash("mkdir deep; chown -R 12345 .retort", in: project).code == 0)
    for folder in [".", "deep"] {
      let found = try await bash("cd \(folder); env -u SUDO_UID $retort show latest", in: project)
      #expect(found.code == 2)
      #expect(found.errors.contains("and belongs to another user (12345)"), "\(found.errors)")
    }
    #expect(try await bash("cd deep; $retort show latest --store ../.retort", in: project).code == 0)
    #expect(try await bash("cd deep; SUDO_UID=12345 $retort show latest", in: project).code == 0)
    #expect(try await bash("chown 12345 . deep", in: project).code == 0)
    #expect(try await bash("env -u SUDO_UID $retort show latest", in: project).code == 0)
    #expect(try await bash("cd deep; env -u SUDO_UID $retort show latest", in: project).code == 2)
  }

  @Test(arguments: ["gc.lock", "database.lock", "retort.sqlite", "logs", "work", "tmp", "objects", "trees", "logs/1"])
  func `a link in a store is named, and nothing is written where it leads to`(name: String) async throws {
    let (project, other) = (try Project(pipeline), try Project())
    let isFolder = ["logs", "work", "tmp", "objects", "trees", "logs/1"].contains(name)
    let target = other.root.path + (isFolder ? "/folder" : "/file")
    let line = "mkdir -p .retort/logs; [ \(name) = logs ] && rmdir .retort/logs; ln -s \(target) .retort/\(name)"
    #expect(try await bash("mkdir folder; echo mine > file", in: other).code == 0)
    #expect(try await bash(line, in: project).code == 0)
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1, "\(ended.output)")
    #expect(ended.errors.contains("/.retort/\(name) is a symbolic link, expected "), "\(ended.errors)")
    #expect(try await bash("ls folder; cat file", in: other).output == "mine\n")
  }

  @Test func `what the store holds follows the umask`() async throws {
    // Objects, and what is in trees, nobody may write to.
    let sharing = """
      umask 002; $retort run pipeline.yaml >&2 && find .retort -mindepth 1 ! -path '*/trees/*/*' \
        ! \\( -type f -path '*/objects/*' \\) ! -perm -060
      """
    let shared = try await bash(sharing, in: Project(pipeline))
    #expect(shared.code == 0)
    #expect(shared.output == "")
    let hiding = "umask 077; $retort run pipeline.yaml >&2 && find .retort -mindepth 1 -perm /077"
    let hidden = try await bash(hiding, in: Project(pipeline))
    #expect(hidden.code == 0)
    #expect(hidden.output == "")
  }

  /// Only root may become two users.
  @Test(.enabled(if: geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")))
  func `two users of one group work in one store`() async throws {
    let project = try Project(pipeline)
    let line = """
      umask 002; chgrp -R 4321 .; chmod -R g+rwXs .; chmod o+rx .; cp $retort program
      as() { setpriv --reuid=$1 --regid=4321 --clear-groups "${@:2}"; }
      as 1001 ./program run pipeline.yaml --store .retort
      sed -i 's/echo one/echo two/' pipeline.yaml
      as 1002 ./program run pipeline.yaml --store .retort && as 1001 ./program verify --store .retort
      gc() { as $1 ./program gc --store .retort --apply --grace 0s --keep 1; }
      gc 1002 && gc 1001 && as 1002 ./program verify --store .retort
      """
    let ended = try await bash(line, in: project)
    #expect(ended.code == 0, "\(ended.errors)")
    #expect(ended.output.contains("2 ran, 1 cached, 0 failed"), "\(ended.output)")
    #expect(ended.output.components(separatedBy: "sound: ").count == 3, "\(ended.output)")
    #expect(ended.output.components(separatedBy: "another user and stays").count == 2, "\(ended.output)")
  }
}
