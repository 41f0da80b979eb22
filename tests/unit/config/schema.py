#!/usr/bin/env python3
"""Holds etc/holdfast.schema.json against what the parser says of each file that the unit tests give it.

schema.py UNIT_CONFIG SOURCE: what the parser takes, the schema takes; what it refuses, the schema refuses, but for what
a schema can't know. Exits 77 where a module is missing (python3-jsonschema, python3-yaml).
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

# What only the program finds, by its words.
BEYOND_A_SCHEMA = [
    "YAML syntax", "not UTF-8 text", "larger than 256 KiB", "a second document", "anchors (", "aliases (", "tags (",
    "nested too deeply", "a key has to be a plain word", "a key is empty", "given twice", "merge keys",
    "holds no tunnel",                                      # it may be in conf.d
    "required key",                                         # it may be in `defaults`, or in another file
    "collides with", "is in the list twice", "contradicts", "is shorter than 'first'", "'port' is given too",
    "a default's port", "never comes true", "nothing to save", "an acknowledgement can be lost",
    "lives on TCP's keepalives", "a socket of holdfast's own",
    "does not exist", "is not a regular file", "can't be read by this user", "can be read by others",
    "CREDENTIALS_DIRECTORY is not set", "is longer than", "looks like the key itself",
    "is not a port from",                                   # within a text
    "too long; at most", "too short; at least", "too small; at least", "too large",   # with a unit
    "'22.0' is not a number", "'0x16' is not a number",     # to JSON it is one
    "is not an IPv6 address", "is not a numeric address of this device", "an interface's name has",
]

# As YAML 1.2 reads plain words (its core schema), and with it the language server of editors.
CORE = [
    (re.compile(r"^(~|null|Null|NULL|)$"), lambda text: None),
    (re.compile(r"^(true|True|TRUE)$"), lambda text: True),
    (re.compile(r"^(false|False|FALSE)$"), lambda text: False),
    (re.compile(r"^[-+]?[0-9]+$"), int),
    (re.compile(r"^0o[0-7]+$"), lambda text: int(text[2:], 8)),
    (re.compile(r"^0x[0-9a-fA-F]+$"), lambda text: int(text[2:], 16)),
    (re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), float),
]


def as_json(node):
    if isinstance(node, yaml.MappingNode):
        return {key.value: as_json(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [as_json(item) for item in node.value]
    if node.style is None:
        for pattern, read in CORE:
            if pattern.match(node.value):
                return read(node.value)
    return node.value


def read(text):
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return None if node is None else as_json(node)


def uncommented(text):
    """Prose has a blank behind its '#', an option has none."""
    return re.sub(r"^( *)#(?=[^ \n])", r"\1", text, flags=re.M)


def main(unit_config, source):
    with open(f"{source}/etc/holdfast.schema.json") as file:
        schema = json.load(file)
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    wrong, taken, refused = [], 0, 0

    def complaint(document):
        error = jsonschema.exceptions.best_match(validator.iter_errors(document))
        return error and f"{'.'.join(map(str, error.absolute_path))}: {error.message}"

    with open(f"{source}/etc/holdfast.yaml") as file:
        shipped = file.read()
    for text in (shipped, uncommented(shipped)):
        if said := complaint(read(text)):
            wrong.append(f"the schema refuses etc/holdfast.yaml: {said}")

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([unit_config], env={**os.environ, "HOLDFAST_EXAMPLES": folder}, check=False,
                       stdout=subprocess.DEVNULL)
        for path in glob.glob(f"{folder}/*.yaml"):
            with open(path, "rb") as file:
                text = file.read()
            with open(path[:-5] + ".problems", errors="replace") as file:
                problems = file.read().splitlines()
            known = [p for p in problems if not any(words in p for words in BEYOND_A_SCHEMA)]
            if problems and not known:
                continue
            said = complaint(read(text.decode()))
            if problems:
                refused += 1
                if not said:
                    wrong.append(f"the schema takes what the parser refuses: {known}\n{text.decode()}")
            else:
                taken += 1
                if said:
                    wrong.append(f"the schema refuses what the parser takes: {said}\n{text.decode()}")
    print("\n".join(wrong))
    print(f"{taken} good files and {refused} broken ones, {len(wrong)} judged otherwise by the schema")
    return 1 if wrong or taken < 100 or refused < 100 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
