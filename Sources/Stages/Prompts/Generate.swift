/// `generate`: what a language model says to each prompt.
import Artifacts
import Foundation
import JSONText
import Pipelines
import Tensors
import Training

struct Generate: Stage {
  static let kind = StageKind("generate", revision: 1)
  static let abstract = "Lets a language model answer prompts: completions with their log probabilities."
  static let numeric = true
  static let resumes = true
  static let metrics = [
    MetricDescription("prompts", "Prompts that were answered.", nil),
    MetricDescription("length", "Mean tokens of a completion.", nil),
    MetricDescription("truncated", "Share of completions that were cut at `max_new_tokens`.", .lower),
    MetricDescription("entropy", "Mean −ln p of the completions' tokens.", nil),
  ]

  @Input("Language model: a decoder's folder, or an adapter of PEFT.", as: .languageModel, base: "base")
  var model: ModelFolder
  @Input(
    "What is asked: records with `prompt` or `messages`, or with `query` or `question` and what the parameter `prompt` names.",
    .handsOn, records: true)
  var prompts: RecordFile
  @Input("What `{passage}` stands for: of the group with a record's id, the first positive.") var contexts: GroupFile?
  @Input("Records with answers, for `few_shot`.") var examples: RecordFile?
  @Input("A chat template in Jinja, in place of the one in the model's folder.") var chatTemplate: TemplateFile?
  @Shared var prompting: PromptingParameters
  @Parameter("Whether a chat ends with the beginning of the model's turn; else the model goes on with the last one.")
  var addGenerationPrompt = true
  @Shared var sampling: SamplingParameters
  @Parameter("Completions of each prompt.", in: 1...4096) var samples = 1
  @Parameter(
    "Tokens of prompt and completion together; absent: as many as the model has positions for.", in: 2...1_000_000)
  var maxLen: Int?
  @Seed var seed
  @Output(
    "A line for each completion: id, sample, prompt (as the model reads it), completion, tokens, logprob (their sum), finish_reason (`stop`, or `length` where it was cut).",
    file: "completions.jsonl")
  var completions: RecordFile

  func problems() -> [String] {
    prompting.problems(hasExamples: examples != nil) + sampling.problems
      + (chatTemplate != nil && !prompting.chat ? ["a chat template is bound, but `chat` is false"] : [])
      + (sampling.temperature == 0 && samples > 1
        ? ["`temperature: 0` says the same every time: `samples: 1`, or a higher temperature"] : [])
  }

  func run(_ context: StageContext) async throws {
    let model = try LanguageModel(folder: model.url, base: model.base, on: context.device, maxTokens: maxLen)
    context.tell(model.notices, "generate")
    let prompter = try Prompter(
      prompting, model, examples: examples?.url, template: chatTemplate?.url, begins: addGenerationPrompt, context,
      for: "generate")
    let contexts = try contexts.map { try GRPO.passages($0.url) } ?? [:]
    let asked = try prompter.asked(
      prompting.records(prompts.url, contexts: contexts), of: prompts.url, newTokens: sampling.maxNewTokens)
    let wanted = Set(asked.map(\.digest))
    let log = try CompletionLog(context.scratch.appending(path: "completions.jsonl"), samples: samples)
    var known = log.known.filter { wanted.contains($0.key) }
    let resumed = known.count
    known.merge(
      context.reuse(wanted.subtracting(known.keys), from: "completions") { file, take in
        try CompletionLog.read(file, samples: samples).forEach(take)
      }
    ) { own, _ in own }
    let reused = known.count

    var seen = Set(known.keys)
    let missing = asked.filter { seen.insert($0.digest).inserted }
    let sampling = try sampling.sampling(ends: prompter.endTokens())
    let decoder = try model.tokenizer.decoder()
    let clock = ContinuousClock()
    let start = clock.now
    var (tokens, finished) = (0, 0)
    func speed() -> String { "\(Int(Double(tokens) / max(1e-9, (clock.now - start) / .seconds(1)))) tokens/s" }
    _ = try model.complete(
      prompts: missing.map(\.ids), samples: samples, sampling: sampling, seeds: missing.map { $0.digest.seed(seed) },
      heard: { _, _, _ in
        tokens += 1
        if tokens % 256 == 0 { context.progress(finished, of: missing.count, detail: speed()) }
      },
      done: { index, completions in
        let lines = completions.enumerated().map { sample, completion in
          JSONValue.completion(
            completion, of: missing[index].record.id, missing[index].text, sample: sample + 1,
            text: decoder.decode(completion.tokens))
        }
        known[missing[index].digest] = lines
        try log.write(lines)
        finished += 1
        context.progress(finished, of: missing.count, detail: speed())
      })
    let lines = asked.flatMap { known[$0.digest] ?? [] }
    let writer = try LineWriter(completions.url)
    for line in lines { try writer.write(line) }
    try writer.close()
    report(lines, prompts: asked.count, reused: reused - resumed, resumed: resumed, speed: speed(), context)
  }

