/// What a worker says when it gives a stage up.
import Artifacts
import Foundation
import Pipelines

package struct SourceChanged: Error, CustomStringConvertible {
  package let port: String
  package let url: URL
  package var description: String {
    "input `\(port)`, \(url.posixPath), changed while the stage ran; the result was discarded: run again"
  }
}

/// What another stage made is not what it was, and nothing that was made from it is to be kept.
struct InputChanged: Error, CustomStringConvertible {
  let port: String
  let name: String
  let damage: Damage
  var description: String {
    "input `\(port)`, the output \(name), was changed while the stage ran, by its command or by another that ran then; "
      + "the result was discarded. A command writes to its outputs alone: copy an input before you edit it. \(damage)"
  }
}

struct MissingRemoteKey: Error, CustomStringConvertible {
  var description: String { "the coordinator ended before it handed over the key of the remote store" }
}

struct MissingOutput: Error, CustomStringConvertible {
  let port: String
  let path: String
  var description: String { "the stage ended without writing its output `\(port)` (\(path))" }
}

struct BadMetrics: Error, CustomStringConvertible {
  let file: String
  var description: String { "\(file) is not a flat JSON object of numbers, such as {\"accuracy\": 0.9}" }
}

/// A worker would compute with another precision, other instructions or another engine than was planned: the result
/// would not be the one that the key stands for.
struct OtherNumerics: PermanentFailure, CustomStringConvertible {
  let asked: String
  let here: String

  var description: String {
    "the stage was planned for `\(asked)`, and this worker computes with `\(here)`, whose results have another key; "
      + "run it where both are the same, or give the run and its workers the same retort and the same RETORT_KERNELS"
  }
}

// Another attempt would find the same.
extension RemoteDamage: PermanentFailure {}
extension NotInRemote: PermanentFailure {}

struct NotInRemote: Error, CustomStringConvertible {
  let remote: URL
  var description: String { "the remote store \(remote.posixPath) no longer has the result" }
}
