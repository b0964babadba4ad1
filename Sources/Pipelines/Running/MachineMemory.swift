/// How much memory this process may use: the machine's, or less where a control group says so.
import Foundation

package struct MachineMemory: Sendable {
  /// Bytes that there are.
  package var total: Int
  /// Bytes that are free, or would be as soon as somebody asked.
  package var available: Int

  package static var current: MachineMemory { MachineMemory(root: URL(filePath: "/")) }

  /// - Parameter root: where `proc` and `sys` lie.
  init(root: URL) {
    let machine = Self.fields(of: root.appending(path: "proc/meminfo"))
    total = machine["MemTotal:"].map { $0 << 10 } ?? Int(ProcessInfo.processInfo.physicalMemory)
    available = machine["MemAvailable:"].map { $0 << 10 } ?? total
    for group in Self.groups(root) {
      guard let limit = group.limit, limit < total else { continue }
      total = limit
      available = min(available, max(0, limit - group.used))
    }
  }

  private struct Group {
    /// Absent: none.
    var limit: Int?
    /// Without file pages that would be given up.
    var used: Int
  }

  /// This process's control groups with a say over memory, version 2 and 1, each with all that contain it.
  private static func groups(_ root: URL) -> [Group] {
    text(of: root.appending(path: "proc/self/cgroup")).split(separator: "\n").flatMap { line -> [Group] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("memory") else { return [] }
      let mount = root.appending(path: isUnified ? "sys/fs/cgroup" : "sys/fs/cgroup/memory")
      let names = isUnified ? ("memory.max", "memory.current") : ("memory.limit_in_bytes", "memory.usage_in_bytes")
      var folders = [mount]
      for name in parts[2].split(separator: "/") { folders.append(folders[folders.count - 1].appending(path: name)) }
      return folders.map { folder in
        let used = number(in: folder.appending(path: names.1)) ?? 0
        let cache = fields(of: folder.appending(path: "memory.stat"))["inactive_file"] ?? 0
        return Group(limit: number(in: folder.appending(path: names.0)), used: max(0, used - cache))
      }
    }
  }

  private static func text(of file: URL) -> String {
    FileManager.default.contents(atPath: file.path).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private static func number(in file: URL) -> Int? {
    Int(text(of: file).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Lines of a name and a number.
  private static func fields(of file: URL) -> [String: Int] {
    let pairs = text(of: file).split(separator: "\n").compactMap { line -> (String, Int)? in
      let words = line.split(separator: " ")
      return words.count > 1 ? Int(words[1]).map { (String(words[0]), $0) } : nil
    }
    return Dictionary(pairs) { first, _ in first }
  }
}
