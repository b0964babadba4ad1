/// How a language model's tokens are drawn.
import Pipelines
import Training

struct SamplingParameters: ParameterGroup {
  @Parameter("Most tokens of a completion.", in: 1...1_000_000) var maxNewTokens = 256
  @Parameter("What logits are divided by; 0: always the likeliest token.", in: 0...100) var temperature = 1.0
  @Parameter("Only the likeliest tokens that have this probability together.", in: 0.000_001...1) var topP = 1.0
  @Parameter("Only so many of the likeliest tokens; 0: all.", in: 0...10_000_000) var topK = 0
  @Parameter("Only tokens at least so likely as this share of the likeliest one.", in: 0...1) var minP = 0.0
  @Parameter(
    "What logits of tokens that are there already are divided by, or multiplied where they are negative.",
    in: 0.01...100)
  var repetitionPenalty = 1.0
  @Parameter("Texts behind which a completion ends.") var stop: [String] = []

  init() {}

  var problems: [String] { stop.contains("") ? ["`stop` has an empty text"] : [] }
}

extension SamplingParameters {
  /// - Parameter ends: tokens that end a completion, besides the model's own.
  func sampling(ends: Set<Int32>) -> Sampling {
    var sampling = Sampling()
    sampling.maxNewTokens = maxNewTokens
    sampling.temperature = temperature
    (sampling.topP, sampling.topK, sampling.minP) = (topP, topK, minP)
    sampling.repetitionPenalty = repetitionPenalty
    (sampling.stop, sampling.stopTokens) = (stop, ends)
    return sampling
  }

  /// The same without lots.
  func greedy(ends: Set<Int32>) -> Sampling {
    var sampling = sampling(ends: ends)
    sampling.temperature = 0
    return sampling
  }
}
