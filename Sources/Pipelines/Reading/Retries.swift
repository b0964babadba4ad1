/// How often a failed stage is tried again, and after which time.

/// Times between attempts: each twice the one before, up to a limit.
package struct BackOff: Hashable, Sendable {
  package var delay = Duration.seconds(1)
  package var limit = Duration.seconds(60)
  package init() {}

  /// - Parameter attempt: from 2, the first that follows a failure.
  package func delay(before attempt: Int) -> Duration {
    var delay = delay
    for _ in 2..<max(2, attempt) where delay < limit { delay *= 2 }
    return min(delay, limit)
  }
}

/// `retry: 3`, or `retry: {attempts: 3, delay: 5s, max_delay: 2m}`.
struct RetryRules {
  /// Further attempts after a failure; absent: as the stage kind has it.
  var attempts: Int?
  var backOff = BackOff()

  init() {}

  /// What `fields` say, and where they say nothing what `standard` says.
  init(_ fields: Fields, over standard: RetryRules) {
    self = standard
    guard let node = fields["retry"] else { return }
    guard case .mapping = node.value else {
      attempts = fields.integer("retry", in: 0...100) ?? attempts
      return
    }
    guard let inner = fields.mapping("retry", allowed: ["attempts", "delay", "max_delay"]) else { return }
    attempts = inner.integer("attempts", in: 0...100) ?? attempts
    backOff.delay = inner.quantity("delay", durationRule, parseDuration) ?? backOff.delay
    backOff.limit = inner.quantity("max_delay", durationRule, parseDuration) ?? max(backOff.limit, backOff.delay)
  }
}
