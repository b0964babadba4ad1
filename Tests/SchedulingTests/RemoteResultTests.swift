/// Key files of a remote store, as anybody may have written them.
@testable import Artifacts
import Foundation
import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct RemoteResultTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let root: URL
  private let artifact: StoredArtifact
  private let key = StageKey(Digest(of: "key"))

  init() throws {
    scratch = try ScratchFolder()
    root = scratch.url.appending(path: "remote")
    try FileOperations().makeFolder(root)
    store = try Store(at: scratch.url.appending(path: ".retort"))
    artifact = try store.ingest(scratch.write("content", to: "data"), owner: "test")
  }

  private func remote(_ secret: String? = nil) throws -> RemoteStore {
    try RemoteStore(at: root, key: secret.map { try RemoteKey(secret: Data($0.utf8), from: "test") })
  }
  private func result(
    key: StageKey? = nil, stage: String = "stage", outputs: [String: StoredArtifact]? = nil,
    metrics: [StageResult.Metric] = []
  ) -> RemoteResult {
    RemoteResult(
      RecordedResult(
        key: key ?? self.key, preimage: [],
        result: StageResult(stage: stage, outputs: outputs ?? ["out": artifact], metrics: metrics)), kind: "cmd")
  }
  /// A file whose check is right, whatever it says.
  private func plant(_ result: RemoteResult, _ edit: (String) -> String = { $0 }) throws {
    let text = edit(String(decoding: try storedJSON(result), as: UTF8.self))
    try write("{\"check\":\"\(Digest(of: text))\"," + text.dropFirst())
  }
  private func write(_ text: String) throws {
    let hex = key.description
    try scratch.write(text, to: "remote/keys/\(hex.prefix(2))/\(hex.dropFirst(2)).json")
  }
  private func refusal(_ remote: RemoteStore, ports: [String]? = ["out"]) throws -> String {
    let error = #expect(throws: RemoteDamage.self) { try remote.result(of: key, ports: ports) }
    return try #require(error).found
  }

  @Test func `what was pushed is read, and a planted copy of it too`() throws {
    let remote = try remote()
    _ = try remote.push(result(), from: store)
    #expect(try remote.result(of: key, ports: ["out"])?.outputs == ["out": artifact])
    try plant(result())
    #expect(try remote.result(of: key, ports: ["out"])?.outputs == ["out": artifact])
  }

  @Test func `a key file of an earlier version is read`() throws {
    let out = String(decoding: try storedJSON(artifact), as: UTF8.self)
    let text =
      #"{"format":1,"key":"\#(key)","kind":"cmd","metrics":[{"name":"loss","step":1,"value":0.5},{"name":"odd"}],"#
      + #""outputs":{"out":\#(out)},"preimage":[{"name":"seed","value":"7"}],"stage":"stage"}"#
    try write("{\"check\":\"\(Digest(of: text))\"," + text.dropFirst())
    let found = try #require(try remote().result(of: key, ports: ["out"]))
    #expect(
      found.stage == "stage" && found.outputs == ["out": artifact] && found.metrics.map(\.name) == ["loss", "odd"])
    #expect(found.metrics[0].step == 1 && found.metrics[0].value == 0.5 && found.metrics[1].value.isNaN)
  }

  @Test func `a verdict travels with the result, and one that no training gives is refused`() throws {
    let remote = try remote()
    let verdict = Verdict(
      metric: "ndcg@10", start: 0.5, end: 0.25, queries: 8, differing: 8, p: 0.01, against: .start)
    var judged = RemoteResult(
      RecordedResult(
        key: key, preimage: [], result: StageResult(stage: "stage", outputs: ["out": artifact], verdict: verdict)),
      kind: "distill")
    _ = try remote.push(judged, from: store)
    #expect(try remote.result(of: key, ports: ["out"])?.verdict == verdict)
    // A retort that knows no verdicts must not take the file for format 1.
    try plant(judged) { $0.replacing("\"format\":2", with: "\"format\":1") }
    #expect(try refusal(remote) == "format 1, of a newer retort")
    judged.recorded.result.verdict?.queries = -1
    try plant(judged)
    #expect(try refusal(remote) == "a verdict that no training gives")
  }

  @Test func `numbers and names that no stage gives are refused`() throws {
    let remote = try remote()
    try plant(result(outputs: ["out": .init(digest: artifact.digest, bytes: -1, kind: .file)]))
    #expect(try refusal(remote) == "-1 bytes of `out`")
    try plant(result(metrics: [.init(name: "loss", value: 1, step: -1)]))
    #expect(try refusal(remote).hasPrefix("metric `loss` of step -1"))
    try plant(result(metrics: [.init(name: "loss", value: 1, step: 1)])) {
      $0.replacing("\"value\":1", with: "\"value\":1e999")
    }
    #expect(try refusal(remote) != "")
    try plant(result(metrics: [.init(name: "loss", value: .nan, step: 1)]))
    #expect(try remote.result(of: key, ports: ["out"])?.metrics.count == 1)
    try plant(result(stage: String(repeating: "s", count: 5000)))
    #expect(try refusal(remote) == "a name without end")
    try plant(result(outputs: ["other": artifact]))
    #expect(try refusal(remote) == "outputs [\"other\"]")
    try plant(result(outputs: ["e\u{301}": artifact]))
    #expect(try refusal(remote, ports: ["\u{E9}"]) != "")
    try plant(result(key: StageKey(Digest(of: "another"))))
    #expect(try refusal(remote) == "other bytes than were pushed")
    try plant(result()) { $0.replacing("\"format\":1", with: "\"format\":2") }
    #expect(try refusal(remote) == "format 2, of a newer retort")
  }

  @Test(arguments: [
    "", "{}", "[", "null", "{\"check\":1}", String(repeating: "[", count: 100_000),
    "{\"a\":" + String(repeating: "{\"a\":", count: 100_000),
  ])
  func `what is no result is refused`(text: String) throws {
    try write(text)
    #expect(try refusal(remote()) == "no result, or half of one")
  }

  @Test func `with a key only what it signed is read, without one everything is`() throws {
    let (one, other) = (try remote("a secret of one group"), try remote("a secret of another group"))
    _ = try one.push(result(), from: store)
    #expect(try one.result(of: key, ports: ["out"]) != nil)
    #expect(try remote().result(of: key, ports: ["out"]) != nil)
    #expect(try refusal(other) == "signed with another key")
    try plant(result())
    #expect(try refusal(one) == "not signed, although --remote-key asks for that")
  }

  @Test func `a signature holds for one key and one result only`() throws {
    let one = try remote("a secret of one group")
    _ = try one.push(result(), from: store)
    let file = one.keyFile(key.digest)
    let signed = try String(contentsOf: file, encoding: .utf8)
    let signature = try #require(signed.firstMatch(of: /"signature":"([0-9a-f]{64})"/)).output.1
    // Another result of the same stage under the old signature, its check made right.
    try plant(result(metrics: [.init(name: "accuracy", value: 1)]))
    let forged = try String(contentsOf: file, encoding: .utf8)
      .replacing("\"preimage\":[],", with: "\"preimage\":[],\"signature\":\"\(signature)\",")
    try write(forged)
    #expect(try remote().result(of: key, ports: ["out"])?.metrics.count == 1)
    #expect(try refusal(one) == "signed with another key")
    // The whole signed file under another key's name.
    try write(signed)
    #expect(try one.result(of: key, ports: ["out"]) != nil)
    let stranger = StageKey(Digest(of: "stranger")).description
    try scratch.write(signed, to: "remote/keys/\(stranger.prefix(2))/\(stranger.dropFirst(2)).json")
    #expect(throws: RemoteDamage.self) { try one.result(of: StageKey(Digest(of: "stranger")), ports: ["out"]) }
  }

  @Test func `a push signs what lies there unsigned, and one without a key leaves a signature`() throws {
    let one = try remote("a secret of one group")
    _ = try remote().push(result(), from: store)
    _ = try one.push(result(), from: store)
    #expect(try one.result(of: key, ports: ["out"]) != nil)
    _ = try remote().push(result(), from: store)
    #expect(try one.result(of: key, ports: ["out"]) != nil)
  }

  @Test func `a push replaces a key file that is no result`() throws {
    try write("{")
    _ = try remote().push(result(), from: store)
    #expect(try remote().result(of: key, ports: ["out"]) != nil)
  }
}
