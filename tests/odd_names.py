"""Names that are more than letters, for all who show names."""

import pytest

NAMES = [
    *('$x^2$', 'a $b$ and $c', r'$\frac{$', r'\$', '^_{}', '%s', '{name}'),
    *('_', '_background_', '<b>&amp;"\'</b>', 'two\nlines', '\0'),
    *('\x1b[2J\x1b[31m', '\u202egnp', 'שלום', 'مرحبا', 'e\u0301\u0302'),
    *('日本', '\ud800', 'x' * 5000, 'W' * 60, ''),
]
each_name = pytest.mark.parametrize('name', NAMES, ids=lambda x: ascii(x)[:20])
