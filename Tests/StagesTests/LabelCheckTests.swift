import Basics
import Foundation
import Pipelines
import TestSupport
import Testing

@testable import Stages

private let checkout = fixtures.deletingLastPathComponent().deletingLastPathComponent()

@Suite struct LabelCheckTests {
  /// Queries of two words, one of which stands in a passage of three.
  private func groups(_ count: Int, answer: (Int) -> Int) -> [QueryGroup] {
    let passages = (0..<count).map { Passage(id: "p\($0)", text: "w\($0) v\($0 % 7) u\($0 % 5)") }
    return (0..<count).map { number in
      QueryGroup(id: "q\(number)", query: "w\(number) v\(number % 3)", positives: [passages[answer(number)]])
    }
  }

  @Test func `labels drawn by lot look like chance, those that mean something do not`() {
    let lots = Array(0..<200).shuffled(seed: 4)
    let drawn = LabelCheck(groups(200) { lots[$0] })
    #expect(drawn.queries == 200 && abs(drawn.share - 0.5) < 0.1 && drawn.p > 0.05)
    #expect(drawn.warning?.hasPrefix("the labels look no better than chance") == true)
    let meant = LabelCheck(groups(200) { $0 })
    #expect(meant.share > 0.9 && meant.p < 0.001 && meant.warning == nil)
  }

  /// Every query shares more words with the passages that many have than with others.
  @Test func `passages that are the positives of many say nothing of a query's own`() {
    let lots = Array(0..<200).shuffled(seed: 9)
    let groups = groups(200) { number in lots[number] < 150 ? 0 : lots[number] }.map { group in
      QueryGroup(id: group.id, query: group.query + " w0 u0", positives: group.positives)
    }
    #expect(LabelCheck(groups).warning != nil)
  }

  @Test func `too few queries, and queries of another language, say nothing`() {
    let lots = Array(0..<LabelCheck.fewest - 1).shuffled(seed: 4)
    #expect(LabelCheck(groups(LabelCheck.fewest - 1) { lots[$0] }).warning == nil)
    let foreign = groups(200) { $0 }.map { QueryGroup(id: $0.id, query: "말 \($0.id)", positives: $0.positives) }
    let check = LabelCheck(foreign)
    #expect(check.queries == 0 && check.warning == nil)
    #expect(LabelCheck([]).warning == nil)
  }

  private static let weak = "the labels look no better than chance"

  @Test func `groups warns of nothing where our own questions name their rules`() async throws {
    let run = try StageRun()
    let data = checkout.appending(path: "pipelines/data")
    try await run.run(
      MakeGroups.self,
      inputs: [
        "data": data.appending(path: "qa.json").path, "passages": data.appending(path: "grammar_book.json").path,
      ])
    #expect(!run.messages.contains { $0.contains(Self.weak) })
  }

  private static let malpyeong = checkout.deletingLastPathComponent().appending(path: "shared/data/malpyeong")

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: malpyeong.path),
      "needs the first users' files in ../shared/data/malpyeong"),
    arguments: [
      ("qa_train.json", "Top-3_Lowest_context_PPL"),
      ("highest_delta_ppl_results(kanana_basic_top5).json", "Top-3_Highest_delta_PPL"),
    ])
  func `groups warns of labels that a language model guessed`(file: String, list: String) async throws {
    let run = try StageRun()
    try await run.run(
      MakeGroups.self,
      inputs: [
        "data": Self.malpyeong.appending(path: file).path,
        "passages": Self.malpyeong.appending(path: "GrammarBook_structured.json").path,
      ],
      with: [
        "columns": .map(["query": .string("Question"), "rule": .string("\(list).0.title")]),
        "passage_columns": .map(["id": .string(""), "text": .string("description")]),
      ])
    #expect(run.messages.contains { $0.hasPrefix("[groups] " + Self.weak) }, "\(run.messages)")
  }
}
