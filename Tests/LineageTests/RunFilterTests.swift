/// Conditions on runs: how they are read, what they find, and what is said where they are wrong.
import Foundation
@testable import Lineage
import Pipelines
import Testing

@Suite struct RunFilterTests {
  @Test(arguments: [
    ("", "expected the name of a metric, a parameter or a field, found the end", 0),
    ("a", "expected one of `=`, `!=`, `<`, `<=`, `>`, `>=`, found the end", 1),
    ("a = ", "expected a number, a word or a quoted text, found the end", 4),
    ("a = 1 b = 2", "expected `and`, `or` or the end, found `b`", 6),
    ("(a = 1", "expected `)`, `and` or `or`, found the end", 6),
    ("a = 1)", "expected `and`, `or` or the end, found `)`", 5),
    ("a ! 1", "`!` is no operator; did you mean `!=`?", 2),
    ("a = 'x", "the quote is not closed", 4),
    ("and = 1", "expected the name of a metric, a parameter or a field, found `and`", 0),
    ("a < b < c", "expected `and`, `or` or the end, found `<`", 6),
    ("a < 1 && b < 1", "expected `and`, `or` or the end, found `&&`; did you mean `and`?", 6),
  ])
  func `what is no condition is shown with a caret at the place`(text: String, message: String, place: Int) {
    #expect {
      try RunFilter(text)
    } throws: { error in
      "\(error)" == "\(message)\n  \(text)\n  \(String(repeating: " ", count: place))^"
    }
  }

  @Test func `the caret stands below wide characters, and control signs do not move it`() {
    #expect { try RunFilter("메모 = 'a' \n x") } throws: { "\($0)".hasSuffix("\n  메모 = 'a'   x\n               ^") }
  }

  @Test func `of a long condition the 36 characters on either side of the place are shown`() {
    func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }
    #expect { try RunFilter(spaces(100) + "x y" + spaces(100)) } throws: { error in
      "\(error)".hasSuffix("\n  …\(spaces(34))x y\(spaces(35))…\n  \(spaces(37))^")
    }
  }

  @Test func `and binds closer than or, not closer than both`() throws {
    func shape(_ condition: RunFilter.Condition) -> String {
      switch condition {
      case .comparison(let one): one.name
      case .not(let inner): "!\(shape(inner))"
      case .and(let all): "(\(all.map(shape).joined(separator: "&")))"
      case .or(let all): "(\(all.map(shape).joined(separator: "|")))"
      }
    }
    func shape(_ text: String) throws -> String { shape(try RunFilter(text).root) }
    #expect(try shape("a=1 or b=1 and not c=1") == "(a|(b&!c))")
    #expect(try shape("(a=1 OR b=1) AND c=1 and d=1") == "((a|b)&c&d)")
    #expect(try shape("not (student-test.ndcg@10 >= .5)") == "!student-test.ndcg@10")
  }

  @Test func `what is too deep or too long is refused`() {
    for text in [
      String(repeating: "(", count: 1000), String(repeating: "not ", count: 1000) + "a=1",
      Array(repeating: "a=1", count: 101).joined(separator: " or "),
      "a='" + String(repeating: "*", count: 60_000) + "'", String(repeating: "(", count: 17) + "a=1",
    ] { #expect(throws: RunFilterError.self) { try RunFilter(text) } }
  }
}

@Suite struct LeaderboardTests {
  private let history: History

