/// Any bytes at all, as what workers, runs and other machines left, are read or refused.
import Artifacts
import Foundation
@testable import Pipelines
import TestSupport
import Testing

@testable import Scheduling

@Suite struct FuzzTests {
  private let key = StageKey(Digest(of: "key"))
  private let artifact = StoredArtifact(digest: Digest(of: "out"), bytes: 12, kind: .folder)

  /// Whether `body` gives something; what it throws is a refusal.
  private static func reads(_ body: () throws -> Any?) -> Bool {
    do { return try body() != nil } catch { return "\(error)".isEmpty }
  }

  @Test func `a mutated result in a remote store is taken or refused`() throws {
    let scratch = try ScratchFolder()
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let folder = scratch.url.appending(path: "remote")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let remote = try RemoteStore(at: folder)
    let result = RemoteResult(
      RecordedResult(
        key: key,
        preimage: [
          KeyComponent(name: "with.epochs", value: .int(3)), KeyComponent(name: "with.tau", value: .double(0.5)),
        ],
        result: StageResult(
          stage: "train", outputs: [:],
          metrics: [.init(name: "loss", value: 0.25, step: 7), .init(name: "odd", value: .nan)])), kind: "train")
    _ = try remote.push(result, from: store)
    let whole = try Array(Data(contentsOf: remote.keyFile(key.digest)))
    let outcome = try Fuzz("remote key", [whole], count: 500).run(
      prepare: { scratch in
        let remote = try RemoteStore(at: scratch)
        try FileManager.default.createDirectory(
          at: remote.keyFile(key.digest).deletingLastPathComponent(), withIntermediateDirectories: true)
        return remote
      },
      read: { bytes, remote in
        try Data(bytes).write(to: remote.keyFile(key.digest))
        return Self.reads { try remote.result(of: key, ports: nil) }
      })
    #expect(outcome.failures == [] && outcome.refused > 0, "\(outcome)")
  }

  @Test func `a mutated retort.json is read or refused`() throws {
    var stage = Provenance.Stage(name: "student", kind: "distill", key: key)
    stage.parameters = ["tau": .double(0.1), "modules": .list([.string("a"), .null]), "lora": .map(["r": .int(4)])]
    stage.seed = 7
    stage.inputs = ["train": .init(artifact, output: "split.train")]
    stage.outputs = ["model": .init(artifact)]
    stage.metrics = ["ndcg@10": 0.5, "odd": .infinity]
    var provenance = Provenance(pipeline: "p", stage: "student", stages: [stage])
    provenance.contents = [".": "student.model"]
    let outcome = try Fuzz("retort.json", [Array(provenance.encoded())], count: 500).run(
      prepare: { $0 },
      read: { bytes, folder in
        try Data(bytes).write(to: folder.appending(path: Provenance.fileName))
        return Self.reads { try Provenance.read(at: folder).provenance.encoded() }
      })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }

  @Test func `a mutated state of a training is taken up or refused`() throws {
    let scratch = try ScratchFolder()
    let file = scratch.url.appending(path: "state")
    let state = SavedState(step: 7, outline: Data(#"{"epoch": 1}"#.utf8), tensors: [Data(count: 16), Data([1, 2, 3])])
    try CheckpointFile(key: key, events: 120, state: state).write(to: file, FileOperations())
    let whole = try Array(Data(contentsOf: file))
    let outcome = try Fuzz("state", [whole], count: 500).run(
      prepare: { $0.appending(path: "state") },
      read: { bytes, file in
        // Three of four with the digest that they should have, so that the rest is looked at.
        let body = Data(bytes.dropLast(32))
        let digest = bytes.count % 4 == 0 ? Array(bytes.suffix(32)) : Digest(of: body).bytes
        try (body + digest).write(to: file)
        return Self.reads { try CheckpointFile(file, of: key).state.tensors.map { $0.reduce(0, &+) } }
      })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }

  @Test func `mutated events and results of a worker are read or refused`() throws {
    let events: [StageEvent] = [
      .log("a\u{1b}[31m"), .warning("b"), .metric("loss", 0.5, step: 3), .metric("odd", .nan, step: nil),
      .progress(done: 3, total: 9, detail: "loss 0.5"),
    ]
    let lines = try events.reduce(into: Data()) { $0 += try storedJSON($1) + Data("\n".utf8) }
    let result = StageResult(
      stage: "train", outputs: ["model": artifact], peakMemory: 1 << 30,
      continuation: .init(key: key, length: 3, artifact: artifact))
    let holder = LockHolder(pid: 4, host: "here", stage: "train", events: 7)
    let files = try [lines, storedJSON(result), storedJSON(holder)].map { Array($0) }
    let outcome = try Fuzz("events, result, holder", files, count: 500).run(
      prepare: { WorkFolder($0) },
      read: { bytes, work in
        for file in [work.events, work.result, work.lock] { try Data(bytes).write(to: file) }
        var tail = ProgressTail(work)
        let reads = [
          Self.reads { try work.readEvents().isEmpty ? nil : true }, Self.reads { try work.readResult() },
          Self.reads { work.readHolder() },
          Self.reads {
            try tail.read()
            return tail.progress
          },
        ]
        return reads.contains(true)
      })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }
}
