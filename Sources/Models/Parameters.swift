/// All parameters of a model, and which of them train: all, or adapters and heads.
import Tensors

final class Parameters {
  private let engine: Engine
  private let linears: [LinearLayer]
  private let others: [Weight]
  private(set) var lora: LoRASettings?

  init(_ source: WeightSource, engine: Engine) {
    self.engine = engine
    linears = source.linears
    others = source.others
  }

  var all: [Weight] { others + linears.flatMap(\.weights) }

  func trainAll() { for weight in all where !weight.isTrainable { weight.train(on: engine) } }

  /// Base frozen and packed, an adapter on each target, `modulesToSave` whole. A ~ U(±1/√in) by Philox from `seed`, B = 0.
  func attach(_ settings: LoRASettings, seed: UInt64) throws {
    for target in settings.targetModules where target != "all-linear" {
      guard linears.contains(where: { LoRASettings.matches($0.name, target) }) else {
        throw ModelError.noSuchTarget(target, linears: linears.map(\.name))
      }
    }
    mergeLoRA()
    for weight in all { weight.freeze() }
    for (index, layer) in linears.enumerated() {
      if settings.trainsWhole(layer.name) {
        layer.weight.train(on: engine)
        layer.bias.train(on: engine)
      } else if settings.targets(layer.name) {
        layer.adapter = adapter(on: layer, settings, seed: seed, stream: UInt64(index))
      }
    }
    for layer in linears where !layer.weight.isTrainable { layer.weight.pack(on: engine) }
    lora = settings
  }

  func mergeLoRA() {
    for layer in linears {
      if let adapter = layer.adapter { adapter.merge(into: layer.weight, on: engine) }
      layer.adapter = nil
    }
    lora = nil
  }

  private func adapter(on layer: LinearLayer, _ settings: LoRASettings, seed: UInt64, stream: UInt64) -> Adapter {
    let (out, width) = (layer.weight.value.rows, layer.weight.value.columns)
    let bound = 1 / Float(width).squareRoot()
    let down = engine.uniform([settings.r, width], -bound..<bound, seed: seed, stream: stream)
    let adapter = Adapter(
      down: Weight("\(layer.name).lora_A.weight", down, decays: true),
      up: Weight("\(layer.name).lora_B.weight", engine.zeros([out, settings.r]), decays: true),
      scale: Float(settings.scale), dropout: settings.dropout)
    adapter.down.train(on: engine)
    adapter.up.train(on: engine)
    return adapter
  }
}
