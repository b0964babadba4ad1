import Artifacts
import Foundation
@testable import Pipelines
import Testing

@testable import Scheduling

@Suite struct ForecastTests {
  private func artifact(_ name: String, bytes: Int, kind: StoredArtifact.Kind = .file) -> StoredArtifact {
    StoredArtifact(digest: Digest(of: name), bytes: bytes, kind: kind)
  }

  private let trainer = StageDescription(
    kind: StageKind("train", revision: 1), abstract: "", numeric: true, outsideTools: [], usesSeed: true,
    inputs: [
      InputDescription(name: "base", documentation: "", accepts: [.model], isOptional: false),
      InputDescription(
        name: "data", documentation: "", accepts: [.groups], isOptional: false, role: .learnsFrom),
    ],
    parameters: [
      ParameterDescription(name: "epochs", documentation: "", type: .int(0...9), role: .repeats),
      ParameterDescription(name: "max_samples", documentation: "", type: .int(1...9), role: .limits),
    ], outputs: [])
  private let reader = StageDescription(
    kind: StageKind("read", revision: 1), abstract: "", numeric: false, outsideTools: [], usesSeed: false,
    inputs: [InputDescription(name: "data", documentation: "", accepts: [.records], isOptional: false, role: .handsOn)],
    parameters: [ParameterDescription(name: "max_samples", documentation: "", type: .int(1...9), role: .limits)],
    outputs: [])

  private func stage(
    _ base: String, _ description: StageDescription, _ parameters: [String: ParameterValue] = [:]
  ) -> PlannedStage {
    let file = URL(filePath: "/p.yaml")
    let location = SourceLocation(file: file, line: 1, column: 1)
    return PlannedStage(
      id: StageID(index: 0), base: base, location: location, description: description,
      inputs: description.inputs.map {
        PlannedInput(port: $0.name, source: .file(file), type: nil, location: location)
      }, parameters: parameters)
  }

  private func forecast(
    _ stage: PlannedStage, inputs: [String: StoredArtifact]?, _ history: [StageUsage], records: [Digest: Int] = [:],
    sizes: [String: Double]? = nil
  ) throws -> Forecast? {
    let file = URL(filePath: "/p.yaml")
    let plan = Plan(name: "p", file: file, root: file.deletingLastPathComponent(), stages: [stage])
    return try Forecaster(plan, history: { _ in history }, records: { records[$0.digest] })
      .forecast(stage, inputs: inputs, sizes: { _ in sizes })
  }

  private func usage(
    _ base: String, seconds: Double, memory: Int? = nil, epochs: Int? = nil, samples: Int? = nil,
    _ inputs: [String: StoredArtifact], outputs: [String: StoredArtifact] = [:], file: String = "/p.yaml"
  ) -> StageUsage {
    StageUsage(
      pipeline: "p", file: file, base: base, seconds: seconds, peakMemory: memory, repeats: epochs, limit: samples,
      inputs: inputs, outputs: outputs)
  }

  @Test func `a history that no clock and no disk can have gives a forecast without a range, not a crash`() throws {
    let most = ["data": artifact("a", bytes: .max), "more": artifact("b", bytes: .max)]
    let history = [-5, 10, .greatestFiniteMagnitude, .infinity].map { usage("read", seconds: $0, most, outputs: most) }
    let result = try #require(try forecast(stage("read", reader), inputs: most, history))
    #expect(result.disk.value == 2 * Double(Int.max))
    let trained = usage(
      "train", seconds: -1, epochs: .max, samples: .max,
      ["data": artifact("a", bytes: 1), "base": artifact("m", bytes: 1, kind: .folder)])
    let training = stage("train", trainer, ["epochs": .int(.max)])
    #expect(try forecast(training, inputs: nil, [trained, trained], records: [Digest(of: "a"): .max]) != nil)
  }

