/// The rewards of a stage: what each gives an answer, and their weighted sum.
import Foundation
import Pipelines
import Training

struct Rewards {
  struct Member {
    /// Its kind, from the second of a kind on with its number: `exact`, `2.exact`.
    let name: String
    let weight: Double
    let reward: any Reward
  }
  let members: [Member]
  private let form: AnswerForm?
  /// References may have any quotes.
  private let referenceForm: AnswerForm?

  var names: [String] { members.map(\.name) }
  var weights: [Double] { members.map(\.weight) }

  /// What the ports of the stage have for them.
  struct Tools {
    var bert: ModelFolder?
    var judge: ModelFolder?
    var script: URL?
  }

  /// - Parameter stage: the stage's name, for messages.
  init(_ list: RewardList, _ tools: Tools, _ context: StageContext, for stage: String) throws {
    let forms = list.elements.compactMap(\.form)
    form = try forms.first.map { try AnswerForm($0.pattern, quotes: $0.quotes, agrees: $0.agreement) }
    referenceForm = try forms.first.map { try AnswerForm($0.pattern) }
    var members: [Member] = []
    for element in list.elements {
      for (kind, weight, make) in element.given {
        let count = members.count { MetricDescription.parts(of: $0.name).metric == kind }
        members.append(
          Member(
            name: count == 0 ? kind : "\(count + 1).\(kind)", weight: weight, reward: try make(tools, context, stage)))
      }
    }
    self.members = members
  }

  /// 1 for a letter that is right, and something for one that is a letter.
  init(choosingWithForm weight: Double) throws {
    let letter = try NSRegularExpression(pattern: #"^\s*[A-Z]\s*$"#)
    (form, referenceForm) = (nil, nil)
    members = [
      Member(name: "exact", weight: 1, reward: ExactReward(part: nil, alternatives: "#")),
      Member(name: "matches", weight: weight, reward: MatchesReward(expression: letter, part: nil)),
    ]
  }

  /// Every reward of every answer: [answers][rewards]. Throws a `RewardError` where one is no finite number.
  func values(_ answers: [GivenAnswer]) throws -> [[Double]] {
    let parted = answers.map { PartedAnswer($0, form, referenceForm) }
    var rows = answers.map { _ in [Double]() }
    for member in members {
      let values = try member.reward.values(parted)
      for (index, value) in values.enumerated() {
        guard value.isFinite else {
          throw RewardError(reward: member.name, record: answers[index].record, problem: "is \(value)")
        }
        rows[index].append(value)
      }
    }
    return rows
  }

  func sum(_ values: [Double]) -> Double { zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } }

  /// The parts of an answer that has the form.
  func parts(of text: String) -> [String: String]? { form?.parts(of: text) }

  /// The first of the rewards that are 0 or 1, what is right before what has a form; `nil` if there is none.
  var outcome: Int? {
    for kind in ["exact", "matches", "json", "form"] {
      if let index = members.firstIndex(where: { $0.name == kind }) { return index }
    }
    return nil
  }

  /// Throws a `DataError` for the first record that lacks what a reward needs.
  func check(_ records: [AnswerRecord]) throws {
    for member in members {
      for record in records {
        if member.reward.needsReference, record.answer == nil {
          throw record.place.error("there is no answer, with which the reward `\(member.name)` compares")
        }
        if let field = member.reward.field, record.texts(field) == nil {
          throw record.place.error("no field `\(field)`, which the reward `\(member.name)` needs")
        }
      }
    }
  }
}

extension RewardParameters {
  fileprivate typealias Make = (Rewards.Tools, StageContext, String) throws -> any Reward

