/// What a stage computes with: one value from the pipeline file to the worker.

package struct Compute: Codable, Hashable, Sendable {
  package enum Device: String, Codable, Sendable { case cpu }
  package var device = Device.cpu
  /// Width of the compute pool. Never decides a result's bytes.
  package var threads: Int
  /// Bytes that the stage is held to. Never decides a result's bytes.
  package var memory: Int
  /// Numerics of the products with weights: `fp32`, `bf16` or `int8`. A plan has it as the file says it, which may be
  /// `auto`; `KeyContext` puts the machine's choice in its place.
  package var precision: String

  /// What a file says for: the machine chooses.
  package static let automaticPrecision = "auto"

  package init(threads: Int = 1, memory: Int = 1 << 30, precision: String = "fp32") {
    self.threads = threads
    self.memory = memory
    self.precision = precision
  }
}
