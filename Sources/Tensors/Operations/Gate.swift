/// y = f(z)∘u: a gated activation (Shazeer 2020). Backward: dz = dy∘u∘f'(z), du = dy∘f(z), both computed anew from what
/// is kept of z and u. All [n, width].

extension Tape {
  package func gate(_ f: Activation, _ z: Variable, _ u: Variable) -> Variable {
    precondition(z.value.shape == u.value.shape, "gate of \(z.value.shape) and \(u.value.shape)")
    let (device, bytes) = (device, 4 * z.value.count)
    let y = Profile.measure(.activation, bytes: 3 * bytes) { device.gate(f, z.value, u.value) }
    let (kept, below) = ([z.kept, u.kept], [z.gradient, u.gradient])
    let needed = records && below.contains { $0 != nil }
    if needed { for (kept, value) in zip(kept, [z.value, u.value]) { kept.hold(value) } }
    return record(y, needed: needed, as: .activation, bytes: 5 * bytes) { dy in
      let (dz, du) = device.gateBackward(f, dy, kept[0].stored, kept[1].stored)
      below[0]?.add(dz)
      below[1]?.add(du)
    }
  }
}
