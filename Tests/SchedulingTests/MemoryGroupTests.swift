/// Control groups, in folders that stand for /proc and /sys.
import Foundation
@testable import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct MemoryGroupTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private func system(own: String = "/user/shell", controls: String, in folder: String) throws {
    try scratch.write("0::\(own)\n", to: "proc/self/cgroup")
    try scratch.write("cpu memory pids\n", to: "sys/fs/cgroup/cgroup.controllers")
    try scratch.write("\n", to: "sys/fs/cgroup/user/shell/cgroup.subtree_control")
    try scratch.write("\n", to: "sys/fs/cgroup/user/cgroup.subtree_control")
    try scratch.write("\(controls)\n", to: "sys/fs/cgroup/\(folder)/cgroup.subtree_control")
  }
  private func read(_ path: String) throws -> String {
    try String(contentsOf: scratch.url.appending(path: path), encoding: .utf8)
  }

  @Test func `a group is made where memory is controlled, and says whether the kernel killed in it`() throws {
    try system(controls: "cpu memory", in: "user/shell")
    let group = try #require(MemoryGroup(named: "retort-1", limit: 5_000_000, root: scratch.url))
    let folder = "sys/fs/cgroup/user/shell/retort-1"
    #expect(try read("\(folder)/memory.max") == "5000000")
    #expect(try read("\(folder)/memory.oom.group") == "1")
    #expect(group.admit(42))
    #expect(try read("\(folder)/cgroup.procs") == "42")
    try scratch.write("low 0\nmax 7\noom 1\noom_kill 0\n", to: "\(folder)/memory.events")
    #expect(!group.ranOut)
    try scratch.write("low 0\nmax 9\noom 2\noom_kill 3\n", to: "\(folder)/memory.events")
    try scratch.write("4999168\n", to: "\(folder)/memory.peak")
    #expect(group.ranOut && group.peak == 4_999_168)
  }

  @Test func `beside ours is the next best, and without control there is none`() throws {
    try system(controls: "memory", in: "user")
    // A plain file takes what is written to it, which the kernel refuses for a group that has processes.
    try FileManager.default.removeItem(
      at: scratch.url.appending(path: "sys/fs/cgroup/user/shell/cgroup.subtree_control"))
    try FileManager.default.createDirectory(
      at: scratch.url.appending(path: "sys/fs/cgroup/user/shell/cgroup.subtree_control"),
      withIntermediateDirectories: true)
    #expect(MemoryGroup(named: "retort-1", limit: 1, root: scratch.url) != nil)
    #expect(try read("sys/fs/cgroup/user/retort-1/memory.max") == "1")
    try scratch.write("4:memory:/a\n", to: "proc/self/cgroup")
    #expect(MemoryGroup(named: "retort-2", limit: 1, root: scratch.url) == nil)
  }

  @Test func `kills by the kernel are counted in the group and on the machine`() throws {
    try scratch.write("0::/a\n", to: "proc/self/cgroup")
    try scratch.write("pgfault 9\noom_kill 2\n", to: "proc/vmstat")
    #expect(KernelKills.count(root: scratch.url) == 2)
    try scratch.write("oom 1\noom_kill 1\noom_group_kill 0\n", to: "sys/fs/cgroup/a/memory.events")
    #expect(KernelKills.count(root: scratch.url) == 3)
    try scratch.write("4:cpu,memory:/b\n", to: "proc/self/cgroup")
    try scratch.write("under_oom 0\noom_kill 5\n", to: "sys/fs/cgroup/memory/b/memory.oom_control")
    #expect(KernelKills.count(root: scratch.url) == 7)
  }

  @Test func `memory is the machine's, or what is left of the least group around this process`() throws {
    try scratch.write("MemTotal: 8000 kB\nMemFree: 10 kB\nMemAvailable: 6000 kB\n", to: "proc/meminfo")
    try scratch.write("0::/a/b\n", to: "proc/self/cgroup")
    let machine = MachineMemory(root: scratch.url)
    #expect((machine.total, machine.available) == (8000 << 10, 6000 << 10))
    try scratch.write("max\n", to: "sys/fs/cgroup/a/b/memory.max")
    try scratch.write("\(3000 << 10)\n", to: "sys/fs/cgroup/a/memory.max")
    try scratch.write("\(2000 << 10)\n", to: "sys/fs/cgroup/a/memory.current")
    try scratch.write("anon 5\ninactive_file \(500 << 10)\n", to: "sys/fs/cgroup/a/memory.stat")
    let group = MachineMemory(root: scratch.url)
    #expect((group.total, group.available) == (3000 << 10, 1500 << 10))
    // Version 1 says “no limit” with a number larger than any machine.
    try scratch.write("9:memory:/c\n", to: "proc/self/cgroup")
    try scratch.write("9223372036854771712\n", to: "sys/fs/cgroup/memory/memory.limit_in_bytes")
    try scratch.write("\(1000 << 10)\n", to: "sys/fs/cgroup/memory/c/memory.limit_in_bytes")
    #expect(MachineMemory(root: scratch.url).total == 1000 << 10)
  }
}
