/// What other programs call the parameters of stages, so that whoever writes such a name is told ours.

enum ForeignNames {
  /// By theirs: how ours is written.
  private static let names: [String: String] = [
    "use_lora": "lora: {r: …}", "use_peft": "lora: {r: …}", "lora_r": "lora: {r: …}", "lora_rank": "lora: {r: …}",
    "lora_alpha": "lora: {alpha: …}", "lora_dropout": "lora: {dropout: …}",
    "lora_target_modules": "lora: {target_modules: …}", "target_modules": "lora: {target_modules: …}",
    "learning_rate": "lr: …", "max_length": "max_len: …", "max_seq_length": "max_len: …",
    "max_sequence_length": "max_len: …", "num_epochs": "epochs: …", "num_train_epochs": "epochs: …",
    "train_batch_size": "batch_size: …", "per_device_train_batch_size": "batch_size: …",
    "gradient_accumulation_steps": "accumulation: …", "lr_scheduler_type": "schedule: …",
    "max_train_samples": "max_samples: …", "num_samples": "max_samples: …", "temperature": "tau: …", "k": "K: …",
    "use_hard_negative_mining": "strategy: …", "num_hard_negatives": "num_negatives: …",
    "normalize_similarity": "student_scores: …", "val_ratio": "eval_ratio: …", "test_size": "eval_ratio: …",
    "random_state": "seed: …", "random_seed": "seed: …",
  ]

  /// - Parameter known: the parameters that there are.
  static func suggestion(for name: String, among known: [String]) -> String? {
    let bare = name.hasPrefix("--") ? String(name.dropFirst(2)) : name
    let ours = names[bare.replacing("-", with: "_")]
    return ours.flatMap { ours in known.contains(String(ours.prefix { $0 != ":" })) ? ours : nil }
  }
}
