/// One vector for each sequence out of its tokens' vectors.

package enum PoolingMode: String, Sendable, CaseIterable {
  case cls
  case mean
  case lastToken = "last_token"
}
