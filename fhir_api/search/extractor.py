"""Compiles the search parameters of a resource type into one Python function.

The function visits each element that some parameter reads once, and calls for each value the functions of
``index_values`` and ``index_references`` with all parameters that index it. It looks like this:

    def extract(v, add, base_url):
        x1 = v.get('identifier')
        if type(x1) is list:
            for x1 in x1:
                if type(x1) is dict:
                    identifier_token(add, ('identifier',), x1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from fhir_api.definitions.code_sets import code_set, systems_of
from fhir_api.definitions.elements import is_primitive
from fhir_api.search import index_references, index_values
from fhir_api.search.expressions import WhereEquals
from fhir_api.search.index_values import Add, Json
from fhir_api.search.parameters import SearchParameter
from fhir_api.search.paths import Child, Node, Only, Part, tree_of

Extractor: TypeAlias = Callable[[Json, Add, str], None]

COLUMNS = frozenset({"_id", "_lastUpdated"})
"""Parameters that the store answers from a version's own columns."""

INDEXERS: dict[tuple[str, str], Callable[..., None]] = {
    ("date", "Period"): index_values.period,
    ("date", "Timing"): index_values.timing,
    ("date", "date"): index_values.moment,
    ("date", "dateTime"): index_values.moment,
    ("date", "instant"): index_values.moment,
    ("number", "Range"): index_values.number_range,
    ("number", "decimal"): index_values.number,
    ("number", "integer"): index_values.number,
    ("quantity", "Age"): index_values.quantity,
    ("quantity", "Duration"): index_values.quantity,
    ("quantity", "Money"): index_values.money,
    ("quantity", "Quantity"): index_values.quantity,
    ("quantity", "Range"): index_values.quantity_range,
    ("reference", "Reference"): index_references.reference,
    ("reference", "Resource"): index_references.inner_resource,
    ("reference", "canonical"): index_references.canonical,
    ("reference", "uri"): index_references.canonical,
    ("reference", "url"): index_references.canonical,
    ("string", "Address"): index_values.address,
    ("string", "HumanName"): index_values.human_name,
    ("string", "markdown"): index_values.string,
    ("string", "string"): index_values.string,
    ("token", "CodeableConcept"): index_values.concept_token,
    ("token", "Coding"): index_values.coding_token,
    ("token", "ContactPoint"): index_values.contact_point_token,
    ("token", "Identifier"): index_values.identifier_token,
    ("token", "boolean"): index_values.boolean_token,
    ("token", "code"): index_values.code_token,
    ("token", "id"): index_values.text_token,
    ("token", "string"): index_values.text_token,
    ("token", "uri"): index_values.text_token,
    ("uri", "canonical"): index_values.canonical_uri,
    ("uri", "uri"): index_values.uri,
    ("uri", "url"): index_values.uri,
}
"""(type of the parameter, type of the element) → what indexes it.

The other pairs that occur in R4 have no meaning in search: a date parameter on an Age, a Range or a string, a quantity
on SampledData, a reference on an Attachment.
"""

_PYTHON_TYPES = {
    "boolean": "type({0}) is bool",
    "decimal": "type({0}) is int or type({0}) is float",
    "integer": "type({0}) is int",
    "positiveInt": "type({0}) is int",
    "unsignedInt": "type({0}) is int",
}


def compile_extractor(type_: str, parameters: Iterable[SearchParameter]) -> Extractor:
    """The function that appends the entries of a resource of ``type_`` under the parameters with ``add``."""
    indexed = [p for p in parameters if p.code not in COLUMNS and not p.united]
    return _Compiler().function(type_, tree_of(type_, indexed))


