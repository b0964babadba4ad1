/// Probabilities of dropout inside BERT while it trains.

package struct BertDropout: Sendable, Hashable {
  /// Of embeddings, attention outputs and block outputs (`hidden_dropout_prob`), and of a cross-encoder's pooled vector.
  package var hidden = 0.0
  /// Of attention probabilities (`attention_probs_dropout_prob`).
  package var attention = 0.0

  package init(hidden: Double = 0, attention: Double = 0) {
    self.hidden = hidden
    self.attention = attention
  }
}
