/// Words as sequences of ids, with the count of every neighbouring pair kept up to date while pairs are merged.

struct IDPair: Hashable, Comparable {
  let left: Int32
  let right: Int32

  static func < (a: IDPair, b: IDPair) -> Bool { (a.left, a.right) < (b.left, b.right) }
}

struct PairMerger {
  private var words: [[Int32]]
  private let counts: [Int]  // of each word
  private var frequencies: [IDPair: Int] = [:]
  /// Words where a pair stands or once stood.
  private var places: [IDPair: [Int32]] = [:]
  private var queue = MergeQueue()

  init(words: [[Int32]], counts: [Int]) {
    self.words = words
    self.counts = counts
    for (index, word) in words.enumerated() {
      for pair in Self.pairs(of: word) { count(pair, counts[index], word: Int32(index)) }
    }
    for (pair, frequency) in frequencies { queue.push(.init(pair: pair, frequency: frequency)) }
  }

  /// The pair that occurs most often, of equals the one with the smallest ids; nil if none occurs `minimum` times.
  mutating func mostFrequentPair(atLeast minimum: Int) -> IDPair? {
    while let top = queue.pop() {
      let frequency = frequencies[top.pair, default: 0]
      if frequency == top.frequency { return frequency >= minimum ? top.pair : nil }
      // Counts may have fallen since the entry was queued; risen ones were queued again.
      if frequency > 0, frequency < top.frequency { queue.push(.init(pair: top.pair, frequency: frequency)) }
    }
    return nil
  }

  /// Replaces every occurrence of `pair`, from the left, by `id`.
  mutating func merge(_ pair: IDPair, into id: Int32) {
    var risen: Set<IDPair> = []
    for place in Set(places.removeValue(forKey: pair) ?? []).sorted() {
      let old = words[Int(place)]
      let new = Self.merged(old, pair, id)
      guard new.count < old.count else { continue }
      let count = counts[Int(place)]
      for pair in Self.pairs(of: old) { frequencies[pair, default: 0] -= count }
      for pair in Self.pairs(of: new) {
        frequencies[pair, default: 0] += count
        if pair.left == id || pair.right == id {
          places[pair, default: []].append(place)
          risen.insert(pair)
        }
      }
      words[Int(place)] = new
    }
    frequencies[pair] = nil
    for pair in risen {
      if let frequency = frequencies[pair], frequency > 0 { queue.push(.init(pair: pair, frequency: frequency)) }
    }
  }

  private mutating func count(_ pair: IDPair, _ count: Int, word: Int32) {
    frequencies[pair, default: 0] += count
    if places[pair]?.last != word { places[pair, default: []].append(word) }
  }

  private static func pairs(of word: [Int32]) -> some Sequence<IDPair> {
    zip(word, word.dropFirst()).lazy.map { IDPair(left: $0, right: $1) }
  }

  private static func merged(_ word: [Int32], _ pair: IDPair, _ id: Int32) -> [Int32] {
    var result: [Int32] = []
    result.reserveCapacity(word.count)
    var index = 0
    while index < word.count {
      let isPair = index + 1 < word.count && word[index] == pair.left && word[index + 1] == pair.right
      result.append(isPair ? id : word[index])
      index += isPair ? 2 : 1
    }
    return result
  }
}

/// A binary heap: the highest frequency first, of equals the smallest pair.
struct MergeQueue {
  struct Entry {
    let pair: IDPair
    let frequency: Int

    func precedes(_ other: Entry) -> Bool {
      frequency != other.frequency ? frequency > other.frequency : pair < other.pair
    }
  }

  private var heap: [Entry] = []

  mutating func push(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0, case let parent = (child - 1) / 2, heap[child].precedes(heap[parent]) {
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> Entry? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return top }
    heap[0] = last
    var parent = 0
    while true {
      var first = 2 * parent + 1
      guard first < heap.count else { break }
      if first + 1 < heap.count, heap[first + 1].precedes(heap[first]) { first += 1 }
      guard heap[first].precedes(heap[parent]) else { break }
      heap.swapAt(first, parent)
      parent = first
    }
    return top
  }
}
