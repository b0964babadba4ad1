/// Memory of a worker and of everything it started, as Linux tells it.
import Foundation

package enum SessionMemory {
  /// Resident bytes of the processes whose session this process leads; `nil` if there are none, or where
  /// the system cannot tell.
  package static func residentBytes(ofSession leader: Int32) -> Int? {
    guard FileManager.default.fileExists(atPath: "/proc/\(leader)/stat"),
      let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc")  // `nil` means the same
    else { return nil }
    let pages = names.filter { $0.first?.isNumber == true }.compactMap { name -> Int? in
      // A process may end while we look.
      guard let data = FileManager.default.contents(atPath: "/proc/\(name)/stat") else { return nil }
      // After the program's name, which may hold anything: state, ppid, pgrp, session, …, rss as the 24th of all.
      let text = String(decoding: data, as: UTF8.self)
      guard let end = text.lastIndex(of: ")") else { return nil }
      let fields = text[text.index(after: end)...].split(separator: " ")
      guard fields.count > 21, Int32(fields[3]) == leader else { return nil }
      return Int(fields[21])
    }
    let sum = pages.reduce(0, +)
    return sum > 0 ? sum * Int(sysconf(Int32(_SC_PAGESIZE))) : nil
  }
}