  /// The kinds that are given: one, unless the file is wrong.
  fileprivate var given: [(kind: String, weight: Double, make: Make)] {
    var all: [(String, Double, Make)] = []
    if let form { all.append(("form", form.weight, { _, _, _ in FormReward() })) }
    if let exact {
      all.append(("exact", exact.weight, { _, _, _ in ExactReward(part: exact.of, alternatives: exact.alternatives) }))
    }
    for (kind, name, overlap) in [(OverlapReward.Kind.unigrams, "rouge1", rouge1), (.subsequence, "rougel", rougel)] {
      guard let overlap else { continue }
      all.append(
        (
          name, overlap.weight,
          { tools, _, _ in
            OverlapReward(
              kind: kind, part: overlap.of, words: WordSplitter(splitting: overlap.words, script: tools.script))
          }
        ))
    }
    if let bertscore {
      all.append(
        (
          "bertscore", bertscore.weight,
          { tools, context, stage in
            guard let folder = tools.bert else { throw StageInputError(Self.lacksBERT) }
            let score = try BERTScore(
              folder: folder.url, base: folder.base, layer: bertscore.layer, on: context.device)
            context.tell(score.notices, stage)
            return BERTScoreReward(score: score, part: bertscore.of)
          }
        ))
    }
    if let contains {
      all.append(("contains", contains.weight, { _, _, _ in ContainsReward(terms: contains.terms, part: contains.of) }))
    }
    if let matches {
      all.append(
        (
          "matches", matches.weight,
          { _, _, _ in
            MatchesReward(expression: try NSRegularExpression(pattern: matches.pattern), part: matches.of)
          }
        ))
    }
    if let json {
      all.append(
        (
          "json", json.weight,
          { _, _, _ in JSONReward(schema: try json.schema.map { try JSONShape($0) } ?? .anything, part: json.of) }
        ))
    }
    if let length {
      all.append(
        (
          "length", length.weight,
          { _, _, _ in LengthReward(range: length.between[0]...length.between[1], unit: length.unit, part: length.of) }
        ))
    }
    if let judge {
      all.append(
        (
          "judge", judge.weight,
          { tools, context, stage in
            guard let folder = tools.judge else { throw StageInputError(Self.lacksJudge) }
            let scorer = try loadCrossEncoder(folder, context, for: stage)
            return JudgeReward(scorer: scorer, part: judge.text, against: judge.against)
          }
        ))
    }
    if let cmd {
      all.append(
        (
          "cmd", cmd.weight,
          { tools, _, _ in
            CommandReward(
              command: LineCommand(text: cmd.run, seconds: cmd.timeout, script: tools.script, name: "cmd"))
          }
        ))
    }
    return all
  }

  /// What it counts in the sum.
  var weight: Double { given.first?.weight ?? 0 }

  static let lacksBERT = "the reward `bertscore` needs a model at the port `bert`"
  static let lacksJudge = "the reward `judge` needs a cross-encoder at the port `judge`"

  /// The part of the answer that it looks at; `nil`: the whole answer.
  fileprivate var part: String? {
    exact?.of ?? rouge1?.of ?? rougel?.of ?? bertscore?.of ?? contains?.of ?? matches?.of ?? json?.of ?? length?.of
      ?? judge?.text
  }
}

extension RewardList {
  /// What is wrong with the list, by place: `rewards[2].exact: …`.
  /// - Parameter tools: what is bound.
  func problems(_ tools: Rewards.Tools) -> [String] {
    guard !elements.isEmpty else { return ["`rewards` is empty: nothing would be rewarded"] }
    var problems: [String] = []
    var fields: [String]?
    for (index, element) in elements.enumerated() {
      let place = "`rewards[\(index)]`"
      let kinds = element.given.map(\.kind)
      if kinds.count != 1 {
        problems.append(
          "\(place) has to be one reward" + (kinds.isEmpty ? "" : ", not \(kinds.joined(separator: " and "))"))
      }
      if let form = element.form {
        do throws(AnswerForm.Malformed) {
          let form = try AnswerForm(form.pattern)
          if fields != nil { problems.append("\(place) is a second `form`: there may be one") }
          fields = fields ?? form.fields
        } catch {
          problems.append("`rewards[\(index)].form.pattern` has, as character \(error.character), \(error.message)")
        }
      }
      if let matches = element.matches {
        do { _ = try NSRegularExpression(pattern: matches.pattern) } catch {
          problems.append("`rewards[\(index)].matches.pattern` is no regular expression")
        }
      }
      if let schema = element.json?.schema {
        do throws(JSONShape.Malformed) { _ = try JSONShape(schema) } catch {
          problems.append("`rewards[\(index)].json.schema` has \(error.message)")
        }
      }
      if let between = element.length?.between, between.count != 2 || between[0] < 0 || between[0] > between[1] {
        problems.append("`rewards[\(index)].length.between` takes the least and the most: [20, 200]")
      }
      if element.bertscore != nil, tools.bert == nil { problems.append(RewardParameters.lacksBERT) }
      if element.judge != nil, tools.judge == nil { problems.append(RewardParameters.lacksJudge) }
    }
    for (index, element) in elements.enumerated() {
      guard let part = element.part, !(fields ?? []).contains(part) else { continue }
      let known = fields.map { "its parts are \($0.map { "`\($0)`" }.joined(separator: ", "))" } ?? "there is no `form`"
      problems.append("`rewards[\(index)]` looks at the part `\(part)`, which no form has; \(known)")
    }
    return problems
  }
}

/// BERTScore of a part and the reference's.
struct BERTScoreReward: Reward {
  let score: BERTScore
  let part: String?
  var needsReference: Bool { true }

  func values(_ answers: [PartedAnswer]) throws -> [Double] {
    try score(answers.map { ($0.text(part) ?? "", $0.reference(part) ?? "") })
  }
}