class _Compiler:
    def __init__(self) -> None:
        self._lines: list[str] = ["def extract(v, add, base_url):", "    pass"]
        self._names: dict[str, Any] = {}
        self._variables = 0

    def function(self, type_: str, root: Node) -> Extractor:
        self._element(root, "v", 1)
        code = compile("\n".join(self._lines), f"<search entries of {type_}>", "exec")
        exec(code, self._names)  # noqa: S102 - generated from the definitions alone
        extract: Extractor = self._names["extract"]
        return extract

    def _element(self, node: Node, variable: str, depth: int) -> None:
        for (indexer, extra), params in self._calls(node).items():
            name = self._named(indexer)
            self._line(depth, f"{name}(add, {tuple(params)!r}, {variable}{extra})")
        for param, members in node.presence:
            found = " or ".join(f"{variable}.get({m!r}, False) is not False" for m in members)
            name = self._named(index_values.boolean_token)
            self._line(depth, f"{name}(add, {(param,)!r}, {found})")
        for param, parts in node.composites.items():
            self._composite(param, parts, variable, depth)
        for way, child in node.children.items():
            if isinstance(way, Child):
                self._child(way, child, variable, depth)
            else:
                self._only(way, child, variable, depth)

    def _composite(self, param: str, parts: tuple[Part, ...], variable: str, depth: int) -> None:
        sources = []
        for part in parts:
            name = f"part{len(self._names)}"
            self._names[name] = _Compiler().function(part.root.type, part.root)
            sources.append(f"({name}, {'v' if part.of_resource else variable})")
        name = self._named(index_values.composite)
        self._line(depth, f"{name}(add, {param!r}, ({', '.join(sources)}), base_url)")

    def _calls(self, node: Node) -> dict[tuple[Callable[..., None], str], list[Any]]:
        """(indexer, further arguments as source) → parameters: those that treat the element alike share a call."""
        calls: dict[tuple[Callable[..., None], str], list[Any]] = {}
        for use in node.uses:
            indexer = INDEXERS.get((use.param_type, node.type))
            if indexer is None:
                continue
            param: Any = use.param
            extra = ""
            if use.param_type == "reference":
                param, extra = (use.param, use.target_type), ", base_url"
            elif indexer is index_values.code_token:
                extra = self._systems(node.codes)
            calls.setdefault((indexer, extra), []).append(param)
        return calls

    def _systems(self, codes: str | None) -> str:
        if codes is None:
            return ", {}, None"
        name = f"systems{len(self._names)}"
        self._names[name] = systems_of(codes)
        return f", {name}, {code_set(codes).system!r}"

    def _child(self, way: Child, child: Node, parent: str, depth: int) -> None:
        if not _indexed(child):
            return
        self._variables += 1
        variable = f"x{self._variables}"
        self._line(depth, f"{variable} = {parent}.get({way.name!r})")
        if way.repeats:
            index = "" if way.index is None else f"[{way.index}:{way.index + 1}]"
            self._line(depth, f"if type({variable}) is list:")
            self._line(depth + 1, f"for {variable} in {variable}{index}:")
            depth += 2
        self._line(depth, f"if {_python_type(child.type, variable)}:")
        self._element(child, variable, depth + 1)

    def _only(self, way: Only, child: Node, variable: str, depth: int) -> None:
        if isinstance(way.condition, WhereEquals):
            member, value = way.condition.member, way.condition.value
            self._line(depth, f"if {variable}.get({member!r}) == {value!r}:")
        else:
            name = self._named(_has_extension)
            self._line(depth, f"if {name}({variable}, {way.condition.url!r}):")
        self._element(child, variable, depth + 1)

    def _named(self, function: Callable[..., object]) -> str:
        self._names[function.__name__] = function
        return function.__name__

    def _line(self, depth: int, text: str) -> None:
        self._lines.append("    " * depth + text)


def is_indexed(type_: str, parameter: SearchParameter) -> bool:
    """Whether the parameter finds anything that it can index in a resource of ``type_``.

    Raises:
        UnsupportedExpression: it cannot be compiled.
    """
    return _indexed(tree_of(type_, (parameter,)))


def _indexed(node: Node) -> bool:
    return (
        any((use.param_type, node.type) in INDEXERS for use in node.uses)
        or bool(node.presence or node.composites)
        or any(_indexed(child) for child in node.children.values())
    )


def _python_type(type_: str, variable: str) -> str:
    default = "type({0}) is str" if is_primitive(type_) else "type({0}) is dict"
    return _PYTHON_TYPES.get(type_, default).format(variable)


def _has_extension(value: Json, url: str) -> bool:
    extensions = value.get("extension")
    return type(extensions) is list and any(
        type(extension) is dict and extension.get("url") == url for extension in extensions
    )
