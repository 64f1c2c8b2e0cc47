"""https://www.rfc-editor.org/rfc/rfc9162#section-2.1, with the tree of its section 2.1.5."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.merkle import EMPTY, Frontier, leaf_hash, node_hash, path_of, root_by, root_of


def test_the_tree_of_seven_leaves_is_the_rfcs() -> None:
    a, b, c, d, e, f, j = (leaf_hash(bytes([n])) for n in range(7))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    assert root_of([a, b, c, d, e, f, j]) == node_hash(k, m)
    assert path_of([a, b, c, d, e, f, j], 0) == [b, h, m]
    assert path_of([a, b, c, d, e, f, j], 6) == [i, k]
    assert root_of([]) == EMPTY


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = path_of(leaves, index)
    root = root_of(leaves)
    assert root_by(path, leaves[index], index, size) == root
    assert root_by(path, leaf_hash(b"forged"), index, size) != root
    assert root_by(path, leaves[index], index + 1, size) != root
    assert root_by([*path, root], leaves[index], index, size) is None
    if path:
        assert root_by(path[:-1], leaves[index], index, size) is None


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_that_was_kept_goes_on(before: int, after: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(before + after)]
    frontier = Frontier()
    for leaf in leaves[:before]:
        frontier.add(leaf)
    resumed = Frontier(frontier.size, frontier.edge)
    for leaf in leaves[before:]:
        resumed.add(leaf)
    assert resumed.root() == root_of(leaves)
