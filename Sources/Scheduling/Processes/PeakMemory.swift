/// How much memory a worker has needed.
import Foundation

/// Bytes that this process, or the largest of its children that ended, has had in memory at most.
///
/// Of itself from `VmHWM`, not `getrusage`: Linux adds the parent's peak to that of a new program. For the same reason
/// a child counts at least as much as this process had when it started it, which the maximum of both does not change.
func peakMemory() throws -> Int {
  var children = rusage()
  #if os(Linux)
    getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &children)
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let own = line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    return max(own, children.ru_maxrss) * 1024
  #else
    getrusage(RUSAGE_CHILDREN, &children)
    var own = rusage()
    getrusage(RUSAGE_SELF, &own)
    return max(own.ru_maxrss, children.ru_maxrss)
  #endif
}
