/// Answers held against references: what `evaluate` says where answers are bound instead of a model that ranks.
import Escaping
import Foundation
import JSONText
import Pipelines

/// Keys of the results: `method`: `answers`; `records`; `answers`, how many were given; `missing`, records that got none,
/// which count as empty; `scores`: each reward's mean, `sum` of them by weight, and `competition`,
/// ((ROUGE-1 + BERTScore)/2 + exact)/2; `by_type`: the same for each type of question.
struct AnswerEvaluation {
  private struct Line {
    let answer: GivenAnswer
    let values: [Double]
    let sum: Double
  }
  private let names: [String]
  private let lines: [Line]
  private let records: Int
  private let missing: [String]

  init(_ answers: AnswersFile, _ records: [AnswerRecord], _ rewards: Rewards) throws {
    let given = try answers.texts()
    let known = Set(records.map(\.id))
    guard known.count == records.count else {
      let twice = records.first { record in records.count { $0.id == record.id } > 1 }
      throw DataError(records[0].place.file, "two records have the id `\(twice?.id ?? "")`, by which answers are found")
    }
    if let stray = given.keys.sorted().first(where: { !known.contains($0) }) {
      throw DataError(answers.url, "there is an answer to `\(stray)`, which is no record's id")
    }
    missing = records.map(\.id).filter { given[$0] == nil }
    let all = records.flatMap { record in (given[record.id] ?? [""]).map { GivenAnswer(text: $0, record: record) } }
    lines = zip(all, try rewards.values(all)).map { Line(answer: $0, values: $1, sum: rewards.sum($1)) }
    names = rewards.names
    self.records = records.count
  }

  var warnings: [String] {
    guard let first = missing.first else { return [] }
    return ["\(missing.count) of \(records) records have no answer, the first `\(first)`: they count as empty ones"]
  }

  /// Each reward's mean, the weighted sum, and the competition's where there is what it is of.
  var metrics: [(name: String, value: Double)] { metrics(of: lines) }

  private func metrics(of lines: [Line]) -> [(name: String, value: Double)] {
    func mean(_ value: (Line) -> Double) -> Double { lines.reduce(0) { $0 + value($1) } / Double(lines.count) }
    let means = names.indices.map { index in (names[index], mean { $0.values[index] }) }
    let places = ["rouge1", "bertscore", "exact"].compactMap { names.firstIndex(of: $0) }
    let sum = means + [("sum", mean(\.sum))]
    guard places.count == 3 else { return sum }
    return sum + [("competition", mean { line in Self.competition(places.map { line.values[$0] }) })]
  }

  /// - Parameter values: ROUGE-1, BERTScore, exact.
  private static func competition(_ values: [Double]) -> Double { ((values[0] + values[1]) / 2 + values[2]) / 2 }

  private var types: [(name: String, lines: [Line])] {
    let groups = Dictionary(grouping: lines) { $0.answer.record.type }
    return groups.compactMap { type, lines in type.map { ($0, lines) } }.sorted { $0.0 < $1.0 }
  }

  func json(byType: Bool) -> JSONValue {
    [
      "method": "answers", "records": .int(records), "answers": .int(lines.count), "missing": .int(missing.count),
      "scores": metricObject(metrics),
      "by_type": .object(
        byType
          ? types.map { type in
            var scores = metricObject(metrics(of: type.lines))
            scores["answers"] = .int(type.lines.count)
            return JSONMember(type.name, scores)
          } : []),
    ]
  }

  /// One line an answer, worst first: `completion`, the reference `answer`, and each reward at `values`.
  var perQuery: [JSONValue] {
    lines.enumerated().sorted { ($0.element.sum, $0.offset) < ($1.element.sum, $1.offset) }.map { _, line in
      let record = line.answer.record
      return [
        "id": .string(record.id), "query": .string(record.query), "type": record.type.map { .string($0) } ?? .null,
        "completion": .string(line.answer.text), "answer": record.answer.map { .string($0) } ?? .null,
        "values": .object(
          zip(names, line.values).map { JSONMember($0, .double($1)) } + [JSONMember("sum", .double(line.sum))]),
      ]
    }
  }

  func report(byType: Bool) -> [String] {
    let rows = [("answers", lines)] + (byType && types.count > 1 ? types.map { ($0.name, $0.lines) } : [])
    return rows.map { name, lines in
      "\(name): \(lines.count) | "
        + metrics(of: lines).map { "\($0.name) \(decimal($0.value))" }.joined(separator: " | ")
    }
  }

  func picture(title: String) -> Picture {
    let subject = "\(lines.count) answers to \(records) questions"
    return Picture(title: title.isEmpty ? subject : "\(title) – \(subject)", panels: [means, sums])
  }