  private func report(
    _ lines: [JSONValue], prompts: Int, reused: Int, resumed: Int, speed: String, _ context: StageContext
  ) {
    let tokens = lines.reduce(0) { $0 + ($1["tokens"]?.int ?? 0) }
    let logProbability = lines.reduce(0.0) { $0 + ($1["logprob"]?.double ?? 0) }
    let truncated = lines.count { $0["finish_reason"]?.string == Completion.FinishReason.length.rawValue }
    context.log(
      "[generate] Prompts: \(prompts) | Completions: \(lines.count) | Tokens: \(tokens) | Reused: \(reused) | Resumed: "
        + "\(resumed) | \(speed)")
    context.metric("prompts", Double(prompts))
    context.metric("length", Double(tokens) / Double(lines.count))
    context.metric("truncated", Double(truncated) / Double(lines.count))
    context.metric("entropy", -logProbability / Double(max(1, tokens)))
  }
}

extension AskedRecord {
  /// What the completions are kept under: the record's id and its prompt.
  fileprivate var digest: Digest { recordDigest(record.id, text) }
}

extension Digest {
  /// A record's own seed, which the places of other records do not change.
  fileprivate func seed(_ seed: UInt64) -> UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } ^ seed }
}

extension JSONValue {
  fileprivate static func completion(
    _ completion: Completion, of id: String, _ prompt: String, sample: Int, text: String
  ) -> JSONValue {
    [
      "id": .string(id), "sample": .int(sample), "prompt": .string(prompt), "completion": .string(text),
      "tokens": .int(completion.tokens.count),
      "logprob": .double(completion.logProbabilities.reduce(0) { $0 + Double($1) }),
      "finish_reason": .string(completion.finishReason.rawValue),
    ]
  }
}

/// The completions that are there, prompt by prompt, so that a run that is cut off goes on behind them.
private struct CompletionLog {
  /// By their prompts' records.
  let known: [Digest: [JSONValue]]
  private let file: FileHandle

  /// Reads what an attempt left that was cut off, maybe in the middle of a line.
  init(_ url: URL, samples: Int) throws {
    if !FileManager.default.fileExists(atPath: url.path) { try Data().write(to: url) }
    let written = try Data(contentsOf: url)
    file = try FileHandle(forUpdating: url)
    let whole = written.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    if whole < written.count { try file.truncate(atOffset: UInt64(whole)) }
    try file.seekToEnd()
    known = try whole == 0 ? [:] : Self.read(url, samples: samples)
  }

  /// The prompts of a file all of whose samples are there.
  static func read(_ url: URL, samples: Int) throws -> [Digest: [JSONValue]] {
    var lines: [Digest: [Int: JSONValue]] = [:]
    try forEachRecord(of: TextFile(url, encoding: .utf8), format: .jsonl) { record in
      guard let id = record.value["id"]?.string, let prompt = record.value["prompt"]?.string,
        let sample = record.value["sample"]?.int, (1...samples).contains(sample)
      else { throw record.place.error("expected a completion with `id`, `sample` and `prompt`") }
      lines[recordDigest(id, prompt), default: [:]][sample] = record.value
    }
    return lines.filter { $0.value.count == samples }.mapValues { bySample in (1...samples).compactMap { bySample[$0] }
    }
  }

  func write(_ lines: [JSONValue]) throws {
    try file.write(contentsOf: Data(lines.map { $0.text() + "\n" }.joined().utf8))
  }
}

/// A text in Jinja.
struct TemplateFile: Artifact {
  static let type = ArtifactType.file
  static let accepts: [ArtifactType] = [.file, .text]
  let url: URL
  init(_ bound: BoundArtifact) { url = bound.url }
}
