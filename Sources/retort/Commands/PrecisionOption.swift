/// What `--precision` takes, as a pipeline's `precision` does.
import ArgumentParser
import CPU
import Tensors

enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
  case auto, bf16, fp32, int8

  /// `auto` asks the machine, so this is for when the command runs.
  var precision: Precision {
    switch self {
    case .auto: Kernels.active.automaticPrecision
    case .bf16: .bf16
    case .fp32: .fp32
    case .int8: .int8
    }
  }
}
