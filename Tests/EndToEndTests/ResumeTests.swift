/// Trainings that are killed, asked to end, and made longer: the program's results are those of an undisturbed run.
import Foundation
import TestSupport
import Testing

@Suite struct ResumeTests {
  private func pipeline(epochs: Int = 2, schedule: String = "schedule: constant, warmup_steps: 4") -> String {
    trainingPipeline(epochs: epochs, schedule: schedule)
  }

  private func teacher(_ project: Project) async throws -> Run.Stage {
    try #require(try await project.retort("show", "latest", "--json").decoded(Run.self)["teacher"])
  }

  /// The training's events, without what depends on the moment.
  private func metrics(_ project: Project) async throws -> [String] {
    let key = try #require(try await teacher(project).key)
    return try project.read(".retort/work/\(key)/events.jsonl").split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix(#"{"metric""#) }
  }

  /// Runs the pipeline and, as soon as a checkpoint lies there, does something to the training.
  private func run(
    _ project: Project, atCheckpoint disturb: @escaping @Sendable (_ worker: Int32, _ coordinator: Int32) -> Void
  ) async throws -> Ended {
    try await project.disturbTraining(disturb) { try await project.retort("run", "pipeline.yaml") }
  }

  @Test func `a worker that is killed is retried from its checkpoint, with the bytes of an undisturbed run`()
    async throws
  {
    let undisturbed = try Project(pipeline(), data: smallData)
    _ = try await undisturbed.run()

    let killed = try Project(pipeline(), data: smallData)
    let ended = try await run(killed) { worker, _ in kill(worker, SIGKILL) }
    #expect(ended.code == 0 && ended.output.contains("[teacher] continues after step"), "\(ended.output)")
    let (one, other) = (try await teacher(undisturbed), try await teacher(killed))
    #expect(other.attempts == 2 && one.outputs.mapValues(\.digest) == other.outputs.mapValues(\.digest))
    #expect(try await metrics(killed) == metrics(undisturbed))
    #expect(other.metrics == one.metrics)
  }

  @Test(arguments: [SIGTERM, SIGHUP, SIGKILL])
  func `a run that is ended by a signal is continued from the step it had reached`(signal: Int32) async throws {
    let project = try Project(pipeline(), data: smallData)
    let ended = try await run(project) { _, coordinator in kill(coordinator, signal) }
    #expect(ended.code == (signal == SIGKILL ? 128 + SIGKILL : 130), "\(ended.output)")
    let planned = try await project.retort("plan", "pipeline.yaml").output
    let next = try await project.retort("run", "pipeline.yaml")
    #expect(next.code == 0 && next.output.contains("[teacher] continues after step"), "\(next.output)")
    if signal != SIGKILL { #expect(planned.contains("no earlier result; continues after step "), "\(planned)") }
    #expect(try await project.retort("run", "pipeline.yaml", "--force", "teacher").code == 0)
    let warnings = try await project.retort("show", "latest").output
    #expect(!warnings.contains("not deterministic"))
  }

  @Test func `a worker that is itself asked to end saves its state, and the retry goes on`() async throws {
    let project = try Project(pipeline(), data: smallData)
    let ended = try await run(project) { worker, _ in kill(worker, SIGTERM) }
    #expect(ended.code == 0 && ended.output.contains("was told to end from outside"), "\(ended.output)")
    #expect(ended.output.contains("[teacher] continues after step"))
  }

  @Test func `three epochs after two are what three from the start are, and the plan says so`() async throws {
    let extended = try Project(pipeline(epochs: 2), data: smallData)
    _ = try await extended.run()
    try extended.write(pipeline(epochs: 3))
    #expect(
      try await extended.retort("plan", "pipeline.yaml").output
        .contains("changed: with.epochs; continues from `epochs: 2`"))
    let ended = try await extended.retort("run", "pipeline.yaml")
    // 24 queries with 4 candidates each, two pairs a step.
    #expect(ended.code == 0 && ended.output.contains("[teacher] continues after step 96,"), "\(ended.output)")

    let whole = try Project(pipeline(epochs: 3), data: smallData)
    _ = try await whole.run()
    let (one, other) = (try await teacher(extended), try await teacher(whole))
    #expect(one.key == other.key && one.outputs.mapValues(\.digest) == other.outputs.mapValues(\.digest))
    #expect(try await metrics(extended) == metrics(whole))
    #expect(one.metrics == other.metrics)

    // Fewer epochs than any that is stored: from the start, and cached where they were done before.
    try whole.write(pipeline(epochs: 1))
    #expect(try await !whole.retort("run", "pipeline.yaml").output.contains("continues"))
    try extended.write(pipeline(epochs: 2))
    #expect(try await extended.run() == [])
  }

  @Test func `a training goes on in the memory that it began in`() async throws {
    // Weights and moments take 150 MB, and as much is read of the saved state.
    func pipeline(epochs: Int) -> String {
      """
      version: 1
      defaults: {seed: 7, threads: 1, memory: 480MB}
      stages:
        groups: {uses: groups, in: {data: data/questions.json, passages: data/book.jsonl}}
        base:
          uses: init
          in: {groups: groups.groups}
          with:
            {vocab_size: 120, hidden_size: 512, num_hidden_layers: 4, num_attention_heads: 2, intermediate_size: 2048,
             max_position_embeddings: 32}
        candidates: {uses: mine, in: {groups: groups.groups, corpus: groups.corpus}, with: {num_negatives: 3}}
        teacher:
          uses: teacher
          in: {base: base.model, train: candidates.candidates}
          with: {epochs: \(epochs), batch_size: 16, max_len: 32, schedule: constant, warmup_steps: 2}
      """
    }
    let project = try Project(pipeline(epochs: 1), data: smallData)
    _ = try await project.run()
    try project.write(pipeline(epochs: 2))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 0 && ended.output.contains("[teacher] continues after step"), "\(ended.output)")
  }

  @Test func `a schedule that depends on the end begins anew, and the plan says why`() async throws {
    let project = try Project(pipeline(epochs: 1, schedule: "schedule: linear"), data: smallData)
    _ = try await project.run()
    try project.write(pipeline(epochs: 2, schedule: "schedule: linear"))
    for arguments in [["plan", "pipeline.yaml"], ["why", "pipeline.yaml", "teacher"]] {
      let said = try await project.run(retortProgram, arguments).output
      #expect(
        said.contains("starts anew: the learning rate of `schedule: linear` depends on all epochs"), "\(said)")
    }
    #expect(try await !project.retort("run", "pipeline.yaml").output.contains("continues"))
  }

  @Test func `checkpoint settings belong to stages that train and are checked`() async throws {
    let project = try Project(
      """
      version: 1
      defaults: {checkpoint: {every: soon, keep: 0}}
      stages:
        groups:
          uses: groups
          in: {data: data/questions.json, passages: data/book.jsonl}
          checkpoint: {every: 10m}
      """, data: smallData)
    let said = try await project.retort("validate", "pipeline.yaml").errors
    for text in [
      "`defaults.checkpoint.every` must be a time such as 10m, or a number of steps, not the text `soon`",
      "`defaults.checkpoint.keep` must be an integer from 1 to 1000, not `0`",
      "`checkpoint` belongs to stages that train; `groups` does not",
    ] { #expect(said.contains(text), "\(said)") }
  }
}
