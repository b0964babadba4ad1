/// Variants that differ only in their seed are draws of one experiment: they make one row of a comparison.
import Pipelines

struct SeedGroup {
  /// At least one.
  var members: [Variant]

  /// What all members share, for arguments and people: `12[tau=0.1]`, `12[tau=0.1] + 13[tau=0.1]`.
  var name: String {
    if members.count == 1 { return members[0].name }
    let names = distinct(members.map { "\($0.run)\($0.coordinates.filter { !$0.isSeed }.suffix)" })
    return names.count > 3 ? "\(names[0]) + \(names.count - 1) more" : names.joined(separator: " + ")
  }

  /// Groups in the order of their first members. Two members never have the same seeds: such variants are results of
  /// one draw, and counting them twice would claim a certainty that is not there.
  static func groups(of variants: [Variant]) -> [SeedGroup] {
    var groups: [(identity: [String], seeds: [Set<[String]>], group: SeedGroup)] = []
    for variant in variants {
      let (identity, seeds) = (variant.identityWithoutSeeds, variant.seeds)
      let place =
        seeds.isEmpty
        ? nil
        : groups.firstIndex {
          ($0.identity == identity || $0.group.members[0].isOfOneMatrix(as: variant))
            && !$0.seeds.contains(seeds) && !$0.seeds[0].isEmpty
        }
      if let place {
        groups[place].seeds.append(seeds)
        groups[place].group.members.append(variant)
      } else {
        groups.append((identity, [seeds], SeedGroup(members: [variant])))
      }
    }
    return groups.map(\.group)
  }
}

extension Variant {
  /// Each stage's seed, and the seeds among the coordinates.
  fileprivate var seeds: Set<[String]> {
    Set(
      coordinates.filter(\.isSeed).map { [$0.name, $0.value.shown] }
        + stages.compactMap { stage in stage.component("seed").map { [stage.report.base, $0] } })
  }

  /// Whether both are of one run and have the same coordinates but for seeds, whatever a command makes of a seed.
  fileprivate func isOfOneMatrix(as other: Variant) -> Bool {
    run == other.run && coordinates.filter { !$0.isSeed } == other.coordinates.filter { !$0.isSeed }
  }

  /// All that decides the results but the seeds and what follows from them, the inputs that other stages made.
  fileprivate var identityWithoutSeeds: [String] {
    let place = coordinates.filter { !$0.isSeed }.suffix
    // Without the keys' components the matrix alone tells what differs.
    if stages.contains(where: { $0.report.key != nil && $0.components.isEmpty }) { return ["\(run)", place] }
    let components = stages.sorted { $0.report.base < $1.report.base }.flatMap { stage in
      [stage.report.base]
        + stage.components.filter { $0.name != "seed" && !stage.isMadeInput($0.name) }
        .map { "\($0.name)=\($0.value.yaml)" }
    }
    return [place] + components
  }
}

extension RecordedStage {
  /// Whether a component is the digest of an input that another stage made.
  func isMadeInput(_ component: String) -> Bool {
    guard component.hasPrefix("in.") else { return false }
    return report.inputs[String(component.dropFirst(3))]?.source == nil
  }
}
