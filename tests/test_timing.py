"""Times that a sentence rests on: measured in turns, and checked."""

import ast
from types import SimpleNamespace

import book
import utils
from parts import timing

import pytest


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the functions of a test move."""
    clock = SimpleNamespace(now=0.0, calls='', pauses=[])
    time = SimpleNamespace(
        perf_counter=lambda: clock.now, sleep=clock.pauses.append
    )
    monkeypatch.setattr(timing, 'time', time)
    return clock


def taking(clock, name, *seconds):
    """A function that takes so long, each time another time."""
    seconds = iter(seconds)

    def function():
        clock.calls += name
        clock.now += next(seconds)

    return function


def test_functions_are_measured_in_turns(clock):
    times = utils.compare_times(
        {
            'a': taking(clock, 'a', 99, 5, 1, 9),  # 99: warming up
            'b': taking(clock, 'b', 0, 2, 2, 8),
        },
        rounds=3,
    )
    assert clock.calls == 'abababab'
    assert times == {'a': 5, 'b': 2}  # no claim: any order


def test_an_order_is_measured_again_before_it_is_doubted(clock):
    fast = taking(clock, 'a', 0, 3, 0, 3, 0, 1)
    slow = taking(clock, 'b', 0, 2, 0, 2, 0, 2)
    times = utils.compare_times({'a': fast, 'b': slow}, 'A wins.', rounds=1)
    assert clock.calls == 'ab' * 6 and times == {'a': 1, 'b': 2}
    assert clock.pauses == [0, 10, 30]  # what disturbs may end meanwhile


def test_a_sentence_that_does_not_hold_is_named(clock):
    fast = taking(clock, 'a', *[3] * 6)
    slow = taking(clock, 'b', *[2] * 6)
    with pytest.raises(RuntimeError, match='not so: «A wins.» .a 3 s, b 2 s'):
        utils.compare_times({'a': fast, 'b': slow}, 'A wins.', rounds=1)
    assert clock.calls == 'ab' * 6


def claims_of(cells):
    """The sentences that cells give to `compare_times`."""
    for node in ast.walk(ast.parse('\n'.join(cell.source for cell in cells))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == (
            'utils.compare_times'
        ):
            given = {word.arg: word.value for word in node.keywords}
            if 'claim' in given or node.args[1:]:
                yield ast.literal_eval(given.get('claim') or node.args[1])


def test_a_page_holds_the_sentences_that_its_cells_check(root):
    found = 0
    for page in book.pages(root):
        notebook = book.read_page(root / page)
        text = '\n'.join(
            cell.source
            for cell in notebook.cells
            if cell.cell_type == 'markdown'
        )
        for claim in claims_of(book.code_cells(notebook)):
            found += 1
            assert claim in text, f'{page} checks, but does not say: {claim}'
    assert found >= 3
