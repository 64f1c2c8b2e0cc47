"""What every engine promises; the same tests run against each (docs/architecture.md, decision 5)."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from inference.engines import (
    Engine,
    EngineName,
    WeightsUnreadable,
    WrongInput,
    choose_engine,
    default_threads,
)
from tests.inference.engines.graphs import SIDE, random_batch, small_graph


@pytest.fixture(params=list(EngineName))
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param is EngineName.TORCH and not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed (extra: gpu)")
    return choose_engine(small_graph(), engine=request.param, threads=1)


def test_an_engine_says_what_it_takes(engine: Engine) -> None:
    shape = engine.input_shape
    assert (shape.channels, shape.rows, shape.columns) == (1, SIDE, SIDE)
    assert engine.name in set(EngineName)
    assert engine.device.startswith(("cpu", "cuda"))


@pytest.mark.parametrize("n", [1, 3, 8, 33])
def test_outputs_are_named_float32_and_one_for_each_item(engine: Engine, n: int) -> None:
    outputs = engine.run(random_batch(n))
    assert {name: values.shape for name, values in outputs.items()} == {
        "logit": (n,),
        "cam": (n, 4, 4),
        "distance": (n,),
    }
    assert all(values.dtype == np.float32 for values in outputs.values())


def test_an_item_answers_the_same_alone_and_in_a_batch(engine: Engine) -> None:
    batch = random_batch(5)
    together = engine.run(batch)
    for index in range(len(batch)):
        alone = engine.run(batch[index : index + 1])
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][index], atol=1e-3)


def test_outputs_of_one_run_are_not_overwritten_by_the_next(engine: Engine) -> None:
    first = engine.run(random_batch(2, seed=1))
    kept = {name: values.copy() for name, values in first.items()}
    engine.run(random_batch(2, seed=2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, kept[name])


def test_a_batch_that_is_not_contiguous_or_read_only_is_taken(engine: Engine) -> None:
    batch = random_batch(4)
    batch.flags.writeable = False
    outputs = engine.run(batch[::2])
    np.testing.assert_allclose(outputs["logit"], engine.run(batch)["logit"][::2], atol=1e-3)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((0, 1, SIDE, SIDE), dtype=np.float32),
        np.zeros((1, 3, SIDE, SIDE), dtype=np.float32),
        np.zeros((1, 1, SIDE, SIDE + 1), dtype=np.float32),
        np.zeros((1, 1, SIDE, SIDE), dtype=np.float64),
        np.zeros((1, SIDE, SIDE), dtype=np.float32),
    ],
    ids=["empty", "channels", "columns", "float64", "no batch axis"],
)
def test_what_does_not_fit_the_graph_is_wrong_input(engine: Engine, batch: np.ndarray) -> None:
    with pytest.raises(WrongInput):
        engine.run(batch)


@pytest.mark.parametrize("name", list(EngineName))
def test_bytes_that_are_no_graph_are_weights_unreadable(name: EngineName) -> None:
    if name is EngineName.TORCH and not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed (extra: gpu)")
    with pytest.raises(WeightsUnreadable):
        choose_engine(b"not a graph", engine=name)


def test_all_engines_give_the_same_answers_within_a_thousandth() -> None:
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed (extra: gpu)")
    batch = random_batch(9, seed=3)
    onnx, torch = (
        choose_engine(small_graph(), engine=name, threads=1).run(batch) for name in EngineName
    )
    for name, values in onnx.items():
        np.testing.assert_allclose(torch[name], values, atol=1e-3)


def test_without_a_choice_a_machine_gets_an_engine_that_runs() -> None:
    engine = choose_engine(small_graph())
    assert engine.run(random_batch(1))["logit"].shape == (1,)


def test_default_threads_leave_a_core_to_the_api_where_there_are_two() -> None:
    assert 1 <= default_threads() <= 8
