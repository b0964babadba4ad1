import Foundation
import JSONText
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct SeveralSetsTests {
  private let run: StageRun
  private static let bm25: [String: ParameterValue] = ["method": .string("bm25")]

  init() throws { run = try StageRun() }

  private static let corpus = """
    {"_id": "d1", "title": "", "text": "the cat sleeps"}
    {"_id": "d2", "title": "", "text": "a dog barks"}
    {"_id": "d3", "title": "", "text": "birds sing, the cat listens"}
    """
  private static let queries = """
    {"_id": "a", "text": "cat sleeps"}
    {"_id": "b", "text": "dog sleeps"}
    {"_id": "c", "text": "sing"}
    """

  private func writeBEIR(_ name: String, qrels: String, to path: String = "qrels/test.tsv") throws {
    try run.folder.write(Self.corpus, to: "\(name)/corpus.jsonl")
    try run.folder.write(Self.queries, to: "\(name)/queries.jsonl")
    try run.folder.write("query-id\tcorpus-id\tscore\n" + qrels, to: "\(name)/\(path)")
  }

  private func json(_ path: String = "results") throws -> JSONValue {
    let file = path.hasPrefix("/") ? URL(filePath: path) : run.folder.url.appending(path: path)
    return try Data(contentsOf: file).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  private func outputs() throws -> [Data] {
    try ["results", "per_query", "picture"].map { try Data(contentsOf: run.folder.url.appending(path: $0)) }
  }

  @Test func `a BEIR folder is evaluated over its corpus, as its groups are`() async throws {
    try writeBEIR("one", qrels: "a\td1\t1\nb\td1\t1\n")
    try await run.run(Evaluate.self, inputs: ["data": "one"], with: Self.bm25)
    let whole = try outputs()
    #expect(try json()["passages"] == .int(3) && run.metric("accuracy@1") == 0.5)
    try await run.run(MakeGroups.self, inputs: ["data": "one"], with: ["part": .string("test")])
    try await run.run(Evaluate.self, inputs: ["data": "groups", "corpus": "corpus"], with: Self.bm25)
    #expect(try outputs() == whole)
  }

  @Test func `another part of a BEIR folder may be asked for, and one that is missing is an error`() async throws {
    try writeBEIR("one", qrels: "c\td3\t1\n", to: "qrels/dev.tsv")
    try await run.run(
      Evaluate.self, inputs: ["data": "one"], with: Self.bm25.merging(["part": .string("dev")]) { $1 })
    #expect(run.metric("accuracy@1") == 1)
    let message = await failure { try await run.run(Evaluate.self, inputs: ["data": "one"], with: Self.bm25) }
    #expect(message == "one/qrels/test.tsv: error: there is no such file for `part: test`; the folder has dev.tsv")
  }

  @Test func `of several sets each has its metrics, and their mean counts every set alike`() async throws {
    try writeBEIR("sets/one", qrels: "a\td1\t1\nb\td1\t1\n")
    try writeBEIR("sets/two", qrels: "c\td1\t1\n")
    try run.folder.write("query,positive\nx y,x z\n", to: "table.csv")
    try await run.run(
      Evaluate.self, inputs: ["data[1]": "sets", "data[2]": "table.csv"], with: Self.bm25)
    #expect(run.metric("one.accuracy@1") == 0.5 && run.metric("two.accuracy@1") == 0)
    #expect(run.metric("table.accuracy@1") == 1 && run.metric("accuracy@1") == 0.5)
    let results = try json()
    #expect(results["queries"] == .int(4) && results["ranking"]?["accuracy@1"] == .double(0.5))
    #expect(results["sets"]?.members?.map(\.key) == ["one", "two", "table"])
    #expect(results["sets"]?["one"]?["queries"] == .int(2))
    #expect(results["sets"]?["two"]?["ranking"]?["accuracy@1"] == .double(0))
    let lines = run.messages.filter { $0.contains("queries over") }
    #expect(
      lines.count == 4 && lines[0].hasPrefix("[evaluate] one             2 queries over 3 passages | accuracy@1 0.5000")
    )
    #expect(lines[3].hasPrefix("[evaluate] mean of 3 sets  4 queries over 7 passages | accuracy@1 0.5000"))
    #expect(try outputs()[2].starts(with: [0x89, 0x50, 0x4E, 0x47]))

    let scores = try PerQueryScores(contentsOf: run.folder.url.appending(path: "per_query"))
    #expect(scores.values(of: "accuracy@1")?.keys.sorted() == ["one/a", "one/b", "table/q1", "two/c"])
    #expect(scores.values(of: "one.accuracy@1") == ["one/a": 1, "one/b": 0])
    #expect(scores.values(of: "dim8.accuracy@1") == nil)
  }

  @Test func `a set alone is what it is in a list, and two of one name are an error`() async throws {
    try writeBEIR("sets/one", qrels: "a\td1\t1\n")
    try await run.run(Evaluate.self, inputs: ["data": "sets/one"], with: Self.bm25)
    let alone = try outputs()
    try await run.run(Evaluate.self, inputs: ["data": "sets"], with: Self.bm25)
    #expect(try outputs() == alone && run.metric("one.accuracy@1") == nil)
    let message = await failure {
      try await run.run(Evaluate.self, inputs: ["data[1]": "sets", "data[2]": "sets/one"], with: Self.bm25)
    }
    #expect(message == "two sets of `data` are called `one`: their metrics need names of their own")
  }

  /// One file of each for every set, judgements without a score.
  @Test func `NanoBEIR's folders of corpus, queries and qrels are read, exported as JSON lines`() async throws {
    let judgements = #"{"query-id": "a", "corpus-id": "d1"}"# + "\n" + #"{"query-id": "b", "corpus-id": "d1"}"#
    for name in ["NanoOne", "NanoTwo"] {
      try run.folder.write(Self.corpus, to: "nano/corpus/\(name).jsonl")
      try run.folder.write(Self.queries, to: "nano/queries/\(name).jsonl")
      try run.folder.write(judgements, to: "nano/qrels/\(name).jsonl")
    }
    try await run.run(Evaluate.self, inputs: ["data": "nano"], with: Self.bm25)
    #expect(run.metric("NanoOne.accuracy@1") == 0.5 && run.metric("NanoTwo.accuracy@1") == 0.5)
    // One set in a folder of its own, under the names that an export may have.
    for (part, text) in [("corpus", Self.corpus), ("queries", Self.queries), ("qrels", judgements)] {
      try run.folder.write(text, to: "single/NanoOne/\(part)/train-\(part).jsonl")
    }
    try await run.run(Evaluate.self, inputs: ["data": "single"], with: Self.bm25)
    #expect(try json()["queries"] == .int(2))
    for part in ["corpus", "queries", "qrels"] {
      try run.folder.write("PAR1", to: "parquet/\(part)/train-00000-of-00001.parquet")
    }
    let message = await failure { try await run.run(Evaluate.self, inputs: ["data": "parquet"], with: Self.bm25) }
    #expect(
      message.hasPrefix("parquet/corpus/train-00000-of-00001.parquet: error: Parquet is not read here"), "\(message)")
    try run.folder.write("x", to: "other/notes.txt")
    let other = await failure { try await run.run(Evaluate.self, inputs: ["data": "other"], with: Self.bm25) }
    #expect(other.hasPrefix("other: error: is no folder of BEIR"), "\(other)")
  }

  /// Fixtures/stages/graded.json, made by Fixtures/generate/graded.py.
  private struct Graded: Decodable {
    let scores: [[Float]]
    let grades: [[[Int]]]
    /// ndcg_cut_10, map_cut_100.
    let expected: [[Double]]
  }

  @Test func `nDCG counts grades as trec_eval does, of whole rankings and of what is read back`() async throws {
    let golden = try JSONDecoder().decode(
      Graded.self, from: Data(contentsOf: fixtures.appending(path: "stages/graded.json")))
    let passages = golden.scores[0].indices.map { Passage(id: "p\($0)", text: "\($0)") }
    let groups = golden.grades.enumerated().map { number, graded in
      QueryGroup(
        id: "q\(number)", query: "\(number)", positives: graded.map { passages[$0[0]] },
        grades: graded.map { Double($0[1]) })
    }
    let judge = try Judge(
      EvaluationData(groups: groups), pool: PassagePool(passages, file: URL(filePath: "corpus")))
    let evaluation = Evaluation(judge, "bm25", .unbounded, judge.judge(FixedRetriever(scores: golden.scores)))
    let writer = try LineWriter(run.folder.url.appending(path: "lines"))
    for line in evaluation.perQuery(of: nil) { try writer.write(line) }
    try writer.close()
    let read = try PerQueryScores(contentsOf: run.folder.url.appending(path: "lines"))
    for (number, expected) in golden.expected.enumerated() {
      let ranking = evaluation.judgements[number].ranking
      #expect(abs(ranking.ndcg(10) - expected[0]) < 1e-9 && abs(ranking.mapCut(100) - expected[1]) < 1e-9)
      #expect(read.values(of: "ndcg@10")?["q\(number)"] == ranking.ndcg(10))
    }
  }

  @Test func `groups keep a BEIR folder's grades where they are asked for`() async throws {
    try writeBEIR("one", qrels: "a\td1\t2\na\td3\t1\nb\td2\t1\nc\td1\t0\n")
    let part: [String: ParameterValue] = ["part": .string("test")]
    try await run.run(MakeGroups.self, inputs: ["data": "one"], with: part)
    #expect(try run.lines("groups").allSatisfy { !$0.contains("grades") })
    try await run.run(MakeGroups.self, inputs: ["data": "one"], with: part.merging(["grades": .bool(true)]) { $1 })
    #expect(try QueryGroup.read(run.folder.url.appending(path: "groups")).map(\.grades) == [[2, 1], nil])
    try await run.run(Evaluate.self, inputs: ["data": "groups", "corpus": "corpus"], with: Self.bm25)
    let graded = try outputs()
    try await run.run(Evaluate.self, inputs: ["data": "one"], with: Self.bm25)
    #expect(try outputs() == graded)
    try run.folder.write(
      #"{"id":"q","query":"x","positives":[{"id":"a","text":"y"}],"negatives":[],"grades":[0]}"#, to: "wrong.jsonl")
    let message = await failure { try await run.run(Evaluate.self, inputs: ["data": "wrong.jsonl"], with: Self.bm25) }
    #expect(message == "wrong.jsonl:1: error: record 1: `grades` needs a number above 0 for each of 1 positives")
  }

  @Test func `the first elements of vectors rank as the model that is truncated to them`() async throws {
    let base = fixtures.appending(path: "pytorch/base").path
    let letters = ["a b c", "d e", "f g h i", "k l", "m n o", "p q"]
    try QueryGroup.write(
      letters.enumerated().map { number, text in
        QueryGroup(
          id: "q\(number)", query: String(text.prefix(1)), positives: [Passage(id: "p\(number)", text: text)])
      }, to: run.folder.url.appending(path: "groups.jsonl"))
    let data = ["data": "groups.jsonl"]
    try await run.run(
      Evaluate.self, inputs: data.merging(["model": base]) { $1 }, with: ["dimensions": .list([.int(32), .int(5)])])
    let prefixes = try #require(json()["dimensions"])
    #expect(run.metric("dim32.mrr") == run.metric("mrr") && run.metric("dim5.mrr") != run.metric("mrr"))
    #expect(run.messages.contains { $0.hasPrefix("[evaluate] the first 5 elements of vectors alone | accuracy@1 ") })
    try await run.run(Truncate.self, inputs: ["model": base], with: ["truncate_dim": .int(5)])
    try await run.run(Evaluate.self, inputs: data.merging(["model": "truncated"]) { $1 })
    #expect(try json()["ranking"] == prefixes["5"])
    #expect(try json()["dimensions"] == nil)
    try Passage.write([Passage(id: "p", text: "a b")], to: run.folder.url.appending(path: "texts.jsonl"))
    try await run.run(Embed.self, inputs: ["model": "truncated", "texts": "texts.jsonl"])
    #expect(run.messages.contains("[embed] Texts: 1 | Width: 5 | Reused: 0"))
    for (stage, message) in [
      (["model": base], "`dimensions` has 33, and the model's vectors have 32 elements"),
      (["model": "truncated"], "`dimensions` has 33, and the model's vectors have 5 elements"),
    ] {
      let found = await failure {
        try await run.run(Evaluate.self, inputs: data.merging(stage) { $1 }, with: ["dimensions": .list([.int(33)])])
      }
      #expect(found == message)
    }
    let whole = await failure {
      try await run.run(Truncate.self, inputs: ["model": base], with: ["truncate_dim": .int(32)])
    }
    #expect(whole == "`truncate_dim: 32` leaves nothing out: the model's vectors have 32 elements")
  }

  @Test func `a truncated model has all else that its folder had`() async throws {
    let base = run.folder.url.appending(path: "model")
    try FileManager.default.copyItem(at: fixtures.appending(path: "pytorch/base"), to: base)
    try run.folder.write(
      #"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]"#,
      to: "model/modules.json")
    try run.folder.write(#"{"log_temperature": -3.0}"#, to: "model/retort_training.json")
    try run.folder.write("What it is.", to: "model/README.md")
    try run.folder.write(#"{"own": [1, 2], "truncate_dim": null}"#, to: "model/config_sentence_transformers.json")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o444], ofItemAtPath: base.appending(path: "config_sentence_transformers.json").path)
    try await run.run(Truncate.self, inputs: ["model": "model"], with: ["truncate_dim": .int(5)])
    let truncated = run.folder.url.appending(path: "truncated")
    for name in try FileManager.default.subpathsOfDirectory(atPath: base.path)
    where !base.appending(path: name).hasDirectoryPath && name != "config_sentence_transformers.json" {
      #expect(
        FileManager.default.contentsEqual(
          atPath: base.appending(path: name).path, andPath: truncated.appending(path: name).path), "\(name)")
    }
    let general = try json(truncated.appending(path: "config_sentence_transformers.json").path)
    #expect(general == ["own": [1, 2], "truncate_dim": 5])
  }

  /// Fixtures/folders/vectors.json, made by Fixtures/generate/folders.py.
  @Test(arguments: ["dot", "cosine"])
  func `a folder with truncate_dim is evaluated as sentence-transformers evaluates it`(similarity: String) async throws
  {
    let golden = try json(fixtures.appending(path: "folders/vectors.json").path)
    let texts = try ["queries", "passages"].map { try #require(golden[$0]?.elements).compactMap(\.string) }
    try QueryGroup.write(
      zip(texts[0], texts[1]).enumerated().map { index, pair in
        let number = index < 10 ? "0\(index)" : "\(index)"
        return QueryGroup(id: "q\(number)", query: pair.0, positives: [Passage(id: "p\(number)", text: pair.1)])
      }, to: run.folder.url.appending(path: "groups.jsonl"))
    try FileManager.default.copyItem(
      at: fixtures.appending(path: "pytorch/base"), to: run.folder.url.appending(path: "model"))
    let modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")].map {
      #"{"idx": 0, "name": "0", "path": "\#($0.0)", "type": "sentence_transformers.models.\#($0.1)"}"#
    }
    try run.folder.write("[\(modules.joined(separator: ","))]", to: "model/modules.json")
    try run.folder.write(#"{"pooling_mode": "mean"}"#, to: "model/1_Pooling/config.json")
    try run.folder.write(
      #"{"similarity_fn_name": "\#(similarity)", "truncate_dim": 5}"#, to: "model/config_sentence_transformers.json")
    try await run.run(Evaluate.self, inputs: ["model": "model", "data": "groups.jsonl"])
    for metric in ["mrr@10", "ndcg@10"] {
      let expected = try #require(golden["truncated"]?[similarity]?["metrics"]?[metric]?.double)
      #expect(abs(try #require(run.metric(metric)) - expected) < 1e-6)
    }
  }
}
