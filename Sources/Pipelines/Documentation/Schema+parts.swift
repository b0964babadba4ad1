/// What schemas of a pipeline's parts are put together from.
import JSONText

extension PipelineSchema {
  var placeholder: JSONValue { .string(ParameterType.placeholder) }
  var identifier: JSONValue { "^[A-Za-z_][A-Za-z0-9_-]*$" }
  var path: JSONValue { #"^(name|(params|defaults|stages)(\.[^.]+)+)$"# }
  var relative: JSONValue { #"^(?!\.{0,2}(/|$))(?!.*/(\.{0,2})(/|$)).+$"# }
  var variable: String { "[A-Za-z_][A-Za-z0-9_]*" }
  var duration: String { "(?=[0-9])([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?" }

  var reference: JSONValue {
    [
      "type": "string", "minLength": 1,
      "pattern": #"^(?!hf://)|^hf://[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(@[A-Za-z0-9._/-]+)?$|\$\{"#,
    ]
  }

  func orPlaceholder(_ pattern: String) -> JSONValue {
    .string("^(\(pattern))$|\(ParameterType.placeholder)")
  }

  /// The members of two objects, one after the other.
  func joined(_ first: JSONValue, _ second: JSONValue) -> JSONValue {
    .object((first.members ?? []) + (second.members ?? []))
  }

  func text(_ pattern: String, _ description: String, _ examples: [JSONValue]) -> JSONValue {
    [
      "type": ["string", "null"], "description": .string(description), "examples": .array(examples),
      "pattern": orPlaceholder(pattern),
    ]
  }

  func words(_ description: String, _ pattern: String) -> JSONValue {
    [
      "type": ["array", "string", "null"], "description": .string(description), "pattern": placeholder,
      "items": ["type": "string", "pattern": orPlaceholder(pattern)],
    ]
  }

  /// An object with these properties and no others.
  func closed(
    _ description: String?, _ properties: JSONValue, required: [String] = [], nullable: Bool = false
  ) -> JSONValue {
    var schema: JSONValue = ["type": nullable ? ["object", "null"] : "object"]
    schema["description"] = description.map { .string($0) }
    schema["properties"] = properties
    if !required.isEmpty { schema["required"] = .array(required.map { .string($0) }) }
    schema["additionalProperties"] = false
    return schema
  }
}
