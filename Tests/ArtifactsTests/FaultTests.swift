/// Whatever fails, and wherever: nothing in the store is ever half there, and the next attempt succeeds.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct FaultTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder(inMemory: true) }

  private func folder(_ name: String = "model") throws -> URL {
    try scratch.write("weights", to: "\(name)/model.safetensors")
    let script = try scratch.write("#!/bin/sh\n", to: "\(name)/bin/run.sh")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.posixPath)
    let model = scratch.url.appending(path: name)
    try FileManager.default.createDirectory(at: model.appending(path: "empty"), withIntermediateDirectories: true)
    return model
  }

  /// Every object has the bytes that its name says; every tree has the digest that its name says.
  private func expectNothingHalf(_ root: URL, _ place: String) throws {
    let store = try Store(at: root)
    let contents = try store.contents()
    #expect(contents.unknown == [], "\(place)")
    for (digest, url) in contents.objects.map({ ($0, store.objectURL($0)) })
      + contents.trees.map({ ($0, store.treeURL($0)) })
    {
      #expect(try SourceHasher(memory: KnownStamps()).hash(url).artifact.digest == digest, "\(place)")
    }
  }

  /// Runs `body` with every fault at every operation that it can meet; `check` sees each store afterwards.
  /// - Parameter prepare: what the store holds before.
  private func everywhere(
    prepare: (Store) throws -> Void = { _ in }, _ body: (Store) throws -> Void,
    check: (Store, _ place: String) throws -> Void
  ) throws {
    func store(_ name: String, _ disk: FaultyDisk) throws -> (root: URL, store: Store) {
      let root = scratch.url.appending(path: "\(name)/.retort")
      try prepare(Store(at: root))
      // Opening makes nothing, since all is there.
      return (root, try Store(at: root, files: disk.files))
    }
    let counter = FaultyDisk()
    try body(store("count", counter).store)
    let operations = counter.operations
    try #require(operations.count > 3)
    for (number, operation) in operations.enumerated() {
      for fault in Fault.allCases where fault.concerns(operation) {
        let place = "\(fault) at operation \(number), \(operation)"
        let disk = FaultyDisk(fault, at: number)
        let (root, broken) = try store("\(fault) \(number)", disk)
        #expect(throws: (any Error).self, "\(place)") { try body(broken) }
        if fault == .crash { try disk.losePower(in: root) }
        try expectNothingHalf(root, place)
        try check(Store(at: root), place)
        try FileOperations().remove(root.deletingLastPathComponent())
      }
    }
  }

  @Test(arguments: ["a file", "a folder"])
  func `an ingest that fails anywhere leaves nothing half, and the next one succeeds`(what: String) throws {
    let source = what == "a file" ? try scratch.write("weights", to: "one.bin") : try folder()
    let expected = try Store(at: scratch.url.appending(path: "whole/.retort")).ingest(source, owner: "test")
    try everywhere {
      _ = try $0.ingest(source, owner: "test")
    } check: { store, place throws in
      #expect(try store.ingest(source, owner: "test") == expected, "\(place)")
      #expect(try store.damage(of: expected, owner: "test") == nil, "\(place)")
      #expect(
        try SourceHasher(memory: KnownStamps()).hash(store.url(of: expected)).artifact == expected, "\(place)")
      #expect(try FolderScan.names(in: store.root.appending(path: "tmp")).isEmpty, "\(place)")
    }
  }

  @Test func `a move into the store that fails anywhere leaves nothing half, and the next one succeeds`() throws {
    func made(_ store: Store) throws -> URL {
      let made = try folder("\(store.root.deletingLastPathComponent().lastPathComponent)/made")
      for path in ["model.safetensors", "bin/run.sh"] { _ = try settled(made.appending(path: path)) }
      return made
    }
    let expected = try Store(at: scratch.url.appending(path: "whole/.retort")).ingest(folder(), owner: "test")
    try everywhere { store throws in
      _ = try made(store)
    } _: { store throws in
      _ = try store.ingest(
        store.root.deletingLastPathComponent().appending(path: "made"), owner: "test", moves: true)
    } check: { store, place throws in
      // The stage writes its outputs again.
      #expect(try store.ingest(made(store), owner: "test", moves: true) == expected, "\(place)")
      #expect(
        try SourceHasher(memory: KnownStamps()).hash(store.url(of: expected)).artifact == expected, "\(place)")
      #expect(try FolderScan.names(in: store.root.appending(path: "tmp")).isEmpty, "\(place)")
    }
  }

  @Test func `an ingest over a damaged store mends it, wherever an earlier attempt failed`() throws {
    let source = try folder()
    let expected = try Store(at: scratch.url.appending(path: "whole/.retort")).ingest(source, owner: "test")
    func cut(_ store: Store) throws {
      _ = try store.ingest(source, owner: "test")
      let weights = store.url(of: expected).appending(path: "model.safetensors").posixPath
      chmod(weights, 0o644)
      truncate(weights, 2)
    }
    let counter = FaultyDisk()
    let root = scratch.url.appending(path: "count/.retort")
    try cut(Store(at: root))
    _ = try Store(at: root, files: counter.files).ingest(source, owner: "test")
    for (number, operation) in counter.operations.enumerated() {
      let root = scratch.url.appending(path: "\(number)/.retort")
      try cut(Store(at: root))
      let disk = FaultyDisk(.crash, at: number)
      #expect(throws: Crashed.self) { try Store(at: root, files: disk.files).ingest(source, owner: "test") }
      try disk.losePower(in: root)
      let store = try Store(at: root)
      #expect(try store.ingest(source, owner: "test") == expected)
      try expectNothingHalf(root, "a crash at \(operation)")
      #expect(try store.damage(of: expected, owner: "test") == nil)
    }
  }

  @Test func `a publication that fails anywhere leaves the old one or the new one`() throws {
    let source = try folder()
    let hasher = SourceHasher(memory: KnownStamps())
    let old = try scratch.write("old", to: "old/file").deletingLastPathComponent()
    let described = Data("{}".utf8)
    func content(_ store: Store, _ source: URL) throws -> PublishedContent {
      PublishedContent(artifacts: ["": try store.ingest(source, owner: "test")], description: described)
    }
    func target(_ store: Store) -> URL { store.root.deletingLastPathComponent().appending(path: "published") }
    func publish(_ store: Store, _ source: URL, last: Digest?) throws -> Digest {
      try store.publish(
        content(store, source), to: target(store), last: last, overwrite: false, hasher: hasher)
    }
    let whole = try Store(at: scratch.url.appending(path: "whole/.retort"))
    let first = try publish(whole, old, last: nil)
    let second = try publish(whole, source, last: first)
    try everywhere { store throws in
      _ = try publish(store, old, last: nil)
      _ = try store.ingest(source, owner: "test")
    } _: { store throws in
      _ = try publish(store, source, last: first)
    } check: { store, place throws in
      let found = try hasher.hash(target(store)).artifact.digest
      #expect([first, second].contains(found), "\(place)")
      #expect(try publish(store, source, last: found) == second, "\(place)")
      let beside = try FolderScan.names(in: store.root.deletingLastPathComponent())
      #expect(beside.sorted() == [".retort", "published"], "\(place)")
    }
  }

  @Test func `a removal that fails anywhere takes objects and folders as a whole or not at all`() throws {
    let source = try folder()
    let kept = try scratch.write("kept", to: "kept.txt")
    let expected = try Store(at: scratch.url.appending(path: "whole/.retort")).ingest(source, owner: "test")
    try everywhere { store throws in
      _ = try store.ingest(source, owner: "test")
      _ = try store.ingest(kept, owner: "test")
    } _: { store throws in
      let manifest = try #require(try store.manifest(expected.digest))
      let discard = try store.discard()
      _ = try discard.take(store.treeURL(expected.digest))
      for digest in manifest.files + [expected.digest] { _ = try discard.take(store.objectURL(digest)) }
      try discard.remove()
    } check: { store, place throws in
      #expect(try store.ingest(kept, owner: "test").bytes == 4, "\(place)")
      #expect(try store.ingest(source, owner: "test") == expected, "\(place)")
      #expect(try store.damage(of: expected, owner: "test") == nil, "\(place)")
      // The next collection clears what is left.
      let discard = try store.discard()
      for url in try store.staleTemporaries() { _ = try discard.take(url) }
      try discard.remove()
      #expect(try FolderScan.names(in: store.root.appending(path: "tmp")).isEmpty, "\(place)")
    }
  }

  @Test func `what its owner removes at the very moment of its removal is removed`() throws {
    let root = scratch.url.appending(path: ".retort")
    let left = try scratch.write("x", to: ".retort/tmp/left/object").deletingLastPathComponent()
    let store = try Store(
      at: root,
      files: FileOperations { operation, _ in
        if operation == "rename" { try FileOperations().remove(left) }
      })
    let discard = try store.discard()
    #expect(try discard.take(left))
    try discard.remove()
    #expect(try FolderScan.names(in: root.appending(path: "tmp")).isEmpty)
  }

  @Test func `a write that the system takes in pieces is whole`() throws {
    let store = try Store(
      at: scratch.url.appending(path: ".retort"), files: FileOperations(limit: { min($0, 3) }))
    let artifact = try store.ingest(scratch.write("abcdefghij", to: "a.txt"), owner: "test")
    #expect(try String(contentsOf: store.url(of: artifact), encoding: .utf8) == "abcdefghij")
    #expect(artifact.digest == Digest(of: "abcdefghij"))
  }
}
