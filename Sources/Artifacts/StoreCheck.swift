/// Reads every file of the store, on all cores, and compares it with what its name says.
import Foundation
import Synchronization

package struct StoreCheck: Sendable {
  package struct Finding: Sendable {
    package var damage: Damage
    /// Of the object, or of the folder in `trees`.
    package var digest: Digest
    package var isTree: Bool
  }
  package var contents: StoreContents
  /// Objects that were read, and their bytes.
  package var files = 0
  package var bytes = 0
  package var findings: [Finding] = []
  /// Of every folder whose manifest is whole.
  package var manifests: [Digest: FolderManifest] = [:]
  private var good: [FileIdentity: Digest] = [:]

  private struct FileIdentity: Hashable {
    var device: Int64
    var inode: Int64
    init(_ status: FileStatus) { (device, inode) = (status.stamp.device, status.stamp.inode) }
  }

  /// - Parameters:
  ///   - folders: digests that are known to be of folders.
  ///   - progress: called from any thread with the bytes that were read, of so many.
  package init(
    _ store: Store, folders: Set<Digest>, progress: @escaping @Sendable (_ bytes: Int, _ total: Int) -> Void
  ) throws {
    contents = try store.contents()
    try readObjects(store, progress)
    for digest in contents.trees.union(folders.intersection(contents.objects)) {
      manifests[digest] = try store.manifest(digest)
    }
    try readTrees(store)
  }

  private mutating func readObjects(_ store: Store, _ progress: @escaping @Sendable (Int, Int) -> Void) throws {
    let objects = contents.objects.sorted()
    let total = objects.reduce(0) { $0 + Int(FileStatus.of(store.object($1))?.stamp.size ?? 0) }
    let shared = Mutex(self)
    DispatchQueue.concurrentPerform(iterations: objects.count) { index in
      let url = store.object(objects[index])
      let status = FileStatus.of(url, followLinks: false)
      let damage = store.contentDamage(url, objects[index])
      shared.withLock { check in
        guard let status else { return }
        check.files += 1
        check.bytes += Int(status.stamp.size)
        if let damage {
          check.findings.append(Finding(damage: damage, digest: objects[index], isTree: false))
        } else {
          check.good[FileIdentity(status)] = objects[index]
        }
        progress(check.bytes, total)
      }
    }
    self = shared.withLock { $0 }
  }

  private mutating func readTrees(_ store: Store) throws {
    let trees = contents.trees.sorted()
    let (manifests, good) = (manifests, good)
    let found = Mutex<[Finding]>([])
    DispatchQueue.concurrentPerform(iterations: trees.count) { index in
      let damage = store.treeContentDamage(trees[index], manifests[trees[index]]) { status in
        good[FileIdentity(status)]
      }
      if let damage { found.withLock { $0.append(Finding(damage: damage, digest: trees[index], isTree: true)) } }
    }
    findings += found.withLock { $0 }
    findings.sort { $0.damage.url.posixPath < $1.damage.url.posixPath }
  }

  /// Digests of damaged objects or trees.
  private func damaged(trees: Bool) -> Set<Digest> { Set(findings.filter { $0.isTree == trees }.map(\.digest)) }

  /// Those of which something is missing that they are made of or can be made again from.
  package func broken(_ artifacts: Set<StoredArtifact>) -> Set<StoredArtifact> {
    let objects = contents.objects.subtracting(damaged(trees: false))
    let trees = contents.trees.subtracting(damaged(trees: true))
    return artifacts.filter { artifact in
      guard objects.contains(artifact.digest) else { return true }
      guard artifact.kind == .folder else { return false }
      guard let manifest = manifests[artifact.digest] else { return true }
      return !trees.contains(artifact.digest) && !manifest.files.allSatisfy(objects.contains)
    }
  }
}

extension Store {
  /// Where damaged files wait to be looked at, until the next collection.
  package var damagedFolder: URL { root.appending(path: "damaged") }