  @Test func `time and files grow with the bytes of the inputs, memory and folders do not`() throws {
    let history = [
      usage(
        "read", seconds: 2, memory: 500, ["data": artifact("a", bytes: 100)],
        outputs: ["out": artifact("o", bytes: 40), "model": artifact("m", bytes: 7, kind: .folder)])
    ]
    let result = try #require(
      try forecast(stage("read", reader), inputs: ["data": artifact("b", bytes: 300)], history))
    #expect(result.seconds == Forecast.Estimate(value: 6))
    #expect(result.memory == Forecast.Estimate(value: 500))
    #expect(result.disk == Forecast.Estimate(value: 3 * 40 + 7))
    #expect(result.executions == 1 && result.isOwn)
  }

  @Test func `a training's time grows with epochs and with the samples that it uses`() throws {
    let (old, new) = (artifact("old", bytes: 10), artifact("new", bytes: 10))
    let base = artifact("base", bytes: 1000, kind: .folder)
    let history = [usage("t", seconds: 12, epochs: 3, ["base": base, "data": old])]
    let records = [old.digest: 100, new.digest: 400]
    func seconds(_ parameters: [String: ParameterValue], _ inputs: [String: StoredArtifact]?) throws -> Double? {
      try forecast(stage("t", trainer, parameters), inputs: inputs, history, records: records)?.seconds.value
    }
    // 12 s for 3 × 100 samples.
    #expect(try seconds(["epochs": .int(6)], ["base": base, "data": old]) == 24)
    #expect(try seconds(["epochs": .int(3)], ["base": base, "data": new]) == 48)
    #expect(try seconds(["epochs": .int(3), "max_samples": .int(200)], ["base": base, "data": new]) == 24)
    // Not there yet: as the last time.
    #expect(try seconds(["epochs": .int(1)], nil) == 4)
  }

  @Test func `a stage that takes a part of its records does that part of the work`() throws {
    let data = artifact("a", bytes: 100)
    let history = [usage("read", seconds: 6, samples: 32, ["data": data], outputs: ["out": artifact("o", bytes: 90)])]
    func result(limit: Int?) throws -> Forecast? {
      try forecast(
        stage("read", reader, limit.map { ["max_samples": .int($0)] } ?? [:]), inputs: ["data": data], history,
        records: [data.digest: 128])
    }
    #expect(try result(limit: 8)?.seconds.value == 1.5 && result(limit: 8)?.outputs == ["out": 22.5])
    #expect(try result(limit: nil)?.seconds.value == 24 && result(limit: 500)?.seconds.value == 24)
  }

  @Test func `what waits is forecast from the size that its inputs are forecast to have`() throws {
    let (data, base) = (artifact("data", bytes: 50), artifact("base", bytes: 1000, kind: .folder))
    func waiting(_ description: StageDescription, _ parameters: [String: ParameterValue] = [:]) -> PlannedStage {
      var waiting = stage("t", description, parameters)
      for index in waiting.inputs.indices where waiting.inputs[index].port == "data" {
        waiting.inputs[index].source = .stage(StageID(index: 1), port: "out")
      }
      return waiting
    }
    let read = [usage("t", seconds: 4, ["data": data], outputs: ["out": artifact("o", bytes: 10)])]
    let grown = try forecast(waiting(reader), inputs: nil, read, sizes: ["out": 150])
    #expect(grown?.seconds.value == 12 && grown?.outputs == ["out": 30])
    #expect(try forecast(waiting(reader), inputs: nil, read)?.seconds.value == 4)

    let model = artifact("m", bytes: 7, kind: .folder)
    let trained = [usage("t", seconds: 10, epochs: 1, ["base": base, "data": data], outputs: ["model": model])]
    func training(_ parameters: [String: ParameterValue]) throws -> Forecast? {
      try forecast(
        waiting(trainer, parameters), inputs: nil, trained, records: [data.digest: 100], sizes: ["out": 150])
    }
    #expect(try training(["epochs": .int(2)])?.seconds.value == 60)
    #expect(try training(["epochs": .int(1), "max_samples": .int(150)])?.seconds.value == 15)
    #expect(try training(["epochs": .int(1)])?.outputs == ["model": 7])
  }

  @Test func `time grows with the model's bytes, and one model is no measure of another that is not there yet`() throws
  {
    func inputs(_ model: Int) -> [String: StoredArtifact] {
      ["base": artifact("\(model)", bytes: model, kind: .folder), "data": artifact("data", bytes: 10)]
    }
    let stage = stage("t", trainer, ["epochs": .int(1)])
    let records = [artifact("data", bytes: 10).digest: 100]
    let other = usage("other", seconds: 3, epochs: 1, inputs(100))
    #expect(try forecast(stage, inputs: inputs(500), [other], records: records)?.seconds.value == 15)
    #expect(try forecast(stage, inputs: nil, [other], records: records) == nil)
    // Nor is one without any, as BM25.
    let lexical = usage("t", seconds: 1, epochs: 1, ["data": artifact("data", bytes: 10)])
    #expect(try forecast(stage, inputs: inputs(500), [lexical], records: records) == nil)
  }

  @Test func `the range is what the rule missed each execution by, forecast from the others`() throws {
    let history = [3.0, 2, 1].map { usage("read", seconds: $0, ["data": artifact("a", bytes: 100)]) }
    let result = try #require(
      try forecast(stage("read", reader), inputs: ["data": artifact("a", bytes: 100)], history))
    // Left out 3: 1.5 is forecast, twice as much it was. Left out 2: exact. Left out 1: 2.5, of which it was 0.4.
    #expect(result.seconds.value == 2)
    #expect(result.seconds.range == 0.8...4)
  }

  @Test func `executions of the same stage of the same file come before others of its kind`() throws {
    let data = ["data": artifact("a", bytes: 100)]
    let own = usage("read", seconds: 1, data)
    let others = [usage("other", seconds: 5, data), usage("read", seconds: 7, data, file: "/q.yaml")]
    #expect(try forecast(stage("read", reader), inputs: data, others + [own])?.seconds.value == 1)
    let result = try #require(try forecast(stage("read", reader), inputs: data, others))
    #expect(result.seconds.value == 6 && !result.isOwn)
    #expect(try forecast(stage("read", reader), inputs: data, []) == nil)
  }

  @Test func `one command is no measure of another`() throws {
    var command = stage("c", reader)
    command.command = Command(template: [.text("true")])
    #expect(try forecast(command, inputs: [:], [usage("other", seconds: 5, [:])]) == nil)
  }

  @Test func `the first steps tell how long all will take`() {
    // Reading took 1 s, the first step 1 s more than the others' 0.5 s.
    let probed = Probed(stepEnds: [2.5, 3, 3.5], totalSteps: 100)
    #expect(probed.secondsPerStep == 0.5 && probed.setupSeconds == 2 && probed.seconds == 52)
    #expect(Probed(stepEnds: [2], totalSteps: 1).seconds == 2)
  }
}
