/// Vectors in bytes and bits beside sentence-transformers. Golden file by Tests/Fixtures/generate/vectors.py.
import CPU
import Foundation
import Models
import Pipelines
import TestSupport
import Testing

@testable import Stages

struct VectorCodesTests {
  private struct Golden: Decodable {
    struct Found: Decodable { let codes, rescored: [[Int]] }
    let vectors, others: [[Float]]
    let codes, by_others: [String: [[Int]]]
    let found: [String: Found]
  }

  private let golden: Golden

  init() throws {
    golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: fixtures.appending(path: "stages/vectors.json")))
  }

  private func codes(_ type: VectorType, by rows: [[Float]]) -> VectorCodes {
    VectorCodes(type, width: rows[0].count) { body in body(Array(rows.joined())) }
  }

  private func signed(_ bytes: [UInt8], _ type: VectorType) -> [Int] {
    bytes.map { type == .int8 || type == .binary ? Int(Int8(bitPattern: $0)) : Int($0) }
  }

  @Test(arguments: [VectorType.int8, .uint8, .binary, .ubinary])
  func `codes are sentence-transformers', bit for bit, by ranges of their own and of others`(type: VectorType) throws {
    for (ranges, expected) in [(golden.vectors, golden.codes), (golden.others, golden.by_others)] {
      guard let expected = expected[type.rawValue] else { continue }
      let codes = codes(type, by: ranges)
      #expect(golden.vectors.map { signed(codes.bytes($0[...]), type) } == expected)
    }
  }

  @Test(arguments: [VectorType.int8, .binary])
  func `hits are sentence-transformers', by codes alone and rescored`(type: VectorType) throws {
    let found = try #require(golden.found[type.rawValue])
    let cpu = CPU(threads: 1)
    let (queries, passages) = ([golden.vectors, golden.others] as [[[Float]]]).map { rows in
      Embeddings(cpu.tensor(Array(rows.joined()), [rows.count, rows[0].count]), normalizing: false)
    }.pair
    let codes = codes(type, by: golden.others)
    let order = TieOrder(ids: golden.others.indices.map { String(format: "%02d", $0) })
    let retriever = DenseRetriever(queries: queries.compared(by: codes), passages: passages.compared(by: codes))
    let candidates = retriever.best(6, in: order, on: cpu)
    #expect(candidates.map { $0.prefix(3).map(\.passage) } == found.codes)
    let rescored = codes.rescored(candidates, queries, passages, in: order)
    #expect(rescored.map { $0.prefix(3).map(\.passage) } == found.rescored)
  }

  @Test func `embed writes codes beside its floats, by the ranges of another corpus where it has one`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    try await workshop.run(Embed.self, ["model": "base", "texts": "corpus.jsonl"], to: "plain")
    let inputs = ["model": "base", "texts": "corpus.jsonl", "ranges": "plain"]
    let reports = try await workshop.run(Embed.self, inputs, ["vectors": .string("int8")], to: "coded")
    let floats = try workshop.bytes("plain")["embeddings.safetensors"]
    #expect(try workshop.bytes("coded")["embeddings.safetensors"] == floats)
    let file = try SafeTensors(contentsOf: workshop.url("coded/quantized.safetensors"))
    let shape = try SafeTensors(contentsOf: workshop.url("plain/embeddings.safetensors")).shape(of: "embeddings")
    #expect(try file.shape(of: "embeddings") == shape && file.type(of: "embeddings") == .i8)
    let values = try SafeTensors(contentsOf: workshop.url("plain/embeddings.safetensors")).floats("embeddings")
    let least = (0..<shape[1]).map { column in (0..<shape[0]).map { values[$0 * shape[1] + column] }.min() }
    #expect(try file.floats("ranges").prefix(shape[1]).map { $0 } == least)
    #expect(reports.lines.contains { $0.contains("give more") })
    let bytes = try #require(workshop.bytes("coded")["quantized.safetensors"]).count
    #expect(reports.final("quantized_bytes") == Double(bytes))
  }

  @Test func `retrieve by codes says what share of the exact hits it finds`() async throws {
    let workshop = Workshop()
    try await workshop.makeBase()
    let inputs = ["queries": "corpus.jsonl", "corpus": "corpus.jsonl", "model": "base"]
    let columns = ["columns": ParameterValue.map(["query": .string("text")])]
    let exact = try await workshop.run(Retrieve.self, inputs, columns, to: "exact")
    #expect(exact.final("recall") == nil)
    for type in ["int8", "binary"] {
      let how = columns.merging(["vectors": .string(type), "rescore_multiplier": .int(1000)]) { $1 }
      let reports = try await workshop.run(Retrieve.self, inputs, how, to: type)
      let (unscored, recall) = try (#require(reports.final("recall_unscored")), #require(reports.final("recall")))
      #expect((0...1).contains(unscored) && (0...1).contains(recall))
    }
  }
}

extension Array {
  fileprivate var pair: (Element, Element) { (self[0], self[1]) }
}
