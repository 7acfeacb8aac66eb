"""Packs what Kubernetes says of its own kinds into the table that `engine::schema` reads.

    schema.py FOLDER-OF-THE-MODULE-k8s.io/kubernetes OUTPUT

Types, defaults and keys of lists are in the published OpenAPI documents (v3). The values that a field may have are not: they
are only in the definitions generated for the API server, a Go file in a very regular form, so that is read as text.
The same input gives the same bytes. `engine/src/schema/table.rs` describes the layout; both change together.
"""

import json
import re
import struct
import sys
from pathlib import Path

VERSION = 1
NONE = 0xFFFF
# One byte a shape. Scalars first; the engine has the same list.
TAGS = [
    "any", "boolean", "int32", "int64", "number", "string", "bytes", "time", "micro-time",
    "quantity", "int-or-string", "object", "map", "list",
]
LIST_TYPES = {"atomic": 0, "set": 1, "map": 2}
# Not stored, and never the object of a review that can be edited.
NO_KINDS = {"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIResourceList", "APIVersions", "APIGroupList"}
# These decode themselves, whatever their definition says.
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}
# A default that says no more than that the field is absent.
ZERO = ("", 0, False, {})


def definitions(module):
    found = {}
    for path in sorted((module / "api/openapi-spec/v3").glob("*.json")):
        schemas = json.loads(path.read_text()).get("components", {}).get("schemas", {})
        for name, schema in schemas.items():
            found.setdefault(name, schema)
    return found


def enums(module):
    """(tail of the definition's name, property) -> values"""
    found, owner, member = {}, None, None
    for line in (module / "pkg/generated/openapi/zz_generated.openapi.go").open():
        if function := re.match(r"func schema_(\w+)\(", line):
            owner = function[1]
        elif key := re.match(r'\t{5}"([^"]+)": \{$', line):
            member = key[1]
        elif values := re.match(r"\t+Enum:\s+\[\]interface\{\}\{(.*)\},$", line):
            # An empty value is one that is absent.
            found[owner, member] = sorted(value for value in json.loads(f"[{values[1]}]") if value)
    if len(found) < 100:
        sys.exit(f"error: only {len(found)} fields with listed values: the form of the generated definitions has changed")
    return found


