/// What an answer is rewarded for, as a pipeline file declares it: `rewards: [{exact: {of: sentence}}, …]`, or a preset.
import Foundation
import Pipelines

/// `grammar-answers`, the sum of the grammar program, or a list.
struct RewardList: ParameterConvertible {
  enum Preset: String, ParameterChoice {
    /// (exact + form + (BERTScore + 3·ROUGE-1)/2)/3.
    case grammarAnswers = "grammar-answers"
  }

  let elements: [RewardParameters]
  let parameterValue: ParameterValue

  static var parameterType: ParameterType {
    .either(Preset.parameterType, GroupList<RewardParameters>.parameterType)
  }

  /// As far as no model is needed.
  var withoutBERTScore: RewardList { RewardList(elements.filter { $0.bertscore == nil }, parameterValue) }

  private init(_ elements: [RewardParameters], _ value: ParameterValue) {
    (self.elements, parameterValue) = (elements, value)
  }

  init(_ preset: Preset) { self.init(RewardParameters.of(preset), .string(preset.rawValue)) }

  init?(parameter: ParameterValue) {
    if let preset = Preset(parameter: parameter) {
      self.init(preset)
    } else if let list = GroupList<RewardParameters>(parameter: parameter) {
      self.init(list.elements, list.parameterValue)
    } else {
      return nil
    }
  }
}

/// One reward: exactly one of these is given.
struct RewardParameters: ParameterGroup {
  @Group("1 if the answer has a form, whose parts other rewards name.") var form: FormParameters?
  @Group("1 if the answer, or a part of it, is the reference's, after NFKC, without quotes, spaces folded.")
  var exact: ExactParameters?
  @Group("ROUGE-1: F1 of the words in common with the reference.") var rouge1: OverlapParameters?
  @Group("ROUGE-L: F1 of the longest common subsequence of words.") var rougel: OverlapParameters?
  @Group("BERTScore's F1 by the model at the port `bert`: no idf, no rescaling.") var bertscore: BERTScoreParameters?
  @Group("Share of a list of terms that the answer contains.") var contains: ContainsParameters?
  @Group("1 if a regular expression matches somewhere in the answer.") var matches: MatchesParameters?
  @Group("1 if the answer is JSON and fits a schema.") var json: JSONParameters?
  @Group("1 if the answer is so long.") var length: LengthParameters?
  @Group("The score, from 0 to 1, that the cross-encoder at the port `judge` gives.") var judge: JudgeParameters?
  @Parameter(
    "A command for bash that reads a JSON line for each answer (`completion`, `answer`, `record`) and writes a number for each; `$script` is the file at the port `script`.",
    neutral: .some(nil))
  var cmd: CommandParameters? = nil

  init() {}

  /// What the kinds are called where their means are metrics.
  static let metrics =
    Self.declared.map { reward in
      MetricDescription(
        reward.name, "Mean over answers. \(reward.documentation)", .higher, heading: headings[reward.name])
    } + [
      MetricDescription("sum", "Mean of the rewards' weighted sum.", .higher),
      MetricDescription(
        "competition", "((ROUGE-1 + BERTScore)/2 + exact)/2, as the grammar program's competition scores.", .higher,
        heading: "competition"),
    ]
  private static let headings = ["form": "form", "exact": "exact", "rouge1": "ROUGE-1", "bertscore": "BERTScore"]

