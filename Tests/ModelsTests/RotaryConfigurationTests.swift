/// Configurations of models with rotary positions, in the names of transformers 4 and 5, and what is refused in them.
import Foundation
import TestSupport
import Testing

@testable import Models

@Suite struct RotaryConfigurationTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func read(_ type: String, _ keys: String) throws -> any Architecture {
    let sizes = """
      "model_type": "\(type)", "vocab_size": 30, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
      "intermediate_size": 24, "max_position_embeddings": 64
      """
    try scratch.write("{\(sizes)\(keys.isEmpty ? "" : ", ")\(keys)}", to: "config.json")
    return try Architectures.read(
      Configuration(contentsOf: scratch.url.appending(path: "config.json"), in: scratch.url))
  }

  @Test(arguments: [
    ("llama", #""rope_theta": 500000.0"#, #""rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}"#),
    (
      "llama",
      """
      "rope_theta": 5e5, "rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
       "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
      """,
      """
      "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
       "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
      """
    ),
    (
      "qwen2", #""rope_scaling": {"rope_type": "linear", "factor": 2}"#,
      #""rope_parameters": {"rope_type": "linear", "factor": 2}"#
    ),
    (
      "qwen3", #""use_sliding_window": true, "sliding_window": 8, "max_window_layers": 3"#,
      """
      "use_sliding_window": true, "sliding_window": 8,
      "layer_types": ["full_attention", "full_attention", "full_attention", "sliding_attention"]
      """
    ),
    (
      "gemma3_text",
      """
      "rope_theta": 1e5, "rope_local_base_freq": 123, "rope_scaling": {"rope_type": "linear", "factor": 8},
      "sliding_window_pattern": 2
      """,
      """
      "rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1e5, "factor": 8},
       "sliding_attention": {"rope_type": "default", "rope_theta": 123}},
      "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
      """
    ),
    (
      "modernbert", #""global_rope_theta": 300, "local_rope_theta": 200, "global_attn_every_n_layers": 3"#,
      """
      "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 300},
       "sliding_attention": {"rope_theta": 200}},
      "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
      """
    ),
  ])
  func `names of transformers 4 mean what those of 5 do`(type: String, old: String, new: String) throws {
    let (old, new) = (try read(type, old), try read(type, new))
    if let old = old as? Decoder { #expect(old == new as? Decoder) }
    if let old = old as? ModernBert { #expect(old == new as? ModernBert) }
    #expect(type == "modernbert" ? old is ModernBert : old is Decoder)
  }

  @Test func `what a configuration leaves out is what transformers takes`() throws {
    let gemma = try #require(try read("gemma3_text", "") as? Decoder)
    #expect((gemma.headWidth, gemma.keyValueHeadCount, gemma.window) == (256, 4, 4095))
    #expect(gemma.pattern.isLocal == [true, true, true, true] && gemma.pattern.global.theta == 1e6)
    #expect(gemma.scoreScale == 1 / 16 && gemma.embeddingScale == Float(32).squareRoot())
    let half = try #require(try read("gemma3_text", #""dtype": "bfloat16""#) as? Decoder)
    #expect(half.embeddingScale == 5.65625)
    let qwen = try #require(try read("qwen3", "") as? Decoder)
    #expect((qwen.headWidth, qwen.keyValueHeadCount, qwen.window) == (128, 4, nil))
  }

  @Test(arguments: [
    ("llama", #""rope_scaling": {"rope_type": "yarn", "factor": 4}"#, #"key "rope_type": found "yarn""#),
    ("llama", #""rope_scaling": {"rope_type": "linear", "factor": 0}"#, #"key "factor": found 0.0"#),
    ("llama", #""rope_theta": -1"#, "expected a number above 0"),
    ("llama", #""partial_rotary_factor": 0.5"#, #"key "partial_rotary_factor": found 0.5"#),
    ("llama", #""head_dim": 7"#, #"key "head_dim": found 7, expected an even number"#),
    ("llama", #""num_key_value_heads": 3"#, "a divisor of num_attention_heads 4"),
    ("llama", #""hidden_act": "relu""#, #"key "hidden_act": found "relu""#),
    ("qwen3", #""is_causal": false"#, #"key "is_causal": found false"#),
    ("qwen3", #""layer_types": ["full_attention"]"#, #"key "layer_types""#),
    ("qwen3", #""layer_types": ["full_attention", "full_attention", "full_attention", "linear_attention"]"#, "4 of"),
    (
      "qwen2", #""layer_types": ["full_attention", "full_attention", "full_attention", "sliding_attention"]"#,
      #""use_sliding_window": true"#
    ),
    ("gemma3_text", #""attn_logit_softcapping": 50.0"#, #"key "attn_logit_softcapping": found 50.0"#),
    ("gemma3_text", #""query_pre_attn_scalar": 0"#, #"key "query_pre_attn_scalar": found 0.0"#),
    ("modernbert", #""classifier_pooling": "max""#, #"key "classifier_pooling": found "max""#),
    ("modernbert", #""local_attention": 0"#, #"key "local_attention": found 0"#),
  ])
  func `what this program does not do is refused with its key`(type: String, keys: String, message: String) throws {
    let error = #expect(throws: CheckpointError.self) { try read(type, keys) }
    #expect(try #require(error).description.contains(message), "\(error!)")
  }
}