  /// Reads the file; `nil` also for one that is gone.
  func contentDamage(_ file: URL, _ digest: Digest) -> Damage? {
    do {
      let found = try FileContent.read(file).digest
      return found == digest ? nil : Damage(url: file, found: "bytes of \(found)", expected: "\(digest)")
    } catch {
      return FileStatus.of(file, followLinks: false) == nil
        ? nil : Damage(url: file, found: "\(error)", expected: "\(digest)")
    }
  }

  /// Reads what is not known to be whole; `nil` also for a tree that is gone.
  /// - Parameter known: the digest of a file that was read already.
  func treeContentDamage(
    _ digest: Digest, _ manifest: FolderManifest?, known: (FileStatus) -> Digest?
  ) -> Damage? {
    let tree = tree(digest)
    guard FileStatus.of(tree, followLinks: false) != nil else { return nil }
    guard let manifest else { return Damage(url: tree, found: "no manifest", expected: "one in objects") }
    do {
      let entries = try FolderScan.entries(of: tree)
      // Texts that look alike are one text to Swift.
      let expected = Set(manifest.entries.map { Array($0.path.utf8) })
      if let more = entries.first(where: { !expected.contains(Array($0.path.utf8)) }) {
        return Damage(url: more.url, found: "a file", expected: "nothing of that name")
      }
      let found = Dictionary(uniqueKeysWithValues: entries.map { (Array($0.path.utf8), $0) })
      for entry in manifest.entries {
        let url = tree.appending(path: entry.path)
        guard let there = found[Array(entry.path.utf8)] else {
          return Damage(url: url, found: "nothing", expected: "a file")
        }
        guard case .file(let digest, _, let executable) = entry.content else { continue }
        guard there.isFile, there.isExecutable == executable, let status = FileStatus.of(url) else {
          return Damage(url: url, found: "another kind of file", expected: executable ? "a program" : "a file")
        }
        if known(status) == digest { continue }
        if let damage = contentDamage(url, digest) { return damage }
      }
      return nil
    } catch {
      return FileStatus.of(tree, followLinks: false) == nil
        ? nil : Damage(url: tree, found: "\(error)", expected: "the folder of its manifest")
    }
  }

  /// Moves what is still damaged to `.retort/damaged`, brings back what trees and objects have of each other, and
  /// returns what was damaged indeed. Only for whoever has the collector's lock alone.
  package func takeAway(_ check: StoreCheck, owner: String) throws -> [StoreCheck.Finding] {
    let confirmed = check.findings.filter { finding in
      finding.isTree
        ? treeContentDamage(finding.digest, check.manifests[finding.digest], known: { _ in nil }) != nil
        : contentDamage(object(finding.digest), finding.digest) != nil
    }
    if !confirmed.isEmpty { try files.makeFolder(damagedFolder) }
    for finding in confirmed {
      let url = finding.isTree ? tree(finding.digest) : object(finding.digest)
      let target = damagedFolder.appending(path: "\(finding.digest)\(finding.isTree ? ".folder" : "")")
      try files.remove(target)
      if finding.isTree { try files.makeWritable(url) }
      try files.rename(url, to: target)
      if !finding.isTree { try files.remove(views(of: finding.digest)) }
    }
    let staging = stagingFolder(of: owner)
    try files.remove(staging)
    try files.makeFolder(staging)
    for (folder, manifest) in check.manifests where FileStatus.of(tree(folder)) != nil {
      for case (let path, .file(let digest, let bytes, _)) in manifest.entries.map({ ($0.path, $0.content) })
      where FileStatus.of(object(digest)) == nil {
        let temporary = staging.appending(path: "object")
        let copied = try files.copy(tree(folder).appending(path: path), to: temporary, mode: 0o444, sealed: true)
        if copied.digest == digest {
          try admit(temporary, as: digest, bytes: bytes)
        } else {
          try files.remove(temporary)
        }
      }
    }
    try files.remove(staging)
    for (folder, manifest) in check.manifests where FileStatus.of(tree(folder)) == nil {
      _ = try damage(of: StoredArtifact(digest: folder, bytes: manifest.bytes, kind: .folder), owner: owner)
    }
    return confirmed
  }
}

extension FolderManifest {
  /// Digests of the files.
  package var files: [Digest] {
    entries.compactMap { if case .file(let digest, _, _) = $0.content { digest } else { nil } }
  }
}
