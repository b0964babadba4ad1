/// Models by name: which commit a name stands for, what that commit's files are, and the files themselves.
import Artifacts
import Basics
import Foundation
import Pipelines
import Processes
import Synchronization

/// How far a download is.
package struct HubProgress: Sendable {
  /// `hf://org/name`.
  package var model: String
  /// Bytes, of those that were missing.
  package var done, total: Int
  /// Whether somebody else is downloading what is wanted.
  package var waits = false
}

/// Told of a download five times a second; `false` ends it.
package typealias HubWatcher = (HubProgress) -> Bool

package struct Hub: Sendable {
  package let settings: HubSettings
  private let cache: HubCache
  private let client: HubClient
  private let answers = Answers()

  /// What names stood for when this process asked: it is told the same whoever asks.
  private final class Answers: Sendable {
    let revisions = Mutex<[HubReference: HubRevision]>([:])
  }

  package init(
    _ settings: HubSettings = HubSettings(), pause: @escaping @Sendable (Int) -> Void = { sleep(UInt32($0)) }
  ) {
    self.settings = settings
    cache = HubCache(root: settings.cache)
    client = HubClient(settings: settings, pause: pause)
  }

  // MARK: - Names

  /// What a name stands for. The hub is asked unless it is known; weights are not downloaded.
  /// - Parameters:
  ///   - known: what it stood for before.
  ///   - refresh: ask although it is known.
  package func revision(
    of reference: HubReference, known: HubRevision? = nil, refresh: Bool = false, watcher: HubWatcher = { _ in true }
  ) throws -> HubRevision {
    if !refresh {
      if let answer = answers.revisions.withLock({ $0[reference] }) { return answer }
      if let known, known.isCurrent, known.isSound { return known }
    }
    let answer = try ask(reference, known, refresh, watcher)
    answers.revisions.withLock { $0[reference] = answer }
    return answer
  }

  private func ask(
    _ reference: HubReference, _ known: HubRevision?, _ refresh: Bool, _ watcher: HubWatcher
  ) throws -> HubRevision {
    let name = reference.revision ?? "main"
    // The commit is good even where an older Retort remembered it; which files are used may have changed.
    let wanted = refresh ? name : known.map(\.commit).flatMap { isCommit($0) ? $0 : nil } ?? name
    let repository = reference.repository
    if settings.isOffline {
      guard !refresh else { throw HubError("\(reference)", "HF_HUB_OFFLINE is set: the hub cannot be asked again") }
      guard let commit = try cache.commit(of: repository, wanted) else {
        throw HubError(
          "\(reference)",
          "HF_HUB_OFFLINE is set, and \(settings.cache.posixPath) lacks the model; download it once "
            + "without HF_HUB_OFFLINE")
      }
      let revision = HubRevision(repository: repository, revision: name, commit: commit)
      return try complete(revision, from: cache.files(of: repository, commit), watcher)
    }
    let (commit, files) = try client.listing(of: repository, wanted)
    return try complete(HubRevision(repository: repository, revision: name, commit: commit), from: files, watcher)
  }

  /// Chooses the files and learns their digests.
  private func complete(
    _ revision: HubRevision, from all: [HubFile], _ watcher: HubWatcher
  ) throws -> HubRevision {
    var revision = revision
    let byPath = Dictionary(all.map { ($0.path, $0) }) { first, _ in first }
    func decode<Value: Decodable>(_ path: String, as type: Value.Type) throws -> Value {
      guard let file = byPath[path] else { throw HubError(revision.name, "it lacks \(path)") }
      try fetch([file], of: revision, watcher)
      do {
        return try JSONDecoder().decode(
          type, from: ForeignFile.contents(of: cache.place(of: file, revision), atMost: 64 << 20))
      } catch let error where error is DecodingError || error is ForeignFile.Refusal {
        throw HubError(revision.name, "\(path) cannot be read: \(error)")
      }
    }
    struct Module: Decodable { var path: String }
    let modules = byPath["modules.json"] == nil ? [] : try decode("modules.json", as: [Module].self).map(\.path)
    var selection = HubSelection(of: all.map(\.path), modules: modules)
    if let index = selection.index {
      struct Index: Decodable { var weight_map: [String: String] }
      let missing = selection.add(shards: Array(try decode(index, as: Index.self).weight_map.values))
      guard missing.isEmpty else {
        throw HubError(revision.name, "it lacks \(missing.joined(separator: ", ")), which \(index) names")
      }
    }
    guard selection.hasWeights else {
      if settings.isOffline {
        throw HubError(
          revision.name,
          "HF_HUB_OFFLINE is set, and \(folder(of: revision).posixPath) has no weights; download it once "
            + "without HF_HUB_OFFLINE")
      }
      let others = all.map(\.path).filter { path in
        [".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".bin", ".safetensors"].contains { path.hasSuffix($0) }
      }
      let found = others.isEmpty ? "no weights" : "only " + others.prefix(4).joined(separator: ", ")
      throw HubError(
        revision.name, "found \(found), expected model.safetensors or pytorch_model.bin; take a model that has one")
    }
    revision.card = byPath["README.md"]
    let files = selection.paths.compactMap { byPath[$0] }.sorted {
      $0.path.utf8.lexicographicallyPrecedes($1.path.utf8)
    }
    let small = files.filter { $0.digest == nil }
    try fetch(small, of: revision, watcher)
    revision.files = try files.map { file in
      var file = file
      guard file.digest == nil else { return file }
      let place = cache.place(of: file, revision)
      // A file that is not a link to a blob lacks a name to check it by.
      guard try file.etag.isEmpty || isWhole(place, file) else { throw damage(of: file, revision) }
      file.digest = try FileContent.read(place).digest
      return file
    }
    return revision
  }

  // MARK: - Files

  /// Where the files lie, or will.
  package func folder(of revision: HubRevision) -> URL { cache.snapshot(revision.repository, revision.commit) }

  /// Every model that the cache has files of, the commit of its main branch, else any, and what the disk holds of it.
  package func cachedModels() throws -> [(repository: String, commit: String, bytes: Int)] { try cache.models() }

  /// Whether all files are there that a model is loaded from.
  package func holds(_ revision: HubRevision) -> Bool { revision.files.allSatisfy { cache.holds($0, revision) } }

  /// Downloads what is missing of what a model is loaded from, and its card. Afterwards Python finds the model too,
  /// under the name that led to it. Asks nobody and writes nothing where all is there.
  package func fetch(_ revision: HubRevision, watcher: HubWatcher = { _ in true }) throws {
    if holds(revision) { return }
    try fetch(revision.files + [revision.card].compactMap { $0 }, of: revision, watcher)
    try cache.remember(revision.commit, as: revision.revision, of: revision.repository)
  }

  /// Why a file of the cache cannot be used that somebody or something has changed.
  package func damage(of file: HubFile, _ revision: HubRevision) -> HubError {
    let place = cache.place(of: file, revision).resolvingSymlinksInPath().posixPath
    return HubError(revision.name, "\(place) is not what the hub lists; remove it and run again")
  }

  /// Downloads the model card, unless that is impossible offline.
  func fetchCard(of revision: HubRevision) throws {
    if let card = revision.card, !settings.isOffline { try fetch([card], of: revision) { _ in true } }
  }

  private func fetch(_ files: [HubFile], of revision: HubRevision, _ watcher: HubWatcher) throws {
    let missing = files.filter { !cache.holds($0, revision) }
    guard !missing.isEmpty else { return }
    if settings.isOffline {
      throw HubError(
        revision.name,
        "HF_HUB_OFFLINE is set, and \(folder(of: revision).posixPath) lacks "
          + missing.map(\.path).joined(separator: ", ") + "; download it once without HF_HUB_OFFLINE")
    }
    if let nameless = missing.first(where: \.etag.isEmpty) {
      throw HubError(
        revision.name,
        "\(nameless.path) is gone from the cache, and what it was is not known; ask the hub again: "
          + "`retort run --refresh`")
    }
    var progress = HubProgress(
      model: "hf://\(revision.repository)", done: 0, total: missing.reduce(0) { $0 + $1.bytes })
    for file in missing {
      let before = progress.done
      try fetch(file, of: revision) { done in
        progress.done = before + (done ?? 0)
        progress.waits = done == nil
        return watcher(progress)
      }
      progress.done = before + file.bytes
    }
  }

  /// - Parameter goesOn: told how many bytes are there, `nil` while somebody else downloads them.
  private func fetch(_ file: HubFile, of revision: HubRevision, _ goesOn: (Int?) -> Bool) throws {
    guard let lock = try cache.lock(file.etag, of: revision.repository, while: { goesOn(nil) }) else {
      throw HubError(revision.name, "the download was stopped; the next one goes on from there")
    }
    defer { withExtendedLifetime(lock) {} }
    let blob = cache.blob(revision.repository, file.etag)
    let operations = FileOperations()
    if Int(FileStatus.of(blob)?.stamp.size ?? -1) != file.bytes {
      try operations.makeFolder(blob.deletingLastPathComponent())
      let incomplete = blob.sibling("\(blob.lastPathComponent).incomplete")
      var hadSome = FileStatus.of(incomplete) != nil
      while true {
        try client.download(file, of: revision, to: incomplete) { goesOn($0) }
        if try isWhole(incomplete, file) { break }
        try operations.remove(incomplete)
        // Somebody else may have begun it, in another way.
        guard hadSome else { throw client.wrongContent(file, revision) }
        hadSome = false
      }
      try operations.rename(incomplete, to: blob)
    }
    if !cache.holds(file, revision) { try cache.link(file, revision) }
  }

  private func isWhole(_ url: URL, _ file: HubFile) throws -> Bool {
    if let digest = Digest(hex: file.etag) { return try FileContent.read(url).digest == digest }
    return try gitBlobHash(ofFile: url) == file.etag
  }

  // MARK: - Looking

  /// Gives a folder that is loaded like the model's as long as nobody reads a weight: the model's own if all of it is
  /// there, else one in which files of weights have their headers and their size, and take no room.
  /// - Parameter target: what is made in the second case; its parent is there.
  package func outline(of revision: HubRevision, at target: URL, watcher: HubWatcher = { _ in true }) throws -> URL {
    try fetch(revision.files.filter { !$0.isWeights }, of: revision, watcher)
    if holds(revision) { return folder(of: revision) }
    // Before anything is copied it is clear whether all can be looked at.
    for file in revision.files.sorted(by: { $0.isWeights && !$1.isWeights }) {
      let place = target.appending(path: file.path, directoryHint: .notDirectory)
      try FileOperations().makeFolder(place.deletingLastPathComponent())
      if file.isWeights {
        try header(of: file, revision).write(to: place)
        guard truncate(place.posixPath, off_t(file.bytes)) == 0 else { throw FileError("write", place) }
      } else {
        try FileManager.default.copyItem(at: cache.place(of: file, revision).resolvingSymlinksInPath(), to: place)
      }
    }
    return target
  }

  /// The length of a safetensors file's header and the header, or more.
  private func header(of file: HubFile, _ revision: HubRevision) throws -> Data {
    guard file.path.hasSuffix(".safetensors") else {
      throw WeightsNeeded(model: revision.name, path: file.path)
    }
    func beginning(_ bytes: Int) throws -> Data {
      if cache.holds(file, revision) {
        let handle = try FileHandle(forReadingFrom: cache.place(of: file, revision))
        return try handle.read(upToCount: bytes) ?? Data()
      }
      if settings.isOffline {
        throw HubError(revision.name, "HF_HUB_OFFLINE is set, and the cache lacks \(file.path)")
      }
      return try client.beginning(of: file, revision, bytes: bytes)
    }
    let start = try beginning(1 << 18)
    let length = start.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    // What is wrong with a header its reader says.
    guard length < 100 << 20, Int(length) + 8 > start.count, file.bytes > start.count else { return start }
    return try beginning(Int(length) + 8)
  }
}

extension HubRevision {
  /// Whether all that it names lies where it belongs: somebody else may have written it.
  fileprivate var isSound: Bool { isCommit(commit) && (files + [card].compactMap { $0 }).allSatisfy(\.isSound) }
}

extension HubFile {
  /// Whether it holds tensors.
  fileprivate var isWeights: Bool { [".safetensors", ".bin"].contains { path.hasSuffix($0) } }
}
