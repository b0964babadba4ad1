/// Writes the pipeline for data that was looked at, with comments that say what may be changed.
import Escaping
import Foundation
import Pipelines

package struct PipelineDraft {
  private let look: DataLook
  private let parsed: ParsedGroups
  /// Where the file is to lie; paths in it are relative to its folder.
  private let folder: URL
  private let name: String
  /// A base model; `nil`: a small one from random weights.
  private let model: BaseModel?

  package enum BaseModel: Sendable {
    case folder(URL)
    case hub(HubReference)
  }
  private let schema: String

  /// Negatives of a query that there are passages for, at most 7.
  private var negatives: Int { min(7, parsed.passages - parsed.mostPositives) }

  /// - Parameters:
  ///   - file: where the pipeline is to lie.
  ///   - schema: the JSON Schema's file.
  /// - Throws: `CannotTell` where there is too little data to divide.
  package init(_ look: DataLook, _ parsed: ParsedGroups, file: URL, model: BaseModel?, schema: URL) throws {
    self.look = look
    self.parsed = parsed
    self.model = model
    folder = file.deletingLastPathComponent()
    name = file.deletingPathExtension().lastPathComponent
    self.schema = relativePath(schema, from: folder)
    guard look.hasGold else { return }
    guard parsed.groups >= 5 else {
      throw CannotTell("training, choosing and testing take at least 5 queries; there are \(parsed.groups)")
    }
    guard negatives > 0 else {
      throw CannotTell(
        "every passage answers every query, so there is nothing to tell them from; add passages, as a second file")
    }
  }

  package var text: String {
    """
    # yaml-language-server: $schema=\(Escape.comment(schema))
    # Written by `retort new` for \(Escape.comment(sources)): \(parsed.groups) queries, \(parsed.passages) passages.
    \(look.hasGold ? "" : noGold)# `retort plan` says what a run will take; `retort help KIND` shows all that a stage can be told.
    version: 1
    name: \(value(name))
    defaults: {seed: 7}               # also threads and memory: the machine's processors, three quarters of its memory
    stages:
    \(look.hasGold ? data + base + training + evaluation : searches)
    """
  }

  private var sources: String {
    look.data.lastPathComponent + (look.passages.map { " and \($0.lastPathComponent)" } ?? "")
  }

  // MARK: - Queries without gold

  private let noGold = """
    # Nothing says which passage answers a query, so nothing is trained or tested: each query is searched for.

    """

  private var searches: String {
    let trained = """
        # With a trained bi-encoder add `model: FOLDER` to `in`; `reranker` and `calibration` may stand there, too.

      """
    return search("bm25-ranking", comment: "words in common, no model", look.lexicalParameters)
      + (model.map { model in
        search("model-ranking", comment: "by the model's cosines", model: model, look.parameters) + fullTemplate
      } ?? trained)
  }

  private func search(
    _ stage: String, comment: String, model: BaseModel? = nil, _ parameters: [String: ParameterValue]
  ) -> String {
    let files = [("queries", path(look.data)), ("corpus", look.passages.map(path)), ("model", model.map(written))]
    let inputs = files.compactMap { name, text in text.map { "\(name): \($0)" } }.joined(separator: ", ")
    return """
        \(stage.padding(toLength: 31, withPad: " ", startingAt: 0).replacing(stage, with: "\(stage):"))# \(comment)
          uses: retrieve
          in: {\(inputs)}
          with:
            top_k: 10               # `retort export latest \(stage) DIR` copies ranking.jsonl
      \(lines(parameters))
      """
  }

  // MARK: - Data

  /// Stages that give groups for training, validation and test.
  private var data: String {
    if look.parts.count > 1 { return dividedData }
    let share = parsed.groups < 20 ? "eval_ratio: 0.2, test_ratio: 0.2" : "eval_ratio: 0.15, test_ratio: 0.2"
    return groups("all-groups", part: look.parts.first, comment: look.why)
      + """
        split:                          # whole queries, so that none is both trained on and tested with
          uses: split
          in: {data: all-groups.groups}
          with: {\(share)}
          # with group_by: positives.0.id, queries that have one answer stay together

      """
  }

  /// The data comes divided; what it lacks is taken from the training part.
  private var dividedData: String {
    let first = look.parts[0]
    let validation = look.parts.first { ["val", "dev"].contains($0) && look.parts.contains("test") }
    let test = look.parts[look.parts.count - 1]
    var text = groups("train-groups", part: first, comment: look.why)
    if let validation { text += groups("validation-groups", part: validation, comment: nil) }
    text += groups("test-groups", part: test, comment: nil)
    if validation == nil {
      text += """
          split:                          # the data has no part to choose the best epoch by
            uses: split
            in: {data: train-groups.groups}
            with: {eval_ratio: 0.15}

        """
    }
    return text
  }

  private func groups(_ stage: String, part: String?, comment: String?) -> String {
    var inputs = "data: \(path(look.data))"
    if let passages = look.passages { inputs += ", passages: \(path(passages))" }
    var parameters = look.parameters
    parameters["part"] = part.map { .string($0) }
    let isFirst = comment != nil
    return (comment.map { "  # \(Escape.comment("\(look.form): \($0)"))\n" } ?? "")
      + """
        \(stage):
          uses: groups
          in: {\(inputs)}
          with:
      \(lines(parameters))
      """
      + (isFirst
        ? "      # query_template: \"query: {text}\"      # for models that want it, as e5; passage_template too\n"
          + fullTemplate
        : "")
  }

  private func lines(_ parameters: [String: ParameterValue]) -> String {
    parameters.sorted { $0.key < $1.key }.map { "      \($0.key): \(template($0.value).yaml)\n" }.joined()
  }

  private var fullTemplate: String {
    guard let template = look.fullTemplate else { return "" }
    return "      # with all that the passages say: passage_template: \(ParameterValue.string(template).yaml)\n"
  }

  private struct Ports {
    var train = "split.train"
    var validation = "split.eval"
    var test = "split.test"
    var corpus = "all-groups.corpus"
    var testCorpus = "all-groups.corpus"
  }

  private var ports: Ports {
    guard look.parts.count > 1 else { return Ports() }
    var ports = Ports()
    ports.test = "test-groups.groups"
    (ports.corpus, ports.testCorpus) = ("train-groups.corpus", "test-groups.corpus")
    if look.parts.contains("test"), look.parts.contains(where: { ["val", "dev"].contains($0) }) {
      ports.train = "train-groups.groups"
      ports.validation = "validation-groups.groups"
    }
    return ports
  }

  // MARK: - Models

  private var base: String {
    guard model == nil else { return "" }
    return """
        # A small encoder from random weights, which needs no download. A trained one knows far more: put its folder at
        # `base` of teacher and student, and lower their lr to about 2.0e-5.
        base:
          uses: init
          in: {groups: \(ports.train), corpus: \(ports.corpus)}
          with:
            vocab_size: 3000
            hidden_size: 128
            num_hidden_layers: 1
            intermediate_size: 256
            initializer_range: 0.08       # BERT's 0.02 learns too slowly in few steps

      """
  }

  private var training: String {
    let base = model.map(written) ?? "base.model"
    let (teacher, student) =
      model == nil
      ? ("epochs: 3, batch_size: 32, lr: 1.0e-3, max_len: 128", ("8", "32", "3.0e-3", "128"))
      : ("epochs: 3, batch_size: 16, lr: 2.0e-5, max_len: 256", ("3", "16", "2.0e-5", "256"))
    return """
        candidates:                     # what the teacher is to judge; bm25 or nearest finds harder negatives
          uses: mine
          in: {groups: \(ports.train), corpus: \(ports.corpus)}
          with: {num_negatives: \(negatives), strategy: random}
        teacher:                        # reads query and passage together
          uses: teacher
          in: {base: \(base), train: candidates.candidates, validation: \(ports.validation)}
          with: {\(teacher)}
          # with lora: {r: 16, alpha: 32} only small adapters train, which takes less memory; lr then about 5.0e-4
        scored:
          uses: score
          in: {teacher: teacher.model, candidates: candidates.candidates}
        student:                        # embeds each on its own, and learns to rank as labels and teacher do
          uses: distill
          in: {base: \(base), scores: scored.scores, validation: \(ports.validation)}
          with:
            K: \(min(4, negatives + 1))
            epochs: \(student.0)
            batch_size: \(student.1)
            lr: \(student.2)
            max_len: \(student.3)

      """
  }

  private var evaluation: String {
    let data = "data: \(ports.test), corpus: \(ports.testCorpus)"
    return """
        bm25-test:                      # words in common, no model: what a student has to beat
          uses: evaluate
          in: {\(data)}
          with: {method: bm25, title: BM25}
        teacher-test:
          uses: evaluate
          in: {model: teacher.model, \(data)}
          with: {title: Teacher, rerank: 50}
        student-test:
          uses: evaluate
          in: {model: student.student, \(data)}
          with: {title: Student}
        normalized:                     # scores from 0 to 1, and a threshold
          uses: normalize
          in: {model: student.student, data: \(ports.test), validation: \(ports.validation)}

      """
  }

  /// As the pipeline writes it; with a `/`, so that it is never taken for the output of a stage.
  private func path(_ url: URL) -> String {
    let path = relativePath(url, from: folder)
    return value(path.contains("/") ? path : "./\(path)")
  }

  private func written(_ model: BaseModel) -> String {
    switch model {
    case .folder(let url): path(url)
    case .hub(let reference): value("\(reference)")
    }
  }

  /// A text as a value of the file, which means itself whatever is in it.
  private func value(_ text: String) -> String { Escape.yaml(Escape.template(text)) }

  private func template(_ value: ParameterValue) -> ParameterValue {
    switch value {
    case .string(let text): .string(Escape.template(text))
    case .list(let values): .list(values.map(template))
    case .map(let values): .map(values.mapValues(template))
    default: value
    }
  }
}

/// The way from a folder to a file, by names alone.
func relativePath(_ url: URL, from folder: URL) -> String {
  let target = url.absoluteURL.standardizedFileURL.pathComponents
  let start = folder.absoluteURL.standardizedFileURL.pathComponents
  let shared = zip(target, start).prefix { $0 == $1 }.count
  return (start.dropFirst(shared).map { _ in ".." } + target.dropFirst(shared)).joined(separator: "/")
}
