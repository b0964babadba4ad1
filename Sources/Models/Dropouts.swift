/// Probabilities of dropout inside a model while it trains.

package struct Dropouts: Sendable, Hashable {
  /// The share dropped of embeddings, attention outputs and block outputs (`hidden_dropout_prob`), 0 to below 1.
  package var hidden = 0.0
  /// Of attention probabilities (`attention_probs_dropout_prob`).
  package var attention = 0.0
  /// The share dropped of a cross-encoder's pooled vector (`classifier_dropout`), 0 to below 1.
  package var head = 0.0

  package init(hidden: Double = 0, attention: Double = 0, head: Double = 0) {
    (self.hidden, self.attention, self.head) = (hidden, attention, head)
  }
}
