/// y = mask∘x/(1 - p), each element kept with probability 1 - p (Srivastava et al. 2014). Masks follow from
/// counters alone, so a repeated forward pass draws the same.

/// One place of dropout in a model. p is rounded to a multiple of 1/65536, and the scale follows the rounded one.
package struct DropoutSite: Sendable {
  /// From seed and step.
  package let key: UInt64
  package let site: UInt32
  /// How many of 65,536 are dropped.
  package let threshold: UInt32
  /// The site of one head, this one being the first's.
  package func head(_ index: Int) -> DropoutSite {
    DropoutSite(key: key, site: site + UInt32(index), threshold: threshold)
  }

  /// The factor of what stays.
  package var scale: Float { 65536 / Float(65536 - threshold) }
}

/// Which elements of a matrix stay, a bit each: drawn in forward, used again in backward.
package struct DropoutMask {
  package let site: DropoutSite
  package let rows: Rows
  package let columns: Int
  /// As the device has them.
  package let bits: Tensor
}

extension Tape {
  /// Nil if nothing is to be dropped.
  func dropoutSite(_ p: Double, sites: Int = 1) -> DropoutSite? {
    // Sites are counted in any case, so that a mask does not depend on what else is dropped.
    let site = nextSites(sites)
    let threshold = UInt32((p * 65536).rounded())
    guard threshold > 0, let key = dropoutKey else { return nil }
    return DropoutSite(key: key, site: site, threshold: threshold)
  }

  /// A mask to be drawn; nil if nothing is to be dropped.
  func dropoutMask(_ p: Double, _ rows: Rows, columns: Int) -> DropoutMask? {
    dropoutSite(p).map {
      DropoutMask(site: $0, rows: rows, columns: columns, bits: device.mask(rows.count, columns))
    }
  }

  /// x [rows, n] → [rows, n]; x itself if nothing is dropped.
  package func dropout(_ x: Variable, _ p: Double, rows: Rows) -> Variable {
    guard let mask = dropoutMask(p, rows, columns: x.value.columns) else { return x }
    let (device, below, bytes) = (device, x.gradient, 8 * x.value.count)
    let y = Profile.measure(.dropout, bytes: bytes) { device.dropout(x.value, mask, draws: true) }
    return record(y, needed: below != nil, as: .dropout, bytes: bytes) {
      below?.add(device.dropout($0, mask, draws: false))
    }
  }
}
