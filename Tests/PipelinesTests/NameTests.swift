import Testing

@testable import Pipelines

@Suite struct NameTests {
  @Test func `a dotted name ends its first word at the first dot`() {
    let name = DottedName("scores.ndcg@10.types.a")
    #expect(name.first == "scores" && name.rest == "ndcg@10.types.a")
    #expect(name.words == ["scores", "ndcg@10", "types", "a"])
    #expect(DottedName("a").rest == nil && DottedName("a.").rest == "" && DottedName("").words == [""])
  }

  @Test func `a variant's coordinates end at commas, but for those of a list`() {
    let name = VariantName("student[layers=[1, 2],tau=0.1]")
    #expect(name.base == "student" && name.coordinates == ["layers=[1, 2]", "tau=0.1"])
    #expect(VariantName("data[2]").variant == "2")
    #expect(VariantName("student").variant == nil && VariantName("student").coordinates.isEmpty)
    #expect(VariantName("student[").base == "student[")
  }

  @Test func `a recorded output's port stands behind the last dot`() throws {
    let output = try #require(RecordedOutputName("student[tau=0.1].model"))
    #expect(output.stage == "student[tau=0.1]" && output.port == "model")
    #expect(RecordedOutputName("student") == nil)
  }

  @Test func `an output of every variant has a star before its port`() throws {
    let output = try #require(OutputReference("student.*.model"))
    #expect(output.stage == "student" && output.port == "model" && output.gathers)
    #expect(OutputReference("data/a") == nil)
    #expect(try #require(OutputReference("split.train")).gathers == false)
  }
}
