/// Magnitudes of blocks in 8 bits, as bitsandbytes quantizes them a second time: their distance from their mean, block by
/// block, in a map whose steps grow with the number (Dettmers et al. 2016).
import Foundation

struct DoubleQuantization {
  static let block = 256

  /// Each magnitude's place in `levels`.
  let codes: [UInt8]
  /// The largest distance in each block.
  let absmax: [Float]
  /// The mean. bitsandbytes sums in fp32, in an order that its machine decides; this is the sum in fp64, rounded once.
  let offset: Float

  init(_ magnitudes: [Float], offset: Float? = nil) {
    let sum = magnitudes.reduce(0.0) { $0 + Double($1) }
    let mean = Float(sum / Double(max(1, magnitudes.count)))
    let offset = offset ?? mean
    var codes = [UInt8](repeating: 0, count: magnitudes.count)
    var absmax: [Float] = []
    for start in stride(from: 0, to: magnitudes.count, by: Self.block) {
      let places = start..<min(start + Self.block, magnitudes.count)
      let most = places.reduce(Float(0)) { max($0, abs(magnitudes[$1] - offset)) }
      absmax.append(most)
      guard most > 0 else { continue }
      let inverse = 1 / most
      for place in places {
        let scaled = min(max((magnitudes[place] - offset) * inverse, -1), 1)
        codes[place] = Self.nearest[Int((scaled + 1) * 32767.5 + 0.5)]
      }
    }
    (self.codes, self.absmax, self.offset) = (codes, absmax, offset)
  }

  /// The magnitudes that codes stand for.
  var decoded: [Float] {
    codes.indices.map { Self.levels[Int(codes[$0])] * absmax[$0 / Self.block] + offset }
  }

  /// 256 numbers from -0.993 to 1: of each power of ten the middles of as many equal steps as its seven bits leave.
  static let levels: [Float] = {
    var levels: [Float] = [0, 1]
    for exponent in 0..<7 {
      let steps = 1 << exponent
      let step = (Float(1) - 0.1) / Float(steps)
      // From both ends towards the middle, as torch has it, with one rounding each.
      let bounds = (0...steps).map { place in
        2 * place < steps
          ? Float(0.1).addingProduct(step, Float(place)) : Float(1).addingProduct(-step, Float(steps - place))
      }
      for (low, high) in zip(bounds, bounds.dropFirst()) {
        let level = Float(pow(10, Double(exponent - 6))) * ((low + high) / 2)
        levels += [level, -level]
      }
    }
    return levels.sorted()
  }()

  /// The places of the nearest levels to 65,536 numbers from -1 to 1, through which bitsandbytes looks them up.
  private static let nearest: [UInt8] = {
    var places: [UInt8] = []
    var place = 0
    for number in 0..<65536 {
      let x = Float(-1 + 2 * Double(number) / 65535)
      while place < 255, (levels[place] + levels[place + 1]) / 2 < x { place += 1 }
      places.append(UInt8(place))
    }
    return places
  }()
}
