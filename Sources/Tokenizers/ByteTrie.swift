/// Byte strings with numbers, walked byte by byte: which strings begin a text is known after one pass over it.

/// A trie whose edges lie in one hash table with open addressing.
struct ByteTrie: Sendable {
  /// An edge: the node it leaves (24 bits), its byte (8 bits), the node it leads to (32 bits). 0 is an empty slot, for
  /// no edge leads to the root. The count is a power of two, at most half of it used.
  private var edges: [UInt64]
  private let shift: UInt64
  /// The number of the string that ends at each node; negative: none.
  private var numbers: [Int32] = [-1]

  static let mostNodes = 1 << 24

  /// The trie of `strings`, which lie one after the other and are numbered from 0; nil if it takes too many nodes.
  /// Of equal ones the last counts; an empty one is never found.
  init?(_ strings: [UInt8], ends: [Int]) {
    // Neighbours in the order share most of their nodes, so that few are looked for.
    var order: [(start: UInt64, number: Int32)] = []
    order.reserveCapacity(ends.count)
    var begin = 0
    for (number, end) in ends.enumerated() {
      var start: UInt64 = 0
      for place in begin..<min(begin + 8, end) { start |= UInt64(strings[place]) << UInt64(56 - 8 * (place - begin)) }
      order.append((start, Int32(number)))
      begin = end
    }
    order.sort { ($0.start, $0.number) < ($1.start, $1.number) }
    func range(_ number: Int32) -> Range<Int> { (number == 0 ? 0 : ends[Int(number) - 1])..<ends[Int(number)] }
    /// Calls `body` with each string and how many bytes it shares with the one before.
    func forEach(_ body: (_ string: Range<Int>, _ shared: Int, _ number: Int32) -> Void) {
      var previous = 0..<0
      for (_, number) in order {
        let string = range(number)
        var shared = 0
        while shared < min(string.count, previous.count),
          strings[string.lowerBound + shared] == strings[previous.lowerBound + shared]
        {
          shared += 1
        }
        body(string, shared, number)
        previous = string
      }
    }
    var nodes = 1
    forEach { string, shared, _ in nodes += string.count - shared }
    guard nodes <= Self.mostNodes else { return nil }
    var count = 2
    while count < 2 * nodes { count *= 2 }
    shift = UInt64(64 - count.trailingZeroBitCount)
    edges = [UInt64](repeating: 0, count: count)
    numbers.reserveCapacity(nodes)
    var path: [UInt32] = [0]  // the nodes of the string before
    forEach { string, shared, number in
      path.removeLast(path.count - 1 - shared)
      for byte in strings[string.dropFirst(shared)] { path.append(add(byte, to: path[path.count - 1])) }
      if !string.isEmpty { numbers[Int(path[path.count - 1])] = number }
    }
  }

  /// The child of a node by a byte, made if it is not there.
  @inline(__always)
  private mutating func add(_ byte: UInt8, to node: UInt32) -> UInt32 {
    let key = node << 8 | UInt32(byte)
    var slot = Self.slot(key, shift)
    while edges[slot] != 0, UInt32(edges[slot] >> 32) != key { slot = (slot + 1) & (edges.count - 1) }
    if edges[slot] == 0 {
      edges[slot] = UInt64(key) << 32 | UInt64(numbers.count)
      numbers.append(-1)
    }
    return UInt32(truncatingIfNeeded: edges[slot])
  }

  /// The number of the string, or of its last insertion; nil: it is not there, or empty.
  func number(of bytes: some Sequence<UInt8>) -> Int32? {
    edges.withUnsafeBufferPointer { edges in
      var node: UInt32 = 0
      for byte in bytes {
        guard let next = child(of: node, byte, edges) else { return nil }
        node = next
      }
      return numbers[Int(node)] < 0 ? nil : numbers[Int(node)]
    }
  }

  /// Calls `body` with the end and the number of each string that begins at `range`'s start, the shortest first.
  @inline(__always)
  func forEachPrefix(
    of text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (_ end: Int, _ number: Int32) -> Void
  ) {
    edges.withUnsafeBufferPointer { edges in
      numbers.withUnsafeBufferPointer { numbers in
        var node: UInt32 = 0
        for index in range {
          guard let next = child(of: node, text[index], edges) else { return }
          node = next
          let number = numbers[Int(node)]
          if number >= 0 { body(index + 1, number) }
        }
      }
    }
  }

  @inline(__always)
  private func child(of node: UInt32, _ byte: UInt8, _ edges: UnsafeBufferPointer<UInt64>) -> UInt32? {
    let key = node << 8 | UInt32(byte)
    var slot = Self.slot(key, shift)
    while edges[slot] != 0 {
      if UInt32(edges[slot] >> 32) == key { return UInt32(truncatingIfNeeded: edges[slot]) }
      slot = (slot + 1) & (edges.count - 1)
    }
    return nil
  }

  /// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
  @inline(__always)
  private static func slot(_ key: UInt32, _ shift: UInt64) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9E37_79B9_7F4A_7C15) >> shift)
  }
}
