/// Names, listings and downloads against a server that behaves as a hub does, and that misbehaves.
import Artifacts
import Foundation
@testable import Hub
@testable import Pipelines
import TestSupport
import Testing

@Suite struct HubTests {
  let scratch: ScratchFolder
  let server: HubServer
  static let commit = String(repeating: "a1", count: 20)
  static let later = String(repeating: "b2", count: 20)

  init() throws {
    scratch = try ScratchFolder()
    server = try HubServer()
    try scratch.writeModel("repo")
    server.publish("org/name", .init(repository, commit: Self.commit))
  }

  var repository: URL { scratch.url.appending(path: "repo") }
  var home: URL { scratch.url.appending(path: "home") }
  var cache: URL { home.appending(path: "hub/models--org--name") }
  var snapshot: URL { cache.appending(path: "snapshots/\(Self.commit)") }

  func hub(offline: Bool = false, token: String? = nil, pauses: (@Sendable (Int) -> Void)? = nil) -> Hub {
    var settings = HubSettings(environment: server.environment(home: home, token: token))
    settings.isOffline = offline
    return Hub(settings, pause: pauses ?? { _ in })
  }

  func reference(_ text: String = "hf://org/name") throws -> HubReference { try #require(HubReference(text)) }

  @discardableResult
  func download(_ text: String = "hf://org/name", _ hub: Hub? = nil) throws -> HubRevision {
    let hub = hub ?? self.hub()
    let revision = try hub.revision(of: reference(text))
    try hub.fetch(revision)
    return revision
  }

  func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
  }

  // MARK: - What is downloaded

  @Test func `a model is downloaded into the layout that Python's cache has`() throws {
    try download()
    #expect(try String(contentsOf: cache.appending(path: "refs/main"), encoding: .utf8) == Self.commit)
    for path in ["config.json", "model.safetensors", "1_Pooling/config.json", "README.md"] {
      let source = repository.appending(path: path)
      let etag = path.hasSuffix(".safetensors") ? "\(try Digest(ofFile: source))" : try gitBlobHash(ofFile: source)
      let up = path.contains("/") ? "../../../" : "../../"
      let link = try FileManager.default.destinationOfSymbolicLink(atPath: snapshot.appending(path: path).path)
      #expect(link == "\(up)blobs/\(etag)")
      #expect(try Data(contentsOf: snapshot.appending(path: path)) == Data(contentsOf: source))
    }
  }

  @Test func `a small file is called by what git calls it`() throws {
    // echo test | git hash-object --stdin
    let file = try scratch.write("test\n", to: "blob")
    #expect(try gitBlobHash(ofFile: file) == "9daeafb9864cf43055ae93beb0afd6c7d144bfa4")
  }

