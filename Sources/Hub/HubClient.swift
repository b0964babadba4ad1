/// Asks the hub which files a model has, and downloads them.
import Artifacts
import Basics
import Foundation
import Pipelines
import Processes

struct HubClient: Sendable {
  let settings: HubSettings
  /// Waits so many seconds before another try.
  let pause: @Sendable (Int) -> Void

  /// Tries in a row that bring not a single byte.
  private static let mostFailures = 5
  /// The list of a repository's files has some hundred kilobytes where there are thousands.
  private static let longestList = 64 << 20

  /// The model's commit and all files that it has there.
  func listing(of repository: String, _ revision: String) throws -> (commit: String, files: [HubFile]) {
    struct Listing: Decodable {
      struct File: Decodable {
        struct Large: Decodable { var sha256: String, size: Int }
        var rfilename: String
        var size: Int?
        var blobId: String?
        var lfs: Large?
      }
      var sha: String
      var siblings: [File]
    }
    let model = "hf://\(repository)"
    let url =
      "\(settings.endpoint)/api/models/\(escaped(repository, "/"))/revision/\(escaped(revision, ""))?blobs=true"
    let answer = try UnnamedFile()
    var failures = 0
    while true {
      do {
        try Curl.ask(
          url, options + ["--max-filesize", "\(Self.longestList)"], headers: headers, output: answer.raw,
          environment: settings.environment)
        break
      } catch let problem as Curl.Problem {
        failures += 1
        guard problem.mayPass, failures < Self.mostFailures else { throw explained(problem, repository, revision) }
        pause(min(4, 1 << failures))
      }
    }
    let listing: Listing
    do { listing = try JSONDecoder().decode(Listing.self, from: answer.content()) } catch is DecodingError {
      throw HubError(model, "\(settings.endpoint) does not answer as a model hub does; see HF_ENDPOINT")
    }
    guard isCommit(listing.sha) else { throw HubError(model, "the hub names no commit") }
    return (
      listing.sha,
      try listing.siblings.map { file in
        let found = HubFile(
          path: file.rfilename, bytes: file.lfs?.size ?? file.size ?? -1, etag: file.lfs?.sha256 ?? file.blobId ?? "")
        guard found.isSound && !found.etag.isEmpty else {
          throw HubError(model, "the hub does not say of the file “\(found.path)” what it has to: path, size, digest")
        }
        return found
      }
    )
  }

  /// Downloads the content of a file, going on behind what `target` has of it already.
  /// - Parameter goesOn: told how many bytes are there; `false` ends it.
  func download(_ file: HubFile, of revision: HubRevision, to target: URL, while goesOn: (Int) -> Bool) throws {
    let output = Descriptor(open(target.posixPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666))
    guard output.raw >= 0 else { throw FileError("create", target) }
    func size() -> Int { Int(FileStatus.of(target)?.stamp.size ?? 0) }
    func beginAnew() throws { if ftruncate(output.raw, 0) != 0 { throw FileError("write", target) } }
    var failures = 0
    while size() != file.bytes {
      if size() > file.bytes { try beginAnew() }
      let before = size()
      do {
        try Curl.ask(
          address(of: file, revision), options + ["--continue-at", "\(before)"], headers: headers, output: output.raw,
          environment: settings.environment
        ) { size() <= file.bytes && goesOn(size()) }
        if size() == file.bytes { break }
        throw HubError(revision.name, "the hub sends \(size()) bytes of \(file.path), which has \(file.bytes)")
      } catch let problem as Curl.Problem {
        if case .stopped = problem.cause, size() > file.bytes { throw wrongContent(file, revision) }
        if problem.refusesRange { try beginAnew() }
        failures = size() > before ? 0 : failures + 1
        guard problem.mayPass || problem.refusesRange, failures < Self.mostFailures else {
          throw explained(problem, revision.repository, revision.revision)
        }
        if failures > 0 { pause(min(4, 1 << failures)) }
      }
    }
    guard fsync(output.raw) == 0 else { throw FileError("sync", target) }
  }