  /// 1 and 2 without a matrix, 3 with one of three variants, 4 that only found what 1 made.
  init() throws {
    history = try History()
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false), name: "first")
    try history.run(
      trained(tau: 0.2, seed: 1, ndcg: 0.75, coordinates: false), pipeline: "q", headline: ["scores.mean_rank"])
    var sweep = trained(tau: 0.1, seed: 2, ndcg: 0.625)
    sweep += trained(tau: 0.2, seed: 2, ndcg: 0.875).dropFirst() + trained(tau: 0.4, seed: 3, ndcg: 0.25).dropFirst()
    try history.run(sweep)
    try history.run(trained(tau: 0.1, seed: 1, ndcg: 0.5, coordinates: false))
  }

  private func lines(
    _ filter: String? = nil, sort: String? = nil, all: Bool = false, pipeline: String? = nil, limit: Int = 50,
    neutral: [NeutralParameter] = []
  ) throws -> [String] {
    var question = RunQuestion()
    question.filter = try filter.map { try RunFilter($0) }
    question.sort = sort.map { ($0.hasPrefix("-") ? String($0.dropFirst()) : $0, $0.hasPrefix("-")) }
    (question.all, question.pipeline, question.limit, question.neutral) = (all, pipeline, limit, neutral)
    return try history.journal.runs(question).lines.map(\.id)
  }

  @Test func `runs are listed latest first, those that only found cached results when asked or marked`() throws {
    #expect(try lines() == ["3", "2", "1"])
    #expect(try lines(all: true) == ["4", "3", "2", "1"])
    #expect(try lines(pipeline: "q") == ["2"])
    try history.journal.setNote(4, "a look at the cache")
    #expect(try lines(limit: 2) == ["4", "3"])
  }

  @Test func `a metric is of a variant, and variants are lines`() throws {
    #expect(try lines("ndcg@10 >= 0.5", all: true) == ["4", "3[tau=0.1,seed=2]", "3[tau=0.2,seed=2]", "2", "1"])
    #expect(try lines("scores.ndcg@10 > 0.6") == ["3[tau=0.1,seed=2]", "3[tau=0.2,seed=2]", "2"])
    #expect(try lines("mean_rank < 3") == ["3[tau=0.2,seed=2]", "2"])
  }

  @Test func `a run that only found cached results has variants when somebody cares`() throws {
    let two = trained(tau: 0.1, seed: 2, ndcg: 0.625) + trained(tau: 0.3, seed: 2, ndcg: 0.5).dropFirst()
    for name in [nil, nil, nil, "again"] { try history.run(two, name: name) }
    func ids() throws -> [String] { try lines("seed = 2 and run > 4", all: true) }
    func both(_ run: Int) -> [String] { ["\(run)[tau=0.1,seed=2]", "\(run)[tau=0.3,seed=2]"] }
    #expect(try ids() == both(8) + ["7", "6"] + both(5))
    _ = try history.journal.tag(7, RunName("best"))
    try history.journal.setNote(6, "as before")
    #expect(try ids() == both(8) + both(7) + both(6) + both(5))
  }

  @Test func `a bare metric is of the stages that the headline names`() throws {
    var stages = trained(tau: 0.3, seed: 1, ndcg: 0.5, coordinates: false)
    stages.append(stages[2])
    stages[3].base = "baseline"
    stages[3].metrics = ["ndcg@10": 0.1]
    try history.run(stages, headline: ["scores.mean_rank"])
    #expect(try lines("ndcg@10 < 0.2").isEmpty)
    #expect(try lines("baseline.ndcg@10 < 0.2") == ["5"])
    try history.run(stages)
    #expect(try lines("ndcg@10 < 0.2", all: true) == ["6"])
  }

  @Test func `a parameter is found by its bare name, its stage, and a coordinate`() throws {
    #expect(try lines("tau = 0.1") == ["3[tau=0.1,seed=2]", "1"])
    #expect(try lines("student.tau = 1e-1 and scores.ndcg@10 > 0.6") == ["3[tau=0.1,seed=2]"])
    #expect(try lines("seed > 1 and tau >= 0.2") == ["3[tau=0.2,seed=2]", "3[tau=0.4,seed=3]"])
  }

  @Test func `not takes what has no value too, unequal does not`() throws {
    try history.run([History.Stage(base: "other", components: [("with.mode", .string("fast"))], outputs: ["out": "x"])])
    #expect(try lines("mode = fast") == ["5"])
    #expect(try lines("mode = 'f*t'") == ["5"])
    #expect(try lines("tau != 0.1 and seed = 1") == ["2"])
    #expect(try lines("not tau >= 0.2") == ["5", "3[tau=0.1,seed=2]", "1"])
  }

  @Test func `fields are of the run`() throws {
    _ = try history.journal.tag(2, RunName("best"))
    try history.journal.setNote(3, "three taus")
    #expect(try lines("tag = best") == ["2"])
    #expect(try lines("tag != best and state = done") == ["3", "1"])
    #expect(try lines("name = first or note = '*taus'") == ["3", "1"])
    #expect(try lines("pipeline = q and run > 1 and seconds = 60") == ["2"])
    // 1,000,000 seconds after 1970 began.
    #expect(try lines("started = 1970-01-12 and started >= 1970-01-12T13:46 and started < 1970-02") == ["3", "2", "1"])
    #expect(try lines("started > 1970-01-12") == [])
  }

  @Test func `a time as runs prints it is found`() throws {
    #expect(try lines("started = 1970-01-12T13:46:40Z or started = '1970-01-12 13:46:40.000'") == ["3", "2", "1"])
    for wrong in ["1970-1", "1970-01-12T", "12.01.1970", "1970-01-12Z", "1970-01-12T13:46:40+00:00"] {
      #expect(throws: RunFilterError.self) { try lines("started = '\(wrong)'") }
    }
  }

  @Test func `a name is found however its letters are composed`() throws {
    _ = try history.journal.tag(2, RunName("caf\u{e9}"))
    #expect(try lines("tag = cafe\u{301}") == ["2"] && lines("tag = 'cafe\u{301}*'") == ["2"])
    #expect(try lines("not tag != cafe\u{301}") == ["2"])
  }

  /// With an even number of levels the comparison's own lines remain, or those that it or its opposite holds for.
  @Test(arguments: [
    ("not ", "", 1, "X"), ("(X or not ", ")", 2, "X"), ("not (X and ", ")", 2, "X or not X"),
    ("(X and (X or ", "))", 2, "X"),
  ])
  func `a condition as deep as may be runs`(opening: String, closing: String, levels: Int, same: String) throws {
    for comparison in ["run = 1", "tau = 0.1", "scores.ndcg@10 = 0.5"] {
      func repeated(_ text: String) -> String { String(repeating: text, count: 16 / levels) }
      let text = repeated(opening).replacing("X", with: comparison) + comparison + repeated(closing)
      #expect(try lines(text) == lines(same.replacing("X", with: comparison)))
    }
  }

  @Test(arguments: ["and", "or"]) func `a condition as long as may be runs`(word: String) throws {
    for comparison in ["run = 1", "tau = 0.1", "scores.ndcg@10 = 0.5"] {
      let text = Array(repeating: comparison, count: 100).joined(separator: " \(word) ")
      #expect(try lines(text) == lines(comparison))
    }
  }

  @Test func `where nothing is near, what there is is named`() {
    #expect { try lines("scores.ndcg > 1") } throws: { error in
      "\(error)".hasPrefix("the stage `scores` has no metric or parameter `ndcg` in any run; there are `")
        && "\(error)".contains("`ndcg@10`")
    }
    #expect { try lines("xyzzy = 1") } throws: { "\($0)".contains("`; there are `run`, `pipeline`, `state`") }
  }

  @Test func `lines are ordered by a metric, a parameter or a field, those without it last`() throws {
    try history.run([History.Stage(base: "other", outputs: ["out": "x"])])
    #expect(
      try lines(sort: "-ndcg@10") == ["3[tau=0.2,seed=2]", "2", "3[tau=0.1,seed=2]", "1", "3[tau=0.4,seed=3]", "5"])
    #expect(
      try lines(sort: "tau") == ["3[tau=0.1,seed=2]", "1", "3[tau=0.2,seed=2]", "2", "3[tau=0.4,seed=3]", "5"])
    #expect(try lines(sort: "run") == ["1", "2", "3", "5"])
    #expect(try lines(sort: "name").first == "1")
  }

  @Test func `a line has its headline's values and what was asked for`() throws {
    var question = RunQuestion()
    let all = try history.journal.runs(question).lines
    #expect(
      all.map(\.headline) == [
        [.init(metric: "scores.ndcg@10", values: [0.625, 0.875, 0.25])],
        [.init(metric: "scores.mean_rank", values: [2.5])],
        [.init(metric: "scores.ndcg@10", values: [0.5])],
      ])
    #expect(all[2].name == "first" && all[2].stages == ["ran": 3])
    question.filter = try RunFilter("tau = 0.2 and seed = 2")
    let (lines, count) = try history.journal.runs(question)
    #expect(count == 1 && lines[0].headline == [.init(metric: "scores.ndcg@10", values: [0.875])])
    #expect(lines[0].coordinates == ["tau": .double(0.2), "seed": .int(2)])
    #expect(lines[0].columns.map(\.name) == ["tau", "seed"] && lines[0].columns[0].values == [.double(0.2)])
  }

  @Test func `a parameter at the value that keys leave out is found`() throws {
    let neutral = [NeutralParameter(kind: "distill", name: "pair_form", value: .string("pair"))]
    #expect(try lines("pair_form = pair and tau = 0.2", neutral: neutral) == ["3[tau=0.2,seed=2]", "2"])
    #expect(try lines("pair_form != pair", neutral: neutral) == [])
  }

  @Test(arguments: [
    ("ndgc@10 > 0.5", "no run has a metric, a parameter or a field `ndgc@10`; did you mean `ndcg@10`?", 0),
    ("run = 1 and tua = 1", "no run has a metric, a parameter or a field `tua`; did you mean `tau`?", 12),
    (
      "scoers.ndcg@10 > 1",
      "no run has a metric, a parameter or a field `scoers.ndcg@10`; did you mean `scores.ndcg@10`?", 0
    ),
    ("taau = 1", "no run has a metric, a parameter or a field `taau`; did you mean `tau`?", 0),
    (
      "started = yesterday",
      "`started` is a time (UTC); expected one such as 2026-11-20 or 2026-11-20T18:30, found `yesterday`", 10
    ),
    ("ndcg@10 > high", "`ndcg@10` is a number; expected one, found `high`", 10),
    ("pipeline > 3", "`>` compares numbers and times; `pipeline` and `3` are not such, so write `=` or `!=`", 11),
  ])
  func `a name or value that means nothing is told at its place`(text: String, message: String, place: Int) {
    #expect { try lines(text) } throws: { error in
      "\(error)" == "\(message)\n  \(text)\n  \(String(repeating: " ", count: place))^"
    }
  }
}
