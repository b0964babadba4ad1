/// `checkpoint: {every: 10m, keep: 2}`: how often a training's state is saved, and how many saved states are kept.

package struct CheckpointPolicy: Hashable, Sendable, Codable {
  package enum Interval: Hashable, Sendable, Codable {
    case seconds(Int)
    /// Of the optimizer.
    case steps(Int)
  }
  package var every = Interval.seconds(600)
  /// At least 1.
  package var keep = 2

  package init(every: Interval = .seconds(600), keep: Int = 2) {
    self.every = every
    self.keep = keep
  }

  /// What the key `checkpoint` says, and where it says nothing what `standard` says.
  init(_ fields: Fields, over standard: CheckpointPolicy) {
    let own = fields.mapping("checkpoint", allowed: ["every", "keep"])
    every = own?.quantity("every", "a time such as 10m, or a number of steps", Interval.init) ?? standard.every
    keep = own?.integer("keep", in: 1...1000) ?? standard.keep
  }

  /// As one writes it in a pipeline file.
  package var yaml: String {
    switch every {
    case .seconds(let seconds): "{every: \(seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"), keep: \(keep)}"
    case .steps(let steps): "{every: \(steps), keep: \(keep)}"
    }
  }
}

extension CheckpointPolicy.Interval {
  init?(_ text: String) {
    if let steps = Int(text) {
      guard steps > 0 else { return nil }
      self = .steps(steps)
    } else if let duration = parseDuration(text) {
      self = .seconds(Int(duration.components.seconds))
    } else {
      return nil
    }
  }
}
