/// What the shell's Tab key offers: stages of the file that was typed, kinds of stages, names of runs. A problem offers
/// nothing: whoever presses Tab wants no message.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines

extension CompletionKind {
  /// Names and tags of runs, and `latest`.
  static var runNames: CompletionKind {
    .custom { _, _, _ in
      do { return ["latest"] + (try typedStore().journal.runNames()) } catch { return ["latest"] }
    }
  }

  /// The stages of the pipeline file among the words before the cursor, with and without coordinates.
  static var stages: CompletionKind {
    .custom { words, _, _ in
      guard let file = words.first(where: { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }) else { return [] }
      do {
        let stages = try Plan.read(file).stages
        return distinct(stages.map(\.base)) + stages.filter { !$0.coordinates.isEmpty }.map(\.name)
      } catch { return [] }
    }
  }

  /// The stages of the run that the first word after the command names, for `show` and `export`.
  static var recordedStages: CompletionKind {
    .custom { words, _, _ in
      guard let run = words.dropFirst(2).first(where: { !$0.hasPrefix("-") }) else { return [] }
      do {
        let (store, journal) = try typedStore()
        return try journal.report(of: journal.run(named: run), store: store).stages.map(\.name)
      } catch { return [] }
    }
  }

  /// Kinds of stages, and `retort`'s commands.
  static var kinds: CompletionKind {
    .custom { _, _, _ in
      StageCatalog.builtIn.kinds + ["cmd"] + Retort.configuration.subcommands.map { $0._commandName }
    }
  }

  private static func typedStore() throws -> (store: Store, journal: Journal) {
    try StoreOptions.parse([]).reading()
  }
}
