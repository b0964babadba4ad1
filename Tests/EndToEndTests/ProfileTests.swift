/// `retort run --profile`, and the commands that run a model without a pipeline.
import Foundation
import Testing

@Suite struct ProfileTests {
  private struct Profile: Decodable {
    struct Operation: Decodable {
      var name: String
      var calls: Int
      var seconds: Double
      var secondsBeside: Double
    }
    var seconds: Double
    var operations: [Operation]
  }
  private struct Report: Decodable {
    struct Stage: Decodable { var profile: Profile? }
    var stages: [Stage]
  }

  private let pipeline = """
    version: 1
    defaults: {threads: 2, memory: 500MB}
    stages:
      vectors:
        uses: embed
        in: {model: model, texts: texts.jsonl}

    """

  private func project() throws -> Project {
    let lines = (0..<3000).map { #"{"id": "t\#($0)", "text": "the word number \#($0)"}"# + "\n" }.joined()
    let project = try Project(pipeline, data: ["texts.jsonl": lines])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    return project
  }

  @Test func `a profile adds up to the stage's time, is kept with the run, and enters no key`() async throws {
    let project = try project()
    let ended = try await project.retort("run", "pipeline.yaml", "--profile")
    #expect(ended.code == 0 && ended.output.contains("linear forward"), "\(ended)")
    let report = try await project.retort("show", "latest", "--json").decoded(Report.self)
    let profile = try #require(report.stages.first?.profile)
    let calls = Dictionary(uniqueKeysWithValues: profile.operations.map { ($0.name, $0.calls) })
    #expect(
      ["loading", "linear forward", "attention forward", "norm", "embedding", "pooling"].allSatisfy {
        calls[$0, default: 0] > 0
      })
    // Three stretches of texts, tokenized while others ran.
    let tokenizing = try #require(profile.operations.first { $0.name == "tokenizing" })
    #expect(tokenizing.calls == 3 && tokenizing.seconds == 0 && tokenizing.secondsBeside > 0)
    #expect(abs(profile.operations.reduce(0) { $0 + $1.seconds } - profile.seconds) < 1e-6)
    #expect(try await project.run("--profile") == [], "the same key without and with a profile")
    #expect(try await project.run() == [])
  }

  @Test func `vectors are the same for texts together and alone`() async throws {
    let project = try Project(data: ["two.txt": "the word\nanother word\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let together = try await project.retort("vectors", "model", "two.txt")
    let alone = try await project.retort("vectors", "model", "two.txt", "--one-by-one", "--threads", "1")
    #expect(together.code == 0 && together.output == alone.output)
    let vectors = try together.output.split(separator: "\n").map {
      try JSONDecoder().decode([Double].self, from: Data($0.utf8))
    }
    #expect(vectors.count == 2 && vectors.allSatisfy { abs($0.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5 })
    let coarse = try await project.retort("vectors", "model", "two.txt", "--precision", "int8")
    #expect(coarse.code == 0 && coarse.output != together.output)
    let coarseVectors = try coarse.output.split(separator: "\n").map {
      try JSONDecoder().decode([Double].self, from: Data($0.utf8))
    }
    for (x, y) in zip(vectors, coarseVectors) { #expect(zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } > 0.99) }
    #expect(try await project.retort("vectors", "model", "two.txt", "--precision", "int4").code == 2)
    struct Summary: Decodable { var texts: Int, tokens: Int, medianMilliseconds: Double? }
    let summary = try await project.retort("vectors", "model", "two.txt", "--one-by-one", "--summary")
      .decoded(Summary.self)
    #expect(summary.texts == 2 && summary.tokens >= 4 && summary.medianMilliseconds ?? 0 > 0)
  }

  @Test func `tokenize sums up what it prints, and names the line that it cannot read`() async throws {
    let project = try Project(data: ["texts.jsonl": #"{"text": "the word"}"# + "\n\n" + #"{"text": 3}"# + "\n"])
    try project.copy("Tests/Fixtures/models/sentence-transformer", to: "model")
    let refused = try await project.retort("tokenize", "model", "texts.jsonl")
    #expect(refused.code == 2)
    #expect(refused.errors == "error: texts.jsonl:3: expected a JSON object with a string `text`\n")
    try project.write(#"{"text": "the word"}"# + "\n", to: "texts.jsonl")
    struct Line: Decodable { var ids: [Int], unknowns: Int, truncated: Bool }
    let line = try await project.retort("tokenize", "model", "texts.jsonl").decoded(Line.self)
    struct Summary: Decodable { var texts: Int, tokens: Int, contentTokens: Int, unknownShare: Double }
    let summary = try await project.retort("tokenize", "model", "texts.jsonl", "--summary").decoded(Summary.self)
    #expect(summary.texts == 1 && summary.tokens == line.ids.count && summary.contentTokens == line.ids.count - 2)
    #expect(summary.unknownShare == Double(line.unknowns) / Double(summary.contentTokens))
    // Weights are of no use here.
    try FileManager.default.removeItem(at: project.root.appending(path: "model/model.safetensors"))
    #expect(try await project.retort("tokenize", "model", "texts.jsonl").decoded(Line.self).ids == line.ids)
  }
}
