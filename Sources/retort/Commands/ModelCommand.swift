/// `retort model`: what models are, and which there are.
import ArgumentParser
import Foundation
import Hub
import Reports

struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Says what a model is and needs, or which models there are.",
    subcommands: [InspectModel.self, ListModels.self])
}

/// `retort model list`: what the hub's cache has, and models that are known.
struct ListModels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists models of the hub: those in the cache, and some that Retort loads and trains.",
    discussion: """
      The cache is the one of Python's huggingface_hub. Of the others, each has an architecture and a tokenizer that \
      Retort has; those with a mark gave the vectors of sentence-transformers when both were compared. Nothing is \
      downloaded.
      """)

  @Flag(help: "Print JSON.") var json = false

  private struct Cached: Encodable {
    var repository, commit: String
    var bytes: Int
    var licence: String?
  }
  private struct Report: Encodable {
    var cache: String
    var cached: [Cached]
    var known: [KnownModel]
  }

  func run() throws {
    let hub = Hub()
    let cached = try hub.cachedModels().map { model in
      Cached(
        repository: model.repository, commit: model.commit, bytes: model.bytes,
        licence: try hub.licence(ofCached: "hf://\(model.repository)@\(model.commit)")?.name)
    }
    if json {
      return try printJSON(Report(cache: hub.settings.cache.path, cached: cached, known: KnownModel.all))
    }
    var here = Table(["in the cache", "size", "licence", "commit"], numbers: [1])
    for model in cached {
      here.add([
        "hf://\(model.repository)", formatted(bytes: model.bytes), model.licence ?? "", String(model.commit.prefix(12)),
      ])
    }
    if !here.isEmpty { Terminal.say(here.text + "\n") }
    var known = Table(["known", "parameters", "is", "languages", "licence", "compared"], numbers: [1])
    for model in KnownModel.all {
      let millions = Double(model.parameters) / 1e6
      known.add([
        "hf://\(model.repository)", String(format: millions < 100 ? "%.1f M" : "%.0f M", millions), model.use.rawValue,
        model.languages, model.licence ?? "not named", model.isCompared ? "✓" : "",
      ])
    }
    Terminal.say(known.text)
  }
}