  private var means: Panel {
    let metrics = metrics
    let ticks = metrics.enumerated().map { "\(Escape.gnuplot($1.name)) \($0)" }.joined(separator: ", ")
    return Panel(
      settings: [
        "set title 'means'", "set yrange [0:1.08]", "set xrange [-0.6:\(Double(metrics.count) - 0.4)]",
        "set xtics (\(ticks)) rotate by -30", "set boxwidth 0.6", "unset key",
      ],
      tables: [("s", metrics.enumerated().map { ["\($0)", decimal($1.value), "\"\(decimal($1.value, 3))\""] })],
      plots: [
        "$s using 1:2 with boxes lc \(Palette.plain) notitle",
        "$s using 1:2:3 with labels offset 0, 0.7 tc '#444444' notitle",
      ])
  }

  private var sums: Panel {
    let most = max(1, lines.map(\.sum).max() ?? 1)
    let bins = 20
    let shares = histogram(lines.map(\.sum), in: 0...most, bins: bins)
    return Panel(
      settings: [
        "set title 'sum of rewards'", "set ylabel '% of answers'", "set yrange [0:*]", "set xrange [0:\(most)]",
        "set boxwidth \(most / Double(bins))", "set style fill transparent solid 0.5 noborder", "unset key",
      ],
      tables: [
        ("s", shares.enumerated().map { [decimal((Double($0) + 0.5) * most / Double(bins)), decimal($1 * 100)] })
      ], plots: ["$s using 1:2 with boxes lc \(Palette.plain) notitle"])
  }
}

/// Answers by the ids of what they answer: completions of `generate`, or anybody's records.
struct AnswersFile: Artifact {
  static let type = ArtifactType.records
  static let accepts: [ArtifactType] = [.records, .json, .file]
  let url: URL
  init(_ bound: BoundArtifact) { url = bound.url }

  private static let aliases = ["output.answer", "answer", "prediction", "output", "답변"]

  /// In the file's order; there may be several to one question. Throws a `DataError` with the place.
  func texts() throws -> [String: [String]] {
    let columns = Columns([:])
    var texts: [String: [String]] = [:]
    try forEachRecord(of: TextFile(url)) { record in
      let id = try columns.text("id", or: GroupReader.idAliases + ["Question_ID"], in: record)
      let answer = try columns.require("completion", or: Self.aliases, in: record)
      guard let text = answer.scalarText else {
        throw record.place.error("the answer is \(answer.kind), expected a text")
      }
      texts[id, default: []].append(text)
    }
    return texts
  }
}

extension Evaluate: RewardedStage {
  private static let answerColumns = ["answer"]

  /// What cannot go together with answers.
  var answerProblems: [String] {
    let others: [(String, Bool)] = [
      ("model", model != nil), ("corpus", corpus != nil), ("first_stage", firstStage != nil),
      ("samples", samples != nil),
    ]
    return reading.problems(knowing: Self.answerColumns) + scoring.problems(tools.rewardTools)
      + others.filter(\.1).map { "`answers` are evaluated without ranking: leave the port `\($0.0)` out" }
      + (data.count > 1 ? ["`answers` are of one file at `data`"] : [])
  }

  private var scoring: RewardList {
    if let rewards { return rewards }
    let preset = RewardList(.grammarAnswers)
    return tools.bert == nil ? preset.withoutBERTScore : preset
  }

  private func records() throws -> [AnswerRecord] {
    try AnswerRecord.read(data[0].url, Columns(reading.columns))
  }

  package func rewardTrial(_ context: StageContext) throws -> RewardTrial {
    guard answers != nil else { throw StageInputError("`evaluate` rewards answers alone, at the port `answers`") }
    let (rewards, records) = (try Rewards(scoring, tools.rewardTools, context, for: "evaluate"), try records())
    try rewards.check(records)
    return try RewardTrial(rewards, records)
  }

  func evaluate(_ answers: AnswersFile, _ context: StageContext) throws {
    let (rewards, records) = (try Rewards(scoring, tools.rewardTools, context, for: "evaluate"), try records())
    try rewards.check(records)
    let evaluation = try AnswerEvaluation(answers, records, rewards)
    for warning in evaluation.warnings { context.warn("[evaluate] \(warning)") }
    let byType = groupBy == .type
    try Data(evaluation.json(byType: byType).text(.document).utf8).write(to: results.url)
    let writer = try LineWriter(perQuery.url)
    for line in evaluation.perQuery { try writer.write(line) }
    try writer.close()
    try evaluation.picture(title: title).write(to: picture.url, scratch: context.scratch)
    for (name, value) in evaluation.metrics { context.metric(name, value) }
    for line in evaluation.report(byType: byType) { context.log("[evaluate] \(line)") }
  }
}
