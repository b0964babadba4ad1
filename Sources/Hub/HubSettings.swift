/// What the environment says of the hub and of its cache, read as Python's huggingface_hub reads it.
import Artifacts
import Basics
import Foundation

package struct HubSettings: Sendable {
  /// The folder of `models--org--name`.
  package var cache: URL
  /// Without a slash at its end.
  package var endpoint: String
  package var token: String?
  /// Why the token of a file cannot be used that is there.
  package var tokenFault: String?
  package var isOffline: Bool
  /// Seconds: how long a server may be silent.
  package var patience: Int
  /// What curl is started with.
  package var environment: [String: String]

  package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    func value(_ names: String...) -> String? { names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty } }
    func folder(_ names: String..., otherwise: URL) -> URL {
      for name in names where environment[name] ?? "" != "" {
        let path = NSString(string: environment[name] ?? "").expandingTildeInPath
        return URL(filePath: path, directoryHint: .isDirectory).absoluteURL
      }
      return otherwise
    }
    func isTrue(_ names: String...) -> Bool {
      names.contains { ["1", "on", "yes", "true"].contains((environment[$0] ?? "").lowercased()) }
    }
    let user = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache")
    let home = folder("HF_HOME", otherwise: folder("XDG_CACHE_HOME", otherwise: user).appending(path: "huggingface"))
    cache = folder("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", otherwise: home.appending(path: "hub"))
    var endpoint = value("HF_ENDPOINT") ?? "https://huggingface.co"
    while endpoint.hasSuffix("/") { endpoint.removeLast() }
    self.endpoint = endpoint
    isOffline = isTrue("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    patience = value("HF_HUB_DOWNLOAD_TIMEOUT").flatMap(Int.init).map { max(1, $0) } ?? 10
    self.environment = environment
    guard !isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") else { return }
    let file = folder("HF_TOKEN_PATH", otherwise: home.appending(path: "token"))
    token = Self.clean(value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    // Where there is no file, nobody has logged in. A public model needs no token, so that a bad file is told only then.
    guard token == nil, FileStatus.of(file) != nil else { return }
    do {
      token = Self.clean(String(decoding: try ForeignFile.contents(of: file, atMost: 1 << 12), as: UTF8.self))
      if token == nil { tokenFault = "\(file.posixPath) holds no token" }
    } catch { tokenFault = "\(file.posixPath) cannot be read: \(error)" }
  }

  /// A token without the line break at its end; `nil` for what no header can hold.
  private static func clean(_ token: String?) -> String? {
    guard let token = token?.trimmingCharacters(in: .whitespacesAndNewlines), !token.isEmpty,
      token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    return token
  }
}
