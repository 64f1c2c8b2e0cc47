"""One function decides who may do what."""

import pytest

from fhir_api.access import BUNDLES, READS, Caller, Forbidden, Interaction, decide
from tests.fhir_api.client import OPERATOR, WORKER

EVERYTHING = list(Interaction)


@pytest.mark.parametrize("interaction", EVERYTHING)
def test_an_operator_may_do_everything_but_a_workers_work(interaction: Interaction) -> None:
    if interaction is Interaction.WORK:
        with pytest.raises(Forbidden):
            decide(OPERATOR, interaction, "Task")
    else:
        decide(OPERATOR, interaction, "Patient")


@pytest.mark.parametrize("interaction", EVERYTHING)
def test_without_a_role_nothing_is_allowed(interaction: Interaction) -> None:
    for caller in (Caller("x", frozenset()), Caller("x", frozenset({"Operator", "admin"}))):
        with pytest.raises(Forbidden) as refused:
            decide(caller, interaction, "Patient")
        assert refused.value.status == 403


@pytest.mark.parametrize("interaction", EVERYTHING)
def test_a_worker_reads_all_and_writes_only_what_an_analysis_leaves(
    interaction: Interaction,
) -> None:
    if interaction in READS | BUNDLES | {Interaction.WORK}:
        decide(WORKER, interaction, "Patient")
    else:
        with pytest.raises(Forbidden):
            decide(WORKER, interaction, "Patient")
    if interaction in {Interaction.CREATE, Interaction.UPDATE}:
        for type in ("Observation", "DiagnosticReport", "Task", "Device", "Organization"):
            decide(WORKER, interaction, type)
    if interaction is Interaction.DELETE:
        with pytest.raises(Forbidden):
            decide(WORKER, interaction, "Task")
