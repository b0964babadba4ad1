/// Decides whether a store that nobody named may be used, as git does of a repository with its safe.directory.
import Foundation

/// A store that was only found, and that somebody else may have put there.
package struct UntrustedStore: Error, CustomStringConvertible {
  let store: URL
  let reason: String
  package var description: String {
    "the store \(store.posixPath) was found and not named, and \(reason), so others may have prepared it; "
      + "to use it all the same, name it with --store or RETORT_STORE, which also name another place"
  }
}

/// Whose stores are used unnamed: one's own; under sudo, also those of whoever called it; and in the working folder
/// itself those of the folder's owner, who could as well have changed everything else there.
package struct StoreTrust: Sendable {
  private let trusted: Set<uid_t>
  private let workingFolder: FileStatus?

  package init(
    user: uid_t = geteuid(), sudoUser: String? = ProcessInfo.processInfo.environment["SUDO_UID"], workingFolder: URL
  ) {
    var trusted = [user]
    if user == 0, let caller = sudoUser.flatMap(uid_t.init) { trusted.append(caller) }
    self.trusted = Set(trusted)
    self.workingFolder = FileStatus.of(workingFolder)
  }

  /// - Throws: `UntrustedStore`; a store that is not there yet is anybody's.
  package func check(_ store: URL) throws {
    guard let found = FileStatus.of(store, followLinks: false) else { return }
    var trusted = trusted
    if let workingFolder, let parent = FileStatus.of(store.deletingLastPathComponent()),
      parent.stamp.device == workingFolder.stamp.device, parent.stamp.inode == workingFolder.stamp.inode
    {
      trusted.insert(workingFolder.owner)
    }
    // A link's owner chose where it leads.
    let target = found.isLink ? FileStatus.of(store) : found
    for owner in [found.owner, target?.owner ?? found.owner] where !trusted.contains(owner) {
      throw UntrustedStore(store: store, reason: "belongs to another user (\(owner))")
    }
    if let target, target.mode & 0o002 != 0 {
      throw UntrustedStore(store: store, reason: "everybody may write to it")
    }
  }
}
