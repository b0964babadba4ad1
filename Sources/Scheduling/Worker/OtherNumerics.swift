/// What a worker says that would compute with another precision, other instructions or another engine than was planned.
import Pipelines

/// The result would not be the one that the key stands for.
struct OtherNumerics: PermanentFailure, CustomStringConvertible {
  let asked: String
  let here: String

  static func check(_ asked: String, here: String) throws {
    if asked != here { throw OtherNumerics(asked: asked, here: here) }
  }

  var description: String {
    "the stage was planned for `\(asked)`, and this worker computes with `\(here)`, whose results have another key; run "
      + "it where both are the same, or give the run and its workers the same retort and the same RETORT_KERNELS"
  }
}
