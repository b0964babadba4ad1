/// Rewards: forms, references, models and commands. Golden file: Tests/Fixtures/generate/rewards.py.
import Foundation
import JSONText
import Pipelines
import TestSupport
import Testing

@testable import Stages
@testable import Training

/// Largest difference of a BERTScore in fp32.
private let bertTolerance = 2e-6

private struct Golden: Decodable {
  let pairs: [[String]]
  /// By how texts are taken apart, then by kind.
  let rouge: [String: [String: [Double]]]
  /// By layer.
  let bertscore: [String: [Double]]

  static func read() throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: fixtures.appending(path: "rewards/golden.json")))
  }
}

@Suite struct RewardTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func list(_ elements: [String: ParameterValue]...) throws -> RewardList {
    try #require(
      RewardList(parameter: .list(elements.map { .map($0) })), "the parameters' names or types are wrong")
  }

  private func record(_ answer: String?, _ fields: JSONValue = [:]) -> AnswerRecord {
    AnswerRecord(
      id: "q1", query: "?", answer: answer, fields: fields,
      place: RecordPlace(file: folder.url.appending(path: "data.jsonl"), line: 3, number: 3))
  }

  private func rewards(_ list: RewardList, _ tools: Rewards.Tools = Rewards.Tools()) throws -> Rewards {
    let context = StageContext(Compute(), scratch: folder.url) { _ in }
    return try Rewards(list, tools, context, for: "grpo")
  }

  private func values(
    _ list: RewardList, _ answers: [String], reference: String? = nil, _ fields: JSONValue = [:]
  ) throws -> [[Double]] {
    try rewards(list).values(answers.map { GivenAnswer(text: $0, record: record(reference, fields)) })
  }

  // MARK: - Forms

  @Test(
    arguments: [
      (#""물이 얼다"가 옳다. 까닭"#, ["sentence": "물이 얼다", "reason": "까닭"]),
      ("“물이 얼다”가 옳다.", ["sentence": "물이 얼다", "reason": ""]),
      ("  \"a b\"이 옳다 그래서\n또  ", ["sentence": "a b", "reason": "그래서\n또"]),
      (#""물""이 옳다. 까닭"#, nil), ("물이 옳다. 까닭", nil), ("", nil), (#"그래서 "물"이 옳다."#, nil),
    ] as [(String, [String: String]?)])
  func `a form is found in a whole text and takes it apart`(text: String, parts: [String: String]?) throws {
    #expect(try AnswerForm(#""{sentence}"{이|가} 옳다{.|} {reason?}"#).parts(of: text) == parts)
  }

  @Test func `straight quotes alone may be asked for`() throws {
    let form = try AnswerForm("\"{a}\"", quotes: .straight)
    #expect(form.parts(of: "\"x\"") == ["a": "x"] && form.parts(of: "“x”") == nil)
  }

  @Test(arguments: [
    ("물", "이", true), ("물", "가", false), ("나무", "가", true), ("나무", "이", false), ("나무.", "가", true),
    ("제1", "이", true), ("제2", "가", true), ("제2", "이", false), ("A", "이", true), ("A", "가", true),
  ])
  func `particles agree with the last syllable's final consonant`(word: String, particle: String, agrees: Bool) throws {
    let form = try AnswerForm("\"{a}\"{이|가} 옳다", agrees: true)
    #expect((form.parts(of: "\"\(word)\"\(particle) 옳다") != nil) == agrees)
  }

  @Test func `a long text that nearly has a form with many parts is told quickly`() throws {
    let form = try AnswerForm("{a} {b} {c} {d} {e} {f}!")
    #expect(form.parts(of: String(repeating: "x ", count: 400)) == nil)
    #expect(form.parts(of: "u v w x y z!")?["f"] == "z")
  }

  @Test(arguments: [
    ("{a", "`{` that no `}` closes"), ("a}", "closes nothing"), ("{}", "without a name"), ("{a}{b}", "right behind"),
    ("{a} {a}", "twice"),
  ])
  func `a form that is none is told with its place`(pattern: String, message: String) throws {
    let problems = try list(["form": .map(["pattern": .string(pattern)])]).problems(Rewards.Tools())
    #expect(problems.count == 1 && problems[0].contains("rewards[0].form.pattern") && problems[0].contains(message))
  }

  // MARK: - References

  @Test func `an exact answer is one of the alternatives, whatever its quotes, width and spaces`() throws {
    let list = try list(
      ["form": .map(["pattern": .string("\"{s}\"{이|가} 옳다.{r?}")])],
      ["exact": .map(["of": .string("s"), "alternatives": .string("#")])])
    let found = try values(
      list, ["“가 나”이 옳다.", "\"가  나\"이 옳다. 또", "“ａ１”가 옳다.", "“가나”가 옳다.", "가 나", "“#”이 옳다."],
      reference: "“가 나#a1”이 옳다. 까닭")
    #expect(found == [[1, 1], [1, 1], [1, 1], [1, 0], [0, 0], [1, 0]])
  }

  @Test(arguments: ["spaces", "syllables", "google"])
  func `ROUGE equals rouge_score's`(way: String) throws {
    let golden = try Golden.read()
    let words: [String: ParameterValue] = ["words": .string(way)]
    let list = try list(["rouge1": .map(words)], ["rougel": .map(words)])
    for (index, pair) in golden.pairs.enumerated() {
      let found = try values(list, [pair[0]], reference: pair[1])[0]
      for (value, kind) in zip(found, ["rouge1", "rougeL"]) {
        let expected = try #require(golden.rouge[way]?[kind]?[index])
        #expect(abs(value - expected) < 1e-12, "\(kind) of \(pair)")
      }
    }
  }

  @Test(arguments: [1, 2])
  func `BERTScore equals bert_score's after either layer`(layer: Int) throws {
    let golden = try Golden.read()
    let model = ModelFolder(BoundArtifact(url: fixtures.appending(path: "models/sentence-transformer")))
    let rewards = try rewards(
      list(["bertscore": .map(["layer": .int(layer)])]), Rewards.Tools(bert: model))
    let found = try rewards.values(golden.pairs.map { GivenAnswer(text: $0[0], record: record($0[1])) })
    for (value, expected) in zip(found, try #require(golden.bertscore["\(layer)"])) {
      #expect(abs(value[0] - expected) < bertTolerance)
    }
    #expect(golden.pairs.count == 9)
  }

  @Test func `a model with fewer layers is refused by BERTScore`() throws {
    let model = ModelFolder(BoundArtifact(url: fixtures.appending(path: "models/sentence-transformer")))
    #expect { try rewards(list(["bertscore": .map([:])]), Rewards.Tools(bert: model)) } throws: {
      "\($0)".contains("a model of 2 layers")
    }
  }

  // MARK: - Texts

  @Test func `terms, expressions, JSON and lengths count as they say`() throws {
    let list = try list(
      ["contains": .map(["terms": .string("terms")])], ["matches": .map(["pattern": .string("\\d{2}")])],
      [
        "json": .map([
          "schema": .string(#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}"#)
        ])
      ], ["length": .map(["between": .list([.int(2), .int(3)]), "unit": .string("words")])])
    let found = try values(
      list, ["가 나 12", #"{"a": 1}"#, #"{"a": 1.5}"#, "", "나"], ["terms": ["가", "나"]])
    #expect(found == [[1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0.5, 0, 0, 0]])
  }

  @Test(arguments: [
    #"{"type": "text"}"#, #"{"pattern": "a"}"#, #"{"required": "a"}"#, "[]", "{",
  ])
  func `a schema beyond what is known is refused`(schema: String) throws {
    let problems = try list(["json": .map(["schema": .string(schema)])]).problems(Rewards.Tools())
    #expect(problems.count == 1 && problems[0].contains("rewards[0].json.schema"))
  }

  // MARK: - Commands

  @Test func `a command gets JSON lines and its numbers are the rewards`() throws {
    let command = #"python3 -c 'import json, sys; [print(len(json.loads(l)["completion"]) / 2) for l in sys.stdin]'"#
    #expect(try values(list(["cmd": .string(command)]), ["가나다", ""]) == [[1.5], [0]])
  }

  @Test func `a command that hangs is killed and named`() throws {
    let list = try list(["cmd": .map(["run": .string("sleep 1000 & sleep 1000"), "timeout": .int(1)])])
    #expect { try values(list, ["a"]) } throws: {
      "\($0)".contains("the reward `cmd`") && "\($0)".contains("after 1 s and was killed")
    }
  }

  @Test(arguments: [
    ("echo 1; echo 2", "answered 1 lines with 2"), ("echo oops >&2; exit 3", "exit code 3: oops"),
    ("echo nan", "is no JSON, “nan”"), (#"echo '"1"'"#, "no finite number"),
  ])
  func `a command that answers otherwise is an error with what it said`(command: String, message: String) throws {
    #expect { try values(list(["cmd": .string(command)]), ["a"]) } throws: { "\($0)".contains(message) }
  }

  @Test func `words may come from a command`() throws {
    let split = #"python3 -c 'import json, sys; [print(json.dumps(list(json.loads(l)))) for l in sys.stdin]'"#
    let list = try list(["rouge1": .map(["words": .map(["cmd": .string(split)])])])
    #expect(try values(list, ["가나"], reference: "나다") == [[0.5]])
  }

  // MARK: - Lists

  @Test func `the preset is the grammar program's sum`() throws {
    let preset = RewardList(.grammarAnswers)
    #expect(preset.elements.count == 4 && preset.problems(Rewards.Tools()) == [RewardParameters.lacksBERT])
    let model = ModelFolder(BoundArtifact(url: fixtures.appending(path: "models/sentence-transformer")))
    #expect(preset.problems(Rewards.Tools(bert: model)) == [])
    // (exact + form + (BERTScore + 3·ROUGE-1)/2)/3 of form 1, exact 1, ROUGE-1 0.5 and BERTScore 0.25.
    let parts = zip(preset.elements.map(\.weight), [1, 1, 0.5, 0.25])
    let sum: Double = parts.reduce(0) { $0 + $1.0 * $1.1 }
    let expected: Double = (1 + 1 + (0.25 + 3 * 0.5) / 2) / 3
    #expect(abs(sum - expected) < 1e-12)
  }

  @Test func `a mistake within a list of rewards is told on its line`() throws {
    let file = folder.url.appending(path: "p.yaml")
    try Data(#"{"question": "?", "answer": "!"}"#.utf8).write(to: folder.url.appending(path: "prompts.jsonl"))
    try Data(
      """
      version: 1
      stages:
        answers:
          uses: grpo
          in: {base: ".", prompts: prompts.jsonl}
          with:
            rewards:
              - exact: {alternative: "#"}
              - length: {between: 3}
              - grammar

      """.utf8
    ).write(to: file)
    let problems = #expect(throws: Problems.self) {
      try Plan(file: file, catalog: StageCatalog(BuiltInStages.all), workingFolder: folder.url)
    }
    let text = try #require(problems).description
    for expected in [
      "p.yaml:8:19: error: `with.rewards[0].exact` has no parameter `alternative`",
      "p.yaml:9:29: error: `with.rewards[1].length.between` must be a list",
      "p.yaml:10:11: error: `with.rewards[2]` must be a mapping with form",
    ] { #expect(text.contains(expected), "\(expected)\n\(text)") }
  }

  @Test func `what is wrong with a list is told by its place`() throws {
    let list = try list(
      ["exact": .map(["of": .string("reason")]), "form": .map(["pattern": .string("{a}!")])],
      ["length": .map(["between": .list([.int(3)])])], ["matches": .map(["pattern": .string("(")])], [:],
      ["judge": .map([:])])
    let problems = list.problems(Rewards.Tools())
    #expect(
      problems == [
        "`rewards[0]` has to be one reward, not form and exact",
        "`rewards[1].length.between` takes the least and the most: [20, 200]",
        "`rewards[2].matches.pattern` is no regular expression", "`rewards[3]` has to be one reward",
        RewardParameters.lacksJudge, "`rewards[0]` looks at the part `reason`, which no form has; its parts are `a`",
      ])
  }

  @Test func `a record that lacks what a reward needs is named with its line`() throws {
    let answers = try rewards(list(["exact": .map([:])]))
    #expect { try answers.check([record(nil)]) } throws: {
      "\($0)".contains("data.jsonl:3: error") && "\($0)".contains("no answer, with which the reward `exact` compares")
    }
    let terms = try rewards(list(["contains": .map(["terms": .string("rule_terms")])]))
    #expect { try terms.check([record("a")]) } throws: { "\($0)".contains("no field `rule_terms`") }
  }

  // MARK: - Trials

  @Test func `a trial shows own, empty and swapped answers and what is no reward`() throws {
    let rewards = try rewards(
      list(
        ["exact": .map([:])], ["length": .map(["between": .list([.int(0), .int(9)])])],
        [
          "matches": .map(["pattern": .string("x")])
        ]))
    let trial = try RewardTrial(rewards, [record("a"), record("b"), record("a")])
    #expect(trial.rows.map(\.own) == [1, 1, 0, 2] && trial.rows.map(\.empty) == [0, 1, 0, 1])
    #expect(trial.rows.map(\.swapped) == [0, 1, 0, 1])
    #expect(trial.rows[0].problem == nil && trial.rows[3].problem == nil)
    #expect(trial.rows[1].problem?.contains("gives every answer 1.0000") == true)
    #expect(trial.rows[2].problem?.contains("gives every answer 0.0000") == true)
    #expect(throws: RewardError.self) { try trial.check() }
  }

  @Test func `a reward that gives an empty answer full marks is none`() throws {
    let brief = try rewards(list(["length": .map(["between": .list([.int(0), .int(1)])])]))
    let trial = try RewardTrial(brief, [record("a"), record("bcd")])
    #expect(trial.rows[0].problem?.contains("gives an empty answer 1.0000, no less than any right one") == true)
  }
}
