/// The type in which a trained model's weights are written, by its name in `config.json`.
import Tensors

package enum SavedType: String, Sendable, CaseIterable {
  /// That of the base's largest tensor, or float32 where this is neither of the halves.
  case base
  case float32, bfloat16, float16

  init(_ type: DType) {
    switch type {
    case .bf16: self = .bfloat16
    case .f16: self = .float16
    default: self = .float32
    }
  }

  func type(from base: Checkpoint) throws -> DType {
    switch self {
    case .base: try base.mainType
    case .float32: .f32
    case .bfloat16: .bf16
    case .float16: .f16
    }
  }
}
