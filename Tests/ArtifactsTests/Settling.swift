/// Waits until files that a test wrote have no writers: a program that another test starts has them open for a moment.
@testable import Artifacts
import Foundation

func settled(_ url: URL) throws -> URL {
  let file = try Enclosure(nil).open(url, O_RDONLY)
  while file.hasWriters { sched_yield() }
  return url
}
