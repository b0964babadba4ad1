/// `retort chat MODEL`: a conversation with a language model, in the terminal or line by line from another program.
import ArgumentParser
import CPU
import Foundation
import Models
import Tensors
import Training

struct Chat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talks with a language model; keeps nothing.",
    discussion: """
      Each line of standard input is a turn; the model's answer is printed as it comes. `/reset` begins a new conversation, `/quit` or the \
      end of the input ends it.
      """)

  @Argument(help: "The model's folder, or hf://org/name.", completion: .directory) var model: String
  @Option(help: "The folder that MODEL changes, if it is an adapter of PEFT.", completion: .directory) var base: String?
  @Option(help: "What the system's turn says.") var system: String?
  @Option(help: "Most tokens of an answer.") var maxNewTokens = 512
  @Option(help: "What logits are divided by; 0: always the likeliest token.") var temperature = 0.7
  @Option(help: "Only the likeliest tokens that have this probability together.") var topP = 0.95
  @Option(help: "Only so many of the likeliest tokens; 0: all.") var topK = 64
  @Option(help: "Only tokens at least so likely as this share of the likeliest one.") var minP = 0.0
  @Option(help: "What logits of tokens that are there already are divided by.") var repetitionPenalty = 1.0
  @Option(help: "The same seed and the same turns give the same answers.") var seed: UInt64 = 42
  @Option(help: "Threads that compute.") var threads = ProcessInfo.processInfo.processorCount
  @Option(help: "Of the model's products.") var precision = PrecisionOption.auto

  func validate() throws {
    let isFine =
      threads > 0 && maxNewTokens > 0 && temperature >= 0 && topP > 0 && topP <= 1 && topK >= 0
      && (0...1).contains(minP) && repetitionPenalty > 0
    guard isFine else {
      throw ValidationError(
        "--threads, --max-new-tokens and --repetition-penalty take positive numbers, --temperature and --top-k one from 0 on, "
          + "--top-p and --min-p one up to 1")
    }
  }

  private var sampling: Sampling {
    var sampling = Sampling()
    sampling.maxNewTokens = maxNewTokens
    sampling.temperature = temperature
    (sampling.topP, sampling.topK, sampling.minP) = (topP, topK, minP)
    sampling.repetitionPenalty = repetitionPenalty
    return sampling
  }

  func run() throws {
    let (folder, base) = (try modelFolder(model), try base.map(modelFolder))
    let model = try LanguageModel(
      folder: folder, base: base, on: CPU(threads: threads, precision: precision.precision))
    for notice in model.notices { Terminal.complain(notice) }
    let chat = try ChatPrompt(folder: model.folder)
    if chat.isPlain { Terminal.complain("the model's folder has no chat template: turns are lines, as `user: …`") }
    var sampling = sampling
    sampling.stopTokens = try chat.endTokens(model)
    if chat.isPlain { sampling.stop = ["\nuser: "] }
    let first = system.map { [ChatTurn(role: "system", content: $0)] } ?? []
    var turns = first
    let isTyped = isatty(STDIN_FILENO) == 1
    while true {
      if isTyped { Terminal.replaceErrorLine(with: "> ") }
      guard let line = readLine() else { return }
      switch line {
      case "": continue
      case "/quit": return
      case "/reset":
        turns = first
        continue
      default: turns.append(ChatTurn(role: "user", content: line))
      }
      let prompt = model.continuation(try chat.text(turns))
      guard prompt.count < model.maxTokens else {
        Terminal.complain(
          "\(prompt.count) tokens do not fit into the model's \(model.maxTokens): `/reset` begins a new conversation")
        turns.removeLast()
        continue
      }
      turns.append(ChatTurn(role: "assistant", content: try answer(prompt, model, sampling, turn: turns.count)))
    }
  }

  private func answer(_ prompt: [Int32], _ model: LanguageModel, _ sampling: Sampling, turn: Int) throws -> String {
    var stream = TextStream(try model.tokenizer.decoder())
    _ = try model.complete(
      prompts: [prompt], samples: 1, sampling: sampling, seeds: [seed &+ UInt64(turn)],
      heard: { _, _, token in try Terminal.stream(stream.add(token)) })
    try Terminal.stream(stream.end() + "\n")
    let text = stream.text
    return sampling.stop.first { text.hasSuffix($0) }.map { String(text.dropLast($0.count)) } ?? text
  }
}
