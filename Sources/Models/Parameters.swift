/// All parameters of a model, and which of them train: all, or adapters and heads.
import Tensors

package final class Parameters {
  package let device: any Device
  private let linears: [LinearLayer]
  private let others: [Weight]
  /// The weights of layers after the architecture's own, which get no adapters and are kept in files of their own.
  private let outer: [Weight]
  private(set) var lora: LoRASettings?

  package init(_ builder: ModelBuilder, outer: [LinearLayer] = [], on device: any Device) {
    self.device = device
    linears = builder.linears
    others = builder.others
    self.outer = outer.flatMap(\.ownWeights)
  }

  var all: [Weight] { others + linears.flatMap(\.weights) + outer }

  var merged: [NamedTensor] {
    others.map { NamedTensor($0) } + linears.flatMap { [$0.mergedWeight] + ($0.bias.map { [NamedTensor($0)] } ?? []) }
  }

  /// A linear layer whose numbers are codes, and cannot train.
  package var codedLayer: String? { linears.first(where: \.weight.isCoded)?.name }

  func trainAll() { for weight in all where !weight.isTrainable { weight.train() } }

  /// Base frozen, an adapter on each target, `modulesToSave` and outer layers whole. A ~ U(±1/√in) by Philox from `seed`, B = 0.
  func attach(_ settings: LoRASettings, seed: UInt64) throws {
    for target in settings.targetModules where target != "all-linear" {
      guard linears.contains(where: { LoRASettings.matches($0.name, target) }) else {
        throw ModelError.noSuchTarget(target, linears: linears.map(\.name))
      }
    }
    for layer in linears { layer.adapter = nil }
    for weight in all { weight.freeze() }
    for weight in outer { weight.train() }
    for (index, layer) in linears.enumerated() {
      if settings.trainsWhole(layer.name) {
        if layer.weight.isCoded { throw ModelError.codesDoNotTrain(layer.name) }
        for weight in layer.ownWeights { weight.train() }
      } else if settings.targets(layer.name) {
        layer.adapter = adapter(on: layer, settings, seed: seed, stream: UInt64(index))
      }
    }
    lora = settings
  }

  /// What `body` gives while no layer has its adapter.
  package func withoutAdapters<Result>(_ body: () throws -> Result) rethrows -> Result {
    let adapters = linears.map(\.adapter)
    for layer in linears { layer.adapter = nil }
    defer { for (layer, adapter) in zip(linears, adapters) { layer.adapter = adapter } }
    return try body()
  }

  private func adapter(on layer: LinearLayer, _ settings: LoRASettings, seed: UInt64, stream: UInt64) -> Adapter {
    let (out, width) = (layer.weight.rows, layer.weight.columns)
    let bound = 1 / Float(width).squareRoot()
    let down = device.uniform([settings.r, width], -bound..<bound, seed: seed, stream: stream)
    let adapter = Adapter(
      down: Weight("\(layer.name).lora_A.weight", down, decays: true),
      up: Weight("\(layer.name).lora_B.weight", device.zeros([out, settings.r]), decays: true),
      scale: Float(settings.scale), dropout: settings.dropout)
    adapter.down.train()
    adapter.up.train()
    return adapter
  }
}
