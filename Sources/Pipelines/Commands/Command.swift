/// What a `cmd` stage runs: a text for bash in which inputs and outputs are placeholders.
import Artifacts
import Escaping
import Foundation

package struct Command: Hashable, Sendable {
  /// Parameters are already in the text; ports are not.
  package var template: [Segment]
  /// Where the command leaves its outputs and its metrics, relative to its working folder.
  package var outputs: [String: String]
  package var metrics: String?
  /// Names of variables whose values the command sees and the key contains.
  package var environment: [String]
  /// Names of variables that the command sees and nothing else does.
  package var secrets: [String]
  /// Names of programs whose files' digests the key contains.
  package var tools: [String]

  package init(
    template: [Segment], outputs: [String: String] = [:], metrics: String? = nil, environment: [String] = [],
    secrets: [String] = [], tools: [String] = []
  ) {
    self.template = template
    self.outputs = outputs
    self.metrics = metrics
    self.environment = environment
    self.secrets = secrets
    self.tools = tools
  }

  package enum Segment: Hashable, Sendable {
    case text(String)
    case input(String, ShellQuoting)
    case output(String, ShellQuoting)
  }

  /// The text as the key has it: with `${in.x}` and `${out.y}`, and `$${` for a literal `${`.
  package var canonicalText: String {
    template.map { segment in
      switch segment {
      case .text(let text): Escape.template(text)
      case .input(let port, _): "${in.\(port)}"
      case .output(let port, _): "${out.\(port)}"
      }
    }.joined()
  }

  /// The text for bash, each port as one word or within one, a gathered one as a word for each variant, by their names;
  /// in quotes that are the command's own, as `"$@"` would be.
  package func text(inputs: [String: URL], outputs: [String: URL]) -> String {
    let gathered = Dictionary(grouping: inputs.keys.sorted(by: canonicalOrder), by: { VariantName($0).base })
    return template.map { segment in
      switch segment {
      case .text(let text): text
      case .input(let port, let quoting):
        (gathered[port] ?? []).compactMap { inputs[$0] }.map { quoting.written($0.path) }
          .joined(separator: quoting == .doubleQuotes ? "\" \"" : quoting == .singleQuotes ? "' '" : " ")
      case .output(let port, let quoting): outputs[port].map { quoting.written($0.path) } ?? ""
      }
    }.joined()
  }
}

extension Plan {
  /// Names of the variables that some stage declares as secret.
  package var secrets: Set<String> { Set(stages.flatMap { $0.command?.secrets ?? [] }) }
}
