/// Random edits of a pipeline: exactly the stages run that a model of the rules says, and their outputs are the model's.
import Foundation
import TestSupport
import Testing

struct EditTests {
  /// `RETORT_EDITS` asks for more edits, `RETORT_SEED` repeats what went wrong.
  @Test func `after any edit exactly the stages run whose command or input bytes are new`() async throws {
    let environment = ProcessInfo.processInfo.environment
    let seed = environment["RETORT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0..<1_000_000)
    let edits = environment["RETORT_EDITS"].flatMap(Int.init) ?? 40
    var random = SplitMix(state: seed)
    var model = EditedPipeline(&random)
    var known: Set<String> = []
    var earlier: [EditedPipeline] = []
    let project = try Project()
    for edit in 0...edits {
      let what = edit == 0 ? "nothing" : model.edit(&random, earlier: earlier)
      earlier.append(model)
      try project.write(model.text(&random))
      for (name, lines) in model.files { try project.write(lines.map { $0 + "\n" }.joined(), to: "data/\(name)") }
      let results = model.results()
      let expected = results.values.map(\.key).filter { !known.contains($0) }
      let ran = try await project.run()
      let keys = ran.compactMap { results[$0]?.key }
      // Stages with one key are one computation, whichever of them does it.
      #expect(
        keys.sorted() == Set(expected).sorted(),
        "seed \(seed), edit \(edit) (\(what)): ran \(ran); expected \(results.filter { expected.contains($0.value.key) }.keys.sorted())"
      )
      known.formUnion(expected)
    }
    let results = model.results()
    let status = try await project.retort("status", "pipeline.yaml", "--json").decoded([StageStatus].self)
    #expect(status.count == results.count)
    for stage in status {
      let text = try String(contentsOfFile: try #require(stage.outputs.first).path, encoding: .utf8)
      #expect(text == results[stage.name]?.output.map { $0 + "\n" }.joined(), "seed \(seed), stage \(stage.name)")
    }
  }
}

private struct StageStatus: Decodable {
  struct Output: Decodable { var path: String }
  var name: String
  var outputs: [Output]
}

/// A pipeline of commands on lines of text, how it is written, and what it computes.
private struct EditedPipeline {
  enum Operation: Hashable {
    /// The first lines; the number comes from `params` if it is `nil`.
    case head(Int?)
    case sorted
    case count
    case append(String)
  }
  enum Source: Hashable {
    case file(String)
    case stage(Int)
  }
  struct Stage {
    var name: String
    var operation: Operation
    var inputs: [Source]
    var threads: Int?
    var comment = ""
  }
  /// In an order that can run.
  var stages: [Stage] = []
  /// The order in the file.
  var order: [Int] = []
  var files: [String: [String]] = [:]
  var lines = 3
  var threads = 1
  var names = 0

  init(_ random: inout SplitMix) {
    for name in ["a.txt", "b.txt"] { files[name] = Self.content(&random) }
    for index in 0..<7 {
      let sources = files.keys.sorted().map(Source.file) + (0..<index).map(Source.stage)
      let inputs = (0..<Int.random(in: 1...2, using: &random)).compactMap { _ in sources.randomElement(using: &random) }
      stages.append(
        Stage(
          name: "s\(index)", operation: Self.operation(&random), inputs: Array(Set(inputs)).sorted(by: Self.precedes)))
    }
    order = Array(stages.indices)
    names = stages.count
  }

  private static func precedes(_ left: Source, _ right: Source) -> Bool { "\(left)" < "\(right)" }

  private static func content(_ random: inout SplitMix) -> [String] {
    (0..<Int.random(in: 2...8, using: &random)).map { _ in
      ["pear", "apple", "fig", "plum"].randomElement(using: &random)!
    }
  }

  private static func operation(_ random: inout SplitMix) -> Operation {
    switch Int.random(in: 0..<5, using: &random) {
    case 0: .head(Int.random(in: 1...4, using: &random))
    case 1: .head(nil)
    case 2: .sorted
    case 3: .count
    default: .append(["x", "y", "z"].randomElement(using: &random)!)
    }
  }

