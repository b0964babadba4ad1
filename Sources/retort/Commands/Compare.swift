/// `retort compare A [B…]`: runs and variants side by side.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Reports

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares runs, or the variants of one: parameters, inputs, code, metrics, lineage and times.",
    discussion: """
      Shows the headline metrics (see `retort help runs`); --all shows the others, and what does not differ, too.

      Variants that differ only in their seed are one row: mean ± sample standard deviation. p is of a paired \
      randomisation test on the queries' results, averaged over seeds, against the first row; p of seeds of Welch's t-test \
      of the figures, where both rows have three seeds or more. A difference that one of them takes for chance \
      (p ≥ 0.05) is called no clear difference.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, md, csv, json }

  @Argument(
    help: ArgumentHelp(
      "`12`, a name, a tag, `latest~1`; variants of it, `12[tau=0.1]`; a range, `3-12`; a pipeline, its latest run.",
      valueName: "run"), completion: .runNames)
  var runs: [String]
  @Flag(help: "Show also what does not differ.") var all = false
  @Option(help: ArgumentHelp("Compare by this metric; may be repeated.", valueName: "stage.name"))
  var metric: [String] = []
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Order by this metric, with `-` the highest first.", valueName: "[-]stage.name"))
  var sort: String?
  @Option(help: "How to print it.") var format = Format.text
  @Flag(help: "Print JSON, as --format json.") var json = false
  @Option(help: "Write a page with tables and metric curves to this file.", completion: .file(extensions: ["html"]))
  var html: String?
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    var variants: [Variant] = []
    var remarks: [String] = []
    for argument in runs {
      let (found, note) = try journal.comparedVariants(named: argument, store: store)
      remarks += note.map { [$0] } ?? []
      for variant in found
      where !variants.contains(where: { $0.name == variant.name }) {
        variants.append(variant)
      }
    }
    guard variants.count > 1 else {
      throw Failure(
        "\(variants.first?.name ?? "nothing") is all that is named; name another run too, such as `latest~1`")
    }
    var request = RunComparison.Request()
    request.metrics = metric
    request.sort = sort
    request.ranks = runs.count == 1
    request.all = all
    var comparison = try RunComparison(variants, request, reading: store)
    comparison.notes = remarks + comparison.notes

    if let html {
      let page = ComparisonPage(comparison, all: all, curves: try curves(comparison, variants, journal))
      try Data(page.html.utf8).write(to: URL(filePath: html))
    }
    switch json ? .json : format {
    case .json: try printJSON(comparison)
    case .csv: try Terminal.pass(ComparisonCSV(comparison, all: all).text)
    case .md: try Terminal.pass(ComparisonReport(comparison, all: all).sections.markdown + "\n")
    case .text: Terminal.say(ComparisonReport(comparison, all: all).sections.text)
    }
  }

  /// Losses and validation metrics of the stages that were not made once for all.
  private func curves(
    _ comparison: RunComparison, _ variants: [Variant], _ journal: Journal
  ) throws -> [ComparisonPage.Curves] {
    let stages = comparison.times.filter { all || $0.differs }.map(\.stage)
    return try comparison.rows.enumerated().flatMap { row, entry in
      try variants.filter { entry.members.contains($0.name) }.map { variant in
        let curves = try stages.flatMap { name in
          try variant.stage(name).map { stage in
            try journal.curves(ofMaker: stage.maker).filter { !["lr", "grad_norm"].contains($0.name) }
              .map { (name: "\(name).\($0.name)", points: $0.points) }
          } ?? []
        }
        return ComparisonPage.Curves(variant: variant.name, row: row, curves: curves)
      }
    }
  }
}
