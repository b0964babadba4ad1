/// Which processes belong to a worker, as /proc tells it.
import Foundation
@testable import Scheduling
import Testing

@Suite struct ProcessTreeTests {
  /// A line of /proc/<pid>/stat with the fields that matter.
  private func entry(_ pid: Int, parent: Int, session: Int, start: Int = 1, state: String = "S") -> ProcessEntry? {
    let after =
      ["\(state)", "\(parent)", "\(pid)", "\(session)"] + Array(repeating: "0", count: 15) + ["\(start)", "0", "3"]
    return ProcessEntry(stat: "\(pid) (a (b) c) \(after.joined(separator: " ")) 0 0\n")
  }
  private func members(_ tree: ProcessTree) -> [pid_t] { tree.members.keys.sorted() }

  @Test func `a line of stat is read past whatever a command calls itself`() throws {
    let found = try #require(entry(7, parent: 3, session: 5, start: 99))
    #expect((found.pid, found.parent, found.session, found.start) == (7, 3, 5, 99))
    #expect(found.resident == 3 * Int(sysconf(Int32(_SC_PAGESIZE))))
    #expect(ProcessEntry(stat: "7 (cut sh") == nil)
    let own = try #require(ProcessEntry.of(getpid()))
    #expect(own.parent == getppid() && own.session == getsid(0) && own.resident > 0)
    #expect(own.ownMemory > 0 && own.ownMemory <= own.resident + 1 << 22)
  }

  @Test func `what left the session and lost its parent stays a member`() throws {
    var tree = ProcessTree(root: 10)
    let all = [
      entry(10, parent: 1, session: 10), entry(11, parent: 10, session: 10), entry(12, parent: 11, session: 12),
    ]
    .compactMap(\.self)
    tree.update(all + [entry(13, parent: 12, session: 13), entry(20, parent: 1, session: 20)].compactMap(\.self))
    #expect(members(tree) == [10, 11, 12, 13])
    // 11 ended, 12 is init's, 13 is a zombie, and 14 was started by 12.
    tree.update(
      [
        entry(10, parent: 1, session: 10), entry(12, parent: 1, session: 12), entry(14, parent: 12, session: 14),
        entry(13, parent: 1, session: 13, state: "Z"),
      ].compactMap(\.self))
    #expect(members(tree) == [10, 12, 14])
    // 12's number went to a stranger.
    tree.update([entry(10, parent: 1, session: 10), entry(12, parent: 1, session: 12, start: 5)].compactMap(\.self))
    #expect(members(tree) == [10])
  }
}
