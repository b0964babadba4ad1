/// Many patterns found in a text at once, in time that grows with the text alone.

/// The automaton of Aho and Corasick (Communications of the ACM 18, 1975) over the patterns read backwards: run over a
/// text from its end, it knows at each place the longest pattern that begins there.
struct PatternMatcher: Sendable {
  // Nodes are numbered by depth, and the children of a node, which lie together, by their bytes.
  /// The byte that leads to a node.
  private var bytes: [UInt8] = [0]
  /// The first child of each node; the children end where the next node's begin.
  private var children: [Int32] = []
  /// The node of the longest proper end of what a node stands for.
  private var failures: [Int32] = [0]
  /// The longest pattern that ends what a node stands for; negative: none.
  private var longest: [Int32] = [-1]
  private var roots = [Int32](repeating: 0, count: 256)

  var isEmpty: Bool { bytes.count == 1 }

  /// Of equal patterns the first is found; empty ones are not.
  init(_ patterns: [[UInt8]]) {
    let order = patterns.indices.sorted { left, right in
      let (one, other) = (patterns[left].reversed(), patterns[right].reversed())
      return one.elementsEqual(other) ? left < right : one.lexicographicallyPrecedes(other)
    }
    // The patterns that pass through each node of one depth, as ranges of `order`: shorter ones come first.
    var level = [order.startIndex..<order.endIndex]
    var depth = 0
    while !level.isEmpty {
      var next: [Range<Int>] = []
      for range in level {
        let node = children.count
        children.append(Int32(bytes.count))
        var start = range.lowerBound
        while start < range.upperBound {
          let pattern = patterns[order[start]]
          guard pattern.count > depth else {
            start += 1
            continue
          }
          let byte = pattern[pattern.count - 1 - depth]
          var end = start
          while end < range.upperBound, patterns[order[end]].count > depth,
            patterns[order[end]][patterns[order[end]].count - 1 - depth] == byte
          {
            end += 1
          }
          let failure = node == 0 ? 0 : step(from: failures[node], byte)
          bytes.append(byte)
          failures.append(failure)
          longest.append(pattern.count == depth + 1 ? Int32(order[start]) : longest[Int(failure)])
          if node == 0 { roots[Int(byte)] = Int32(bytes.count - 1) }
          next.append(start..<end)
          start = end
        }
      }
      level = next
      depth += 1
    }
    children.append(Int32(bytes.count))
  }

  /// Calls `body` with each place of `text` where a pattern begins, from the last to the first, and with the number of
  /// the longest one.
  @inline(__always)
  func forEach(in text: UnsafeBufferPointer<UInt8>, _ body: (_ place: Int, _ pattern: Int) -> Void) {
    guard !isEmpty else { return }
    roots.withUnsafeBufferPointer { roots in
      var node: Int32 = 0
      for place in text.indices.reversed() {
        let byte = text[place]
        node = node == 0 ? roots[Int(byte)] : step(from: node, byte)
        if node == 0 { continue }
        let pattern = longest[Int(node)]
        if pattern >= 0 { body(place, Int(pattern)) }
      }
    }
  }

  @inline(__always)
  private func step(from node: Int32, _ byte: UInt8) -> Int32 {
    var node = node
    while node != 0 {
      if let child = child(of: node, byte) { return child }
      node = failures[Int(node)]
    }
    return roots[Int(byte)]
  }

  private func child(of node: Int32, _ byte: UInt8) -> Int32? {
    var (low, high) = (children[Int(node)], children[Int(node) + 1])
    while low < high {
      let middle = low + (high - low) / 2
      if bytes[Int(middle)] < byte { low = middle + 1 } else { high = middle }
    }
    return low < children[Int(node) + 1] && bytes[Int(low)] == byte ? low : nil
  }
}
