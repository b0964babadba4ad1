/// Byte strings with numbers, walked byte by byte: which strings begin a text is known after one pass over it.

/// A radix tree (Morrison, Journal of the ACM 15, 1968): a node for each place where strings part, or where one ends.
/// Nodes are numbered by depth, and the children of a node, which lie together, are ordered by their first bytes.
struct ByteTrie: Sendable {
  private struct Node {
    /// The bytes that lead to it after the first one: where they lie in `strings`, and how many they are.
    var label, count: UInt32
    /// The string that ends here; negative: none.
    var number: Int32
    /// Its first child; the children end where the next node's begin.
    var children: UInt32 = 0
  }

  private let strings: [UInt8]
  private let ends: [UInt32]
  private var nodes = [Node(label: 0, count: 0, number: -1)]
  /// The first byte that leads to each node.
  private var bytes: [UInt8] = [0]
  /// The root's children by that byte; 0: none.
  private var roots = [Int32](repeating: 0, count: 256)

  /// The trie of `strings`, which lie one after the other, fewer than 2³² bytes, and are numbered from 0. Of equal ones
  /// the last counts; an empty one is never found.
  init(_ strings: [UInt8], ends: [Int]) {
    self.strings = strings
    self.ends = ends.map { UInt32($0) }
    nodes.reserveCapacity(ends.count * 5 / 4)
    bytes.reserveCapacity(ends.count * 5 / 4)
    strings.withUnsafeBufferPointer { build(Self.sorted($0, ends), $0) }
    nodes.append(Node(label: 0, count: 0, number: -1, children: UInt32(nodes.count)))
  }

  private struct Entry {
    /// The first eight bytes of the string, zeros behind a shorter one.
    var beginning: UInt64
    var start, count: UInt32
    var number: Int32
  }

  /// The strings in the order of their bytes, equal ones in that of their numbers.
  private static func sorted(_ strings: UnsafeBufferPointer<UInt8>, _ ends: [Int]) -> [Entry] {
    var entries: [Entry] = []
    entries.reserveCapacity(ends.count)
    var start = 0
    for (number, end) in ends.enumerated() {
      var beginning: UInt64 = 0
      for place in start..<min(start + 8, end) {
        beginning |= UInt64(strings[place]) << UInt64(56 - 8 * (place - start))
      }
      entries.append(
        Entry(beginning: beginning, start: UInt32(start), count: UInt32(end - start), number: Int32(number)))
      start = end
    }
    entries.sort { one, other in
      if one.beginning != other.beginning { return one.beginning < other.beginning }
      for place in min(8, one.count, other.count)..<min(one.count, other.count) {
        let (left, right) = (strings[Int(one.start + place)], strings[Int(other.start + place)])
        if left != right { return left < right }
      }
      return (one.count, one.number) < (other.count, other.number)
    }
    return entries
  }

  /// Adds the nodes of one depth after the other; those of a depth are ranges of `entries` that share so many bytes.
  private mutating func build(_ entries: [Entry], _ strings: UnsafeBufferPointer<UInt8>) {
    entries.withUnsafeBufferPointer { entries in
      var level = [(entries: entries.prefix { $0.count == 0 }.count..<entries.count, shared: UInt32(0))]
      var parent = 0
      while !level.isEmpty {
        var next: [(entries: Range<Int>, shared: UInt32)] = []
        for (range, shared) in level {
          nodes[parent].children = UInt32(nodes.count)
          var start = range.lowerBound
          while start < range.upperBound {
            let first = entries[start]
            let byte = strings[Int(first.start + shared)]
            var end = start + 1
            while end < range.upperBound, strings[Int(entries[end].start + shared)] == byte { end += 1 }
            let last = entries[end - 1]
            var length = shared + 1
            while length < min(first.count, last.count),
              strings[Int(first.start + length)] == strings[Int(last.start + length)]
            {
              length += 1
            }
            if parent == 0 { roots[Int(byte)] = Int32(nodes.count) }
            bytes.append(byte)
            nodes.append(Node(label: first.start + shared + 1, count: length - shared - 1, number: -1))
            while start < end, entries[start].count == length {
              nodes[nodes.count - 1].number = entries[start].number
              start += 1
            }
            next.append((start..<end, length))
            start = end
          }
          parent += 1
        }
        level = next
      }
    }
  }

  /// Calls `body` with each string and its number, in order.
  func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int32) -> Void) {
    strings.withUnsafeBufferPointer { strings in
      var start = 0
      for (number, end) in ends.enumerated() {
        body(UnsafeBufferPointer(rebasing: strings[start..<Int(end)]), Int32(number))
        start = Int(end)
      }
    }
  }

  /// The number of the string; nil: it is not there, or empty.
  func number(of string: UnsafeBufferPointer<UInt8>) -> Int32? {
    var found: Int32?
    forEachPrefix(of: string, string.indices) { end, number in if end == string.count { found = number } }
    return found
  }

  func number(of string: String) -> Int32? {
    var string = string
    return string.withUTF8(number(of:))
  }

  /// Calls `body` with the end and the number of each string that begins at `range`'s start, the shortest first.
  @inline(__always)
  func forEachPrefix(
    of text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (_ end: Int, _ number: Int32) -> Void
  ) {
    guard !range.isEmpty else { return }
    nodes.withUnsafeBufferPointer { nodes in
      strings.withUnsafeBufferPointer { strings in
        bytes.withUnsafeBufferPointer { bytes in
          var index = range.lowerBound
          var place = Int(roots[Int(text[index])])
          while place > 0 {
            let node = nodes[place]
            index += 1
            guard Int(node.count) <= range.upperBound - index else { return }
            for offset in 0..<Int(node.count) where strings[Int(node.label) + offset] != text[index + offset] { return }
            index += Int(node.count)
            if node.number >= 0 { body(index, node.number) }
            guard index < range.upperBound else { return }
            place = Self.place(of: text[index], in: bytes, Int(node.children)..<Int(nodes[place + 1].children))
          }
        }
      }
    }
  }

  /// The child in `children` that a byte leads to; 0: none.
  @inline(__always)
  private static func place(of byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>, _ children: Range<Int>) -> Int {
    var (low, high) = (children.lowerBound, children.upperBound)
    while high - low > 8 {
      let middle = (low + high) / 2
      if bytes[middle] <= byte { low = middle } else { high = middle }
    }
    for place in low..<high where bytes[place] == byte { return place }
    return 0
  }
}
