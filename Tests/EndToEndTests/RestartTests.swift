/// Runs that go on by themselves: killed at every place, told to end, and started again as after a reboot.
import Foundation
import Testing

@Suite struct RestartTests {
  private struct Started: Decodable { var run: Int, pid: Int32, log: String, restart: String, order: String }
  /// `retort runs --json`.
  private struct Line: Decodable {
    struct Recovery: Decodable {
      struct Earlier: Decodable { var run: Int, reason: String }
      struct Resumed: Decodable { var stage: String, words: String }
      var of: Earlier
      var kept: Int
      var resumed: [Resumed]
    }
    var run: Int
    var state: String
    var recovery: Recovery?
  }

  /// A user's systemd that writes down what it was asked, and a crontab that is a file.
  private static let tools = [
    "systemctl": """
    #!/bin/bash
    echo "$*" >> "$HOME/asked"
    [ -e "$HOME/has-systemd" ] || exit 1
    case "$2" in
      show) echo Version=252 ;;
      enable)
        command=$(sed -n s/^ExecStart=//p "$HOME/.config/systemd/user/$4")
        eval "setsid $command" < /dev/null > "$HOME/keeper.log" 2>&1 & ;;
      disable | daemon-reload) ;;
      *) exit 1 ;;
    esac
    """,
    "loginctl": "#!/bin/bash\necho Linger=$([ -e $HOME/lingers ] && echo yes || echo no)\n",
    "crontab": """
    #!/bin/bash
    case "$1" in
      -l) cat "$HOME/crontab" 2> /dev/null || { echo "no crontab for user" >&2; exit 1; } ;;
      -r) rm "$HOME/crontab" ;;
      -) cat > "$HOME/crontab" ;;
    esac
    """,
  ]

  private func project(_ pipeline: String, systemd: Bool = false, data: [String: String] = [:]) throws -> Project {
    let project = try Project(pipeline, data: data)
    for (name, text) in Self.tools {
      try project.write(text, to: "tools/\(name)")
      #expect(chmod(project.root.appending(path: "tools/\(name)").path, 0o755) == 0)
    }
    if systemd { try project.write("", to: "has-systemd") }
    return project
  }

  private func retort(_ project: Project, _ arguments: String..., more: [String: String] = [:]) async throws -> Ended {
    try await retort(project, arguments, more: more)
  }

  private func retort(_ project: Project, _ arguments: [String], more: [String: String] = [:]) async throws -> Ended {
    let path = project.root.appending(path: "tools").path + ":/usr/local/bin:/usr/bin:/bin"
    return try await project.run(retortProgram, arguments, environment: ["PATH": path].merging(more) { $1 })
  }

  private func start(_ project: Project, _ more: String...) async throws -> Started {
    let ended = try await retort(project, ["run", "pipeline.yaml", "--detach", "--restart", "--json"] + more)
    guard ended.code == 0 else { throw UnexpectedEnd(ended: ended) }
    return try ended.decoded()
  }

  private func bash(_ project: Project, _ command: String) async throws {
    let ended = try await project.run(URL(filePath: "/bin/bash"), ["-c", command])
    #expect(ended.code == 0, "\(ended.errors)")
  }

  private func waitForEnd(of process: Int32, _ project: Project) async throws {
    try await bash(project, "tail --pid=\(process) -f /dev/null")
  }

  private func runs(_ project: Project) async throws -> [Line] {
    try await retort(project, "runs", "--all", "--json").decoded([Line].self)
  }

  /// One stage that is done, and one that does something the first time.
  private func pipeline(_ command: String) -> String {
    """
    version: 1
    name: kept
    stages:
      first: {cmd: "echo one > ${out.text}", out: {text: {path: text.txt, type: text}}}
      second:
        cmd: |
          [ -e $HOME/again ] || { touch $HOME/again; \(command); }
          cat ${in.text} > ${out.text}
        in: {text: first.text}
        out: {text: {path: text.txt, type: text}}

    """
  }
  /// In a command: the process that runs the pipeline.
  private let coordinator = "$(cut -d' ' -f4 /proc/$PPID/stat)"
  private let crontab =
    "# mine\nMAILTO=\"\"\n\n0 5 * * 1 tar -zcf /var/backups/home.tgz \"/home/%\"  \n@reboot true # retort-00000000\n"