  static func of(_ preset: RewardList.Preset) -> [RewardParameters] {
    func group(_ name: String, _ values: [String: ParameterValue]) -> RewardParameters {
      RewardParameters(giving: [name: .map(values)])
    }
    switch preset {
    case .grammarAnswers:
      let third = 1.0 / 3
      return [
        group("form", ["pattern": .string(#""{sentence}"{이|가} 옳다{.|} {reason?}"#), "weight": .double(third)]),
        group("exact", ["of": .string("sentence"), "alternatives": .string("#"), "weight": .double(third)]),
        group("rouge1", ["of": .string("reason"), "weight": .double(third * 1.5)]),
        group("bertscore", ["of": .string("reason"), "weight": .double(third / 2)]),
      ]
    }
  }
}

struct FormParameters: ParameterGroup {
  @Parameter(
    "A text with parts `{name}`, `{name?}` (may be empty) and choices `{이|가}`; a space stands for any white space, `\"` and `'` for any quote."
  )
  var pattern: String
  @Parameter("Whether a quote of the pattern may be any quote of its kind, or only the straight one.")
  var quotes = AnswerForm.Quotes.any
  @Parameter(
    "Whether a choice of two has to agree with the syllable before it: the first follows a final consonant, as in `{이|가}`."
  )
  var agreement = false
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

extension AnswerForm.Quotes: ParameterChoice {}

struct ExactParameters: ParameterGroup {
  @Parameter("The form's part that is compared; absent: the whole answer.") var of: String?
  @Parameter("What stands between several right answers in the reference; empty: it is one.") var alternatives = ""
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct OverlapParameters: ParameterGroup {
  @Parameter("The form's part that is compared; absent: the whole answer.") var of: String?
  @Parameter(
    "How texts become words: at white space (`spaces`), each character without white space (`syllables`), runs of a to z and digits in lower case (`google`, as rouge_score itself), or `{cmd: …}`, which reads texts as JSON lines and writes lists of words."
  )
  var words = WordSplitting.spaces
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct BERTScoreParameters: ParameterGroup {
  @Parameter("The form's part that is compared; absent: the whole answer.") var of: String?
  @Parameter(
    "The layer whose states are compared, from 1: bert_score's for bert-base-multilingual-cased.", in: 1...1000)
  var layer = 9
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct ContainsParameters: ParameterGroup {
  @Parameter("The record's field that has the terms: a text, or a list of them.") var terms: String
  @Parameter("The form's part that is searched; absent: the whole answer.") var of: String?
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct MatchesParameters: ParameterGroup {
  @Parameter("The regular expression, of ICU's kind.") var pattern: String
  @Parameter("The form's part that is searched; absent: the whole answer.") var of: String?
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct JSONParameters: ParameterGroup {
  @Parameter("A JSON Schema as a text; absent: any JSON fits.") var schema: String?
  @Parameter("The form's part that is read; absent: the whole answer.") var of: String?
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct LengthParameters: ParameterGroup {
  enum Unit: String, ParameterChoice { case characters, words }

  @Parameter("The least and the most, both of them allowed.") var between: [Int]
  @Parameter("What is counted: characters (Unicode scalars), or words, between white space.") var unit = Unit.characters
  @Parameter("The form's part that is measured; absent: the whole answer.") var of: String?
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

struct JudgeParameters: ParameterGroup {
  @Parameter("The form's part that is judged; absent: the whole answer.") var text: String?
  @Parameter("The record's field that it is judged beside; it is the pair's first text.") var against = "passage"
  @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0

  init() {}
}

/// A command's text, or `{run: …, weight: …, timeout: …}`.
struct CommandParameters: ParameterConvertible {
  struct Group: ParameterGroup {
    @Parameter("The command, for bash.") var run: String
    @Parameter("What it counts in the sum.", in: -1e6...1e6) var weight = 1.0
    @Parameter("Seconds after which it is killed.", in: 1...86_400) var timeout = 60

    init() {}
  }
  let run: String
  let weight: Double
  let timeout: Int
  let parameterValue: ParameterValue

  static var parameterType: ParameterType { .either(.string, .group(Group.declared)) }

  init?(parameter: ParameterValue) {
    let fields: [String: ParameterValue]
    switch parameter {
    case .string: fields = ["run": parameter]
    case .map(let given): fields = given
    default: return nil
    }
    guard let group = Group(parameters: fields) else { return nil }
    (run, weight, timeout, parameterValue) = (group.run, group.weight, group.timeout, parameter)
  }
}

/// How ROUGE takes texts apart.
enum WordSplitting: ParameterConvertible, Hashable {
  case spaces, syllables, google
  /// JSON lines of texts in, JSON lines of lists of words out.
  case command(String)

  private struct Group: ParameterGroup {
    @Parameter("The command, for bash.") var cmd: String

    init() {}
  }
  private static let words: [String: WordSplitting] = ["spaces": .spaces, "syllables": .syllables, "google": .google]

  static var parameterType: ParameterType { .either(.choice(words.keys.sorted()), .group(Group.declared)) }

  init?(parameter: ParameterValue) {
    switch parameter {
    case .string(let word):
      guard let known = Self.words[word] else { return nil }
      self = known
    case .map(let fields):
      guard let group = Group(parameters: fields) else { return nil }
      self = .command(group.cmd)
    default: return nil
    }
  }
  var parameterValue: ParameterValue {
    switch self {
    case .spaces: .string("spaces")
    case .syllables: .string("syllables")
    case .google: .string("google")
    case .command(let text): .map(["cmd": .string(text)])
    }
  }
}
