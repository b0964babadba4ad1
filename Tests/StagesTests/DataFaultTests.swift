/// Faults of real files: quotes that are text, encodings, zero bytes, labels, gaps, delimiters, repeated texts.
import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

@Suite struct DataFaultTests {
  private func groups(
    _ files: [String: Data], data: String, with parameters: [String: ParameterValue] = [:]
  ) async throws -> (groups: [QueryGroup], messages: [String]) {
    let run = try StageRun()
    for (name, bytes) in files { try run.folder.write(bytes, to: name) }
    try await run.run(MakeGroups.self, inputs: ["data": data], with: parameters)
    return (try QueryGroup.read(run.folder.url.appending(path: "groups")), run.messages)
  }

  private func groups(
    _ text: String, as name: String, with parameters: [String: ParameterValue] = [:]
  ) async throws -> (groups: [QueryGroup], messages: [String]) {
    try await groups([name: Data(text.utf8)], data: name, with: parameters)
  }

  private func texts(_ groups: [QueryGroup]) -> [[String]] { groups.map { [$0.query] + $0.positives.map(\.text) } }

  // MARK: - Quotes and delimiters

  @Test func `quotes that are text in a table of tabs lose no record, and that is said`() async throws {
    let table = "query\tpassage\na\t\"24 inches is usual\nb\tB\nc\tit is 20\"\nd\t\"D\" it said\n"
    let read = try await groups(table, as: "a.tsv")
    #expect(
      texts(read.groups) == [
        ["a", "\"24 inches is usual"], ["b", "B"], ["c", "it is 20\""], ["d", "\"D\" it said"],
      ])
    #expect(read.messages.contains { $0.hasPrefix("a.tsv: its quotes are read as text") })
  }

  @Test(arguments: [
    ("query\tpassage\n\"a \"\"b\"\"\"\t\"one\ntwo\"\n", ["a \"b\"", "one\ntwo"]),
    ("query\tpassage\n\"a\"\t\"b\"\n", ["a", "b"]),
  ])
  func `quotes that enclose fields of a table of tabs are still that`(table: String, row: [String]) async throws {
    let read = try await groups(table, as: "a.tsv")
    #expect(texts(read.groups) == [row] && !read.messages.contains { $0.contains("quotes") })
  }

  @Test func `what quotes are can be told`() async throws {
    let table = "query,passage\n\"a,\"b\n"
    #expect(try await texts(groups(table, as: "a.csv", with: ["quoting": .string("none")]).groups) == [["\"a", "\"b"]])
    #expect(await failure { try await groups(table, as: "a.csv") }.contains("text after the quote that ends a field"))
    let tabs = "query\tpassage\n\"a\t1\nb\"\t2\n"
    let standard = try await groups(tabs, as: "a.tsv", with: ["quoting": .string("standard")])
    #expect(texts(standard.groups) == [["a\t1\nb", "2"]])
    #expect(try await groups(tabs, as: "a.tsv").groups.map(\.query) == ["\"a", "b\""])
  }

  @Test(arguments: [
    ("query;passage;label\nfirst, really;A;1\nsecond;B;0\nsecond;A;1\n", "a.csv: its fields are separated by `;`"),
    (
      "sep=;\r\nquery;passage;label\r\nfirst, really;A;1,0\r\nsecond;B;0,0\r\nsecond;A;1,0\r\n",
      "a.csv: its fields are separated by `;`"
    ),
    (
      "query\tpassage\tlabel\nfirst, really\tA\t1\nsecond\tB\t0\nsecond\tA\t1\n",
      "a.csv: its fields are separated by tabs"
    ),
    (
      "query;passage;\"label, 0 or 1\"\nfirst, really;A;1\nsecond;B;0\nsecond;A;1\n",
      "a.csv: its fields are separated by `;`"
    ),
  ])
  func `European spreadsheets' separators are read, and that is said`(table: String, message: String) async throws {
    let label = table.contains("0 or 1") ? "label, 0 or 1" : "label"
    let read = try await groups(table, as: "a.csv", with: ["columns": .map(["label": .string(label)])])
    #expect(texts(read.groups) == [["first, really", "A"], ["second", "A"]])
    #expect(read.groups[1].negatives.map(\.text) == ["B"])
    #expect(read.messages.contains(message))
  }

  @Test func `a line that names the separator counts as a line of the file`() async {
    #expect(
      await failure { try await groups("sep=;\nquery;passage\na;b;c\n", as: "a.csv") }
        == "a.csv:3: error: record 1: 3 fields, expected 2 as in the header")
  }

  @Test func `commas stay the separator where the header has both`() async throws {
    let read = try await groups(
      "query,passage;text\na;b,c\n", as: "a.csv", with: ["columns": .map(["passage": .string("passage;text")])])
    #expect(texts(read.groups) == [["a;b", "c"]])
  }

  // MARK: - Encodings

  /// From Python: text.encode("windows-1252").
  @Test(
    arguments: [
      (
        "Bob’s “café” costs 5 €",
        [
          0x42, 0x6F, 0x62, 0x92, 0x73, 0x20, 0x93, 0x63, 0x61, 0x66, 0xE9, 0x94, 0x20, 0x63, 0x6F, 0x73, 0x74, 0x73,
          0x20, 0x35, 0x20, 0x80,
        ]
      ),
      ("It’s late", [0x49, 0x74, 0x92, 0x73, 0x20, 0x6C, 0x61, 0x74, 0x65]),
      ("Qué es café", [0x51, 0x75, 0xE9, 0x20, 0x65, 0x73, 0x20, 0x63, 0x61, 0x66, 0xE9]),
      (
        "Ärger über Äpfel",
        [0xC4, 0x72, 0x67, 0x65, 0x72, 0x20, 0xFC, 0x62, 0x65, 0x72, 0x20, 0xC4, 0x70, 0x66, 0x65, 0x6C]
      ),
    ] as [(String, [UInt8])])
  func `western bytes are read as windows-1252 and not as Hangul, and that is said`(
    text: String, bytes: [UInt8]
  ) async throws {
    let table = Data("query,passage\nq,".utf8) + bytes + Data("\n".utf8)
    let read = try await groups(["a.csv": table], data: "a.csv")
    #expect(texts(read.groups) == [["q", text]] && read.messages.contains("a.csv was read as windows-1252"))
    for encoding in ["windows-1252", "latin-1"] {
      let told = try await groups(["a.csv": table], data: "a.csv", with: ["encoding": .string(encoding)])
      #expect(
        (texts(told.groups) == [["q", text]])
          == (encoding == "windows-1252" || !bytes.contains { (0x80..<0xA0).contains($0) }))
    }
  }

  @Test func `bytes of no encoding that can be told are an error that names those to choose from`() async {
    // Russian in windows-1251: «вопрос и ответ».
    let bytes: [UInt8] = [0xE2, 0xEE, 0xEF, 0xF0, 0xEE, 0xF1, 0x20, 0xE8, 0x20, 0xEE, 0xF2, 0xE2, 0xE5, 0xF2]
    let table = Data("q,p\n".utf8) + bytes + Data([0x2C]) + bytes + Data([0x0A])
    let message = await failure { try await groups(["a.csv": table], data: "a.csv") }
    #expect(message.hasPrefix("a.csv:2: error: byte 1 of the line (0xE2, byte 5 of the file)"))
    #expect(message.hasSuffix("auto, utf-8, utf-16, cp949, windows-1252, latin-1"))
  }

  @Test(arguments: [
    ("query,passage,label\nq,cd\0,1\nab,cdef,1\n", "2: error: byte 5 of the line (byte 25 of the text) is zero"),
    ("query,passage,label\nab,cd\0,1\nab,cdef,1\n", "2: error: byte 6 of the line (byte 26 of the text) is zero"),
    ("query,passage\n한글,첫 은\0 답\n", "2: error: byte 15 of the line (byte 29 of the text) is zero"),
    ("query,passage\na,b\n\0\0\0\0", "3: error: byte 1 of the line (byte 19 of the text) is zero"),
  ])
  func `a zero byte is an error with its line and byte, and no UTF-16`(text: String, message: String) async {
    #expect(await failure { try await groups(text, as: "a.csv") }.hasPrefix("a.csv:\(message)"))
    #expect(
      await failure { try await groups(text, as: "a.csv", with: ["encoding": .string("utf-8")]) }
        .hasPrefix("a.csv:\(message)"))
  }

  @Test func `a zero byte far behind is found too`() async {
    let text = "query,passage\n" + String(repeating: "a,b\n", count: 2000) + "c,\0\n"
    #expect(await failure { try await groups(text, as: "a.csv") }.hasPrefix("a.csv:2002: error: byte 3 of the line"))
  }

  // MARK: - Labels

  @Test(arguments: [
    (
      "query,passage,label\nq,a,1\nq,b,nan\n",
      "a.csv:3: error: record 2: the label is `nan`, expected a number, true or false"
    ),
    (
      "query,passage,label\nq,a,1\nq,b,-inf\n",
      "a.csv:3: error: record 2: the label is `-inf`, expected a number, true or false"
    ),
    ("query,passage,label\nq,a,1\nq,b,\n", "a.csv:3: error: record 2: `label` is empty"),
    (
      "query,passage,score\nq,a,4.8\n",
      "a.csv:2: error: record 1: the label is `4.8`, expected 0, 1, true or false; of graded scores say from which on they mean yes, as `label_threshold: 0.5`"
    ),
    (
      "query,passage,score\nq,a,0.6\n",
      "a.csv:2: error: record 1: the label is `0.6`, expected 0, 1, true or false; of graded scores say from which on they mean yes, as `label_threshold: 0.5`"
    ),
  ])
  func `a label that is none is an error with its record`(table: String, message: String) async {
    #expect(await failure { try await groups(table, as: "a.csv") } == message)
  }

  @Test func `a record without a label among labelled ones is an error, wherever it stands`() async {
    let one = #"{"query":"q","passage":"a","label":1}"#
    let none = #"{"query":"q","passage":"b"}"#
    for (lines, number) in [([one, none], 2), ([none, one], 1)] {
      #expect(
        await failure { try await groups(lines.joined(separator: "\n"), as: "a.jsonl") }
          == "a.jsonl:\(number): error: record \(number): there is no label, and other records have one")
    }
  }

  @Test func `graded scores are labels from the threshold on`() async throws {
    let table = "query,passage,score\nq,a,4.8\nq,b,3\nq,c,2.9\nq,d,0\n"
    let read = try await groups(table, as: "a.csv", with: ["label_threshold": .double(3)])
    #expect(read.groups.map { $0.positives.map(\.text) } == [["a", "b"]])
    #expect(read.groups.map { $0.negatives.map(\.text) } == [["c", "d"]])
  }

  // MARK: - Gaps

  private func beir(_ corpus: [String], _ judgements: String) -> [String: Data] {
    [
      "b/corpus.jsonl": corpus.joined(separator: "\n"),
      "b/queries.jsonl": "{\"_id\":\"q1\",\"text\":\"first\"}\n{\"_id\":\"q2\",\"text\":\"second\"}\n",
      "b/qrels/test.tsv": "query-id\tcorpus-id\tscore\n" + judgements,
    ].mapValues { Data($0.utf8) }
  }

  @Test(arguments: [
    (#"{"_id":"2","title":"","text":" "}"#, "q1\t1\t1\n", "passages without a text", "missing_passages"),
    (#"{"_id":"3","text":"c"}"#, "q1\t1\t1\nq2\t9\t1\n", "references to what is not there", "missing_passages"),
    (#"{"_id":"3","text":"c"}"#, "q1\t1\t1\nPLAIN-2\t3\t1\n", "references to what is not there", "missing_passages"),
  ])
  func `gaps of public sets are counted and left out, or an error`(
    document: String, judgements: String, message: String, key: String
  ) async throws {
    let files = beir([#"{"_id":"1","title":"t","text":"a"}"#, document], judgements)
    let read = try await groups(files, data: "b", with: ["part": .string("test")])
    #expect(texts(read.groups) == [["first", "a"]])
    #expect(read.messages.contains { $0.contains("left out 1 \(message), the first at ") })
    let strict: [String: ParameterValue] = ["part": .string("test"), key: .string("error")]
    #expect(await failure { try await groups(files, data: "b", with: strict) }.contains(": error: record "))
  }

  @Test func `tuples without a positive are left out, and blank negatives are none`() async throws {
    let table = "anchor,positive,negative_1,negative_2\na,A,x,\nb,,x,y\n"
    let read = try await groups(table, as: "a.csv")
    #expect(texts(read.groups) == [["a", "A"]] && read.groups[0].negatives.map(\.text) == ["x"])
    #expect(read.messages.contains { $0.contains("left out 1 records that name no passage") })
  }

  @Test(arguments: [(["a b", "b a"], true), (["a b", "c d"], false), (["x", "y"], false)])
  func `queries that their passages repeat are warned of`(queries: [String], warns: Bool) async throws {
    let rows = queries.map { "\($0),the a b and b a\n" }.joined()
    let read = try await groups("query,passage\n" + rows, as: "a.csv")
    #expect(read.messages.contains { $0.contains("word for word") } == warns)
  }

  // MARK: - Repeated texts

  private func list(_ id: String, _ query: String, _ positive: String, _ text: String, _ negative: String) -> ScoredList
  {
    func candidate(_ id: String, _ text: String, _ isPositive: Bool) -> ScoredCandidate {
      ScoredCandidate(
        candidate: Candidate(
          passage: Passage(id: id, text: text), isPositive: isPositive, source: isPositive ? .positive : .given),
        logit: isPositive ? 2 : -1, score: isPositive ? 0.88 : 0.27)
    }
    return ScoredList(
      id: id, query: query, candidates: [candidate(positive, text, true), candidate(negative, negative, false)])
  }

  @Test func `two ids of one text train a student as one id does`() async throws {
    let run = try StageRun()
    let model = fixtures.appending(path: "models/sentence-transformer").path
    for (name, second, text) in [("one", "p1", "caf\u{E9}"), ("two", "p2", "cafe\u{301}")] {
      try ScoredList.write(
        [list("q1", "a b", "p1", "caf\u{E9}", "c"), list("q2", "d", second, text, "e")],
        to: run.folder.url.appending(path: name))
      let parameters: [String: ParameterValue] = [
        "epochs": .int(2), "K": .int(2), "lr": .double(0.01), "contrastive": .string("infonce"),
        "contrastive_weight": .int(1), "batch_size": .int(2), "max_len": .int(16),
      ]
      try await run.run(Distill.self, inputs: ["base": model, "scores": name], with: parameters)
      try FileManager.default.moveItem(
        at: run.folder.url.appending(path: "student"), to: run.folder.url.appending(path: "student-\(name)"))
    }
    let weights = try ["one", "two"].map {
      try Data(contentsOf: run.folder.url.appending(path: "student-\($0)/model.safetensors"))
    }
    let base = try Data(contentsOf: URL(filePath: model).appending(path: "model.safetensors"))
    #expect(weights[0] == weights[1] && weights[0] != base)
  }

  @Test func `a corpus keeps what it lists, and groups of equal texts share a passage`() throws {
    let corpus = [Passage(id: "a", text: "x"), Passage(id: "b", text: "x")]
    let groups = [
      QueryGroup(
        id: "q", query: "q", positives: [Passage(id: "c", text: "x")], negatives: [Passage(id: "d", text: "y")])
    ]
    var pool = try PassagePool(corpus, file: URL(filePath: "corpus"))
    try pool.add(groups, file: URL(filePath: "groups"))
    #expect(pool.ids == ["a", "b", "d"] && pool.indexOfID == ["a": 0, "b": 1, "c": 0, "d": 2])
  }

  @Test func `a passage that a query has under two ids is judged once, and no negative of its own`() throws {
    func passage(_ id: String, _ text: String) -> Passage { Passage(id: id, text: text) }
    let groups = [
      QueryGroup(
        id: "q", query: "q", positives: [passage("a", "x"), passage("b", "x")],
        negatives: [passage("c", "x"), passage("d", "y")])
    ]
    let judge = try Judge(EvaluationData(groups: groups), pool: PassagePool(of: groups, file: URL(filePath: "groups")))
    let judgement = try #require(judge.judge(FixedRetriever(scores: [[0.5, 0.75]])).first)
    #expect(judgement.ranking.ranks == [2] && judgement.given == [0.75] && judge.missingNegatives == 0)
  }

  @Test func `random negatives are never the positive's own text, under any id`() throws {
    let folder = try ScratchFolder()
    let file = folder.url.appending(path: "g")
    try QueryGroup.write(
      (0..<6).map { number in
        QueryGroup(
          id: "q\(number)", query: "q\(number)",
          positives: [Passage(id: "p\(number)", text: number < 5 ? ["Café", "Cafe\u{301}"][number % 2] : "other")])
      }, to: file)
    let read = try #require(LabelledFile(bound: BoundArtifact(url: file, type: .groups))).read(drawing: 3, seed: 5)
    for record in read.prefix(5) { #expect(record.group.negatives.map(\.text) == ["other"]) }
    #expect(read[5].group.negatives.map(\.text) == ["Café"])
  }
}
