// swift-tools-version: 6.1
import PackageDescription

/// Targets and who may import whom: the data flows from `Pipelines` to `Scheduling`, in a worker on to `Stages`,
/// `Training`, `Models`, `Tensors` and the kernels; results flow back into `Artifacts` and `Lineage`.
/// Leaves: `Basics` holds small things for all; `JSONText` reads and writes the JSON of tokenizers, models and data;
/// `Escaping` writes text into every other language.
let package = Package(
  name: "retort",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "retort", targets: ["retort"])],
  dependencies: [
    // Commands, options, help texts and shell completions from one declaration.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    // SHA-256 at the speed of the processor's SHA instructions.
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    // SQLite with migrations, records and one writer queue.
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"]), .brew(["libyaml"])]),
    // A header over system calls that Swift cannot call; no library.
    .systemLibrary(name: "CSystem"),
    // Numeric loops are unusable unoptimised, so this target is optimised in debug builds too.
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno"])]),

    .target(name: "JSONText"),
    .target(name: "Basics"),
    .target(name: "Escaping"),
    .target(name: "Tensors", dependencies: ["Basics"]),
    .target(name: "CPU", dependencies: ["CKernels", "Tensors"]),
    .target(name: "Tokenizers", dependencies: ["JSONText", "Basics"]),
    .target(name: "Models", dependencies: ["JSONText", "Basics", "Tensors"]),
    .target(name: "Templates", dependencies: ["JSONText"]),
    .target(name: "Training", dependencies: ["Basics", "JSONText", "Models", "Templates", "Tokenizers"]),

    .target(name: "Artifacts", dependencies: ["CSystem", .product(name: "Crypto", package: "swift-crypto")]),
    .target(name: "Processes", dependencies: ["CSystem", "Artifacts"]),
    .target(name: "Pipelines", dependencies: ["Basics", "CYAML", "JSONText", "Escaping", "Artifacts"]),
    .target(name: "Hub", dependencies: ["Basics", "Artifacts", "Pipelines", "Processes"]),
    .target(
      name: "Scheduling",
      dependencies: ["Basics", "CSystem", "Escaping", "Hub", "Pipelines", "Processes", "Artifacts"]),
    .target(
      name: "Lineage",
      dependencies: [
        "Basics", "CSystem", "Escaping", "Hub", "JSONText", "Processes", "Scheduling", "Artifacts",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    .target(
      name: "Reports",
      dependencies: ["Basics", "JSONText", "Escaping", "Scheduling", "Lineage", "Pipelines", "Artifacts"]),
    .target(
      name: "Stages",
      dependencies: [
        "Basics", "CPU", "JSONText", "Escaping", "Pipelines", "Processes", "Training", "Models", "Tokenizers",
        "Artifacts",
      ]),
    .executableTarget(
      name: "retort",
      dependencies: [
        "Basics", "CPU", "CSystem", "Hub", "Processes", "Reports", "Stages", "Scheduling", "Lineage", "Models",
        "Tokenizers", "JSONText", "Escaping",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], resources: [.embedInCode("Topics")]),

    .target(name: "TestSupport", dependencies: ["Artifacts", "Basics"], path: "Tests/TestSupport"),
    .testTarget(name: "BasicsTests", dependencies: ["Basics", "TestSupport"]),
    .testTarget(name: "JSONTextTests", dependencies: ["JSONText", "TestSupport"]),
    .testTarget(name: "EscapingTests", dependencies: ["Escaping", "Pipelines", "TestSupport"]),
    // Kernels for instructions that a machine may lack, emulated, and checks that are slow in debug builds of Swift.
    .target(
      name: "TestKernels", dependencies: ["CKernels"], path: "Tests/TestKernels",
      cSettings: [.headerSearchPath("../../Sources/CKernels"), .unsafeFlags(["-O3", "-fno-math-errno"])]),
    .testTarget(name: "TensorsTests", dependencies: ["CPU", "Tensors", "TestKernels", "TestSupport"]),
    .testTarget(name: "TokenizersTests", dependencies: ["Tokenizers", "TestSupport"]),
    .testTarget(name: "TemplatesTests", dependencies: ["JSONText", "Templates", "TestSupport"]),
    .testTarget(name: "ModelsTests", dependencies: ["CPU", "JSONText", "Models", "TestSupport"]),
    .testTarget(name: "TrainingTests", dependencies: ["CPU", "Training", "TestSupport"]),
    .testTarget(name: "ArtifactsTests", dependencies: ["Artifacts", "TestSupport"]),
    .testTarget(name: "PipelinesTests", dependencies: ["Basics", "Pipelines", "TestSupport"]),
    .testTarget(name: "ProcessesTests", dependencies: ["Processes", "TestSupport"]),
    .testTarget(name: "HubTests", dependencies: ["Hub", "TestSupport"]),
    .testTarget(name: "SchedulingTests", dependencies: ["Scheduling", "TestSupport"]),
    .testTarget(
      name: "LineageTests",
      dependencies: ["Basics", "Lineage", "Stages", "TestSupport", .product(name: "GRDB", package: "GRDB.swift")]),
    .testTarget(name: "StagesTests", dependencies: ["Stages", "TestSupport"]),
    .testTarget(name: "RetortTests", dependencies: ["Reports", "TestSupport", "retort"]),
    .testTarget(name: "EndToEndTests", dependencies: ["retort", "Tensors", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
