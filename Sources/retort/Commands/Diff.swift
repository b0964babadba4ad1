/// `retort diff A B`: where two runs part, and, with `--tensors`, in which step, tensor and element.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Models
import Pipelines

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what differs between two runs or variants, stage by stage: keys, parameters, outputs.")

  @Argument(help: "`12`, a name, a tag, `latest~1`, or one variant: `12[tau=0.1]`.", completion: .runNames)
  var left: String
  @Argument(help: "The other one.", completion: .runNames) var right: String
  @Option(help: "Only this stage.") var stage: String?
  @Flag(help: "Say for each output that differs where: training step, tensor and element, line or byte.")
  var tensors = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var left: String
    var right: String
    /// The first stage that is not the same.
    var first: String?
    var stages: [RunDifference.Stage]
    /// With `--tensors`, of each output that differs.
    var outputs: [OutputDifference]?
  }

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    let difference = try RunDifference(
      variant(left, journal, store), variant(right, journal, store), stage: stage)
    let outputs = try tensors ? difference.stages.flatMap { try OutputDifference.all(of: $0, journal) } : nil
    let report = Report(
      left: difference.left, right: difference.right, first: difference.stages.first { !$0.isSame }?.name,
      stages: difference.stages, outputs: outputs)
    if json { return try printJSON(report) }
    Self.show(report)
  }

  private func variant(_ argument: String, _ journal: Journal, _ store: Store) throws -> Variant {
    let found = try journal.variants(named: argument, store: store)
    guard found.count == 1 else { throw ComparisonError.manyVariants(argument, found: found.map(\.name)) }
    return found[0]
  }

  private static func show(_ report: Report) {
    guard let first = report.first else {
      Terminal.say("\(report.left) and \(report.right) are the same: \(counted(report.stages.count, "stage"))")
      return
    }
    Terminal.say("\(report.left) and \(report.right) first differ in `\(first)`")
    let same = report.stages.filter(\.isSame).map(\.name)
    for stage in report.stages where !stage.isSame {
      let outputs = stage.outputs.filter { !$0.isSame }
      Terminal.say("\n\(stage.name): \(stage.headline)")
      var table = Table(["", report.left, report.right])
      for component in stage.components where !component.component.hasPrefix("in.") || stage.relation != .follows {
        table.add([component.component, text(component.old), text(component.new)])
      }
      for output in outputs {
        table.add(
          ["out.\(output.port)"]
            + [output.left, output.right].map { $0.map { "\($0.digest)".prefix(12) + "" } ?? "(absent)" })
      }
      if !table.isEmpty { Terminal.say(table.text) }
      for output in report.outputs ?? [] where output.stage == stage.name {
        for line in output.lines { Terminal.say("  \(line)") }
      }
    }
    if !same.isEmpty { Terminal.say("\nthe same: \(same.joined(separator: ", "))") }
  }

  /// A whole digest or script is more than a table holds.
  private static func text(_ value: String?) -> String {
    guard let value else { return "(absent)" }
    let line = value.split(whereSeparator: \.isNewline).joined(separator: " ⏎ ")
    return line.count > 64 || Digest(hex: line) != nil ? line.prefix(12) + "…" : line
  }
}

extension RunDifference.Stage {
  fileprivate var headline: String {
    let bytes = outputs.allSatisfy(\.isSame) ? ", with the same outputs" : ""
    return switch relation {
    case .same: "one key, but other outputs: the stage is not deterministic"
    case .differs:
      components.isEmpty ? "another key, of which the store no longer knows more\(bytes)" : "another key\(bytes)"
    case .follows: "follows from its inputs\(bytes)"
    case .partial: "not computed in both"
    }
  }
}
