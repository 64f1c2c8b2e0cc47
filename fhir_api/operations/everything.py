"""``$everything``: a patient's record, or every patient's. https://hl7.org/fhir/R4/patient-operation-everything.html

    start    date, 0..1       only care from then on (``search/care_dates.py``)
    end      date, 0..1       only care until then
    _since   instant, 0..1    only what was changed since
    _type    code, 0..*       only these types, of members and of what members of these types refer to
    _count   integer, 0..1    how many members a page holds

The members of the compartment come page by page as matches, each once; with each page comes what its members refer to
outside of any patient's compartment (practitioners, organizations, devices, …), and what that refers to, as includes.
"""

from __future__ import annotations

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.http import Request, Response, query_pairs
from fhir_api.interactions.patch import require_there
from fhir_api.operations.parameters import parameters_of
from fhir_api.search import care_dates
from fhir_api.search.criterion import invalid
from fhir_api.search.dates import interval_us
from fhir_api.search.grammar import Pairs
from fhir_api.search.include import Include
from fhir_api.search.links import PAGE
from fhir_api.search.presentation import Presentation, Total
from fhir_api.search.scope import Scope, members, types_in
from fhir_api.search.searching import Search, answer, followed
from fhir_api.search.subset import read_subset
from fhir_api.visibility import seen, visible
from store.query import NOTHING_MEETS, Compare, Condition, Query, UpdatedIs, restricted

PAGE_SIZE = 200
"""Members on a page where ``_count`` is not given: whoever does not follow pages should have most records whole."""

PARAMETERS = {
    "start": ("valueDate", "valueDateTime"),
    "end": ("valueDate", "valueDateTime"),
    "_since": ("valueInstant", "valueDateTime"),
    "_type": ("valueCode", "valueString"),
    "_count": ("valueInteger", "valuePositiveInt", "valueUnsignedInt"),
}
SHAPES = ("_summary", "_elements")
REFERRED_TO = Include(None, (), None, reverse=False, iterate=True)


async def everything(api: Api, request: Request) -> Response:
    """200 with a searchset.

    Raises:
        FhirError: there is no such patient (404, 410), or a parameter cannot be understood.
    """
    compartment, *rest = request.path[:-1]
    id = rest[0] if rest else None
    if id is not None:
        await _require_visible(api, request, compartment, id)
    else:
        decide(request.caller, Interaction.SEARCH, compartment)
    place = "/".join(request.path)
    token, pairs, after = followed(api, place, _pairs(api, request))
    said = dict(pairs)
    asked_types = frozenset(
        type for name, value in pairs if name == "_type" for type in value.split(",")
    )
    if not asked_types <= RESOURCE_TYPES:
        raise invalid("_type", "it names resource types, with commas between")
    types = [
        type
        for type in Scope(place, types_in(compartment), typed=False).chosen([], request.caller)
        if not asked_types or type in asked_types
    ]

    def sees(type: str) -> tuple[Condition, ...]:
        return visible(api, request.caller, type)

    def sees_beside(type: str) -> tuple[Condition, ...]:
        inside = type in types_in(compartment)
        unwanted = bool(asked_types) and type not in asked_types
        return NOTHING_MEETS if inside or unwanted else sees(type)

    most = min(_count(said.get("_count", str(PAGE_SIZE))), api.options.page_limit)
    queries = tuple(
        Query(
            type,
            restricted(
                type, (members(compartment, id, type), *_cut(type, compartment, said)), sees
            ),
            after=after,
            limit=most,
        )
        for type in types
    )
    presentation = Presentation(
        count=most,
        sort=(),
        subset=read_subset({name: said[name] for name in SHAPES if name in said}),
        total=Total.NONE,
        includes=(REFERRED_TO,),
        used=[],
        ignored=(),
    )
    search = Search(place, queries, presentation, after, token, used=pairs, ignored=())
    return await answer(api, search, request, sees_beside)


async def _require_visible(api: Api, request: Request, type: str, id: str) -> None:
    require_there(await seen(api, request.caller, await api.store.read(type, id)), type)


def _pairs(api: Api, request: Request) -> Pairs:
    """The parameters of URL and body as a link holds them."""
    given = parameters_of(api, request, frozenset(PARAMETERS) | {PAGE})
    pairs: Pairs = [
        (name, str(one.text if one.text is not None else one.value(*kinds)))
        for name, kinds in PARAMETERS.items()
        for one in (given.all(name) if name == "_type" else filter(None, [given.one(name)]))
    ]
    pairs += [(PAGE, str(one.text)) for one in given.all(PAGE)]
    return pairs + [pair for pair in query_pairs(request.query) if pair[0] in SHAPES]


def _cut(type: str, compartment: str, said: dict[str, str]) -> list[Condition]:
    """What ``start``, ``end`` and ``_since`` ask of a ``type``."""
    start, end = (
        _interval(name, said[name]) if name in said else None for name in ("start", "end")
    )
    cut: list[Condition] = []
    if type != compartment:
        cut += care_dates.within(type, start and start[0], end and end[1])
    if "_since" in said:
        cut.append(UpdatedIs(Compare.GE, *_interval("_since", said["_since"])))
    return cut


def _interval(name: str, text: str) -> tuple[int, int]:
    try:
        return interval_us(text)
    except ValueError as error:
        raise invalid(name, "it is a date, or a date with a time") from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:18])):
        raise invalid("_count", "it is a number of resources, 1 or more")
    return int(text[:18])
