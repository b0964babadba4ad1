/// The JSON Schema (draft 2020-12) of pipeline and experiment files, made from what the stages declare.
///
/// A keyword such as `minimum` or `properties` speaks only of values of its own type, so one schema says of a value both
/// what it may be and that a `${…}` may stand in its place: editors report and complete such schemas best.
import JSONText

package struct PipelineSchema {
  private let catalog: StageCatalog

  package init(_ catalog: StageCatalog) { self.catalog = catalog }

  package var document: JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "A pipeline or an experiment of Retort",
      "type": "object",
      "if": ["required": ["pipeline"]],
      "then": ["$ref": "#/$defs/experiment"],
      "else": ["$ref": "#/$defs/pipeline"],
      "$defs": .object(
        [
          JSONMember("pipeline", pipeline), JSONMember("experiment", experiment), JSONMember("defaults", defaults),
          JSONMember("stage", stage), JSONMember("command", command),
        ] + kinds.map { JSONMember("uses-\($0.kind.name)", uses($0)) }
          + [
            JSONMember("matrix", matrix(ofPaths: false)), JSONMember("variations", matrix(ofPaths: true)),
            JSONMember("reference", reference), JSONMember("placeholder", ["type": "string", "pattern": placeholder]),
          ]),
    ]
  }

  private var kinds: [StageDescription] { catalog.kinds.compactMap(catalog.describe) }

  // MARK: - Files

  private var pipeline: JSONValue {
    closed(
      "A pipeline: stages and what goes from one to the other.",
      [
        "version": ["const": 1, "description": "Of the format."],
        "name": ["type": ["string", "null"], "description": "Default: the file's name."],
        "headline": headline,
        "params": [
          "type": ["object", "null"],
          "description": "Plain values; `${params.NAME}` stands for one anywhere in stages.",
          "additionalProperties": ["not": ["type": "string", "pattern": #"\$\{"#]],
        ],
        "defaults": ["$ref": "#/$defs/defaults"],
        "stages": [
          "type": "object", "minProperties": 1, "description": "By name.",
          "propertyNames": ["pattern": identifier, "maxLength": 128],
          "additionalProperties": ["$ref": "#/$defs/stage"],
        ],
      ], required: ["version", "stages"])
  }

  private let metric = #"[^.\s]+\.\S+"#

  private func metrics(_ description: String) -> JSONValue {
    [
      "type": ["array", "null"], "description": .string(description),
      "items": ["type": "string", "pattern": .string("^\(metric)$")],
    ]
  }

  private var headline: JSONValue {
    metrics("What `runs`, `compare` and pages show first: `stage.metric`. Default: nDCG@10 of each evaluation.")
  }

  private var experiment: JSONValue {
    closed(
      "An experiment: a pipeline, changed and varied.",
      [
        "name": ["type": ["string", "null"], "description": "Default: the file's name."],
        "pipeline": ["type": "string", "minLength": 1, "description": "The pipeline's file, relative to this one."],
        "set": [
          "type": ["object", "null"], "description": "Values to change, by dotted path: `params.epochs: 1`.",
          "propertyNames": ["pattern": path],
        ],
        "matrix": ["$ref": "#/$defs/variations"],
        "headline": headline,
        "compare": closed(
          "The table to print at the end.",
          [
            "metrics": metrics("`stage.metric`, each a column."),
            "sort": [
              "type": ["string", "null"], "pattern": .string("^-?\(metric)$"),
              "description": "The metric to sort by; a leading `-` puts the highest first.",
            ],
          ], nullable: true),
      ], required: ["pipeline"])
  }

  /// `defaults`, and in `stage` again.
  private var resources: JSONValue {
    [
      "threads": ParameterType.int(1...4096).schema("Width of the compute pool.", nullable: true),
      "memory": text(
        #"([0-9]+(\.[0-9]*)?|\.[0-9]+) *([KMGTkmgt][Ii]?)?[Bb]"#, "Bytes that a stage may use: 6GB, 512MiB.",
        ["4GB", "6GB"]),
      "precision": ParameterType.choice(Resources.precisions).schema(
        "Of models' products; auto: bf16 where the processor has AMX or AVX512-BF16, else fp32; int8: not in training.",
        nullable: true),
      "retry": retry, "checkpoint": checkpoint,
    ]
  }

  private var defaults: JSONValue {
    closed(
      "What stages have unless they say otherwise.",
      joined(["seed": ParameterType.int(0...Int.max).schema("For everything random.", nullable: true)], resources),
      nullable: true)
  }

  // MARK: - Stages

  private var stage: JSONValue {
    let own: JSONValue = [
      "uses": [
        "description": "The stage kind.",
        "anyOf": [
          [
            "enum": .array(kinds.map { .string($0.kind.name) }),
            "enumDescriptions": .array(kinds.map { .string($0.abstract) }),
          ], ["$ref": "#/$defs/placeholder"],
        ],
      ],
      "cmd": ["type": "string", "description": "A command for bash; ${in.PORT} and ${out.PORT} stand for paths."],
      "in": ["type": ["object", "null"], "description": "What goes in, by port: a path, or stage.port."],
      "with": ["type": ["object", "null"], "description": "Parameters."],
      "out": ["type": ["object", "null"], "description": "Of a `cmd`: what comes out, by port."],
      "env": words("Of a `cmd`: variables that it sees; their values enter the key.", variable),
      "secrets": words("Of a `cmd`: variables that it sees and nothing keeps.", variable),
      "tools": words("Of a `cmd`: programs whose content enters the key.", #"\S+"#),
      "metrics": ["type": ["string", "null"], "description": "Of a `cmd`: the flat JSON of numbers that it writes."],
      "matrix": ["$ref": "#/$defs/matrix"],
      "publish": [
        "type": ["string", "object", "null"],
        "description":
          "Where to copy the outputs, in the project; {path, if: not_worse}: unless training made it worse.",
        "properties": [
          "path": ["type": "string", "description": "Where to copy the outputs, in the project."],
          "if": ParameterType.choice(Publication.Condition.allCases.map(\.rawValue)).schema(
            "When; not_worse: unless the model ranks worse than where its training began.", nullable: true),
        ],
        "required": ["path"],
        "additionalProperties": false,
      ],
      "timeout": text(duration, "How long it may take: 4h, 90m, 1h30m.", ["4h", "30m"]),
    ]
    return [
      "type": "object",
      "properties": joined(own, resources),
      "additionalProperties": false,
      "oneOf": [["required": ["uses"]], ["required": ["cmd"]]],
      "allOf": .array(
        kinds.map { kind in
          [
            "if": ["required": ["uses"], "properties": ["uses": ["const": .string(kind.kind.name)]]],
            "then": ["$ref": .string("#/$defs/uses-\(kind.kind.name)")],
          ]
        } + [["if": ["required": ["cmd"]], "then": ["$ref": "#/$defs/command"]]]),
    ]
  }

  private func uses(_ kind: StageDescription) -> JSONValue {
    let required = kind.inputs.filter { !$0.isOptional }.map(\.name)
    var parameters = kind.parameters.map { JSONMember($0.name, $0.schema) }
    if kind.usesSeed {
      parameters.append(
        JSONMember("seed", ParameterType.int(0...Int.max).schema("For everything random in it; else defaults.seed.")))
    }
    let needed = kind.parameters.filter { $0.defaultValue == nil }.map(\.name)
    let inputs = kind.inputs.map { input in
      let one: JSONValue = ["$ref": "#/$defs/reference"]
      var schema: JSONValue =
        input.isList ? ["anyOf": [one, ["type": "array", "minItems": 1, "items": one]]] : one
      schema["description"] = .string(
        "\(input.documentation) (\(input.accepts.map(\.rawValue).joined(last: "or")))")
      return JSONMember(input.name, schema)
    }
    return [
      "description": .string(kind.abstract),
      "required": .array((required.isEmpty ? [] : ["in"]) + (needed.isEmpty ? [] : ["with"])),
      "properties": .object(
        [
          JSONMember("in", closed(nil, .object(inputs), required: required, nullable: required.isEmpty)),
          JSONMember("with", closed(nil, .object(parameters), required: needed, nullable: needed.isEmpty)),
        ] + StageSpec.commandKeys.map { JSONMember($0, false) } + (kind.trains ? [trainingPrecision] : [])),
    ]
  }

  private var trainingPrecision: JSONMember {
    JSONMember(
      "precision",
      ParameterType.choice(Resources.trainingPrecisions).schema("Of a training's products.", nullable: true))
  }

  private var command: JSONValue {
    let names: JSONValue = ["pattern": identifier, "maxLength": 128]
    return [
      "properties": [
        "with": false,
        "in": [
          "type": ["object", "null"], "propertyNames": names, "additionalProperties": ["$ref": "#/$defs/reference"],
        ],
        "out": [
          "type": ["object", "null"], "propertyNames": names,
          "additionalProperties": [
            "description": "Where the command writes it, in its folder; a path, or {path, type}.",
            "type": ["string", "object", "null"], "pattern": relative,
            "properties": [
              "path": ["type": ["string", "null"], "pattern": relative, "description": "Default: the port's name."],
              "type": ParameterType.choice(ArtifactType.allCases.map(\.rawValue)).schema("What it is.", nullable: true),
            ],
            "additionalProperties": false,
          ],
        ],
      ]
    ]
  }

  private var retry: JSONValue {
    [
      "description":
        "Further attempts after a failure; {attempts, delay, max_delay}: the pause doubles up to max_delay.",
      "type": ["integer", "object", "string", "null"], "minimum": 0, "maximum": 100, "pattern": placeholder,
      "properties": [
        "attempts": ParameterType.int(0...100).schema("Further attempts."),
        "delay": text(duration, "Before the first one.", ["10s"]),
        "max_delay": text(duration, "The longest pause.", ["5m"]),
      ],
      "additionalProperties": false,
    ]
  }

  private var checkpoint: JSONValue {
    closed(
      "When a training saves its state.",
      [
        "every": [
          "description": "A time such as 10m, or a number of steps.", "type": ["string", "integer", "null"],
          "minimum": 1,
          "pattern": orPlaceholder(duration),
        ],
        "keep": ParameterType.int(1...1000).schema("How many of the latest to keep.", nullable: true),
      ], nullable: true)
  }

  /// As of GitHub Actions. - Parameter ofPaths: names are dotted paths of an experiment's pipeline.
  private func matrix(ofPaths: Bool) -> JSONValue {
    let combinations: JSONValue = ["type": "array", "items": ["type": ["object", "null"]]]
    let name: JSONValue = ofPaths ? path : identifier
    return [
      "description": .string(
        ofPaths
          ? "Values to try, by dotted path; every combination runs."
          : "Values to try, by name; every combination becomes a stage, ${matrix.NAME} its value."),
      "type": ["object", "null"],
      "properties": ["include": combinations, "exclude": combinations],
      "propertyNames": ["anyOf": [["enum": ["include", "exclude"]], ["pattern": name]]],
      "additionalProperties": ["type": "array", "minItems": 1],
    ]
  }
}
