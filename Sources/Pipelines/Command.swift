/// What a `cmd` stage runs: a text for bash in which inputs and outputs are placeholders.
import Artifacts
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
    case input(String)
    case output(String)
  }

  /// The text as the key has it: with `${in.x}` and `${out.y}`, and `$${` for a literal `${`.
  package var canonicalText: String {
    template.map { segment in
      switch segment {
      case .text(let text): text.utf8.contains(UInt8(ascii: "$")) ? text.replacing("${", with: "$${") : text
      case .input(let port): "${in.\(port)}"
      case .output(let port): "${out.\(port)}"
      }
    }.joined()
  }

  /// The text for bash, each port as one quoted word, a gathered one as a word for each variant, by their names.
  package func text(inputs: [String: URL], outputs: [String: URL]) -> String {
    let gathered = Dictionary(grouping: inputs.keys.sorted(by: canonicalOrder), by: declaredPort)
    return template.map { segment in
      switch segment {
      case .text(let text): text
      case .input(let port):
        (gathered[port] ?? []).compactMap { inputs[$0] }.map { shellQuoted($0.path) }.joined(separator: " ")
      case .output(let port): outputs[port].map { shellQuoted($0.path) } ?? ""
      }
    }.joined()
  }
}

/// One word for a POSIX shell; quoted only if it contains anything that the shell might read.
package func shellQuoted(_ word: String) -> String {
  let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
  let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
  let plain = word.utf8.allSatisfy { byte in
    letters.contains(byte | 0x20) || digits.contains(byte) || "%+,-./:=@_".utf8.contains(byte)
  }
  return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
}

extension Plan {
  /// Names of the variables that some stage declares as secret.
  package var secrets: Set<String> { Set(stages.flatMap { $0.command?.secrets ?? [] }) }
}
