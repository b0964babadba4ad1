/// Halves as checkpoints store them, widened to floats. Every half is exactly a float.
import CKernels

package enum HalfPrecision {
  /// IEEE binary16; `source` holds `count` halves and may be unaligned.
  package static func widen(binary16 source: UnsafeRawPointer, to destination: UnsafeMutablePointer<Float>, count: Int)
  {
    convert_f16_to_f32(source, destination, count)
  }

  /// bfloat16; `source` holds `count` halves and may be unaligned.
  package static func widen(brain source: UnsafeRawPointer, to destination: UnsafeMutablePointer<Float>, count: Int) {
    convert_bf16_to_f32(source, destination, count)
  }
}
