/// What encoding with a model and training it will take in memory, by rehearsal: no weight is read, nothing computed.
import Models
import Tensors

package struct MemoryForecast {
  let folder: CheckpointFolder
  let device: any Device

  /// - Parameter folder: may be one whose weights are not there yet, but for their headers.
  package init(of folder: CheckpointFolder, on device: any Device) { (self.folder, self.device) = (folder, device) }

  /// Peak in bytes of encoding so many texts of so many tokens at once.
  package func encoding(texts: Int, tokens: Int) throws -> Int {
    try device.rehearse { device in
      let tape = Tape(on: device, records: false, masks: nil)
      _ = try model(on: device).forward(batch(texts, tokens), on: tape)
    }
  }

  /// Peak in bytes of a step of training on so many texts of so many tokens at once, AdamW's moments included.
  /// - Parameter lora: absent: all weights train.
  package func training(texts: Int, tokens: Int, lora: LoRASettings?) throws -> Int {
    try device.rehearse { device in
      let model = try model(on: device)
      if lora == nil, let layer = model.parameters.codedLayer { throw ModelError.codesDoNotTrain(layer) }
      if let lora { try model.attach(lora: lora, seed: 0) } else { model.trainAllWeights() }
      let moments = AdamW.Moments(of: model.weights.filter(\.isTrainable))
      let tape = Tape(on: device, records: true, masks: Tape.Masks(seed: 0, step: 0))
      let output = try model.forward(batch(texts, tokens), on: tape)
      tape.backward(from: output, gradient: device.uninitialized(output.value.shape))
      withExtendedLifetime(moments) {}
    }
  }

  private func model(on device: any Device) throws -> any SequenceModel {
    folder.isCrossEncoder ? try folder.crossEncoder(on: device, seed: 0).model : try folder.encoder(on: device)
  }

  private func batch(_ texts: Int, _ tokens: Int) -> PackedBatch {
    PackedBatch(Array(repeating: Array(repeating: 0, count: tokens), count: texts))
  }
}