class Packer:
    def __init__(self, schemas, values):
        self.schemas = schemas
        self.values = {}
        functions = {}
        for (owner, member), listed in values.items():
            functions.setdefault(owner, {})[member] = listed
        for name in schemas:
            tail = "_".join(name.split(".")[-3:])
            matching = [owner for owner in functions if owner == tail or owner.endswith("_" + tail)]
            if len(matching) > 1:
                sys.exit(f"error: {name} could be any of {matching}")
            for owner in matching:
                self.values[name] = functions[owner]
        self.types = {}
        self.queue = []
        self.shapes = {}
        self.lists = {}
        self.list_rows = []
        self.strings = set()
        self.used = 0

    # First pass: which types, which strings. Second pass: bytes.

    def kinds(self):
        for name in sorted(self.schemas):
            for kind in self.schemas[name].get("x-kubernetes-group-version-kind", []):
                is_alpha = "alpha" in kind["version"]
                is_list = "metadata" in self.schemas[name].get("properties", {}) and kind["kind"].endswith("List")
                if not (is_alpha or is_list or kind["kind"] in NO_KINDS):
                    yield kind["group"], kind["version"], kind["kind"], name

    def reach(self, name):
        if name in self.types:
            return
        self.types[name] = None
        for schema in self.schemas[name].get("properties", {}).values():
            self.reach_schema(schema)

    def reach_schema(self, schema):
        if (target := reference(schema)) and not self.scalar(target):
            self.reach(target)
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                self.reach_schema(schema[inner])

    def scalar(self, name):
        if name in SPECIAL:
            return SPECIAL[name]
        schema = self.schemas[name]
        if "properties" in schema or schema.get("type") == "object":
            return None
        return scalar_of(schema)

    def pack(self):
        kinds = sorted(self.kinds())
        for _, _, _, name in kinds:
            self.reach(name)
        names = sorted(self.types)
        self.types = {name: index for index, name in enumerate(names)}
        fields = {name: self.fields(name) for name in names}
        for group, version, kind, name in kinds:
            self.strings.update((group, version, kind))
        for name in names:
            self.strings.add(name.rsplit(".", 1)[1])
            for field, _, texts, _ in fields[name]:
                self.strings.update((field, *texts))
        ordered = sorted(self.strings, key=lambda text: text.encode())
        index = {text: at for at, text in enumerate(ordered)}

        texts, ends = b"", [0]
        for text in ordered:
            texts += text.encode()
            ends.append(len(texts))
        rows, starts = b"", [0]
        for name in names:
            for field, shape, _, required in fields[name]:
                rows += struct.pack("<HH", index[field], self.shape(shape, index) | (0x8000 if required else 0))
            starts.append(len(rows) // 4)
        shapes = b"".join(self.shapes)
        lists = b"".join(struct.pack("<H", value) for value in self.list_rows)
        tables = [
            b"".join(struct.pack("<H", end) for end in ends),
            texts,
            b"".join(
                struct.pack("<HHHH", index[group], index[version], index[kind], self.types[name])
                for group, version, kind, name in kinds
            ),
            b"".join(
                struct.pack("<HH", index[name.rsplit(".", 1)[1]], start) for name, start in zip(names, starts)
            ) + struct.pack("<HH", 0, starts[-1]),
            rows,
            shapes,
            lists,
        ]
        if max(len(texts), len(rows) // 4, len(self.list_rows), len(self.shapes)) >= 0x8000 * 2:
            sys.exit("error: a table is too large for 16 bits")
        header, at = b"KSCH" + struct.pack("<HH", VERSION, len(tables)), 8 + 4 * (len(tables) + 1)
        for table in tables:
            header += struct.pack("<I", at)
            at += len(table)
        header += struct.pack("<I", at)
        summary = f"{len(kinds)} kinds, {len(names)} types, {len(rows) // 4} fields, {len(self.shapes)} shapes, {len(ordered)} texts"
        return header + b"".join(tables), summary

    def fields(self, name):
        schema = self.schemas[name]
        required = set(schema.get("required", []))
        out = []
        for field, inner in sorted(schema.get("properties", {}).items(), key=lambda pair: pair[0].encode()):
            listed = self.values.get(name, {}).get(field, [])
            self.used += bool(listed)
            shape = self.describe(inner, listed)
            out.append((field, shape, self.texts_of(shape), field in required))
        return out

    def describe(self, schema, listed=()):
        """(tag, list type, of, listed values or keys, merge key, default)"""
        default = schema.get("default")
        # `False == 0`: compared with their types.
        is_zero = default is None or any(default == zero and type(default) is type(zero) for zero in ZERO)
        default = None if is_zero else json.dumps(default, sort_keys=True, separators=(",", ":"))
        target = reference(schema)
        if target and (scalar := self.scalar(target)):
            return scalar, 0, None, tuple(listed), None, default
        if target:
            return "object", 0, self.types[target], (), None, default
        kind = schema.get("type")
        if kind == "array":
            return (
                "list", LIST_TYPES[schema.get("x-kubernetes-list-type", "atomic")],
                self.describe(schema["items"], listed), tuple(schema.get("x-kubernetes-list-map-keys", [])),
                schema.get("x-kubernetes-patch-merge-key"), default,
            )
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return "map", 0, self.describe(schema["additionalProperties"], listed), (), None, default
        if kind == "object":
            return "any", 0, None, (), None, default
        return scalar_of(schema), 0, None, tuple(listed), None, default

    def texts_of(self, shape):
        _, _, of, values, merge_key, default = shape
        inner = self.texts_of(of) if isinstance(of, tuple) else []
        return [*inner, *values, *([merge_key] if merge_key else []), *([default] if default else [])]

    def shape(self, shape, index):
        tag, list_type, of, values, merge_key, default = shape
        of = self.shape(of, index) if isinstance(of, tuple) else NONE if of is None else of
        packed = struct.pack(
            "<BBHHHH", TAGS.index(tag), list_type, of, self.row([index[value] for value in values]),
            index[merge_key] if merge_key else NONE, index[default] if default else NONE,
        )
        return self.shapes.setdefault(packed, len(self.shapes))

    def row(self, values):
        if not values:
            return NONE
        key = tuple(values)
        if key not in self.lists:
            self.lists[key] = len(self.list_rows)
            self.list_rows += [len(values), *values]
        return self.lists[key]


def reference(schema):
    target = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", []) if "$ref" in part), None)
    return target and target.rsplit("/", 1)[1]


def scalar_of(schema):
    match schema.get("type"), schema.get("format"):
        case "boolean", _:
            return "boolean"
        case "integer", "int32":
            return "int32"
        case "integer", _:
            return "int64"
        case "number", _:
            return "number"
        case "string", "byte":
            return "bytes"
        case "string", "date-time":
            return "time"
        case "string", _:
            return "string"
        case _:
            return "any"


def main():
    module, output = Path(sys.argv[1]), Path(sys.argv[2])
    packer = Packer(definitions(module), enums(module))
    data, summary = packer.pack()
    output.write_bytes(data)
    print(f"{output}: {len(data)} bytes, {summary}, {packer.used} fields with listed values", file=sys.stderr)


main()
