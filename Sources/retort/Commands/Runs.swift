/// `retort runs`: the history, by what was measured.
import ArgumentParser
import Artifacts
import Lineage
import Pipelines
import Reports

struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists runs with their headline metrics, the latest first; --where picks, --sort orders.",
    discussion: """
      --where 'ndcg@10 > 0.7 and (tau = 0.1 or pipeline = "old*")': compares with =, !=, <, <=, >, >= and joins with \
      and, or, not and parentheses. Fields: run, pipeline, state, name, tag, started (UTC, as far as it is written: \
      started >= 2026-11-20), seconds, note. Any other name is a metric of the stages that the run's headline names, or \
      a parameter of any stage; STAGE.NAME is a metric or a parameter of that stage. In texts * stands for anything. \
      tau != 0.1 wants another tau, not tau = 0.1 takes runs without one too.

      Where metrics or parameters are asked for, each variant of a run is a line. A run that only found cached results \
      is left out, unless it has a name, a tag or a note; with --all it is one line, whatever variants it has.

      The headline is what `headline: [STAGE.METRIC]` in the file says, else the first metric of `compare`, else \
      nDCG@10 of each evaluation.

      --json prints a list of lines: run, id (12[tau=0.1]), coordinates, name, tags, note, pipeline, file, state, \
      started, seconds, stages (how many, by state), headline (metric and values) and columns (name and values of what \
      --where and --sort name). What is unknown is left out.
      """)

  @Option(name: .customLong("where"), help: ArgumentHelp("Only what fits this condition.", valueName: "condition"))
  var filter: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Order by this metric, parameter or field, with `-` the highest first.", valueName: "[-]name"))
  var sort: String?
  @Option(help: "Only runs of this pipeline.") var pipeline: String?
  @Flag(help: "Also runs that only found cached results.") var all = false
  @Option(name: .shortAndLong, help: "At most so many lines.") var limit = 20
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    guard limit > 0 else { throw ValidationError("--limit takes a number of lines, 1 or more") }
  }

  func run() throws {
    var question = RunQuestion()
    question.filter = try filter.map { try RunFilter($0) }
    question.sort = sort.map { ($0.hasPrefix("-") ? String($0.dropFirst()) : $0, $0.hasPrefix("-")) }
    (question.pipeline, question.all, question.limit) = (pipeline, all, limit)
    question.neutral = StageCatalog.builtIn.neutralParameters
    let (lines, count) = try storeOptions.reading().journal.runs(question)
    if json { return try printJSON(lines) }
    Terminal.say(lines.isEmpty ? "no run fits" : ReportSection(lines).text)
    if count > lines.count { Terminal.say("\(lines.count) of \(count); --limit \(count) shows all") }
  }
}

extension StageCatalog {
  /// Those that a key leaves out.
  fileprivate var neutralParameters: [NeutralParameter] {
    kinds.compactMap(describe).flatMap { kind in
      kind.parameters.compactMap { parameter in
        parameter.neutral.map { NeutralParameter(kind: kind.kind.name, name: parameter.name, value: $0) }
      }
    }
  }
}
