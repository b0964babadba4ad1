/// Rows taken from earlier results: the bytes are those of computing everything, and only what is new is computed.
import Artifacts
import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct RecordReuseTests {
  private let run: StageRun
  private let models = fixtures.appending(path: "models")

  init() throws { run = try StageRun() }

  /// A stage's result as the coordinator would name it to a later one.
  private func result(_ port: String, at path: String) throws -> [String: EarlierOutput] {
    let url = run.folder.url.appending(path: path)
    let artifact = try SourceHasher(memory: KnownStamps()).hash(url).artifact
    return [port: EarlierOutput(artifact: artifact, url: url)]
  }

  /// Moves an output aside, so that the next run has room, and names it.
  private func keep(_ port: String, as name: String) throws -> [String: EarlierOutput] {
    let url = run.folder.url.appending(path: port)
    try FileManager.default.moveItem(at: url, to: run.folder.url.appending(path: name))
    return try result(port, at: name)
  }

  private func reused() -> Int? {
    run.messages.last { $0.contains("Reused: ") }.flatMap { Int($0.split(separator: " ").last ?? "") }
  }

  // MARK: - score

  private func candidates(_ queries: [(id: String, query: String, passages: [Int])]) -> [CandidateList] {
    queries.map { id, query, passages in
      CandidateList(
        id: id, query: query,
        candidates: passages.enumerated().map { place, passage in
          Candidate(
            passage: Passage(id: "\(id)-\(place)", text: String(repeating: "the river bank ", count: passage + 1)),
            isPositive: place == 0, source: .random)
        })
    }
  }

  private func score(_ lists: [CandidateList], earlier: [[String: EarlierOutput]] = []) async throws -> Data {
    try CandidateList.write(lists, to: run.folder.url.appending(path: "candidates.jsonl"))
    try await run.run(
      Score.self, inputs: ["teacher": models.appending(path: "classifier").path, "candidates": "candidates.jsonl"],
      earlier: earlier)
    return try Data(contentsOf: run.folder.url.appending(path: "scores"))
  }

  @Test func `score takes known pairs whatever their ids, their order and how often they come`() async throws {
    let first = candidates((0..<12).map { ("q\($0)", "where is \($0)", [$0, $0 + 1, $0 + 2]) })
    let full = try await score(first)
    #expect(reused() == 0)
    let earlier = try keep("scores", as: "first.jsonl")
    #expect(try await score(first, earlier: [earlier]) == full)
    #expect(reused() == 36)

    // One query reads otherwise, one is new, one comes twice under another id, and the order is turned around.
    var second = (0..<12).map { (id: "q\($0)", query: "where is \($0)", passages: [$0, $0 + 1, $0 + 2]) }
    second[4].query = "where else is 4"
    second[7].passages = [7, 30]
    second += [("new", "who is there", [1]), ("twice", "where is 2", [2, 3])]
    let lists = candidates(second.reversed())
    let changed = try await score(lists, earlier: [earlier])
    // 11 queries with 3 known passages but for one that has 1, and the 2 of the repeated query.
    #expect(reused() == 10 * 3 + 1 + 2)
    let made = try keep("scores", as: "second.jsonl")
    #expect(try await score(lists) == changed)

    // What was itself made of earlier rows serves as well, and the newest need not have everything.
    #expect(try await score(lists, earlier: [made, earlier]) == changed)
    #expect(reused() == 12 * 3 - 1 + 3)
    #expect(try await score(first, earlier: [made, earlier]) == full)
    #expect(reused() == 36)
  }

  @Test func `a row is the same alone and among others`() async throws {
    let lists = candidates((0..<9).map { ("q\($0)", "where is \($0)", [$0 * 3, 1]) })
    let together = try await score(lists).split(separator: UInt8(ascii: "\n"))
    for (list, line) in zip(lists, together) {
      #expect(try await score([list]).split(separator: UInt8(ascii: "\n")) == [line])
    }
  }

  @Test func `an earlier result that is gone or has other bytes is passed over`() async throws {
    let lists = candidates((0..<5).map { ("q\($0)", "where is \($0)", [$0]) })
    let full = try await score(lists)
    let earlier = try keep("scores", as: "damaged.jsonl")
    // As long as before, and every line still well-formed.
    let url = run.folder.url.appending(path: "damaged.jsonl")
    let text = try String(contentsOf: url, encoding: .utf8)
    try text.replacing("\"logit\":", with: "\"logit\":1").data(using: .utf8)?.write(to: url)
    #expect(try await score(lists, earlier: [earlier]) == full)
    #expect(reused() == 0)
    #expect(run.messages.contains { $0.hasPrefix("an earlier result is not used: ") && $0.contains("is damaged") })
    try FileManager.default.removeItem(at: url)
    #expect(try await score(lists, earlier: [earlier]) == full)
    #expect(run.messages.contains { $0.hasPrefix("an earlier result is not used: ") && $0.contains("No such file") })
  }

  // MARK: - embed

  private func embed(_ texts: [(id: String, text: String)], earlier: [[String: EarlierOutput]] = []) async throws
    -> [Data]
  {
    try Passage.write(
      texts.map { Passage(id: $0.id, text: $0.text) }, to: run.folder.url.appending(path: "texts.jsonl"))
    try await run.run(
      Embed.self,
      inputs: ["model": models.appending(path: "sentence-transformer").path, "texts": "texts.jsonl"], earlier: earlier)
    return try ["embeddings.safetensors", "ids.json", "digests.txt"].map {
      try Data(contentsOf: run.folder.url.appending(path: "embeddings/\($0)"))
    }
  }

  @Test func `embed takes known texts whatever their ids, their order and how often they come`() async throws {
    let first = (0..<30).map { (id: "t\($0)", text: String(repeating: "tree and wood ", count: $0 % 7 + 1) + "\($0)") }
    let full = try await embed(first)
    #expect(reused() == 0)
    let earlier = try keep("embeddings", as: "first")
    #expect(try await embed(first, earlier: [earlier]) == full)
    #expect(reused() == 30)

    var second = Array(first.reversed())
    second[3].text = "another text"
    second[8].id = "other"
    second.append(("again", first[0].text))
    second.remove(at: 20)
    let changed = try await embed(second, earlier: [earlier])
    #expect(reused() == 29)
    let made = try keep("embeddings", as: "second")
    #expect(try await embed(second) == changed)
    #expect(try await embed(first, earlier: [made, earlier]) == full)
    #expect(reused() == 30)
  }

  @Test func `a matrix that was tampered with is passed over`() async throws {
    let texts = (0..<4).map { (id: "t\($0)", text: "the wood of tree \($0)") }
    let full = try await embed(texts)
    let earlier = try keep("embeddings", as: "damaged")
    let url = run.folder.url.appending(path: "damaged/embeddings.safetensors")
    var bytes = try Data(contentsOf: url)
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: url)
    #expect(try await embed(texts, earlier: [earlier]) == full)
    #expect(reused() == 0)
  }

  @Test func `digests are the SHA-256 of the texts as the model reads them, as sha256sum prints it`() async throws {
    let files = try await embed([("a", "tree"), ("b", "wood")])
    // The folder's prompt goes first: printf 'q: tree' | sha256sum; printf 'q: wood' | sha256sum
    #expect(
      String(decoding: files[2], as: UTF8.self) == """
        65be196bc9dcac8b116eabfe6d3f4a0404a705162e07ecb0913122ff95e0cd4e
        f3654531dd75b713085da82496a4f7e48b6f53c2bf149642d086d752920f1f33

        """)
  }
}
