/// What starts the keeper of a run when the machine has started: a user unit of systemd, or a line of cron's `@reboot`.
import Artifacts
import Escaping
import Foundation
import Processes
import Reports
import Scheduling

struct Registration {
  typealias Kind = RunSnapshot.Restart.Kind
  let kind: Kind
  let order: OrderFile

  /// What this machine has; `nil` if it has neither.
  static var available: Kind? { Systemd.isThere ? .systemd : Cron.isThere ? .cron : nil }

  /// For people: what was used.
  var words: String {
    switch kind {
    case .systemd: "systemd's user unit \(Systemd(order).name)"
    case .cron: "cron's @reboot, a line of `crontab -l` that ends with \(Cron(order).mark)"
    }
  }

  /// For people: why the keeper does not run, or what tells that.
  func complaints() throws -> String {
    switch kind {
    case .systemd: "`journalctl --user -u \(Systemd(order).name)` tells why"
    case .cron: String(decoding: try order.store.files.enclosure.read(order.complaints), as: UTF8.self)
    }
  }

  /// Registers the keeper and starts it.
  func begin() throws {
    let program = try WorkerProgram.thisBinary().executable.posixPath
    switch kind {
    case .systemd: try Systemd(order).begin(program)
    case .cron:
      try Cron(order).add(program)
      let output = try order.store.files.enclosure.open(order.complaints, O_WRONLY | O_CREAT | O_APPEND)
      _ = try ChildProcess(
        program, ["keep", order.url.posixPath], folder: URL(filePath: "/"),
        descriptors: [nil, output.raw, output.raw], newSession: true)
    }
  }

  func remove() throws {
    switch kind {
    case .systemd: try Systemd(order).remove()
    case .cron: try Cron(order).remove()
    }
  }

  /// Removes whatever starts the keeper of an order that is gone.
  static func removeAll(of order: OrderFile) throws {
    if Systemd(order).isRegistered { try Systemd(order).remove() }
    if Cron.isThere { try Cron(order).remove() }
  }

  /// What keeps a run from going on as soon as the machine has started; `nil` if nothing does.
  static func obstacle(of kind: Kind) -> (found: String, remedy: String)? {
    switch kind {
    case .systemd where Systemd.lingers != true:
      (
        "lingering is off",
        "`loginctl enable-linger` lets runs go on after a logout, and after a reboot before the next login"
      )
    case .cron where !Cron.runs:
      ("no cron daemon runs", "start it, such as by `service cron start`, or nothing happens after a reboot")
    case .systemd, .cron: nil
    }
  }
}

/// The user's, as systemd and cron take it; URLs and Foundation take the one of the list of users.
private var home: String { ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory() }

private struct Systemd {
  private let order: OrderFile
  init(_ order: OrderFile) { self.order = order }

  var name: String { "retort-\(order.token).service" }
  static var isThere: Bool {
    Tool.run(["systemctl", "--user", "show", "--property=Version"])?.output.isEmpty == false
  }
  /// `nil` where nobody can tell.
  static var lingers: Bool? {
    Tool.run(["loginctl", "show-user", "\(getuid())", "--property=Linger"])
      .map { $0.output.starts(with: Data("Linger=yes".utf8)) }
  }

  private var folder: URL {
    let settings = ProcessInfo.processInfo.environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    return URL(filePath: settings ?? home + "/.config").appending(path: "systemd/user")
  }
  private var file: URL { folder.appending(path: name) }
  var isRegistered: Bool { FileStatus.of(file) != nil }

  /// The keeper alone is told to end: it passes that on. What is killed for want of memory it starts again itself.
  private func unit(_ program: String) -> String {
    """
    [Unit]
    Description=retort run that goes on by itself
    StartLimitIntervalSec=3600
    StartLimitBurst=30

    [Service]
    Type=exec
    ExecStart=\(Escape.systemdWord(program, isProgram: true)) keep \(Escape.systemdWord(order.url.posixPath))
    Restart=on-failure
    RestartSec=10
    KillMode=mixed
    TimeoutStopSec=600
    OOMPolicy=continue

    [Install]
    WantedBy=default.target

    """
  }

  func begin(_ program: String) throws {
    let files = FileOperations()
    try files.makeFolder(folder)
    try files.replace(file, with: Data(unit(program).utf8))
    try Tool.demand(["systemctl", "--user", "daemon-reload"])
    try Tool.demand(["systemctl", "--user", "enable", "--now", name])
  }

  func remove() throws {
    // Without `--now`, which would end whoever asks for it.
    try Tool.demand(["systemctl", "--user", "disable", name])
    try FileOperations().remove(file)
    try Tool.demand(["systemctl", "--user", "daemon-reload"])
  }
}

private struct Cron {
  private let order: OrderFile
  init(_ order: OrderFile) { self.order = order }

  var mark: String { "# retort-\(order.token)" }
  static var isThere: Bool { Tool.run(["sh", "-c", "command -v crontab"]) != nil }
  /// Whether a daemon of that name is there.
  static var runs: Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []  // none means the same
    return names.contains { name in
      guard name.first?.isNumber == true, let comm = FileManager.default.contents(atPath: "/proc/\(name)/comm") else {
        return false
      }
      return ["cron\n", "crond\n", "fcron\n"].contains { comm == Data($0.utf8) }
    }
  }

  func add(_ program: String) throws {
    guard let command = Escape.cronCommand([program, "keep", order.url.posixPath]) else {
      throw Failure(
        "cron cannot be given \(program) or \(order.url.posixPath): their names have a backslash or a line's end; "
          + "name another store with --store")
    }
    try change { lines in lines.append(Data("@reboot \(command) \(mark)".utf8)) }
  }

  func remove() throws {
    let mark = Data(" \(mark)".utf8)
    try change { lines in lines.removeAll { $0.suffix(mark.count) == mark } }
  }

  /// Changes the user's crontab, of which every other byte stays. One process at a time: the home folder is locked.
  private func change(_ body: (inout [Data]) -> Void) throws {
    let home = Descriptor(open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    while home.raw >= 0, flock(home.raw, LOCK_EX) != 0, errno == EINTR {}
    let read = try Tool.answer(["crontab", "-l"])
    let isEmpty = read.end != .exit(0) && read.errors.contains("no crontab for")
    guard read.end == .exit(0) || isEmpty else { throw ToolFailed(words: ["crontab", "-l"], result: read) }
    let text = isEmpty ? Data() : read.output
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map { Data($0) }
    // What follows the last line's end.
    if lines.last?.isEmpty == true { lines.removeLast() }
    let before = lines
    body(&lines)
    if lines == before { return }
    if lines.isEmpty { return try Tool.demand(["crontab", "-r"]) }
    try Tool.demand(["crontab", "-"], input: lines.reduce(into: Data()) { $0 += $1 + [0x0A] })
  }
}
