/// `init`: a small random encoder with a vocabulary of the pipeline's own texts, so that nothing needs a download.
import Foundation
import Models
import Pipelines
import Tensors
import Tokenizers

extension Bert.Kind: ParameterChoice {}
extension PoolingMode: ParameterChoice {}

struct Initialise: Stage {
  static let kind = StageKind("init", revision: 2)
  static let abstract =
    "Makes a small random encoder, BERT or its kin, and trains its WordPiece vocabulary on the given texts."
  static let numeric = true
  static let metrics = [
    MetricDescription("pieces", "Pieces of the vocabulary.", nil)
  ]

  @Input("Texts for the vocabulary: queries and passages.") var groups: GroupFile?
  @Input("Texts for the vocabulary: passages.") var corpus: CorpusFile?
  @Input("Texts for the vocabulary: JSONL of `id` and `text`.") var texts: DataFile?
  @Parameter("Pieces of the vocabulary, at most; special tokens included.", in: 64...1_000_000) var vocabSize = 4000
  @Parameter("Occurrences from which neighbours become a piece.", in: 1...1_000_000) var minFrequency = 2
  @Parameter("Most frequent characters to know; absent: all.", in: 1...1_000_000) var limitAlphabet: Int?
  @Parameter("Treat capitals as small letters.") var lowerCase = true
  @Parameter("Kind of encoder, by transformers' name.", neutral: .bert) var modelType = Bert.Kind.bert
  @Parameter("Width of hidden states and embeddings; a multiple of num_attention_heads.", in: 1...16_384)
  var hiddenSize = 128
  @Parameter("Layers.", in: 1...128) var numHiddenLayers = 2
  @Parameter("Attention heads of a layer.", in: 1...256) var numAttentionHeads = 4
  @Parameter("Width inside the feed-forward part.", in: 1...65_536) var intermediateSize = 512
  @Parameter("Longest input in tokens.", in: 8...65_536) var maxPositionEmbeddings = 256
  @Parameter("Deviation of new weights.", in: 0...10) var initializerRange = 0.02
  @Parameter("How token vectors become one.") var pooling = PoolingMode.mean
  @Seed var seed
  @Output("Sentence-transformers folder.") var model: ModelFolder

  func problems() -> [String] {
    (hiddenSize % numAttentionHeads == 0
      ? [] : ["`hidden_size` \(hiddenSize) is no multiple of `num_attention_heads` \(numAttentionHeads)"])
      + (groups == nil && corpus == nil && texts == nil ? [Self.lacksTexts] : [])
  }

  private static let lacksTexts =
    "`init` needs texts for its vocabulary at one of the ports `groups`, `corpus`, `texts`"

  func run(_ context: StageContext) async throws {
    var trainer = WordPieceTrainer(vocabularySize: vocabSize, minimumFrequency: minFrequency, lowercases: lowerCase)
    trainer.alphabetLimit = limitAlphabet
    let lines = try readTexts()
    guard !lines.isEmpty else { throw StageInputError(Self.lacksTexts) }
    let vocabulary = try trainer.train(lines)
    try vocabulary.write(to: model.url, modelMaxLength: maxPositionEmbeddings)

    var config = Bert(
      modelType, vocabularySize: vocabulary.pieces.count, hiddenSize: hiddenSize, layerCount: numHiddenLayers,
      headCount: numAttentionHeads, intermediateSize: intermediateSize, maximumPositions: maxPositionEmbeddings)
    config.maximumPositions += maxPositionEmbeddings - config.maxTokens
    config.initializerRange = Float(initializerRange)
    var settings = SentenceSettings(maxSequenceLength: maxPositionEmbeddings)
    settings.normalizes = true  // its vectors are compared by cosine
    settings.pooling = [pooling]
    try config.writeNewEncoder(
      to: model.url, tokenizer: model.url, settings: settings, seed: seed,
      memory: MachineMemory.current.total, on: context.device)
    context.log("[init] Texts: \(lines.count) | Pieces: \(vocabulary.pieces.count) | Width: \(hiddenSize)")
    context.metric("pieces", Double(vocabulary.pieces.count))
  }

  /// Each text once, so that a passage of many groups does not outweigh the others.
  private func readTexts() throws -> [String] {
    var all: [String] = []
    if let groups {
      for group in try QueryGroup.read(groups.url) {
        all.append(group.query)
        all += (group.positives + group.negatives).map(\.text)
      }
    }
    for file in [corpus?.url, texts?.url].compactMap({ $0 }) { all += try Passage.read(file).map(\.text) }
    var seen: Set<[UInt8]> = []
    return all.filter { seen.insert(Array($0.utf8)).inserted }
  }
}
