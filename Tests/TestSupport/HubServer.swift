/// A server on this machine that behaves as a model hub does: lists of files, downloads by way of another path, ranges,
/// refusals; and that cuts answers off or falls silent where a test wants it.
import Artifacts
import Foundation
import Synchronization

public final class HubServer: Sendable {
  public struct Model: Sendable {
    /// What lies in it is the repository.
    public var folder: URL
    public var commit: String
    public var isGated = false
    /// Shown to those alone who have the token.
    public var isPrivate = false

    public init(_ folder: URL, commit: String) {
      self.folder = folder
      self.commit = commit
    }
  }

  /// What goes wrong, once, with the next download of a file of that name.
  public enum Fault: Sendable {
    /// The connection ends after so many bytes of the answer.
    case endsAfter(Int)
    /// Nothing comes after so many bytes, until the client gives up.
    case silentAfter(Int)
    case status(Int)
    /// The whole file is sent, whatever range was asked for.
    case ignoresRange
    /// Other bytes than the listed ones, as many.
    case otherContent
  }

  private struct State {
    var models: [String: Model] = [:]
    var faults: [String: [Fault]] = [:]
    var requests: [String] = []
  }
  private let state = Mutex(State())
  private let listener: Int32
  public let port: Int
  public static let token = "hf_test"

