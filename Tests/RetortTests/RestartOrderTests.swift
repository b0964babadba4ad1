/// Which order goes on with a run, and what is said of one that cannot be read.
import Artifacts
import Foundation
import TestSupport
import Testing

@testable import retort

@Suite struct RestartOrderTests {
  @Test func `a damaged order of one's own is named and not taken for none`() throws {
    let scratch = try ScratchFolder()
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    #expect(try OrderFile.order(after: 1, in: store) == nil)
    let file = OrderFile(in: store)
    try file.makeFolder()
    try file.write(
      RestartOrder(
        arguments: ["run", "p.yaml"], folder: "/", environment: [:], notify: nil, registration: .cron, boot: "b",
        runs: [1]))
    #expect(try OrderFile.order(after: 1, in: store)?.file.token == file.token)
    #expect(try OrderFile.order(after: 2, in: store) == nil)
    try store.files.replace(file.url, with: Data("{".utf8), mode: 0o600)
    let error = #expect(throws: Failure.self) { _ = try OrderFile.order(after: 1, in: store) }
    #expect(error?.message.contains("is no order of `retort run --restart`") == true)
  }
}
