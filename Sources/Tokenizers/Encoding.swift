/// What a model reads of one text or pair.

package struct Encoding: Sendable, Equatable {
  package var ids: [Int32] = []  // [tokens]
  /// 0 for the first text, 1 for the second, as the tokenizer's template says.
  package var typeIDs: [Int32] = []  // [tokens]
  /// Tokens besides the special ones that the template adds; 0 means that the text says nothing.
  package var contentTokens = 0
  package var unknowns = 0
  package var truncated = false
}