  /// The first bytes of a file, as many as it has at most.
  func beginning(of file: HubFile, _ revision: HubRevision, bytes: Int) throws -> Data {
    let answer = try UnnamedFile()
    do {
      let range = ["--range", "0-\(min(bytes, file.bytes) - 1)"]
      // Who does not know ranges would send gigabytes.
      try Curl.ask(
        address(of: file, revision), options + range + ["--max-filesize", "\(bytes)"], headers: headers,
        output: answer.raw, environment: settings.environment)
    } catch let problem as Curl.Problem { throw explained(problem, revision.repository, revision.revision) }
    return try answer.content()
  }

  func wrongContent(_ file: HubFile, _ revision: HubRevision) -> HubError {
    HubError(
      revision.name, "what was downloaded as \(file.path) is not what the hub lists: another size or digest; try again")
  }

  private var options: [String] {
    let patience = "\(settings.patience)"
    return [
      "--fail", "--location", "--proto", "=http,https", "--connect-timeout", patience, "--speed-limit", "1",
      "--speed-time", patience,
    ]
  }

  private var headers: [String] {
    ["User-Agent: retort"] + (settings.token.map { ["Authorization: Bearer \($0)"] } ?? [])
  }

  private func address(of file: HubFile, _ revision: HubRevision) -> String {
    "\(settings.endpoint)/\(escaped(revision.repository, "/"))/resolve/\(revision.commit)/\(escaped(file.path, "/"))"
  }

  private func escaped(_ text: String, _ kept: String) -> String {
    let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" + kept)
    return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
  }

  private func explained(_ problem: Curl.Problem, _ repository: String, _ revision: String) -> HubError {
    let page = "\(settings.endpoint)/\(repository)"
    let fields = problem.head?.fields ?? [:]
    let login =
      settings.token == nil
      ? (settings.tokenFault.map { "\($0); " } ?? "")
        + "set HF_TOKEN to a token of \(settings.endpoint)/settings/tokens"
      : "the token of HF_TOKEN or of the token file has to be of an account that may see it"
    let reason =
      switch (problem.cause, problem.head?.status ?? 0, fields["x-error-code"]) {
      case (.notInstalled, _, _):
        "\(problem); it is needed to download models: apt-get install curl, or name a model's folder"
      case (.stopped, _, _): "the download was stopped; the next one goes on from there"
      case (_, _, "GatedRepo"), (_, 403, _): "the model is gated: accept its terms at \(page), and \(login)"
      case (_, _, "RevisionNotFound"):
        "it has no revision `\(revision)`; \(page)/tree/main lists its branches, tags and commits"
      case (_, _, "EntryNotFound"): "the hub lacks a file that it lists; try again with --refresh"
      case (_, 401, _), (_, 404, _):
        "the hub has no such model, or shows it to its owners alone\(Self.suggestion(repository)); if it is private, "
          + login
      case (_, 429, _): "the hub has had too many requests from here; wait some minutes, or \(login)"
      case (_, 500..., _): "the hub fails (\(problem)); try again later"
      default:
        "\(settings.endpoint) cannot be reached (\(problem)); behind a proxy set HTTPS_PROXY; HF_HUB_OFFLINE=1 goes by "
          + "what was downloaded before"
      }
    return HubError("hf://\(repository)", reason)
  }

  private static func suggestion(_ repository: String) -> String {
    didYouMean(nearest(to: repository, in: KnownModel.all.map(\.repository)).map { "hf://\($0)" })
  }
}

extension Curl.Problem {
  /// Whether another try may go well.
  fileprivate var mayPass: Bool {
    guard case .code(let code) = cause else { return false }
    if code == 22, let status = head?.status { return status >= 500 || status == 429 || status == 408 }
    // Cut off, silent, nothing sent, broken connection or stream.
    return [18, 28, 52, 55, 56, 92].contains(code)
  }

  /// Whether what is there cannot be gone on from.
  fileprivate var refusesRange: Bool {
    if case .code(33) = cause { return true }
    return head?.status == 416
  }
}
