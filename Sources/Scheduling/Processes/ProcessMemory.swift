/// How much memory workers use and have needed.
import Foundation

/// Bytes that this process, or the largest of its children that ended, has had in memory at most.
///
/// The process's own is from `VmHWM`, not `getrusage`: Linux adds the parent's peak to that of a new program. For the
/// same reason a child counts at least as much as this process had when it started it, which the maximum of both does
/// not change.
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

/// Resident bytes of the processes whose session this process leads, a worker's and what it started; `nil` if there are
/// none, or where the system cannot tell.
package func residentMemory(ofSession leader: Int32) -> Int? {
  let members = ProcessEntry.all().filter { $0.session == leader }
  let sum = members.reduce(0) { $0 + $1.resident }
  return sum > 0 && members.contains { $0.pid == leader } ? sum : nil
}
