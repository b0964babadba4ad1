/// Sets of scalars that regular expressions are made of, and the scalars that no such set tells apart.

/// Scalars of some kinds and of some ranges, or all others.
struct ScalarSet: Sendable, Hashable {
  /// A bit for each kind, by its number.
  var kinds: UInt128 = 0
  var ranges: [ClosedRange<UInt32>] = []
  var isNegated = false

  init() {}
  init(_ scalar: UInt32) { ranges = [scalar...scalar] }
  init(where holds: (ScalarKind) -> Bool) { kinds = ScalarKind.all.reduce(0) { $0 | (holds($1) ? 1 << $1.number : 0) } }

  var inverted: ScalarSet {
    var other = self
    other.isNegated.toggle()
    return other
  }

  func contains(_ scalar: UInt32, _ kind: ScalarKind) -> Bool {
    (kinds >> kind.number & 1 == 1 || ranges.contains { $0.contains(scalar) }) != isNegated
  }
}

/// Numbers scalars so that those of one number lie in the same ones of some sets.
struct ScalarClasses: Sendable {
  /// The sets that hold a class, by class.
  private(set) var members: [[Bool]] = []
  /// The classes of ASCII's scalars; and those of the others, by the stretch between ends of ranges and by kind.
  private var ascii: [UInt8] = []
  private var others: [UInt8] = []  // [stretches, kinds]
  /// The first scalar of each stretch.
  private var stretches: [UInt32]

  /// The classes of `sets`; nil if they are more than 256.
  init?(_ sets: [ScalarSet]) {
    let ends = sets.flatMap { $0.ranges.flatMap { [$0.lowerBound, $0.upperBound + 1] } }
    stretches = [0x80] + Set(ends).filter { $0 > 0x80 }.sorted()
    var numbers: [[Bool]: UInt8] = [:]
    var members: [[Bool]] = []
    func number(_ scalar: UInt32, _ kind: ScalarKind) -> UInt8? {
      let holding = sets.map { $0.contains(scalar, kind) }
      if let number = numbers[holding] { return number }
      guard let number = UInt8(exactly: members.count) else { return nil }
      numbers[holding] = number
      members.append(holding)
      return number
    }
    for scalar in 0..<UInt32(0x80) {
      guard let number = number(scalar, .of(scalar)) else { return nil }
      ascii.append(number)
    }
    for stretch in stretches {
      for kind in ScalarKind.all {
        guard let number = number(stretch, kind) else { return nil }
        others.append(number)
      }
    }
    self.members = members
  }

  @inline(__always)
  func number(of scalar: UInt32) -> Int {
    if scalar < 0x80 { return Int(ascii[Int(scalar)]) }
    var (low, high) = (0, stretches.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if stretches[middle] <= scalar { low = middle } else { high = middle }
    }
    return Int(others[low * ScalarKind.count + Int(ScalarKind.of(scalar).number)])
  }
}
