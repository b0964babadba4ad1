/// Any bytes at all, as rows of earlier results, are read or refused.
import CPU
import Artifacts
import Foundation
import Models
import Pipelines
import Tensors
import TestSupport
import Testing

@testable import Stages

@Suite struct FuzzTests {
  private static let passage = #"{"id":"p1","text":"the river","label":1,"source":"positive","logit":2.5,"score":0.92}"#
  private static let scored = #"{"id":"q1","query":"where","type":"easy","candidates":[\#(passage)]}"# + "\n"
  private static let perQuery =
    #"{"id":"q1","query":"where","gold":[{"id":"p1","rank":1},{"id":"p2","rank":12}],"margin":0.25}"# + "\n"

  @Test func `mutated rows are read or refused with their line`() throws {
    let files = [Self.scored, Self.scored + Self.perQuery, Self.perQuery].map { Array($0.utf8) }
    let outcome = try Fuzz("rows", files, tokens: ["\n", "\r\n", "\u{FEFF}", "\0", "\"rank\":0", "{}\n"], count: 500)
      .run(
        prepare: { $0.appending(path: "rows.jsonl") },
        read: { bytes, file in
          try Data(bytes).write(to: file)
          func reads(_ body: () throws -> Void) throws -> Bool {
            do { try body() } catch let error as DataError {
              if error.description.contains("rows.jsonl") { return false }
              throw error
            }
            return true
          }
          return try [
            reads { try ScoredList.forEach(in: file) { _ in } },
            reads {
              let scores = try PerQueryScores(contentsOf: file)
              for metric in ["mean_rank", "ndcg@10", "margin", "map@100"] { _ = scores.values(of: metric) }
            },
          ].contains(true)
        })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }

  @Test func `mutated results of normalize are read or refused with their name`() throws {
    let file = #"{"method": "calibrated", "constants": {"a": 3.5, "b": -1.25}, "threshold": 0.5, "pool": "given"}"#
    let outcome = try Fuzz(
      "calibration", [Array(file.utf8)], tokens: ["minmax", "1e999", "null", "[[[", "\0"], count: 500
    )
    .run(
      prepare: { $0.appending(path: "results.json") },
      read: { bytes, file in
        try Data(bytes).write(to: file)
        do {
          _ = try Calibration(contentsOf: file).isSure(of: 0.5)
          return true
        } catch let error as DataError {
          if error.description.contains("results.json") { return false }
          throw error
        }
      })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }

  @Test(arguments: ["digests.txt", EmbeddingMatrix.file])
  func `a folder of embeddings with a mutated file is read or refused`(name: String) throws {
    let whole = try ScratchFolder()
    let engine = CPU(threads: 1)
    let digests = ["one", "two", "three"].map { Digest(of: $0) }
    try EmbeddingMatrix.Writer(whole.url, ids: [], digests: digests, width: 2).rows.close()
    try SafeTensors.write(
      [NamedTensor("embeddings", engine.tensor([1, 2, 3, 4, 5, 6], [3, 2]))],
      to: whole.url.appending(path: EmbeddingMatrix.file))
    let bytes = try Array(Data(contentsOf: whole.url.appending(path: name)))
    let outcome = try Fuzz("embeddings/\(name)", [bytes], tokens: ["\n", "F16", "F64", "[3,3]", "\r"], count: 500).run(
      prepare: { scratch in
        for file in ["digests.txt", EmbeddingMatrix.file] {
          try FileManager.default.copyItem(
            at: whole.url.appending(path: file), to: scratch.appending(path: file))
        }
        return scratch
      },
      read: { bytes, folder in
        try Data(bytes).write(to: folder.appending(path: name))
        do {
          let matrix = try EmbeddingMatrix(folder, width: 2)
          for row in matrix.digests.indices { _ = try engine.tensor(matrix.rows(row..<row + 1)).array }
          return true
        } catch {
          return "\(error)".isEmpty
        }
      })
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > 0, "\(outcome)")
  }
}