  public init(port wanted: Int = 0) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var yes: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = UInt16(wanted).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        bind(listener, raw, length) | listen(listener, 64) | getsockname(listener, raw, &length)
      }
    }
    guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [weak self] in
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        Thread.detachNewThread { [weak self] in
          self?.answer(connection)
          close(connection)
        }
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  public var url: String { "http://127.0.0.1:\(port)" }

  /// `METHOD /path` of all that was asked for.
  public var requests: [String] { state.withLock { $0.requests } }

  public func publish(_ name: String, _ model: Model) { state.withLock { $0.models[name] = model } }
  public func break_(_ file: String, _ faults: Fault...) { state.withLock { $0.faults[file] = faults } }

  /// Variables by which programs find the server, with a cache in `home`.
  public func environment(home: URL, token: String? = nil) -> [String: String] {
    var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HF_") }
    variables.merge(["HF_ENDPOINT": url, "HF_HOME": home.path, "HF_HUB_DOWNLOAD_TIMEOUT": "1"]) { $1 }
    variables["HF_TOKEN"] = token
    return variables
  }

  // MARK: - Answers

  private struct Request {
    var method: String
    var path: [String]
    var fields: [String: String]
  }

  private func answer(_ connection: Int32) {
    guard let request = read(connection) else { return }
    state.withLock { $0.requests.append("\(request.method) /\(request.path.joined(separator: "/"))") }
    let path = request.path
    let isKnown = request.fields["authorization"] == "Bearer \(Self.token)"
    // /api/models/ORG/NAME/revision/REV, /ORG/NAME/resolve/REV/PATH, /cdn/ORG/NAME/PATH
    let isList = path.starts(with: ["api", "models"])
    let rest = isList ? Array(path.dropFirst(2)) : path.first == "cdn" ? Array(path.dropFirst()) : path
    let name = rest.prefix(2).joined(separator: "/")
    let isCopy = path.first == "cdn"
    if isCopy && isKnown { return send(connection, request, 400, [:]) }
    guard let model = state.withLock({ $0.models[name] }), !model.isPrivate || isKnown || isCopy else {
      return send(connection, request, isKnown ? 404 : 401, ["X-Error-Code": "RepoNotFound"])
    }
    if isCopy { return send(connection, request, file: rest.dropFirst(2).joined(separator: "/"), model) }
    let revision = rest.count > 3 ? rest[3] : "main"
    guard ["main", "v1", model.commit].contains(revision) else {
      return send(connection, request, 404, ["X-Error-Code": "RevisionNotFound"])
    }
    if isList { return send(connection, request, 200, [:], list(model, isTree: rest.count > 2 && rest[2] == "tree")) }
    let file = rest.dropFirst(4).joined(separator: "/")
    guard FileManager.default.fileExists(atPath: model.folder.appending(path: file).path) else {
      return send(
        connection, request, 404, ["X-Error-Code": "EntryNotFound", "X-Repo-Commit": model.commit])
    }
    if model.isGated && !isKnown {
      return send(connection, request, 403, ["X-Error-Code": "GatedRepo", "X-Repo-Commit": model.commit])
    }
    let entry = entry(file, model)
    var fields = ["X-Repo-Commit": model.commit, "ETag": "\"\(entry.hash)\""]
    guard let large = entry.large else { return send(connection, request, file: file, model, fields) }
    fields["X-Linked-Etag"] = "\"\(large)\""
    fields["X-Linked-Size"] = "\(entry.size)"
    // Another host, as a network of copies is: the token is none of its business.
    fields["Location"] = "http://localhost:\(port)/cdn/\(name)/\(file)"
    send(connection, request, 302, fields)
  }

  private func entry(_ path: String, _ model: Model) -> (size: Int, hash: String, large: String?) {
    let url = model.folder.appending(path: path)
    do {
      let size = Int(FileStatus.of(url)?.stamp.size ?? 0)
      let isLarge = [".safetensors", ".bin", "tokenizer.json"].contains { path.hasSuffix($0) }
      return (size, try gitBlobHash(ofFile: url), isLarge ? "\(try Digest(ofFile: url))" : nil)
    } catch { return (0, "\(error)", nil) }
  }

  private func list(_ model: Model, isTree: Bool) -> Data {
    let paths = FileManager.default.subpaths(atPath: model.folder.path) ?? []
    let files = paths.filter { FileStatus.of(model.folder.appending(path: $0))?.isFile == true }.sorted()
    let entries = files.map { path -> [String: Any] in
      let entry = entry(path, model)
      var item: [String: Any] = ["size": entry.size]
      item[isTree ? "path" : "rfilename"] = path
      item[isTree ? "oid" : "blobId"] = entry.hash
      if isTree { item["type"] = "file" }
      if let large = entry.large {
        item["lfs"] = [isTree ? "oid" : "sha256": large, "size": entry.size, "pointerSize": 130] as [String: Any]
      }
      return item
    }
    let whole: Any =
      isTree
      ? entries
      : ["id": "x", "sha": model.commit, "siblings": entries, "gated": model.isGated, "private": model.isPrivate]
        as [String: Any]
    return (try? JSONSerialization.data(withJSONObject: whole)) ?? Data()
  }

  private func send(
    _ connection: Int32, _ request: Request, file: String, _ model: Model, _ others: [String: String] = [:]
  ) {
    let isBody = request.method == "GET"
    let fault = state.withLock { state -> Fault? in
      guard isBody, state.faults[file]?.isEmpty == false else { return nil }
      return state.faults[file]?.removeFirst()
    }
    guard var content = FileManager.default.contents(atPath: model.folder.appending(path: file).path) else {
      return send(connection, request, 404, [:])
    }
    var fields = others
    var status = 200
    var first = 0
    if let range = request.fields["range"], !(fault.map { if case .ignoresRange = $0 { true } else { false } } ?? false)
    {
      let ends = range.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
      guard let start = ends.first, start < content.count else { return send(connection, request, 416, [:]) }
      let end = ends.count > 1 ? min(ends[1], content.count - 1) : content.count - 1
      fields["Content-Range"] = "bytes \(start)-\(end)/\(content.count)"
      content = content.subdata(in: start..<end + 1)
      (status, first) = (206, start)
    }
    fields["Accept-Ranges"] = "bytes"
    switch fault {
    case .status(let code): return send(connection, request, code, [:])
    case .otherContent: content = Data(content.map { ~$0 })
    case .endsAfter(let bytes): return send(connection, request, status, fields, content, atMost: max(0, bytes - first))
    case .silentAfter(let bytes):
      send(connection, request, status, fields, content, atMost: max(0, bytes - first))
      var byte: UInt8 = 0
      while recv(connection, &byte, 1, 0) > 0 {}
      return
    case .ignoresRange, nil: break
    }
    send(connection, request, status, fields, content)
  }

  private func send(
    _ connection: Int32, _ request: Request, _ status: Int, _ fields: [String: String], _ body: Data = Data(),
    atMost limit: Int = .max
  ) {
    var head = "HTTP/1.1 \(status) Answer\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
    head += fields.map { "\($0.key): \($0.value)\r\n" }.joined() + "\r\n"
    let bytes = Data(head.utf8) + (request.method == "HEAD" ? Data() : body.prefix(limit))
    bytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      var sent = 0
      while sent < bytes.count {
        let count = Foundation.send(
          connection, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
        guard count > 0 else { return }
        sent += count
      }
    }
  }

  private func read(_ connection: Int32) -> Request? {
    var bytes = Data()
    var byte: UInt8 = 0
    while !bytes.suffix(4).elementsEqual(Data("\r\n\r\n".utf8)) {
      guard bytes.count < 1 << 16, recv(connection, &byte, 1, 0) == 1 else { return nil }
      bytes.append(byte)
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    let words = lines[0].split(separator: " ")
    let path = words[1].split(separator: "?")[0].split(separator: "/").map { $0.removingPercentEncoding ?? "" }
    let fields = lines.dropFirst().map { $0.split(separator: ":", maxSplits: 1) }.map {
      ($0[0].lowercased(), $0.count > 1 ? $0[1].trimmingCharacters(in: .whitespaces) : "")
    }
    return Request(method: String(words[0]), path: path, fields: Dictionary(fields) { $1 })
  }
}