  @Test(arguments: [false, true])
  func `a run that is killed is started again, and what registered it is gone when it is done`(systemd: Bool)
    async throws
  {
    let project = try project(pipeline("kill -9 \(coordinator); sleep 100"), systemd: systemd)
    try project.write(crontab, to: "crontab")
    // What the first run has done is not done again although it is forced.
    let started = try await start(project, "--force", "first")
    #expect(started.run == 1 && started.restart == (systemd ? "systemd" : "cron"))
    try await waitForEnd(of: started.pid, project)
    let lines = try await runs(project)
    #expect(lines.map(\.run) == [2, 1] && lines.map(\.state) == ["done", "interrupted"])
    let recovery = try #require(lines[0].recovery)
    #expect(recovery.of.run == 1 && recovery.of.reason == "its process was killed" && recovery.kept == 1)
    #expect(lines[1].recovery == nil)

    let words = "run 2 went on where run 1 was cut off (its process was killed): 1 stage kept\n"
    #expect(try await retort(project, "watch").output.contains(words))
    #expect(try await retort(project, "show", "2").output.contains(words))
    #expect(try await retort(project, "watch", "1").output.contains("Run 2 goes on with it: retort watch 2\n"))
    #expect(
      try project.read(".retort/logs/1/run.log").contains("killed by signal 9 (Killed); it is started again in 1 s"))

