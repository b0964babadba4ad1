/// Finds many byte strings in one stream, in a time that does not depend on how many or how long they are
/// (Aho and Corasick, “Efficient string matching”, 1975).

struct SecretAutomaton: Sendable {
  private struct Node {
    var byte: UInt8 = 0
    /// How many bytes of a secret have been read.
    var depth: Int32 = 0
    /// The length of the longest secret that ends here; 0 if none does.
    var matched: Int32 = 0
    /// The first node one byte further on, and the next of this node's parent; 0 if there is none.
    var child: Int32 = 0
    var sibling: Int32 = 0
    /// The node of the longest other beginning of a secret that ends here too.
    var failure: Int32 = 0
  }
  private var nodes = [Node()]
  /// Where each byte leads from the beginning.
  private var first = [Int32](repeating: 0, count: 256)
  let longest: Int

  init(_ secrets: some Collection<[UInt8]>) {
    longest = secrets.map(\.count).max() ?? 0
    for secret in secrets { add(secret) }
    // By depth, for a node's failure lies less deep than the node.
    var queue = first.filter { $0 != 0 }
    var next = 0
    while next < queue.count {
      let parent = queue[next]
      next += 1
      var child = nodes[Int(parent)].child
      while child != 0 {
        let failure = step(nodes[Int(parent)].failure, nodes[Int(child)].byte)
        nodes[Int(child)].failure = failure
        nodes[Int(child)].matched = max(nodes[Int(child)].matched, nodes[Int(failure)].matched)
        queue.append(child)
        child = nodes[Int(child)].sibling
      }
    }
  }

  private mutating func add(_ secret: [UInt8]) {
    var node: Int32 = 0
    for byte in secret {
      var following = child(of: node, byte)
      if following == 0 {
        following = Int32(nodes.count)
        nodes.append(Node(byte: byte, depth: nodes[Int(node)].depth + 1, sibling: nodes[Int(node)].child))
        nodes[Int(node)].child = following
        if node == 0 { first[Int(byte)] = following }
      }
      node = following
    }
    nodes[Int(node)].matched = Int32(secret.count)
  }

  private func child(of node: Int32, _ byte: UInt8) -> Int32 {
    if node == 0 { return first[Int(byte)] }
    var child = nodes[Int(node)].child
    while child != 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].sibling }
    return child
  }

  /// The node after one more byte.
  func step(_ node: Int32, _ byte: UInt8) -> Int32 {
    var node = node
    while node != 0 {
      let following = child(of: node, byte)
      if following != 0 { return following }
      node = nodes[Int(node)].failure
    }
    return first[Int(byte)]
  }

  func depth(of node: Int32) -> Int { Int(nodes[Int(node)].depth) }
  func matched(at node: Int32) -> Int { Int(nodes[Int(node)].matched) }
}
