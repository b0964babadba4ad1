/// What a stage's ports, parameters and metrics mean, as its declaration says it. Warnings, comparison, forecast, cards
/// and tables read this, and know no stage by its name.

/// What a stage does with what is bound to an input.
package enum InputRole: Sendable, Hashable {
  /// Records that decide the outputs' weights.
  case learnsFrom
  /// Records that decide which weights are kept, or fit a stage's constants.
  case choosesBy
  /// Records that the stage's figures are of.
  case evaluatedOn
  /// Records that its output has again, in another form.
  case handsOn
}

/// What a parameter does to a stage's work.
package enum ParameterRole: Sendable, Hashable {
  /// The number of passes over the records of the input that is learned from: work grows with it.
  case repeats
  /// The most of those records that are used.
  case limits
  /// The name of the part of a folder that is read, so that other parts hold other records.
  case part
  /// What metrics are divided by, too; `none`: by nothing.
  case divides
}

/// Which way a metric is good.
package enum MetricDirection: String, Codable, Sendable {
  case higher, lower

  /// Whether `value` is better than `other`.
  package func prefers(_ value: Double, to other: Double) -> Bool {
    self == .higher ? value > other : value < other
  }
}

/// A metric that a stage reports.
package struct MetricDescription: Sendable, Hashable {
  /// `ndcg@10`; a last `@k` stands for any whole number there.
  package var name: String
  package var documentation: String
  /// `nil`: neither way is better.
  package var direction: MetricDirection?
  /// Whether it is what people look at first.
  package var isHeadline: Bool
  /// Its heading in the table of evaluations at a run's end; absent: it is not in it.
  package var heading: String?
  /// The parameter that says what it should reach; absent: nobody says.
  package var target: String?

  package init(
    _ name: String, _ documentation: String, _ direction: MetricDirection?, heading: String? = nil,
    isHeadline: Bool = false, target: String? = nil
  ) {
    self.name = name
    self.documentation = documentation
    self.direction = direction
    self.heading = heading
    self.target = target
    self.isHeadline = isHeadline
  }

  /// `scifact.ndcg@10` is the metric of a part, here of one set of several. The part's own name may have dots.
  package static func parts(of name: String) -> (part: String?, metric: String) {
    guard let dot = name.lastIndex(of: ".") else { return (nil, name) }
    return (String(name[..<dot]), String(name[name.index(after: dot)...]))
  }

  package func describes(_ metric: String) -> Bool {
    guard name.hasSuffix("@k") else { return name == metric }
    let stem = name.dropLast()
    return metric.hasPrefix(stem) && Int(metric.dropFirst(stem.count)) != nil
  }
}

extension StageDescription {
  package static let commandKind = "cmd"

  /// The names of the inputs with a role, as declared.
  package func inputs(_ role: InputRole) -> [String] { inputs.filter { $0.role == role }.map(\.name) }

  /// The names of the inputs that take a model and nothing else.
  package var modelPorts: Set<String> { Set(inputs.filter { $0.accepts == [.model] }.map(\.name)) }

  /// The name of the first parameter with a role.
  package func parameter(_ role: ParameterRole) -> String? { parameters.first { $0.role == role }?.name }

  /// The declaration of a metric; `nil` for one that was not declared.
  package func metric(_ name: String) -> MetricDescription? {
    let metric = MetricDescription.parts(of: name).metric
    return metrics.first { $0.describes(metric) }
  }

  /// The metrics that stand in the table at a run's end.
  package var tabulated: [MetricDescription] { metrics.filter { $0.heading != nil } }

  /// The names of the inputs with the model that a training starts from.
  package var startingPorts: [String] {
    inputs.filter { [.student, .teacher, .policy].contains($0.modelUse) }.map(\.name)
  }

  /// Whether its figures say how good something is.
  package var evaluates: Bool { inputs.contains { $0.role == .evaluatedOn } }

  /// Gives what is known of any command: its ports are the author's own, and two of their names tell what they are for.
  package static func command(inputs: [String], outputs: [OutputDescription] = []) -> StageDescription {
    let roles: [String: InputRole] = ["train": .learnsFrom, "validation": .choosesBy]
    return StageDescription(
      kind: StageKind(commandKind, revision: 1), abstract: "A command.", numeric: false, outsideTools: [],
      usesSeed: false,
      inputs: inputs.map {
        InputDescription(
          name: $0, documentation: "", accepts: ArtifactType.allCases, isOptional: false, role: roles[$0])
      }, parameters: [], outputs: outputs)
  }
}

extension StageCatalog {
  /// Gives the declaration of a stage that ran; one of a kind that this version lacks, like a command, has only ports.
  package func meaning(ofKind kind: String, inputs: some Sequence<String>) -> StageDescription {
    describe(kind) ?? .command(inputs: Array(inputs))
  }

  /// Which way a stage's metric is good: as its kind declares it, else, for a command's, as far as the name tells.
  package func direction(ofMetric metric: String, kind: String) -> MetricDirection? {
    guard let description = describe(kind) else { return MetricDirection(guessing: metric) }
    return description.metric(metric)?.direction
  }
}

extension MetricDirection {
  private static let higherWords: Set = [
    "accuracy", "precision", "recall", "ndcg", "mrr", "map", "ap", "auc", "margin", "f1",
  ]
  private static let lowerWords: Set = ["loss", "perplexity"]

  /// The direction of a metric that nobody declared; `nil` where its name says nothing: no judgement is passed then.
  init?(guessing metric: String) {
    let words = metric.lowercased().prefix { $0 != "@" }.split(separator: "_").map(String.init)
    if words.contains(where: Self.lowerWords.contains) || words.suffix(2) == ["mean", "rank"] {
      self = .lower
    } else if words.contains(where: Self.higherWords.contains) {
      self = .higher
    } else {
      return nil
    }
  }
}
