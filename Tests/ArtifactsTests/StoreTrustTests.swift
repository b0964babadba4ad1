/// Whose stores are used without being named.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct StoreTrustTests {
  private let scratch: ScratchFolder
  private let store: URL
  /// Who owns it all, and somebody else.
  private let owner = geteuid()
  private let other = geteuid() + 1

  init() throws {
    scratch = try ScratchFolder()
    store = scratch.url.appending(path: "project/.retort")
    try FileOperations().makeFolder(store)
  }

  private func reason(user: uid_t, sudo: String? = nil, in folder: String = "project/deep") throws -> String? {
    let folder = scratch.url.appending(path: folder)
    try FileOperations().makeFolder(folder)
    do { try StoreTrust(user: user, sudoUser: sudo, workingFolder: folder).check(store) } catch let error
      as UntrustedStore
    { return error.reason }
    return nil
  }

  @Test func `one's own store is used, and one that is not there yet`() throws {
    #expect(try reason(user: owner) == nil)
    try FileOperations().remove(store)
    #expect(try reason(user: other) == nil)
  }

  @Test func `another user's store that was found by looking upwards is refused`() throws {
    #expect(try reason(user: other) == "belongs to another user (\(owner))")
  }

  @Test func `in the working folder the folder's owner may have a store`() throws {
    #expect(try reason(user: other, in: "project") == nil)
    #expect(try reason(user: other, in: "elsewhere") != nil)
  }

  @Test func `under sudo the caller's store is used, and SUDO_UID says nothing to anybody else`() throws {
    #expect(try reason(user: 0, sudo: "\(owner)") == nil)
    #expect(try reason(user: other, sudo: "\(owner)") != nil)
    #expect(try reason(user: other, sudo: "junk") != nil)
  }

  @Test(arguments: ["project", "project/deep"])
  func `a store that everybody may write to is refused, also one's own`(folder: String) throws {
    #expect(chmod(store.posixPath, 0o777) == 0)
    #expect(try reason(user: owner, in: folder) == "everybody may write to it")
    #expect(chmod(store.posixPath, 0o775) == 0)
    #expect(try reason(user: owner, in: folder) == nil)
  }

  @Test func `a link counts as its owner's and as what it leads to`() throws {
    try FileOperations().rename(store, to: store.sibling("real"))
    try FileManager.default.createSymbolicLink(atPath: store.posixPath, withDestinationPath: "real")
    #expect(try reason(user: owner) == nil)
    #expect(try reason(user: other) != nil)
    #expect(chmod(store.sibling("real").posixPath, 0o777) == 0)
    #expect(try reason(user: owner) != nil)
  }
}
