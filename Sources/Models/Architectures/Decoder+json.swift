/// The configuration of decoders out of `config.json`.
import Foundation
import JSONText
import Tensors

extension Decoder {
  /// Throws a `CheckpointError` that names each key by which the file describes another architecture, or which it lacks.
  package init(_ file: Configuration) throws {
    let reader = SizeReader(file)
    // `Architectures.read` lets through no other.
    kind = Kind(rawValue: try file.string("model_type")) ?? .llama
    let isGemma = kind == .gemma3
    vocabularySize = try reader.size("vocab_size", atMost: SizeReader.mostIDs)
    hiddenSize = try reader.size("hidden_size", atMost: SizeReader.mostWidth)
    layerCount = try reader.size("num_hidden_layers", atMost: SizeReader.mostLayers)
    headCount = try reader.size("num_attention_heads", atMost: SizeReader.mostWidth)
    keyValueHeadCount = try reader.size(
      "num_key_value_heads", absent: isGemma ? 4 : headCount, atMost: SizeReader.mostWidth)
    let shared = max(1, hiddenSize / headCount)
    headWidth = try reader.size(
      "head_dim", absent: isGemma ? 256 : kind == .qwen3 ? 128 : shared, atMost: SizeReader.mostWidth)
    intermediateSize = try reader.size("intermediate_size", atMost: SizeReader.mostInner)
    maximumPositions = try reader.size("max_position_embeddings", atMost: SizeReader.mostIDs)
    let key = file.has("hidden_activation") ? "hidden_activation" : "hidden_act"
    activation =
      try reader.choice(key, absent: isGemma ? "gelu_pytorch_tanh" : "silu", among: SizeReader.gates) ?? .silu
    normEpsilon = try reader.positive("rms_norm_eps", absent: 1e-6)
    initializerRange = try reader.deviation()
    let hasBias = try reader.flag("attention_bias")
    (hasQueryBias, hasOutputBias) = kind == .qwen2 ? (true, false) : (hasBias, hasBias)
    hasInnerBias = try kind == .llama && reader.flag("mlp_bias")
    isBidirectional = try isGemma && reader.flag("use_bidirectional_attention")
    (pattern, window) = try Self.layers(reader, kind, layerCount, isBidirectional: isBidirectional)
    scoreScale =
      1 / (isGemma ? try reader.positive("query_pre_attn_scalar", absent: 256) : Float(headWidth)).squareRoot()
    tiesOutput = try reader.flag("tie_word_embeddings", absent: isGemma)
    embeddingScale = isGemma ? Self.embeddingScale(hiddenSize, file) : 1

    try reader.require("attn_logit_softcapping", absentOr: "nothing") { _ in false }
    try reader.require("is_causal", absentOr: "true: each token sees only those before it") {
      try $0.bool(ifPresent: "is_causal") == true
    }
    if reader.isFine {
      if headWidth % 2 != 0 { reader.refuse("head_dim", "\(headWidth)", "an even number: its halves are turned") }
      if headCount % keyValueHeadCount != 0 {
        reader.refuse("num_key_value_heads", "\(keyValueHeadCount)", "a divisor of num_attention_heads \(headCount)")
      }
      if !file.has("head_dim"), headWidth == shared, hiddenSize % headCount != 0 {
        reader.refuse("num_attention_heads", "\(headCount)", "a divisor of hidden_size \(hiddenSize)")
      }
      for (name, width) in [("num_attention_heads", headCount), ("num_key_value_heads", keyValueHeadCount)]
      where width * headWidth > SizeReader.mostInner {
        reader.refuse(name, "\(width) heads of \(headWidth)", "a product of at most \(SizeReader.mostInner)")
      }
    }
    try reader.finish()
  }

  /// Which layers see a window, how far it reaches, and the positions of both.
  private static func layers(
    _ reader: SizeReader, _ kind: Kind, _ count: Int, isBidirectional: Bool
  ) throws -> (LayerPattern, Int?) {
    let isGemma = kind == .gemma3
    let global = try RotaryPositions(reader, theta: isGemma ? 1_000_000 : 10_000)
    let local =
      isGemma
      ? try RotaryPositions(
        reader, layers: "sliding_attention", key: "rope_local_base_freq", theta: 10_000, scales: false) : global
    // Qwen has layers with a window only where it is switched on.
    let uses = try isGemma || kind != .llama && reader.flag("use_sliding_window")
    let period = isGemma ? try reader.size("sliding_window_pattern", absent: 6, atMost: SizeReader.mostLayers) : 1
    let first = uses && !isGemma ? try reader.read(28) { try reader.file.int(ifPresent: "max_window_layers") ?? 28 } : 0
    let isLocal = try LayerPattern.read(reader, count: count) {
      isGemma ? ($0 + 1) % period != 0 : uses && $0 >= first
    }
    let pattern = LayerPattern(isLocal: isLocal, global: global, local: local)
    guard isLocal.contains(true) else { return (pattern, nil) }
    if !uses { reader.refuse("layer_types", "\"sliding_attention\"", "\"use_sliding_window\": true beside it") }
    let window = try reader.size("sliding_window", absent: 4096, atMost: SizeReader.mostIDs)
    return (pattern, isBidirectional ? window / 2 : window - 1)
  }

  /// √width as transformers rounds it, to the type that the checkpoint's weights have.
  private static func embeddingScale(_ width: Int, _ file: Configuration) -> Float {
    let root = Float(width).squareRoot()
    let type = (file.values["dtype"] ?? file.values["torch_dtype"])?.string
    switch type {
    case "bfloat16": return Float(bitPattern: (root.bitPattern + 0x7FFF + (root.bitPattern >> 16 & 1)) & 0xFFFF_0000)
    case "float16": return Float(Float16(root))
    default: return root
    }
  }
}
