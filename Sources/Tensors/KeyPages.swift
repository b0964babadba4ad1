/// What tokens need of those before them: each layer's keys and values, in pages of a fixed size that sequences which begin
/// alike share.

/// The keys and values of some of a sequence's tokens, of all layers: layer l has the rows from l·`tokens` on.
package final class KeyPage: Sendable {
  /// How many tokens a page has room for.
  package static let tokens = 32
  package let keys, values: Tensor  // [layers·tokens, keyValueHeads·d]

  fileprivate init(layers: Int, width: Int, on device: any Device) {
    keys = device.uninitialized([layers * Self.tokens, width])
    values = device.uninitialized([layers * Self.tokens, width])
  }

  fileprivate init(copying page: KeyPage) { (keys, values) = (page.keys.copy(), page.values.copy()) }
}

/// A sequence's keys and values, rotated and normalised as attention reads them. Copies share pages until one of them is
/// written to.
package struct KeyPages: Sendable {
  package private(set) var pages: [KeyPage] = []
  /// Tokens whose keys and values there are, of every layer.
  package private(set) var tokens = 0

  package init() {}

  /// Makes room for more tokens, in pages that no other sequence has.
  package mutating func reserve(_ more: Int, layers: Int, width: Int, on device: any Device) {
    let first = tokens / KeyPage.tokens
    if first < pages.count, !isKnownUniquelyReferenced(&pages[first]) { pages[first] = KeyPage(copying: pages[first]) }
    while pages.count * KeyPage.tokens < tokens + more {
      pages.append(KeyPage(layers: layers, width: width, on: device))
    }
  }

  /// Puts a layer's keys and values of tokens that follow, some rows of each matrix, into the room made for them.
  package func put(_ keys: Tensor, _ values: Tensor, _ rows: Range<Int>, layer: Int) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let token = tokens + row - rows.lowerBound
      let (page, place) = (pages[token / KeyPage.tokens], token % KeyPage.tokens)
      let part = row..<min(row + KeyPage.tokens - place, rows.upperBound)
      keys.device.copyRows(part, of: keys, to: page.keys, at: layer * KeyPage.tokens + place)
      keys.device.copyRows(part, of: values, to: page.values, at: layer * KeyPage.tokens + place)
      row = part.upperBound
    }
  }

  /// The tokens that follow have been put in, of every layer.
  package mutating func advance(_ count: Int) { tokens += count }

  /// Where a layer's rows lie: in which page, from which row on, and for how many tokens.
  package func parts(ofLayer layer: Int) -> [(page: KeyPage, row: Int, count: Int)] {
    pages.prefix((tokens + KeyPage.tokens - 1) / KeyPage.tokens).enumerated().map { index, page in
      (page, layer * KeyPage.tokens, min(KeyPage.tokens, tokens - index * KeyPage.tokens))
    }
  }
}

/// What the sequences of a batch go on from, of one layer.
package struct PastKeys: Sendable {
  package let sequences: [KeyPages]
  package let layer: Int

  package init(_ sequences: [KeyPages], layer: Int) { (self.sequences, self.layer) = (sequences, layer) }

  /// Keys and values of a batch, those of each sequence's past in front of its own: [K, keyValueHeads·d].
  package func joined(_ k: Tensor, _ v: Tensor, _ batch: PackedBatch) -> (k: Tensor, v: Tensor) {
    let device = k.device
    let (keys, values) = (
      device.uninitialized([batch.keys, k.columns]), device.uninitialized([batch.keys, v.columns])
    )
    for (index, sequence) in sequences.enumerated() {
      var place = batch.keyOffsets[index]
      func put(_ k: Tensor, _ v: Tensor, _ rows: Range<Int>) {
        device.copyRows(rows, of: k, to: keys, at: place)
        device.copyRows(rows, of: v, to: values, at: place)
        place += rows.count
      }
      for part in sequence.parts(ofLayer: layer) {
        put(part.page.keys, part.page.values, part.row..<part.row + part.count)
      }
      put(k, v, batch.offsets[index]..<batch.offsets[index + 1])
    }
    return (keys, values)
  }
}
