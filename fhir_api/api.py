"""Everything the handlers need, passed to them as one argument."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.journal import Journal
from fhir_api.conformance.search_parameters import StoredSearchParameters
from fhir_api.conformance.watcher import Watcher
from fhir_api.validation import Validator
from store.interface import Store


def utc_now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Limits and names of one deployment; ``healthvision.settings`` fills them."""

    base_url: str = ""
    """The public base, without a trailing slash; '': what the client called us."""
    auth_url: str = ""
    """Where apps get their tokens (https://…/auth); '': nowhere, they come from the operator."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Of a JSON body, after decompression. A raw Binary has its own limit."""
    max_binary_bytes: int = 8 * 1024**3
    max_depth: int = 64
    """How deep JSON may be nested: at most 250, which is what the JSON writer can do."""
    max_url_bytes: int = 16 * 1024
    max_parameters: int = 1000
    """Of a URL's query, and of a form."""
    max_bundle_entries: int = 10_000
    page_size: int = 20
    """``_count`` where the client names none."""
    page_limit: int = 1000
    """The most that ``_count`` may ask for."""
    include_limit: int = 1000
    """The most that ``_include`` and ``_revinclude`` add to a page."""
    search_limit_s: float = 10.0
    """How long a search may take, with its totals and includes."""
    chain_limit: int = 4
    """How many references one search parameter may lead over, by chains and ``_has`` together."""
    cursor_key: bytes = field(default_factory=lambda: secrets.token_bytes(64), repr=False)
    """Seals page links: 64 bytes, the same in all processes and over restarts."""
    pack_from_bytes: int = 1024
    """Answers from this size are compressed for clients that take brotli or gzip."""
    stream_from_bytes: int = 1024 * 1024
    """A Binary from this size is streamed, not held in memory."""
    require_if_match: bool = False
    """Whether what is there is changed by its id only with If-Match, but for workers' own results."""
    delete_multiple: bool = False
    """Whether a conditional delete takes all its matches where it does not say how many may go."""
    commit_attempts: int = 20
    """How often a write is decided again when somebody else's came first."""
    software_name: str = "HealthVision"
    references_must_exist: bool = False
    """Whether what a resource refers to on this server has to be there when a client writes it."""
    lease_s: float = 30.0
    """How long a claimed Task stays its worker's without a heartbeat, where the worker does not say."""
    attempt_limit: int = 5
    """Attempts at a Task before it ends ``failed``; at a job before it is lost."""
    job_keep_s: float = 24 * 3600.0
    """How long the answer of a job can be fetched (``Prefer: respond-async``)."""


@dataclass(frozen=True, slots=True)
class Api:
    """One deployment's FHIR API."""

    store: Store
    validator: Validator
    options: ApiOptions = field(default_factory=ApiOptions)
    clock: Callable[[], int] = utc_now_us
    """Microseconds since 1970."""
    watcher: Watcher | None = None
    """Is told of every commit. None: nobody wants to know of stored definitions."""
    search_parameters: StoredSearchParameters = field(default_factory=StoredSearchParameters)
    journal: Journal | None = None
    """Where accesses are written down for the audit. None: nothing is audited."""
    audit: Api | None = None
    """The same over the store of AuditEvents, where they are kept apart."""
