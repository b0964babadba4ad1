/// How a language model's next token is drawn: transformers' order of steps, penalty, temperature, top-k, top-p (Holtzman
/// et al. 2020), min-p (Nguyen et al. 2024).
import Foundation

package struct Sampling: Sendable {
  /// Most tokens of a completion.
  package var maxNewTokens = 256
  /// What logits are divided by; 0: always the likeliest token.
  package var temperature = 1.0
  /// Only the likeliest tokens that have this probability together, in (0, 1].
  package var topP = 1.0
  /// Only so many of the likeliest tokens; 0: all.
  package var topK = 0
  /// Only tokens at least so likely as this share of the likeliest one, in [0, 1].
  package var minP = 0.0
  /// What positive logits of tokens that are there already are divided by, and negative ones multiplied (Keskar et al.
  /// 2019).
  package var repetitionPenalty = 1.0
  /// Texts behind which a completion ends.
  package var stop: [String] = []
  /// Tokens with which a completion ends, besides the model's own.
  package var stopTokens: Set<Int32> = []

  package init() {}

  /// What logits are divided by before their probabilities are told.
  var divisor: Float { temperature == 0 ? 1 : Float(temperature) }
}

package struct Completion: Sendable, Equatable {
  package enum FinishReason: String, Sendable {
    /// A stop token, which is the last token, or a stop text, which is the text's end.
    case stop
    /// As many tokens as were asked for, or as the model has positions for.
    case length
  }
  package var tokens: [Int32] = []
  /// ln p of each token, by softmax(logits/temperature), before anything is left out or penalised.
  package var logProbabilities: [Float] = []
  package var finishReason = FinishReason.length
}

extension Sampling {
  /// A token by its logits, which have been divided by the temperature and are changed here by the penalty.
  /// - Parameters:
  ///   - seen: tokens that are there already.
  ///   - number: in [0, 1); what it is decides the token.
  func draw(_ logits: UnsafeMutableBufferPointer<Float>, seen: Set<Int32>, _ number: Double) -> Int {
    if repetitionPenalty != 1 {
      let penalty = Float(repetitionPenalty)
      for token in seen where Int(token) < logits.count {
        let logit = logits[Int(token)]
        logits[Int(token)] = logit > 0 ? logit / penalty : logit * penalty
      }
    }
    var best = 0
    for token in logits.indices where logits[token] > logits[best] { best = token }
    if temperature == 0 { return best }
    let peak = logits[best]
    guard topK > 0 || topP < 1 || minP > 0 else { return drawOfAll(logits, peak: peak, number) }
    let kept = kept(logits, peak: peak)
    return kept[Self.place(kept.lazy.map(\.weight), number * kept.reduce(0) { $0 + $1.weight })].token
  }

  private static let blockSize = 1024

  /// Finds the block, then the token in it.
  private func drawOfAll(_ logits: UnsafeMutableBufferPointer<Float>, peak: Float, _ number: Double) -> Int {
    func weight(_ token: Int) -> Double { Double(exp(logits[token] - peak)) }
    let blocks = stride(from: 0, to: logits.count, by: Self.blockSize).map { start in
      (start..<min(start + Self.blockSize, logits.count)).reduce(0.0) { $0 + weight($1) }
    }
    let goal = number * blocks.reduce(0, +)
    let block = Self.place(blocks, goal)
    let tokens = block * Self.blockSize..<min((block + 1) * Self.blockSize, logits.count)
    return tokens.lowerBound + Self.place(tokens.lazy.map(weight), goal - blocks[..<block].reduce(0, +))
  }

  /// The first place up to which weights come to more than `goal`; where rounding leaves none, the last with a weight.
  private static func place(_ weights: some Sequence<Double>, _ goal: Double) -> Int {
    var (sum, last) = (0.0, 0)
    for (place, weight) in weights.enumerated() where weight > 0 {
      sum += weight
      last = place
      if sum > goal { return place }
    }
    return last
  }

  /// Tokens that stay, the likeliest first, equal ones by their ids; of each exp(logit - peak).
  private func kept(
    _ logits: UnsafeMutableBufferPointer<Float>, peak: Float
  ) -> [(token: Int, weight: Double)] {
    // Top-k's probabilities are shared before min-p leaves some of them.
    let least = minP > 0 && topK == 0 ? peak + Float(log(minP)) : -.infinity
    let all = topP < 1 && topK == 0 ? logits.reduce(0.0) { $0 + Double(exp($1 - peak)) } : 0
    // Few tokens are likely: those far below the likeliest are looked at only where the others do not do.
    var depth: Float = 8
    while true {
      let floor = max(peak - depth, least)
      var found = logits.indices.filter { logits[$0] >= floor }.map { ($0, Double(exp(logits[$0] - peak))) }
      let mass = found.reduce(0) { $0 + $1.1 }
      if floor > least, depth.isFinite,
        topK > 0 ? found.count < min(topK, logits.count) : topP < 1 && mass < topP * all || topP == 1
      {
        depth = depth > 1000 ? .infinity : 4 * depth
        continue
      }
      found.sort { ($1.1, $0.0) < ($0.1, $1.0) }
      if topK > 0 { found = Array(found.prefix(topK)) }
      if topP < 1 {
        let goal = topP * (topK > 0 ? found.reduce(0) { $0 + $1.1 } : all)
        var sum = 0.0
        found = Array(
          found.prefix { _, weight in
            defer { sum += weight }
            return sum < goal
          })
      }
      return found.lazy.filter { $0.1 >= minP }.map { (token: $0.0, weight: $0.1) }
    }
  }
}