  @Test func `files that nothing is loaded from are left out`() throws {
    for path in ["pytorch_model.bin", "onnx/model.onnx", "sentencepiece.bpe.model", "tf_model.h5"] {
      try scratch.write("x", to: "repo/\(path)")
    }
    let revision = try download()
    #expect(
      revision.files.map(\.path) == [
        "1_Pooling/config.json", "config.json", "config_sentence_transformers.json", "model.safetensors",
        "modules.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json",
      ])
    #expect(!server.requests.contains { $0.contains("onnx") || $0.contains(".bin") })
  }

  @Test func `shards are those that the index names`() throws {
    try FileManager.default.removeItem(at: repository.appending(path: "model.safetensors"))
    for path in ["model-1.safetensors", "model-2.safetensors", "model-3.safetensors"] {
      try scratch.write(path, to: "repo/\(path)")
    }
    try scratch.write(
      #"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}"#,
      to: "repo/model.safetensors.index.json")
    let paths = try download().files.map(\.path)
    #expect(
      paths.filter { $0.hasPrefix("model") } == [
        "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json",
      ])
    try scratch.write(#"{"weight_map": {"a": "model-4.safetensors"}}"#, to: "repo/model.safetensors.index.json")
    server.publish("org/name", .init(repository, commit: Self.later))
    #expect(
      message { try download() }
        == "hf://org/name@\(Self.later): it lacks model-4.safetensors, which model.safetensors.index.json names")
  }

  @Test func `PyTorch's file is taken only where there are no safetensors`() throws {
    try FileManager.default.moveItem(
      at: repository.appending(path: "model.safetensors"), to: repository.appending(path: "pytorch_model.bin"))
    #expect(try download().files.map(\.path).contains("pytorch_model.bin"))
  }

  @Test func `equal files give the digest of a plain folder with them`() throws {
    let revision = try hub().revision(of: reference())
    let plain = try FolderManifest(
      entries: revision.files.map { file in
        .init(
          path: file.path,
          content: .file(
            try Digest(ofFile: repository.appending(path: file.path)), bytes: file.bytes, executable: false))
      })
    #expect(try revision.artifact.digest == plain.digest)
  }

  // MARK: - When the hub is asked

  @Test func `a name is resolved without its weights`() throws {
    let revision = try hub().revision(of: reference())
    #expect(revision.files.allSatisfy { $0.digest != nil })
    #expect(!server.requests.contains { $0.contains("model.safetensors") || $0.contains("tokenizer.json") })
    #expect(!hub().holds(revision))
  }

  @Test func `a process that asks twice is told the same, and asks once`() throws {
    let hub = hub()
    let revision = try hub.revision(of: reference())
    server.publish("org/name", .init(repository, commit: Self.later))
    let before = server.requests.count
    #expect(try hub.revision(of: reference()) == revision && server.requests.count == before)
  }

  @Test func `what is known and there is not asked for again`() throws {
    let revision = try download()
    let before = server.requests.count
    #expect(try hub().revision(of: reference(), known: revision) == revision)
    try hub().fetch(revision)
    #expect(server.requests.count == before)
  }

  @Test func `a model that is there is left alone, though its card is not`() throws {
    let revision = try download()
    let card = snapshot.appending(path: "README.md")
    try FileManager.default.removeItem(at: card)
    try FileManager.default.removeItem(at: cache.appending(path: "refs"))
    let before = server.requests.count
    try hub().fetch(revision)
    #expect(server.requests.count == before && !FileManager.default.fileExists(atPath: card.path))
  }

  @Test func `what somebody changed in the cache is not taken for what the hub lists`() throws {
    try download()
    let blob = snapshot.appending(path: "config.json").resolvingSymlinksInPath()
    try Data("[]".utf8).write(to: blob)
    #expect(message { try download() }.contains("\(blob.path) is not what the hub lists; remove it"))
  }

  @Test func `a memory that names files outside the snapshot is not believed`() throws {
    var known = try download()
    known.files[0].path = "../../../../escape"
    #expect(try hub().revision(of: reference(), known: known).files.map(\.path).contains("config.json"))
  }

  @Test func `a known name keeps its commit until it is refreshed`() throws {
    let known = try download()
    server.publish("org/name", .init(repository, commit: Self.later))
    #expect(try hub().revision(of: reference(), known: known).commit == Self.commit)
    #expect(try hub().revision(of: reference(), known: known, refresh: true).commit == Self.later)
    #expect(try hub().revision(of: reference("hf://org/name@v1")).commit == Self.later)
  }

  @Test func `offline the cache's name counts, and files that it lacks are named`() throws {
    #expect(message { _ = try hub(offline: true).revision(of: reference()) }.contains("HF_HUB_OFFLINE is set"))
    let online = try download()
    let before = server.requests.count
    let revision = try hub(offline: true).revision(of: reference())
    try hub(offline: true).fetch(revision)
    #expect(try revision.artifact == online.artifact && revision.files == online.files)
    try FileManager.default.removeItem(at: snapshot.appending(path: "model.safetensors"))
    #expect(message { try hub(offline: true).fetch(online) }.contains("lacks model.safetensors"))
    #expect(server.requests.count == before)
  }

  // MARK: - What goes wrong

  @Test func `a download that is cut off goes on from there`() throws {
    server.break_("model.safetensors", .endsAfter(1000), .endsAfter(2000))
    try download()
    #expect(server.requests.filter { $0 == "GET /cdn/org/name/model.safetensors" }.count == 3)
    let file = snapshot.appending(path: "model.safetensors")
    #expect(try Digest(ofFile: file) == Digest(ofFile: repository.appending(path: "model.safetensors")))
    let blobs = try FileManager.default.contentsOfDirectory(atPath: cache.appending(path: "blobs").path)
    #expect(!blobs.contains { $0.hasSuffix(".incomplete") })
  }

  @Test func `a server that falls silent is asked again`() throws {
    server.break_("model.safetensors", .silentAfter(1500))
    try download()
  }

  @Test func `a failing server is asked again, later and later, and then told of`() throws {
    server.break_("model.safetensors", .status(503), .status(500))
    try download()
    try FileManager.default.removeItem(at: home)
    server.break_("model.safetensors", .status(503), .status(503), .status(503), .status(503), .status(503))
    #expect(message { try download() }.contains("the hub fails"))
  }

  @Test func `a server without ranges sends all again`() throws {
    server.break_("model.safetensors", .endsAfter(1000), .ignoresRange)
    try download()
  }

  @Test func `other bytes than the listed ones are refused, and nothing of them stays`() throws {
    server.break_("model.safetensors", .otherContent)
    #expect(message { try download() }.contains("is not what the hub lists"))
    try download()
  }

  @Test func `what others left of a download is not trusted`() throws {
    let revision = try hub().revision(of: reference())
    let file = try #require(revision.files.first { $0.path == "model.safetensors" })
    let blobs = cache.appending(path: "blobs")
    try Data(repeating: 7, count: file.bytes - 5).write(to: blobs.appending(path: "\(file.etag).incomplete"))
    try hub().fetch(revision)
    try FileManager.default.removeItem(at: blobs.appending(path: file.etag))
    try Data(repeating: 7, count: file.bytes + 5).write(to: blobs.appending(path: "\(file.etag).incomplete"))
    try hub().fetch(revision)
  }

  @Test func `who finds another downloading waits for it`() async throws {
    let revision = try hub().revision(of: reference())
    let file = try #require(revision.files.first { $0.path == "model.safetensors" })
    let locks = home.appending(path: "hub/.locks/models--org--name")
    try FileManager.default.createDirectory(at: locks, withIntermediateDirectories: true)
    let lock = try FileLock(at: locks.appending(path: "\(file.etag).lock"), beneath: locks)
    #expect(try lock.take())
    #expect(message { try hub().fetch(revision) { !$0.waits } }.contains("the download was stopped"))
    #expect(!server.requests.contains { $0.contains("cdn/org/name/model.safetensors") })
  }

  @Test func `a download that is stopped keeps what it has`() throws {
    server.break_("model.safetensors", .silentAfter(1500))
    let revision = try hub().revision(of: reference())
    #expect(message { try hub().fetch(revision) { _ in false } }.contains("goes on from there"))
    try hub().fetch(revision)
  }

  // MARK: - What is told

  @Test func `models that cannot be had are explained`() throws {
    func told(_ text: String, token: String? = nil) -> String {
      message { try download(text, hub(token: token)) }
    }
    #expect(
      told("hf://org/other").hasPrefix("hf://org/other: the hub has no such model, or shows it to its owners alone"))
    #expect(told("hf://intfloat/multilingual-e5-smal").contains("did you mean `hf://intfloat/multilingual-e5-small`?"))
    #expect(told("hf://org/name@nightly").contains("it has no revision `nightly`; \(server.url)/org/name/tree/main"))
    var gated = HubServer.Model(repository, commit: Self.commit)
    gated.isGated = true
    server.publish("org/gated", gated)
    #expect(
      told("hf://org/gated").contains(
        "the model is gated: accept its terms at \(server.url)/org/gated, and set HF_TOKEN to a token"))
    #expect(told("hf://org/gated", token: HubServer.token) == "")
    var own = HubServer.Model(repository, commit: Self.commit)
    own.isPrivate = true
    server.publish("org/private", own)
    #expect(told("hf://org/private").contains("if it is private, set HF_TOKEN"))
    #expect(told("hf://org/private", token: HubServer.token) == "")
    // A folder in the place of the file that a login leaves.
    let file = home.appending(path: "token")
    try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
    #expect(told("hf://org/private@main").contains("\(file.path) cannot be read: "))
  }

  @Test func `a repository without weights says what it has instead`() throws {
    try FileManager.default.moveItem(
      at: repository.appending(path: "model.safetensors"), to: repository.appending(path: "model-q4.gguf"))
    #expect(message { try download() }.contains("found only model-q4.gguf, expected model.safetensors"))
  }

  @Test func `no network and no curl are explained`() throws {
    var settings = HubSettings(environment: server.environment(home: home))
    settings.endpoint = "http://127.0.0.1:1"
    #expect(message { try download("hf://org/name", Hub(settings)) }.contains("http://127.0.0.1:1 cannot be reached"))
    settings.environment["PATH"] = home.path
    #expect(message { try download("hf://org/name", Hub(settings)) }.contains("apt-get install curl"))
  }

  @Test(
    arguments: [
      ("---\nlicense: mit\n---\n", "mit", ["license=mit"]),
      ("---\r\nlicense: 'apache-2.0'\r\n---", "apache-2.0", ["license=apache-2.0"]),
      ("---\ntags:\n- a\nlicense:\n- mit\n- cc0-1.0\nx: y\n---", "mit, cc0-1.0", ["license=mit, cc0-1.0"]),
      (
        "---\nlicense: other\nlicense_name: gemma\nlicense_link: http://x\n---", "gemma",
        ["license=other", "license_name=gemma", "license_link=http://x"]
      ),
      ("---\ntags: [a]\n---\nlicense: mit", nil, []), ("# license: mit", nil, []), ("---\nlicense: mit", nil, []),
    ] as [(String, String?, [String])])
  func `a card's front matter names the licence`(card: String, name: String?, fields: [String]) {
    let licence = Licence(card: card)
    #expect(licence?.name == name && (licence?.fields.map { "\($0.key)=\($0.value)" } ?? []) == fields)
  }

  // MARK: - Looking

  @Test func `a model is looked at without a weight of it`() throws {
    let revision = try hub().revision(of: reference())
    let folder = try hub().outline(of: revision, at: scratch.url.appending(path: "outline"))
    let (outline, whole) = (
      folder.appending(path: "model.safetensors"), repository.appending(path: "model.safetensors")
    )
    let length = 8 + scratch.headerLength
    #expect(try Data(contentsOf: outline).count == Data(contentsOf: whole).count)
    #expect(try Data(contentsOf: outline).prefix(length) == Data(contentsOf: whole).prefix(length))
    #expect(!hub().holds(revision))
    try hub().fetch(revision)
    #expect(try hub().outline(of: revision, at: scratch.url.appending(path: "other")) == hub().folder(of: revision))
  }
}

extension ScratchFolder {
  var headerLength: Int { 64 }

  /// A repository of a sentence-transformers model, of which nothing but the layout is right.
  func writeModel(_ name: String) throws {
    for (path, text) in [
      "config.json": "{}", "tokenizer.json": "{\"a\": 1}", "tokenizer_config.json": "{}",
      "sentence_bert_config.json": "{}", "config_sentence_transformers.json": "{}",
      "README.md": "---\nlicense: mit\n---\n",
      "modules.json": #"[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}]"#,
      "1_Pooling/config.json": "{ }", ".gitattributes": "x",
    ] {
      try write(text, to: "\(name)/\(path)")
    }
    let header = String(repeating: " ", count: headerLength)
    let length = withUnsafeBytes(of: UInt64(headerLength).littleEndian) { Data($0) }
    let weights = Data((0..<500_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    try write(length + Data(header.utf8) + weights, to: "\(name)/model.safetensors")
  }
}
