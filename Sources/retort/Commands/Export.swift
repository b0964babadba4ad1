/// `retort export RUN STAGE DIR`: copies a stage's outputs out of the store.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copies a stage's outputs to a new folder, with `retort.json`, which tells what they were made from.")

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name: String
  @Argument(help: "The stage.", completion: .recordedStages) var stage: String
  @Argument(help: "Where the copy goes; must not exist.", completion: .directory) var folder: String
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    var path: String
    var outputs: [String: Digest]
  }

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    let number = try journal.run(named: name)
    guard let (outputs, provenance) = try journal.provenance(ofStage: stage, run: number) else {
      throw Failure("run \(number) has no results of a stage `\(stage)`; `retort show \(number)` lists its stages")
    }
    let target = URL(filePath: folder).absoluteURL
    guard FileStatus.of(target) == nil else { throw Failure("\(target.path) exists; name a new folder") }
    let maker = provenance.stages.last
    let names = try journal.outputNames(ofKind: maker?.kind, key: maker?.key)
    let content = try PublishedContent(
      outputs, named: { names[$0] }, in: store,
      meaning: StageCatalog.builtIn.meaning(ofKind: maker?.kind ?? "", inputs: maker?.inputs.keys.sorted() ?? []),
      provenance: provenance)
    try store.export(content, to: target)
    if json { return try printJSON(Report(path: target.path, outputs: outputs.mapValues(\.digest))) }
    Terminal.say("\(stage) of run \(number) → \(target.path)")
  }
}
