"""What all tests of the checks share: answers nobody expects, and a look."""

from checks import WRONG

import numpy


class Unreadable:
    """Its text, its truth, its length and its comparison all fail."""

    def fail(*arguments):
        raise RuntimeError('Ouch')

    __str__ = __repr__ = __bool__ = __eq__ = __len__ = fail


def forever():
    while True:
        yield 1


HUGE = numpy.broadcast_to(1.0, (10**6, 10**6))
HOSTILE = {
    'nothing': None,
    'a text': 'I do not know',
    'an empty text': '',
    'not a number': float('nan'),
    'infinity': float('inf'),
    'a huge number': 10**300,
    'below zero': -5,
    'an empty list': [],
    'a dictionary': {},
    'a ragged list': [[1, 2], [3]],
    'texts': ['a', 'b', 'c'],
    'an object': object(),
    'what cannot be read': Unreadable(),
    'a type': int,
    'a generator': forever(),
    'a huge shape': HUGE,
    'many axes': numpy.zeros((1,) * 20),
    'no axis': numpy.zeros(()),
    'no cell': numpy.zeros((0, 3)),
    'complex numbers': numpy.array([1j, 2, 3]),
    'a function that fails': lambda *_: 1 / 0,
    'a function that leaves': lambda *_: exit(),
    'a function of nothing': lambda: 1,
    'a function to None': lambda *_: None,
    'a function to a text': lambda *_: 'four',
    'a function to texts': lambda *_: ('four', 'five'),
    'a function to NaN': lambda *_: float('nan'),
    'a function to a function': lambda *_: forever,
    'a function to what cannot be read': lambda *_: Unreadable(),
    'a function to no cell': lambda *_: numpy.zeros((0, 0)),
    'a function to a huge shape': lambda *_: HUGE,
    'a function to a generator': lambda *_: forever(),
}


def says(verdict, *phrases):
    """Assert that an answer is not right yet, and why."""
    assert verdict.state == WRONG, verdict
    text = ' '.join(verdict.text.split())
    for phrase in phrases:
        assert phrase in text, verdict
