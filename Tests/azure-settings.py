#!/usr/bin/python3
"""The schema of the VM extension's settings: the examples are judged rightly, by the handler too where its path is given,
and what docs/openapi.yaml says of the same fields is said there. Needs Debian's python3-jsonschema and python3-yaml."""
import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SETTINGS_WRONG = 53
# What both documents say in the same words of JSON Schema. OpenAPI 3.0 says nullable where JSON Schema has a type.
SHARED = ["default", "minimum", "maximum", "minItems", "maxLength", "pattern", "additionalProperties"]


def load(path):
    return json.loads(path.read_text())


def resolve(node, document):
    """The node, with what it refers to in its place."""
    if "$ref" not in node:
        return node
    target = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def differences(place, theirs, ours, openapi, schema):
    """A line for each thing that the OpenAPI document says and the schema does not; the schema may say more."""
    theirs, ours = resolve(theirs, openapi), resolve(ours, schema)
    expected = {theirs["type"], "null"} if theirs.get("nullable") else {theirs["type"]}
    found = set(ours["type"] if isinstance(ours["type"], list) else [ours["type"]])
    if expected != found:
        yield f"{place}: the type is {sorted(found)}, not {sorted(expected)}"
    for key in SHARED:
        if key in theirs and theirs[key] != ours.get(key):
            yield f"{place}: {key} is {ours.get(key)!r}, not {theirs[key]!r}"
    if "enum" in theirs and set(theirs["enum"]) != set(ours.get("enum", [])):
        yield f"{place}: enum is {ours.get('enum')}, not {theirs['enum']}"
    if set(theirs.get("required", [])) != set(ours.get("required", [])):
        yield f"{place}: {ours.get('required')} are required, not {theirs.get('required')}"
    fields, own = theirs.get("properties", {}), ours.get("properties", {})
    for name in sorted(fields.keys() ^ own.keys()):
        yield f"{place}.{name}: is in {'docs/openapi.yaml' if name in fields else 'the schema'} alone"
    for name in fields.keys() & own.keys():
        yield from differences(f"{place}.{name}", fields[name], own[name], openapi, schema)
    if "items" in theirs:
        yield from differences(f"{place}[]", theirs["items"], ours["items"], openapi, schema)


def undescribed(place, node):
    """A property that neither says what it is nor refers to what does."""
    for name, field in node.get("properties", {}).items():
        if "description" not in field and not field.get("$ref"):
            yield f"{place}.{name}: has no description"


def verdict(validator, settings):
    """Where an example is wrong by the schema, and what; or None."""
    error = jsonschema.exceptions.best_match(validator.iter_errors(settings))
    # Which of a list's entries it is, the agent does not tell of its own flags.
    return error and (re.sub(r"\[\d+\]$", "", error.json_path.removeprefix("$")), error.message)


def handler_fault(handler, file, wrong):
    """How the handler, `handler check FILE`, judges otherwise, if it does: what is wrong is to be at the same place."""
    run = subprocess.run([handler, "check", file], capture_output=True, text=True, timeout=30)
    said = (run.stdout + run.stderr).strip()
    if run.returncode != (SETTINGS_WRONG if wrong else 0):
        return f"the handler ends with {run.returncode}: {said}"
    if wrong and f"publicSettings{wrong[0]}" not in said:
        return f"the handler does not name publicSettings{wrong[0]}: {said}"
    return None


def main():
    if len(sys.argv) > 2:
        sys.exit("usage: Tests/azure-settings.py [HANDLER]")
    handler = sys.argv[1] if len(sys.argv) == 2 else None
    schema = load(REPOSITORY / "packaging/azure/settings.schema.json")
    openapi = yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    # The settings are that form whole, or nothing of it; and they have api.
    config = openapi["components"]["schemas"]["Config"]
    form = {**schema, "required": schema["dependentRequired"]["mode"],
            "properties": {name: field for name, field in schema["properties"].items() if name != "api"}}
    faults = list(differences("settings", config, form, openapi, schema))
    for place, node in [("settings", schema), *schema["$defs"].items()]:
        faults += undescribed(place, node)
    counts = {}
    for kind in ["good", "bad"]:
        files = sorted((REPOSITORY / "Tests/AzureSettings" / kind).glob("*.json"))
        counts[kind] = len(files)
        for file in files:
            wrong = verdict(validator, load(file))
            if bool(wrong) != (kind == "bad"):
                faults.append(f"{kind}/{file.name}: the schema finds {wrong or 'nothing wrong'}")
            elif handler and (fault := handler_fault(handler, file, wrong)):
                faults.append(f"{kind}/{file.name}: {fault}")
    if not all(counts.values()):
        faults.append("Tests/AzureSettings has no examples")
    for fault in faults:
        print(fault)
    judges = "the schema and the handler" if handler else "the schema"
    print(f"{counts['good']} good and {counts['bad']} bad examples, judged by {judges}; {len(faults)} faults")
    return bool(faults)


sys.exit(main())
