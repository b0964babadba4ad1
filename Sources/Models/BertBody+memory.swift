/// What a training pass of BERT keeps: a prediction from shapes alone.
import Tensors

extension BertBody {
  /// Predicted peak in bytes of a forward and a backward pass. It falls into the last layer that computes all tokens, or
  /// into the one after it, whose backward steps come first: the largest of those that can be, depending on the widths.
  func trainingBytes(tokensPerSequence: [Int], first: Bool, lora: LoRASettings?, on engine: Engine) -> Int {
    let (hidden, inner, heads) = (config.hiddenSize, config.intermediateSize, config.headCount)
    let rank = lora?.r ?? 0
    let drops = (lora?.dropout ?? 0) > 0
    // Floats per token. Kept by a layer: q, k, v, context, two normalised sums and two norms' outputs, GELU and its
    // derivative, as half as many where they are bf16, widened when their step comes; and, in full, softmax's sums, norms'
    // factors, the adapters' inner products and their dropout's masks.
    let half = engine.precision.keepsHalf
    func narrow(_ floats: Int) -> Int { half ? floats / 2 : floats }
    func copy(_ floats: Int) -> Int { half ? floats : 0 }
    let attention = narrow(4 * hidden) + heads
    let masks = drops ? 5 * Engine.maskWords(hidden) + Engine.maskWords(inner) : 0
    let kept = attention + narrow(4 * hidden + 2 * inner) + 2 + 6 * rank + masks
    // In the last layer's steps, where its own two last tensors are gone already.
    let outputStep = kept - narrow(2 * hidden) + (hidden + inner) + rank + copy(inner)
    let innerStep = kept - narrow(2 * hidden + inner) + (hidden + inner) + copy(inner) + copy(hidden)
    let attentionStep = attention + 3 * rank + 5 * hidden + copy(4 * hidden)
    // Forward, when GELU and its derivative have not been rounded yet.
    let forwardStep = half ? kept - narrow(2 * hidden + inner) + hidden + 2 * inner : 0
    let embeddings = hidden + (lora == nil ? hidden + 4 : 0)
    // Besides: what blocks of attention, of dropout, and of products and weight gradients need.
    let width = hidden / heads
    let attentionScratch = engine.threads * Engine.attentionScratch(tokens: tokensPerSequence.max() ?? 0, width: width)
    let dropoutScratch = engine.threads * (drops ? Engine.panelRows * inner : 0)
    let linearScratch = max(
      dropoutScratch + engine.productFloats(hidden, inner, trainable: lora == nil), engine.threads * Engine.outerScratch
    )

    // In a last layer that has keys and values of all tokens, and the rest of first tokens only: its attention's backward
    // step, then its linear maps', and forward.
    let factors = 2 * rank + (drops ? 2 * Engine.maskWords(hidden) : 0)
    let pairs = narrow(2 * hidden) + factors
    let pairsStep = max(
      pairs + 2 * hidden + copy(2 * hidden), factors + 3 * hidden + rank + copy(hidden), half ? pairs + 3 * hidden : 0)

    let rows = tokensPerSequence.reduce(0, +)
    let whole = config.layerCount - (first ? 1 : 0)
    let below = (whole - 1) * kept + embeddings
    // Pooled vectors and, before the backward steps, what a head keeps of them.
    let pooled = tokensPerSequence.count * hidden
    let last = tokensPerSequence.count * (kept + 2 * hidden + inner)
    let peak = max(
      first ? rows * (below + kept + pairsStep) + last + max(attentionScratch, linearScratch) : 0,
      rows * (below + kept + hidden) + 3 * pooled,
      rows * (below + forwardStep) + linearScratch,
      rows * (below + outputStep) + linearScratch,
      rows * (below + innerStep) + linearScratch,
      rows * (below + attentionStep) + attentionScratch)
    return 4 * (peak + pooled)
  }
}
