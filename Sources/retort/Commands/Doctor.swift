/// `retort doctor`: what this machine has and what is missing.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Processes
import Reports
import Scheduling
import CPU
import Tensors

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Says what this machine has: processor, kernels, libraries, disk, store, curl, gnuplot, a font for Korean.")

  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Finding: Encodable {
    var name: String
    var value: String
    /// What to do, where something is missing.
    var remedy: String?
  }

  func run() throws {
    let findings =
      [Finding(name: "retort", value: retortVersion), Self.processor] + Self.numerics
      + [
        Self.openBLAS, Finding(name: "threads", value: "\(ProcessInfo.processInfo.processorCount)"),
        Finding(name: "memory", value: Self.memory), try disk, try store, Self.restart, Self.curl, Self.gnuplot,
        Self.koreanFont,
      ]
    if json { return try printJSON(findings) }
    var table = Table(["what", "found"])
    for finding in findings {
      table.add([finding.name, finding.value + (finding.remedy.map { ": " + $0 } ?? "")])
    }
    Terminal.say(table.text)
  }

  private static var memory: String {
    let memory = MachineMemory.current
    return "\(formatted(bytes: memory.total)), \(formatted(bytes: memory.available)) free"
  }

  private static var processor: Finding {
    let text = FileManager.default.contents(atPath: "/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
    func field(_ name: String) -> String? {
      text.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":", maxSplits: 1).last
        .map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let known = [
      "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8",
    ]
    let flags = Set((field("flags") ?? "").split(separator: " ").map(String.init))
    let found = known.filter(flags.contains)
    return Finding(
      name: "processor", value: ([field("model name") ?? "unknown"] + found).joined(separator: " "),
      remedy: found.isEmpty ? "without AVX2 training is slow" : nil)
  }

  /// The engine, then of each precision the class of instructions that decides the bits.
  private static var numerics: [Finding] {
    let automatic = Kernels.active.automaticPrecision
    return [Finding(name: "engine", value: "precision auto is \(automatic.rawValue)")]
      + Precision.allCases.map {
        let revision = NumericsProfile.revision($0)
        return Finding(
          name: $0.rawValue, value: "by \(Kernels.active.profile($0).instructions), revision \(revision)")
      }
  }

  private static var openBLAS: Finding {
    guard let kernels = Kernels.named("openblas") else {
      return Finding(
        name: "OpenBLAS", value: "missing",
        remedy: "apt-get install \(Kernels.openBLASPackage); used without AVX2, and by RETORT_KERNELS=openblas")
    }
    return Finding(name: "OpenBLAS", value: kernels.profile(.fp32).instructions)
  }

  private var folder: URL {
    get throws {
      let here = URL(filePath: FileManager.default.currentDirectoryPath)
      return try storeOptions.folder(root: projectRoot(of: here.appending(path: "any"), workingFolder: here))
    }
  }

  private var disk: Finding {
    get throws {
      let bytes = try MachineDisk.freeBytes(at: folder)
      return Finding(
        name: "disk", value: "\(formatted(bytes: bytes)) free",
        remedy: bytes < 2_000_000_000 ? "less than 2 GB; a training of a real model may fill it" : nil)
    }
  }

  private var store: Finding {
    get throws {
      let folder = try folder
      let database = folder.appending(path: "retort.sqlite")
      guard FileManager.default.fileExists(atPath: database.path) else {
        return Finding(name: "store", value: "none yet in \(folder.path)")
      }
      let problem = try Journal(reading: database).integrityProblem()
      return Finding(
        name: "store", value: folder.path + (problem == nil ? ", database sound" : ""),
        remedy: problem.map { "damaged: \($0)" })
    }
  }

  /// What starts runs again after a reboot.
  private static var restart: Finding {
    guard let kind = Registration.available else {
      return Finding(
        name: "restart", value: "neither a user's systemd nor cron",
        remedy: "apt-get install cron; `retort run --restart` needs one of them")
    }
    let obstacle = Registration.obstacle(of: kind)
    let (words, fine) =
      kind == .systemd
      ? ("by systemd's user units", "lingering is on") : ("by cron's @reboot", "its daemon runs")
    return Finding(name: "restart", value: "\(words), \(obstacle?.found ?? fine)", remedy: obstacle?.remedy)
  }

  private static var curl: Finding {
    guard let line = Tool.run(["curl", "--version"])?.lines.first else {
      return Finding(name: "curl", value: "missing", remedy: "apt-get install curl; hf:// models come by it")
    }
    return Finding(name: "curl", value: line.split(separator: " ").prefix(2).joined(separator: " "))
  }

  private static var gnuplot: Finding {
    do {
      return Finding(name: "gnuplot", value: try KeyContext.thisMachine.outsideToolVersion("gnuplot"))
    } catch {
      return Finding(name: "gnuplot", value: "missing", remedy: "apt-get install gnuplot-nox; `evaluate` draws with it")
    }
  }

  private static var koreanFont: Finding {
    let fonts = Tool.run(["fc-list", ":lang=ko", "family"])?.lines ?? []
    guard let first = fonts.sorted().first else {
      return Finding(name: "Korean font", value: "missing", remedy: "apt-get install fonts-nanum")
    }
    return Finding(name: "Korean font", value: first)
  }
}
