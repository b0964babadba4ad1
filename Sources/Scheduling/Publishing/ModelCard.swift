/// The README.md of a published model: front matter that model hubs read, then what it is, how to load it, and from
/// what it was made. See https://huggingface.co/docs/hub/model-cards.
import Artifacts
import Escaping
import Foundation
import Hub
import Pipelines

struct ModelCard {
  static let fileName = "README.md"

  enum Kind { case biEncoder, crossEncoder }

  let text: String

  /// `nil` if the folder is no model that sentence-transformers loads, or has a README of its own.
  /// - Parameters:
  ///   - port: which of the stage's outputs it is.
  ///   - meaning: the declaration of the stage that made it.
  ///   - hub: whose cache has the card of the model that it was made from.
  init?(
    of folder: URL, port: String, meaning: StageDescription, provenance: Provenance, hub: Hub
  ) throws {
    guard FileStatus.of(folder.appending(path: Self.fileName)) == nil, let kind = try Self.kind(of: folder),
      let maker = provenance.stages.last
    else { return nil }
    let base = meaning.startingPorts.lazy.compactMap { maker.inputs[$0]?.source }.first
    let sections = [
      Self.frontMatter(kind, base: base, licence: try base.flatMap { try hub.licence(ofCached: $0) }),
      """
      # \(Escape.markdown(provenance.stage))

      \(Self.introduction(kind)) It is the output \(code(port)) of the stage \(code(provenance.stage)) \
      (\(Escape.markdown(maker.kind))) of the pipeline \(code(provenance.pipeline)), made by \
      \(Escape.markdown("Retort" + (maker.retort.map { " \($0)" } ?? ""))). `\(Provenance.fileName)` holds its whole \
      lineage; `retort lineage` reads it.
      """,
      "## Use\n\n```python\n\(Self.usage(kind))\n```",
      Self.table(
        "Made from", ["input", "from", "SHA-256"],
        maker.inputs.sorted { $0.key < $1.key }.map { port, input in
          [code(port), code(input.source ?? input.output ?? "another stage"), code(input.digest.description)]
        }),
      Self.table("Parameters", ["parameter", "value"], Self.parameters(of: maker)),
      maker.verdict.map { "## Verdict\n\n\(Escape.markdown($0.claim))." },
      Self.table(
        "Metrics", ["metric", "value"],
        maker.metrics.sorted { $0.key < $1.key }.map { [code($0.key), String(format: "%.6g", $0.value)] }),
      Self.table("Data", ["file", "read by", "SHA-256"], Self.sources(of: provenance)),
    ]
    text = sections.compactMap { $0 }.joined(separator: "\n\n") + "\n"
  }

  /// Told by the files, so that models which commands made are recognised too.
  private static func kind(of folder: URL) throws -> Kind? {
    struct Configuration: Decodable {
      var model_type: String?
      var architectures: [String]?
      /// A cross-encoder whose head no class of sentence-transformers has.
      var retort_head: String?
    }
    let file = folder.appending(path: "config.json")
    if FileStatus.of(folder.appending(path: "modules.json"))?.isFile == true { return .biEncoder }
    guard FileStatus.of(file)?.isFile == true else { return nil }
    // A file of this name that is no model's configuration says only that this is no model.
    guard let configuration = try? JSONDecoder().decode(Configuration.self, from: Data(contentsOf: file)),
      configuration.model_type != nil, configuration.retort_head == nil
    else { return nil }
    let classifies = configuration.architectures?.contains { $0.hasSuffix("ForSequenceClassification") } ?? false
    return classifies ? .crossEncoder : .biEncoder
  }

  private static func frontMatter(_ kind: Kind, base: String?, licence: Licence?) -> String {
    let (tags, task) =
      switch kind {
      case .biEncoder: (["sentence-similarity", "feature-extraction"], "sentence-similarity")
      case .crossEncoder: (["cross-encoder", "reranker"], "text-ranking")
      }
    var lines = ["---", "tags:", "- sentence-transformers"] + tags.map { "- \($0)" } + ["- retort"]
    lines += ["library_name: sentence-transformers", "pipeline_tag: \(task)"]
    if let name = base?.hubName { lines.append("base_model: \(Escape.yaml(name))") }
    // A model made of another one is under that one's terms, too.
    lines += licence?.fields.map { "\($0.key): \(Escape.yaml($0.value))" } ?? []
    return (lines + ["---"]).joined(separator: "\n")
  }

  private static func introduction(_ kind: Kind) -> String {
    switch kind {
    case .biEncoder: "A bi-encoder: it maps texts to vectors whose cosine tells how well a passage answers a query."
    case .crossEncoder:
      "A cross-encoder: it reads a query and a passage together and scores how well one answers the other."
    }
  }

  private static func usage(_ kind: Kind) -> String {
    switch kind {
    case .biEncoder:
      """
      from sentence_transformers import SentenceTransformer

      model = SentenceTransformer("path/to/this/folder")
      embeddings = model.encode(["a query", "a passage"], normalize_embeddings=True)
      print(embeddings[0] @ embeddings[1])
      """
    case .crossEncoder:
      """
      from sentence_transformers import CrossEncoder

      model = CrossEncoder("path/to/this/folder")
      print(model.predict([("a query", "a passage")]))
      """
    }
  }

  private static func parameters(of stage: Provenance.Stage) -> [[String]] {
    let seed = stage.seed.map { [[code("seed"), code("\($0)")]] } ?? []
    let numerics = stage.numerics.map { [["numerics", code($0)]] } ?? []
    let command = stage.command.map { [["command", code($0)]] } ?? []
    let own = stage.parameters.sorted { $0.key < $1.key }.map { [code($0.key), code($0.value.yaml)] }
    return command + own + seed + numerics
  }

  /// Everything that came from outside, whichever stage read it.
  private static func sources(of provenance: Provenance) -> [[String]] {
    provenance.stages.flatMap { stage in
      stage.inputs.sorted { $0.key < $1.key }.compactMap { port, input in
        input.source.map { [code($0), code("\(stage.name).\(port)"), code(input.digest.description)] }
      }
    }
  }

  /// `nil` for no rows.
  private static func table(_ title: String, _ header: [String], _ rows: [[String]]) -> String? {
    guard !rows.isEmpty else { return nil }
    let lines = [header, header.map { _ in "---" }] + rows
    return "## \(title)\n\n" + lines.map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n")
  }
}

private func code(_ text: String) -> String { Escape.markdownCode(text) }

extension String {
  /// `org/name` of `hf://org/name@revision`.
  fileprivate var hubName: String? {
    guard hasPrefix("hf://") else { return nil }
    return dropFirst("hf://".count).split(separator: "@").first.map(String.init)
  }
}
