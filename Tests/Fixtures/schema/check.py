"""Prints, as a JSON object, what a JSON Schema finds wrong in each of some YAML files.

    python3 check.py SCHEMA FILE…

Needs the Debian packages python3-jsonschema and python3-yaml. PyYAML follows YAML 1.1, in which `on` is true and `1e-3`
a text; the resolvers below are those of YAML 1.2's core schema, which Retort and editors follow.
"""

import json
import re
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


for tag, pattern, first in [
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("merge", r"^<<$", ["<"]),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
CoreLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value, 10))

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
found = {}
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        document = yaml.load(file, CoreLoader)
    found[name] = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]
print(json.dumps(found, ensure_ascii=False, indent=1))
