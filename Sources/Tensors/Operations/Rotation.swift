/// Rotary positions (Su et al. 2021): of each head, width w, the elements i and i + w/2 are turned by the angle
/// position·frequency[i]. Backward: by the opposite angle. x [T, heads·w].
/// The result is rounded where the precision's attention reads bf16, and its gradient passes as if it were not.
import Foundation

package struct Rotation {
  package let cosines, sines: Tensor  // [positions, w/2]

  /// Angles are rounded to fp32, as transformers has them.
  package init(_ frequencies: [Float], positions: Int, on device: any Device) {
    let angles = (0..<positions).flatMap { position in frequencies.map { Double(Float(position) * $0) } }
    let shape = [positions, frequencies.count]
    cosines = device.tensor(angles.map { Float(cos($0)) }, shape)
    sines = device.tensor(angles.map { Float(sin($0)) }, shape)
  }

  /// w
  package var width: Int { 2 * cosines.columns }
}

extension Tape {
  /// - Parameter rows: the tokens, with their positions.
  package func rotate(_ x: Variable, _ rotation: Rotation, rows: Rows) -> Variable {
    precondition(x.value.columns % rotation.width == 0, "rotation of heads of \(rotation.width) in \(x.value.shape)")
    let (device, below, bytes) = (device, x.gradient, 8 * x.value.count)
    let rounds = device.precision.roundsAttention
    let y = Profile.measure(.rotation, bytes: bytes) {
      device.rotate(x.value, rotation, rows, backwards: false, rounds: rounds)
    }
    return record(y, needed: below != nil, as: .rotation, bytes: bytes, isRounded: rounds) {
      below?.add(device.rotate($0, rotation, rows, backwards: true, rounds: false))
    }
  }
}
