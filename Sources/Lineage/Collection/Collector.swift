/// Removes from the store what nothing refers to: marks it first, and takes it away when the mark is old enough.
///
/// Whoever finds an artifact or takes one in shares `gc.lock` until the database or a `result.json` says that it is in
/// use. Deciding and taking aside happen while the lock is held alone, so between a decision and its execution nothing
/// gets into use. Rows go before files: a collection that is killed leaves files that nothing refers to.
import Artifacts
import Foundation
import GRDB
import Pipelines
import Scheduling

package struct Collector {
  private let store: Store
  private let journal: Journal
  private let keep: Int
  private let grace: TimeInterval
  private let stages: @Sendable (URL) -> Set<String>?
  private let clock: () -> Date
  /// They never change, so they are read once.
  private var manifests: [Digest: FolderManifest?] = [:]

  /// - Parameters:
  ///   - keep: how many of the latest runs stay.
  ///   - grace: seconds that something must have been without use.
  ///   - stages: the names of the stages that a pipeline file has; `nil` if it cannot be told.
  package init(
    store: Store, journal: Journal, keep: Int, grace: TimeInterval, stages: @escaping @Sendable (URL) -> Set<String>?,
    clock: @escaping () -> Date = { Date() }
  ) {
    self.store = store
    self.journal = journal
    self.keep = keep
    self.grace = grace
    self.stages = stages
    self.clock = clock
  }

  /// What a collection would find now. Changes nothing and waits for nobody.
  package mutating func survey() throws -> CollectionReport {
    let unreachable = try unreachable()
    let garbage = decide(unreachable, try journal.database.read { try $0.marks() })
    var report = try CollectionReport(garbage, store: store, grace: grace)
    report.damagedFolders = damagedFolders
    return report
  }

  /// - Parameter waits: called when somebody is taking something in, so that this waits.
  package mutating func collect(waits: () -> Void = {}) throws -> CollectionReport {
    // Reads most manifests before the lock is taken, so that it is held for moments.
    _ = try unreachable()

    let discard = try store.discard()
    let report = try takeAside(into: discard, waits)
    try discard.remove()
    return report
  }

  private mutating func takeAside(into discard: borrowing Discard, _ waits: () -> Void) throws -> CollectionReport {
    let lock = try store.collectorLock()
    defer { withExtendedLifetime(lock) {} }
    if try !lock.take() {
      waits()
      try lock.wait()
    }
    let unreachable = try unreachable()
    let garbage = decide(unreachable, try journal.database.read { try $0.marks() })
    let due = garbage.due.filter { $0.area == .object }.compactMap { Digest(hex: $0.name) }
    let results = try journal.database.write { [keep] db in
      try db.replaceMarks(garbage.waiting)
      return try db.forget(due, stampsBefore: db.start(ofLatest: max(keep, 1)))
    }
    var report = try CollectionReport(garbage, store: store, grace: grace)
    report.isApplied = true
    report.results = results
    report.damagedFolders = damagedFolders
    for places in garbage.due.map(store.places) + (try store.staleTemporaries() + [store.damagedFolder]).map({ [$0] }) {
      // A folder that stays keeps its manifest.
      for url in places where try !discard.take(url) {
        report.foreign.append(url.posixPath)
        break
      }
    }
    return report
  }

  private var damagedFolders: [String] {
    manifests.filter { $0.value == nil }.map(\.key.description).sorted()
  }

  private func decide(_ unreachable: Set<StoredItem>, _ marks: [StoredItem: Date]) -> Garbage {
    Garbage(
      unreachable: unreachable, marks: marks, manifests: manifests.compactMapValues { $0 }, now: clock(), grace: grace)
  }

  /// Everything that no root leads to; reads the manifests of all folders on the way.
  private mutating func unreachable() throws -> Set<StoredItem> {
    let contents = try store.contents()
    let live = try contents.logs.filter { try store.isRunning($0) }.sorted()
    let busy = try contents.work.filter { try folder($0).isHeld }
    let question = GarbageQuestion(keep: keep, live: live, busy: Array(busy), stages: stages)
    let (states, folders) = try journal.database.read { db in
      (try db.workStates(of: contents.work, live: live), try db.folders())
    }
    // Read before the rows: a result that is recorded between the two is seen twice, not never.
    var results: [Digest: StageResult] = [:]
    for key in contents.work where states[key]?.isFinished != true || states[key]?.isRunning == true {
      results[key] = try folder(key).readWholeResult()
    }
    let roots = try journal.database.read { try $0.roots(question) }

    var unreachable: Set<StoredItem> = []
    var artifacts = roots.artifacts
    for key in contents.work {
      if busy.contains(key) || isInUse(states[key], result: results[key] != nil, isRoot: roots.keys.contains(key)) {
        artifacts.formUnion(results[key]?.artifacts ?? [])
      } else {
        unreachable.insert(StoredItem(area: .work, name: key.description))
      }
    }
    for run in contents.logs where !roots.runs.contains(run) {
      unreachable.insert(StoredItem(area: .log, name: String(run)))
    }
    var reached: Set<Digest> = []
    for artifact in artifacts {
      reached.insert(artifact.digest)
      guard artifact.kind == .folder, contents.objects.contains(artifact.digest) else { continue }
      reached.formUnion(try manifest(artifact.digest)?.files ?? [])
    }
    let others = contents.objects.union(contents.trees).union(contents.views).subtracting(reached)
    for digest in others {
      unreachable.insert(.object(digest))
      if folders.contains(digest) || contents.trees.contains(digest) { _ = try manifest(digest) }
    }
    return unreachable
  }

  /// Whether a folder of work that nobody holds may still be of use.
  private func isInUse(_ state: (isFinished: Bool, isRunning: Bool)?, result: Bool, isRoot: Bool) -> Bool {
    // A run that lives waits for this.
    if state?.isRunning == true { return true }
    // Recorded: the rows have all of it.
    if state?.isFinished == true { return false }
    // Complete, and known to no run, as when the database was lost; else of a run that people care about.
    return isRoot || (state == nil && result)
  }

  private func folder(_ key: Digest) -> WorkFolder { WorkFolder(store.workFolder(of: key)) }

  private mutating func manifest(_ digest: Digest) throws -> FolderManifest? {
    if let known = manifests[digest] { return known }
    let manifest = try store.manifest(digest)
    manifests[digest] = .some(manifest)
    return manifest
  }
}