    #expect(try FileManager.default.contentsOfDirectory(atPath: project.store.appending(path: "restart").path) == [])
    #expect(try project.read("crontab") == crontab)
    if systemd {
      let unit = "retort-\(URL(filePath: started.order).deletingPathExtension().lastPathComponent).service"
      #expect(
        try project.read("asked").split(separator: "\n")
          == [
            "--user show --property=Version", "--user daemon-reload", "--user enable --now \(unit)",
            "--user disable \(unit)", "--user daemon-reload",
          ].map { Substring($0) })
      #expect(
        try FileManager.default.contentsOfDirectory(
          atPath: project.root.appending(path: ".config/systemd/user").path) == [])
    }
  }

  private func model(_ project: Project) async throws -> [String: String] {
    let run = try await retort(project, "show", "latest", "--json").decoded(Run.self)
    return try #require(run["teacher"]).outputs.mapValues(\.digest)
  }

  @Test func `a training whose processes are killed, or whose machine restarts, gives the bytes of an undisturbed one`()
    async throws
  {
    let undisturbed = try Project(trainingPipeline(), data: smallData)
    _ = try await undisturbed.run()
    let bytes = try await model(undisturbed)

    let killed = try project(trainingPipeline(), data: smallData)
    let one = try await killed.disturbTraining { worker, coordinator in
      for process in [coordinator, worker] { kill(process, SIGKILL) }
    } startedBy: {
      try await start(killed)
    }
    try await waitForEnd(of: one.pid, killed)
    var recovery = try #require(try await runs(killed).first?.recovery)
    #expect(recovery.of.reason == "its process was killed" && recovery.kept == 3)
    #expect(recovery.resumed.map(\.stage) == ["teacher"])
    // 24 queries with 4 candidates each, two pairs a step, two epochs.
    #expect(try #require(recovery.resumed.first).words.hasSuffix(" of 96 steps"))
    #expect(try await model(killed) == bytes)

    let rebooted = try project(trainingPipeline(), data: smallData)
    // Though forced, it does not begin at its beginning again.
    let two = try await rebooted.disturbTraining { worker, coordinator in
      for process in [try parent(of: coordinator), coordinator, worker] { kill(process, SIGKILL) }
    } startedBy: {
      try await start(rebooted, "--force", "teacher")
    }
    try await waitForEnd(of: two.pid, rebooted)
    #expect(try await retort(rebooted, "watch").output.contains("It goes on by itself when the machine starts again"))
    try await bash(rebooted, #"sed -i 's/"boot":"[^"]*"/"boot":"an earlier one"/' '\#(two.order)'"#)
    // As cron does it, with as good as no environment; a second one has nothing to do.
    let line = try #require(try rebooted.read("crontab").split(separator: "\n").last)
    let command = line.dropFirst("@reboot ".count)
    try await bash(rebooted, "env -i HOME=$HOME PATH=$PWD/tools:/usr/bin:/bin /bin/sh -c '\(command)\n'")
    recovery = try #require(try await runs(rebooted).first?.recovery)
    #expect(recovery.of.reason == "its machine restarted" && recovery.kept == 3 && recovery.resumed.count == 1)
    #expect(try await model(rebooted) == bytes)
    #expect(try await retort(rebooted, "keep", two.order).code == 0)
    #expect(try await runs(rebooted).count == 2)
    #expect(!FileManager.default.fileExists(atPath: rebooted.root.appending(path: "crontab").path))
  }

  @Test func `SIGTERM ends a run until the machine starts again, SIGINT for good`() async throws {
    let project = try project(pipeline("cat $HOME/gate"))
    try project.write(crontab, to: "crontab")
    // Nobody writes into it: the command waits.
    #expect(mkfifo(project.root.appending(path: "gate").path, 0o600) == 0)
    let started = try await start(project)
    #expect(try await retort(project, "keep", started.order).code == 0)
    #expect(try await retort(project, "keep", started.order, "--remove").errors.contains("`kill -INT \(started.pid)`"))
    try await bash(project, "until [ -e again ]; do sleep 0.02; done")
    #expect(kill(started.pid, SIGTERM) == 0)
    try await waitForEnd(of: started.pid, project)
    #expect(try await runs(project).map(\.state) == ["interrupted"])
    let registered = try project.read("crontab")
    #expect(registered.hasPrefix(crontab) && registered.count { $0 == "\n" } == crontab.count { $0 == "\n" } + 1)
    #expect(registered.contains("@reboot \(retortProgram.path) keep \(started.order) # retort-"))
    let said = try await retort(project, "watch").output
    #expect(said.contains("at once with: retort keep \(started.order)\n"), "\(said)")

    // The command does not wait a second time.
    #expect(try await retort(project, "keep", started.order).code == 0)
    #expect(try await runs(project).map(\.state) == ["done", "interrupted"])
    #expect(try await runs(project).first?.recovery?.of.reason == "it was told to end")
    #expect(try project.read("crontab") == crontab)

    try project.write(pipeline("cat $HOME/gate").replacing("again", with: "once more"))
    let other = try await start(project)
    #expect(kill(other.pid, SIGINT) == 0)
    try await waitForEnd(of: other.pid, project)
    #expect(try await runs(project).map(\.state) == ["interrupted", "done", "interrupted"])
    #expect(try project.read("crontab") == crontab && !FileManager.default.fileExists(atPath: other.order))
  }

  @Test func `a run that has outlived its keeper is not started a second time`() async throws {
    let project = try project(pipeline("cat $HOME/gate"))
    #expect(mkfifo(project.root.appending(path: "gate").path, 0o600) == 0)
    let started = try await start(project)
    #expect(kill(started.pid, SIGKILL) == 0)
    try await bash(
      project, "PATH=$PWD/tools:$PATH '\(retortProgram.path)' keep \(started.order) & echo go > gate; wait $!")
    #expect(try await runs(project).map(\.state) == ["done"])
    #expect(!FileManager.default.fileExists(atPath: started.order))
  }

  @Test func `a run that dies too often without progress is given up, and the command of --notify is told`()
    async throws
  {
    let project = try project(pipeline("cat $HOME/gate"))
    #expect(mkfifo(project.root.appending(path: "gate").path, 0o600) == 0)
    let started = try await start(project, "--notify", "echo $RETORT_RUN $RETORT_OUTCOME $RETORT_FAILED >> told")
    #expect(kill(started.pid, SIGTERM) == 0)
    try await waitForEnd(of: started.pid, project)
    // As if it had died four times at the second stage, as it does now.
    try await bash(
      project,
      #"sed -i 's/"deaths":{.*"steps":0}}/"deaths":{"count":4,"mark":{"stages":1,"steps":0}}/' '\#(started.order)'"#)
    try project.write(pipeline("true").replacing("cat ${in.text}", with: "kill -9 \(coordinator); sleep 100"))
    #expect(try await retort(project, "keep", started.order).code == 0)
    #expect(try await runs(project).map(\.run) == [2, 1])
    #expect(try project.read(".retort/logs/2/run.log").contains("that makes 5 times without progress"))
    #expect(!FileManager.default.fileExists(atPath: started.order))
    #expect(try project.read("told") == "1 interrupted 0\n2 failed 0\n")
    #expect(
      try await retort(project, "watch").output.contains("`retort run \(project.root.path)/pipeline.yaml` continues."))
  }

  @Test func `doctor says what starts runs again, and what is missing`() async throws {
    struct Finding: Decodable { var name: String, value: String, remedy: String? }
    let project = try project(pipeline("true"), systemd: true)
    func finding() async throws -> Finding? {
      try await retort(project, "doctor", "--json").decoded([Finding].self).first { $0.name == "restart" }
    }
    var found = try await finding()
    #expect(found?.value == "by systemd's user units, lingering is off")
    #expect(found?.remedy?.contains("`loginctl enable-linger`") == true)
    try project.write("", to: "lingers")
    found = try await finding()
    #expect(found?.value == "by systemd's user units, lingering is on" && found?.remedy == nil)
    try await bash(project, "rm has-systemd")
    #expect(try await finding()?.value.hasPrefix("by cron's @reboot, ") == true)
  }

  @Test func `watch goes over to the run that goes on`() async throws {
    let project = try project(pipeline("cat $HOME/gate; kill -9 \(coordinator); sleep 100"))
    #expect(mkfifo(project.root.appending(path: "gate").path, 0o600) == 0)
    let started = try await start(project)
    try await bash(
      project,
      """
      script -qfec '\(retortProgram.path) watch 1' seen < /dev/null > /dev/null &
      until grep -q 'run 1 of kept' seen; do sleep 0.02; done
      echo go > gate
      wait
      """)
    let seen = try project.read("seen")
    #expect(seen.contains("run 1 of kept") && seen.contains("run 2 of kept") && seen.contains("done"), "\(seen)")
    try await waitForEnd(of: started.pid, project)
  }

  @Test func `what is wrong is told at once, and nothing stays registered`() async throws {
    let project = try project(pipeline("true"))
    try project.write(crontab, to: "crontab")
    #expect(try await retort(project, "run", "pipeline.yaml", "--restart").errors.contains("add --detach"))
    let late = try await retort(
      project, "run", "pipeline.yaml", "--detach", "--restart", "--openlineage", "none/events.jsonl")
    #expect(late.code == 2 && late.errors.contains("none/events.jsonl"), "\(late)")
    #expect(try project.read("crontab") == crontab)
    #expect(try FileManager.default.contentsOfDirectory(atPath: project.store.appending(path: "restart").path) == [])

    let signed = try await retort(
      project, "run", "pipeline.yaml", "--detach", "--restart", "--pull", "--remote", ".",
      more: ["RETORT_REMOTE_KEY": "0123456789"])
    #expect(signed.code == 2 && signed.errors.contains("name a file with it: --remote-key FILE"))
    try project.write(pipeline("true") + "    secrets: [TOKEN]\n")
    let secret = try await retort(project, "run", "pipeline.yaml", "--detach", "--restart", more: ["TOKEN": "abcdef"])
    #expect(secret.code == 2 && secret.errors.contains("stage `second` needs the secret TOKEN"), "\(secret)")
    // Its result is known: the secret is not needed.
    #expect(try await retort(project, "run", "pipeline.yaml", more: ["TOKEN": "abcdef"]).code == 0)
    let done = try await start(project)
    try await waitForEnd(of: done.pid, project)
    #expect(try await runs(project).map(\.state) == ["done", "done"])

    for name in Self.tools.keys { try project.write("#!/bin/sh\nexit 1\n", to: "tools/\(name)") }
    let none = try await retort(project, "run", "pipeline.yaml", "--detach", "--restart")
    #expect(none.code == 1 && none.errors.contains("`crontab -l` ended with exit code 1"), "\(none)")
  }
}
