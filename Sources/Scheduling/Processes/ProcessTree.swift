/// The processes that a worker started, directly or not, also those that left its session; from /proc.
import Artifacts
import Foundation

/// One process as /proc/<pid>/stat tells of it.
struct ProcessEntry: Hashable, Sendable {
  var pid: pid_t
  var parent: pid_t
  var session: pid_t
  /// When it started, in ticks since boot: with the number it names one process for ever.
  var start: UInt64
  /// Resident bytes, of files too.
  var resident: Int
  var isZombie = false

  /// Reads a line of /proc/<pid>/stat; a command's name may hold spaces and parentheses.
  init?(stat line: some StringProtocol) {
    guard let open = line.firstIndex(of: "("), let close = line.lastIndex(of: ")"),
      let pid = pid_t(line[..<open].trimmingCharacters(in: .whitespaces))
    else { return nil }
    let fields = line[line.index(after: close)...].split(separator: " ")
    guard fields.count > 21, let parent = pid_t(fields[1]), let session = pid_t(fields[3]),
      let start = UInt64(fields[19]), let pages = Int(fields[21])
    else { return nil }
    (self.pid, self.parent, self.session, self.start) = (pid, parent, session, start)
    resident = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    isZombie = fields[0] == "Z" || fields[0] == "X"
  }

  /// `nil` if there is no such process.
  static func of(_ pid: pid_t) -> ProcessEntry? {
    let file = Descriptor(open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC))
    guard file.raw >= 0 else { return nil }
    return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
      let count = read(file.raw, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      return ProcessEntry(stat: String(decoding: buffer[..<count], as: UTF8.self))
    }
  }

  /// Every process there is.
  static func all() -> [ProcessEntry] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var entries: [ProcessEntry] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { atol($0) }
      }
      if name > 0, let process = of(pid_t(name)) { entries.append(process) }
    }
    return entries
  }

  /// Bytes that are nobody else's: without files, shared pages by their share.
  var ownMemory: Int {
    guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/smaps_rollup") else { return resident }
    var bytes: Int?
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
      guard line.hasPrefix("Pss_Anon:") || line.hasPrefix("Pss_Shmem:") else { continue }
      bytes = (bytes ?? 0) + (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }
    return bytes ?? resident
  }
}

struct ProcessTree: Sendable {
  let root: pid_t
  /// Those that live.
  private(set) var members: [pid_t: ProcessEntry] = [:]

  init(root: pid_t) { self.root = root }

  /// Members stay members as long as they live, whoever is their parent by now.
  mutating func update(_ all: [ProcessEntry]) {
    let living = all.filter { !$0.isZombie }
    var next = Dictionary(uniqueKeysWithValues: living.filter { isKnown($0) }.map { ($0.pid, $0) })
    var grows = true
    while grows {
      let found = living.filter { next[$0.pid] == nil && next[$0.parent] != nil }
      for entry in found { next[entry.pid] = entry }
      grows = !found.isEmpty
    }
    members = next
  }

  private func isKnown(_ entry: ProcessEntry) -> Bool {
    entry.pid == root || entry.session == root || members[entry.pid]?.start == entry.start
  }

  /// Bytes, files included: cheap, and never less than `ownMemory`.
  var resident: Int { members.values.reduce(0) { $0 + $1.resident } }
  /// Bytes that only these processes use.
  var ownMemory: Int { members.values.reduce(0) { $0 + $1.ownMemory } }

  /// Kills all of them but the root, those they start meanwhile too, until none is left.
  /// The root's number must not be another's yet: it lives, or was not reaped.
  mutating func killDescendants() {
    for _ in 0..<200 {
      update(ProcessEntry.all())
      let victims = members.values.filter { $0.pid != root }
      if victims.isEmpty { return }
      for victim in victims where ProcessEntry.of(victim.pid)?.start == victim.start { kill(victim.pid, SIGKILL) }
      usleep(5000)
    }
  }

  /// Kills all that this process started, which is nothing to look for where it has no child.
  static func killChildren() {
    var information = siginfo_t()
    guard waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) == 0 else { return }
    var tree = ProcessTree(root: getpid())
    tree.killDescendants()
  }
}
