/// Models of a pipeline as the stages here use them: something that embeds texts, or something that scores pairs.
import CPU
import Models
import Pipelines
import Tensors
import Training

/// Turns texts into vectors, whose products are scores of this scale. `record` names a text for messages.
protocol TextEncoding {
  var scale: ScoreScale { get }
  /// Elements of its vectors.
  var width: Int { get }
  func encode(_ texts: [String], as role: TextRole, record: (Int) -> String) throws -> Embeddings
  /// To be called when all is encoded: tells about truncated and unknown tokens.
  func finish()
}

/// Judges pairs: logits, of which σ makes scores.
protocol PairScoring {
  func score(_ pairs: [(query: String, passage: String)]) throws -> [Float]
  /// To be called when all is scored: tells about truncated and unknown tokens.
  func finish()
}

extension StageContext {
  /// What models run on, as the stage asks.
  var device: any Device {
    get throws {
      guard let precision = Precision(rawValue: compute.precision) else {
        throw StageInputError("precision: \(compute.precision) is none that this retort has; bf16, fp32 and int8 are")
      }
      return CPU(threads: compute.threads, precision: precision)
    }
  }
}

enum LoadedModel {
  case bi(any TextEncoding)
  case cross(any PairScoring)
}

/// - Parameter stage: the stage's name, for messages.
func loadModel(_ folder: ModelFolder, _ context: StageContext, for stage: String) throws -> LoadedModel {
  let device = try context.device
  if try CheckpointFolder(folder.url, base: folder.base).isCrossEncoder {
    let model = try CrossEncoder(folder: folder.url, base: folder.base, on: device)
    context.tell(model.notices, stage)
    return .cross(PairScorer(model: model, stage: stage, context: context))
  }
  let model = try BiEncoder(folder: folder.url, base: folder.base, on: device)
  context.tell(model.notices, stage)
  return .bi(TextEncoder(model: model, stage: stage, context: context))
}

func loadBiEncoder(_ folder: ModelFolder, _ context: StageContext, for stage: String) throws -> any TextEncoding {
  guard case .bi(let model) = try loadModel(folder, context, for: stage) else {
    throw StageInputError("\(folder.url.path): a cross-encoder, expected a bi-encoder")
  }
  return model
}

func loadCrossEncoder(_ folder: ModelFolder, _ context: StageContext, for stage: String) throws -> any PairScoring {
  guard case .cross(let model) = try loadModel(folder, context, for: stage) else {
    throw StageInputError("\(folder.url.path): a bi-encoder, expected a cross-encoder")
  }
  return model
}

private struct TextEncoder: TextEncoding {
  let model: BiEncoder
  let stage: String
  let context: StageContext

  var scale: ScoreScale { model.similarity == .cosine ? .cosine : .unbounded }

  var width: Int { model.width }

  func encode(_ texts: [String], as role: TextRole, record: (Int) -> String) throws -> Embeddings {
    let isCosine = model.similarity == .cosine
    let rows = try model.encode(texts, as: role, normalizing: isCosine, record: record) { done in
      context.progress(done, of: texts.count, detail: "texts embedded")
    }
    return Embeddings(rows, normalizing: isCosine)
  }

  func finish() { context.report(model.health, stage) }
}

private struct PairScorer: PairScoring {
  let model: CrossEncoder
  let stage: String
  let context: StageContext

  func score(_ pairs: [(query: String, passage: String)]) throws -> [Float] {
    try model.score(pairs, record: { "the pair of query “\(pairs[$0].query)”" })
  }

  func finish() { context.report(model.health, stage) }
}

extension DenseRetriever {
  /// - Parameter isLast: whether the encoder has nothing else to encode, so that what it met may be told.
  init(
    _ encoder: any TextEncoding, _ groups: [QueryGroup], _ pool: PassagePool, isLast: Bool = true
  ) throws {
    self.init(
      queries: try encoder.encode(groups.map(\.query), as: .query) { "query `\(groups[$0].id)`" },
      passages: try encoder.encode(pool.texts, as: .passage) { "passage `\(pool.passages[$0].id)`" })
    if isLast { encoder.finish() }
  }
}