  /// Changes something, and says what.
  mutating func edit(_ random: inout SplitMix, earlier: [EditedPipeline]) -> String {
    let stage = Int.random(in: stages.indices, using: &random)
    switch Int.random(in: 0..<10, using: &random) {
    case 0:
      lines = Int.random(in: 1...5, using: &random)
      return "a value of `params`"
    case 1:
      stages[stage].operation = Self.operation(&random)
      return "the command of \(stages[stage].name)"
    case 2:
      let file = files.keys.sorted().randomElement(using: &random)!
      files[file] = Self.content(&random)
      return "the bytes of \(file)"
    case 3:
      let file = files.keys.sorted().randomElement(using: &random)!
      files[file]?.shuffle(using: &random)
      return "the order of the lines of \(file)"
    case 4:
      order.shuffle(using: &random)
      return "the order of the stages"
    case 5:
      stages[stage].comment = "  # \(Int.random(in: 0..<1000, using: &random))"
      return "a comment"
    case 6:
      stages[stage].name = "n\(names)"
      names += 1
      return "the name of a stage"
    case 7:
      stages[stage].threads = Int.random(in: 1...3, using: &random)
      threads = Int.random(in: 1...2, using: &random)
      return "thread counts"
    case 8:
      self = earlier.randomElement(using: &random) ?? self
      return "back to an earlier version"
    default:
      return "white space"  // which every writing chooses anew
    }
  }

  private func template(_ stage: Stage) -> String {
    let inputs = stage.inputs.indices.map { "${in.i\($0)}" }.joined(separator: " ")
    return switch stage.operation {
    case .head(let count): "cat \(inputs) > all; head -n \(count.map(String.init) ?? "${params.lines}") all > ${out.o}"
    case .sorted: "cat \(inputs) | sort -u > ${out.o}"
    case .count: "cat \(inputs) | wc -l > ${out.o}"
    case .append(let word): "{ cat \(inputs); echo \(word); } > ${out.o}"
    }
  }

  func text(_ random: inout SplitMix) -> String {
    var text = "version: 1\nparams: {lines: \(lines)}\ndefaults: {threads: \(threads)}\nstages:\n"
    for index in order {
      let stage = stages[index]
      let inputs = stage.inputs.enumerated().map { place, source in
        switch source {
        case .file(let name): "i\(place): data/\(name)"
        case .stage(let other): "i\(place): \(stages[other].name).o"
        }
      }
      let indent = String(repeating: " ", count: Int.random(in: 1...6, using: &random))
      let inner = indent + "  "
      text +=
        String(repeating: "\n", count: Int.random(in: 0...2, using: &random)) + "  \(stage.name):\(stage.comment)\n"
      text += "  \(indent)cmd: \"\(template(stage))\"\n"
      text +=
        Bool.random(using: &random)
        ? "  \(indent)in: {\(inputs.joined(separator: ", "))}\n"
        : "  \(indent)in:\n" + inputs.map { "  \(inner)\($0)\n" }.joined()
      text += "  \(indent)out: {o: {path: o.txt, type: text}}\n"
      if let threads = stage.threads { text += "  \(indent)threads: \(threads)\n" }
    }
    return text
  }

  /// By stage: what decides whether it is known, and the lines of its output.
  func results() -> [String: (key: String, output: [String])] {
    var outputs: [[String]] = []
    var results: [String: (key: String, output: [String])] = [:]
    for stage in stages {
      let inputs = stage.inputs.map { source in
        switch source {
        case .file(let name): files[name] ?? []
        case .stage(let other): outputs[other]
        }
      }
      let all = inputs.flatMap { $0 }
      let output: [String] =
        switch stage.operation {
        case .head(let count): Array(all.prefix(count ?? lines))
        case .sorted: Set(all).sorted()
        case .count: ["\(all.count)"]
        case .append(let word): all + [word]
        }
      outputs.append(output)
      let command = template(stage).replacing("${params.lines}", with: "\(lines)")
      results[stage.name] = ("\(command) | \(inputs)", output)
    }
    return results
  }
}
