/// What `--precision` takes, as a pipeline's `precision` does.
import ArgumentParser
import CPU
import Tensors

enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
  case auto, bf16, fp32, int8

  /// `auto` asks the machine, so this is for when the command runs.
  var precision: Precision { Precision(rawValue: rawValue) ?? Kernels.active.automaticPrecision }
}
