"""What this process validates by: R4's own definitions, those of loaded guides, and those that are stored."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_api.conformance.library import Definition, Library, read_definition
from fhir_api.conformance.packages import Package
from fhir_api.validation import Validator
from fhir_api.validation.profiles import Profiles
from store.interface import Version


class Conformance:
    """Keeps a validator's profiles up to date with what is loaded and stored."""

    def __init__(self, validator: Validator, guides: Sequence[Package] = ()) -> None:
        self._validator = validator
        self._guides = [guide.definitions for guide in guides]
        self._stored: dict[tuple[str, str], Definition] = {}
        self._renew()

    def changed(self, versions: Sequence[Version]) -> None:
        """Takes in stored definitions: a listener for ``Watcher``."""
        for version in versions:
            self._stored.pop((version.type, version.id), None)
            if version.deleted:
                continue
            definition = read_definition(version.content)
            if definition is not None:
                self._stored[version.type, version.id] = definition
        if versions:
            self._renew()

    def _renew(self) -> None:
        library = Library([list(reversed(self._stored.values())), *self._guides])
        self._validator.use(Profiles(library.find, library.resource_profiles))
