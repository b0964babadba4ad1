/// A control group of one attempt (cgroup v2): the kernel holds everything in it to its memory.
import Artifacts
import Foundation

struct MemoryGroup: Sendable {
  private let folder: URL

  /// `nil` where the system has no such groups or lets this process make none.
  /// - Parameter root: where `proc` and `sys` lie.
  init?(named name: String, limit: Int, root: URL = URL(filePath: "/")) {
    let mount = root.appending(path: "sys/fs/cgroup")
    let line = Self.read(root.appending(path: "proc/self/cgroup")).split(separator: "\n").first { $0.hasPrefix("0::/") }
    guard let line, Self.words(mount.appending(path: "cgroup.controllers")).contains("memory") else { return nil }
    let own = mount.appending(path: line.dropFirst(4))
    // A group with processes cannot control groups of its own, so one beside ours is the next best.
    for parent in own == mount ? [own] : [own, own.deletingLastPathComponent()] {
      let control = parent.appending(path: "cgroup.subtree_control")
      if !Self.words(control).contains("memory") { Self.write("+memory", to: control) }
      guard Self.words(control).contains("memory") else { continue }
      let folder = parent.appending(path: name)
      guard mkdir(folder.posixPath, 0o755) == 0 else { continue }
      if Self.write("\(limit)", to: folder.appending(path: "memory.max")) {
        Self.write("0", to: folder.appending(path: "memory.swap.max"))
        Self.write("1", to: folder.appending(path: "memory.oom.group"))
        self.folder = folder
        return
      }
      rmdir(folder.posixPath)
    }
    return nil
  }

  /// Takes in a process, which from now on starts others inside; whether it could.
  func admit(_ pid: pid_t) -> Bool { Self.write("\(pid)", to: folder.appending(path: "cgroup.procs")) }

  /// Whether the kernel killed somebody in it for want of memory.
  var ranOut: Bool { Self.number("oom_kill", in: folder.appending(path: "memory.events")) ?? 0 > 0 }
  /// Bytes, the most that were ever in use.
  var peak: Int? { Self.words(folder.appending(path: "memory.peak")).first.flatMap { Int($0) } }

  /// Kills what is left in it and takes it away.
  func remove() {
    Self.write("1", to: folder.appending(path: "cgroup.kill"))
    for _ in 0..<100 where rmdir(folder.posixPath) != 0 && errno == EBUSY { usleep(5000) }
  }

  @discardableResult
  private static func write(_ text: String, to file: URL) -> Bool {
    let descriptor = Descriptor(open(file.posixPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
    guard descriptor.raw >= 0 else { return false }
    return Foundation.write(descriptor.raw, text, text.utf8.count) == text.utf8.count
  }

  fileprivate static func read(_ file: URL) -> String {
    FileManager.default.contents(atPath: file.posixPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
  private static func words(_ file: URL) -> [Substring] { read(file).split { $0.isWhitespace } }
  /// The number beside a name.
  fileprivate static func number(_ name: String, in file: URL) -> Int? {
    read(file).split(separator: "\n").lazy.map { $0.split(separator: " ") }.first { $0.first == name[...] }
      .flatMap { Int($0.last ?? "") }
  }
}

/// How often the kernel killed a process because memory ran out.
enum KernelKills {
  /// Counts for this process's control group, version 2 or 1, and for the machine: what rises during an attempt tells.
  static func count(root: URL = URL(filePath: "/")) -> Int {
    var files = [root.appending(path: "proc/vmstat")]
    for line in MemoryGroup.read(root.appending(path: "proc/self/cgroup")).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      if parts[1].isEmpty { files.append(root.appending(path: "sys/fs/cgroup\(parts[2])/memory.events")) }
      if parts[1].split(separator: ",").contains("memory") {
        files.append(root.appending(path: "sys/fs/cgroup/memory\(parts[2])/memory.oom_control"))
      }
    }
    return files.reduce(0) { $0 + (MemoryGroup.number("oom_kill", in: $1) ?? 0) }
  }
}