extension Store {
  fileprivate func places(of item: StoredItem) -> [URL] {
    switch item.area {
    case .object: Digest(hex: item.name).map { [treeURL($0), views(of: $0), objectURL($0)] } ?? []
    case .work: Digest(hex: item.name).map { [workFolder(of: $0)] } ?? []
    case .log: Int(item.name).map { [logFolder(ofRun: $0)] } ?? []
    }
  }
}

extension WorkFolder {
  /// `nil` also for one that cannot be read: whoever runs the stage makes it again.
  fileprivate func readWholeResult() throws -> StageResult? {
    do { return try readResult() } catch is DecodingError { return nil } catch is UnexpectedFile { return nil }
  }
}

/// `retort gc`.
package struct CollectionReport: Codable, Sendable {
  package struct Part: Codable, Sendable, Equatable {
    package var count = 0
    /// That removing it gives back; a file counts once, whatever number of names it has.
    package var bytes = 0
    package init(count: Int = 0, bytes: Int = 0) {
      self.count = count
      self.bytes = bytes
    }
  }
  package var isApplied = false
  /// Seconds.
  package var grace: Double
  /// Removed, or what `--apply` would remove: by area, `object`, `work`, `log`.
  package var removed: [String: Part] = [:]
  /// Waits until the grace is over.
  package var waiting: [String: Part] = [:]
  /// Results that were forgotten.
  package var results = 0
  /// Numbers of the runs whose logs are among what is removed.
  package var logs: [Int] = []
  /// Digests of folders whose manifests are damaged, so that their files are not known.
  package var damagedFolders: [String] = []
  /// Folders that other users made, and whom alone the system lets remove them.
  package var foreign: [String] = []

  init(_ garbage: Garbage, store: Store, grace: TimeInterval) throws {
    self.grace = grace
    // Objects last: what a folder's files are names of counts as an object.
    var use = DiskUse()
    for area in [StoredItem.Area.log, .work, .object] {
      let before = use.bytes
      let items = garbage.due.filter { $0.area == area }
      for item in items { for url in store.places(of: item) { try use.add(url) } }
      if !items.isEmpty { removed[area.rawValue] = Part(count: items.count, bytes: use.bytes - before) }
    }
    for area in [StoredItem.Area.log, .work, .object] {
      let before = use.bytes
      let items = garbage.waiting.keys.filter { $0.area == area }
      for item in items { for url in store.places(of: item) { try use.add(url) } }
      if !items.isEmpty { waiting[area.rawValue] = Part(count: items.count, bytes: use.bytes - before) }
    }
    logs = garbage.due.filter { $0.area == .log }.compactMap { Int($0.name) }.sorted()
  }
}

extension Database {
  fileprivate func marks() throws -> [StoredItem: Date] {
    let rows = try Row.fetchAll(self, sql: "SELECT area, name, since FROM collection_mark")
    return Dictionary(
      uniqueKeysWithValues: try rows.map { row in
        guard let area = StoredItem.Area(rawValue: row["area"]) else {
          throw DamagedRow(found: row["area"], expected: "object, work or log")
        }
        return (StoredItem(area: area, name: row["name"]), row["since"])
      })
  }

  fileprivate func replaceMarks(_ marks: [StoredItem: Date]) throws {
    try execute(sql: "DELETE FROM collection_mark")
    let insert = try makeStatement(sql: "INSERT INTO collection_mark (area, name, since) VALUES (?, ?, ?)")
    for (item, since) in marks { try insert.execute(arguments: [item.area.rawValue, item.name, since]) }
  }

  /// Digests of all folders that a run ever saw.
  fileprivate func folders() throws -> Set<Digest> {
    Set(
      try String.fetchAll(self, sql: "SELECT digest FROM artifact WHERE kind = 'folder'").map { try Digest(stored: $0) }
    )
  }

  fileprivate func start(ofLatest count: Int) throws -> Date? {
    try Date.fetchOne(
      self, sql: "SELECT min(started) FROM (SELECT started FROM run ORDER BY id DESC LIMIT ?)", arguments: [count])
  }
}
