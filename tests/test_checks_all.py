"""What holds for every check of every chapter, whatever it asks."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import checks
from answers import HOSTILE
from checks import OPEN, WRONG

import pytest

MODULES = [
    importlib.import_module(f'checks.{found.name}')
    for found in pkgutil.iter_modules(checks.__path__)
]
CHECKS = {
    f'{module.__name__}.{name}': one
    for module in MODULES
    for name, one in vars(module).items()
    if inspect.isfunction(one)  # a cache is none
    and one.__module__ == module.__name__
    and hasattr(one, '__wrapped__')
}
EVERY = pytest.mark.parametrize('checked', CHECKS.values(), ids=CHECKS)


def same_for_all(checked, answer):
    """Hand in one answer for all that a check asks for."""
    return checked(*[answer] * len(inspect.signature(checked).parameters))


def test_there_is_one_for_each_exercise():
    sources = Path(__file__).parents[1].glob('exercises/*.md')
    headings = r'^## .+ \((?:easy|medium|hard)'
    texts = [source.read_text(encoding='utf-8') for source in sources]
    found = [re.findall(headings, text, re.MULTILINE) for text in texts]
    assert len(CHECKS) == sum(map(len, found)) > 0
    assert all(inspect.getdoc(one) for one in CHECKS.values())


@EVERY
@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_answer_gets_a_message(checked, answer):
    verdict = same_for_all(checked, answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text
    assert 0 < len(verdict.text) < 1000


@EVERY
def test_what_is_open_is_not_answered_yet(checked):
    verdict = same_for_all(checked, ...)
    assert verdict.state == OPEN
    assert verdict.text.startswith('Expected is ')
