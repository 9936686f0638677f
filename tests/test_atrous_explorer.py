"""The explorer of convolutions with holes, in a real browser.

What it says an output sees is compared with gradients of MXNet's layers;
then it is used as a reader would.
"""

from itertools import product

import segbook
from test_explorer import address, browser, keep, open_page, press, site

import numpy as onp
import pytest
from mxnet import autograd, init, np
from mxnet.gluon import nn

__all__ = ['browser', 'open_page', 'site']  # fixtures
START = '#k=3&rates=2,2,2&strides=1,1,1'
CASES = [
    {'k': k, 'rates': list(rates), 'strides': list(strides), 'look': 0}
    for k in (1, 2, 3)
    for rates, strides in product(
        [(1,), (3,), (2, 2), (1, 3), (4, 1)], [(1,), (2,), (1, 2), (3, 1)]
    )
    if len(rates) == len(strides)
]


def ways(state, look):
    """The gradient of an output with respect to the row of pixels.

    All weights are one, so it counts the ways that lead to each pixel.
    """
    net = nn.HybridSequential()
    for rate, stride in zip(state['rates'], state['strides'], strict=True):
        net.add(
            nn.Conv2D(
                1,
                (1, state['k']),
                (1, stride),
                dilation=(1, rate),
                use_bias=False,
                in_channels=1,
            )
        )
    net.initialize(init.One())
    x = np.ones((1, 1, 1, 90))
    x.attach_grad()
    with autograd.record():
        y = net(x)[0, 0, 0, look]
    y.backward()
    return x.grad.asnumpy().ravel()


def test_it_counts_the_ways_that_mxnet_takes(open_page):
    assert len(CASES) > 20
    page = open_page('atrous')
    for look in (0, 1, 3):
        found = page.evaluate(
            """([states, look]) => states.map(state =>
                [...atrousMath.ways(state, look)[0]])""",
            [CASES, look],
        )
        for state, mine in zip(CASES, found, strict=True):
            counts = onp.zeros(90)
            for place, count in mine:
                counts[int(place)] = count
            onp.testing.assert_array_equal(counts, ways(state, look), state)


def test_the_field_is_the_books(open_page):
    page = open_page('atrous')
    for state in CASES:
        layers = [
            nn.Conv2D(1, state['k'], stride, dilation=rate)
            for rate, stride in zip(
                state['rates'], state['strides'], strict=True
            )
        ]
        size, stride, _ = segbook.receptive_field(layers)
        last = page.evaluate('s => atrousMath.fields(s).at(-1)', state)
        assert last == {'size': size, 'step': stride}


def test_every_state_survives_the_address(open_page):
    page = open_page('atrous')
    again = page.evaluate(
        """states => states.map(state => {
            const { state: read, error } = atrousMath.decode(
                '#' + atrousMath.encode(state));
            return error || read;
        })""",
        CASES,
    )
    assert again == CASES


def said(page):
    return page.inner_text('.atrous')


def test_the_address_sets_the_layers(open_page):
    page = open_page('atrous', state='#k=3&rates=1,3&strides=2,1&look=1')
    assert page.get_by_label('Rate of layer 2').input_value() == '3'
    assert page.get_by_label('Stride of layer 1').input_value() == '2'
    assert page.get_by_label('Stride of layer 3').count() == 0
    output = page.get_by_role('slider', name='Output')
    assert output.get_attribute('aria-valuenow') == '1'
    page.evaluate("location.hash = '#k=2&rates=5&strides=1'")
    page.wait_for_function(
        "document.querySelector('.atrous').innerText.includes('sees 2 of')"
    )


@pytest.mark.parametrize(
    'text, words',
    [
        ('rates=2,2&strides=1', '2 rates and 1 strides'),
        ('rates=0&strides=1', 'The rate 0 is refused'),
        ('rates=1&strides=4', 'The stride 4 is refused'),
        ('k=9&rates=1&strides=1', 'The kernel 9 is refused'),
        ('rates=two&strides=1', 'no whole number'),
        ('rates=1&strides=1&look=9', 'no output 9'),
        ('rates=1&strides=1&x=9', '“x” means nothing'),
        ('k=1,2&rates=1&strides=1', 'is one number'),
        ('rates=1,1,1,1,1&strides=1,1,1,1,1', '1 to 4 layers'),
        ('k=5&rates=9,9,9&strides=3,3,1', 'would span'),
    ],
)
def test_an_invalid_address_says_why(open_page, text, words):
    page = open_page('atrous', state=f'#{text}')
    message = page.inner_text('.atrous-message')
    assert words in message and 'starting layers are shown' in message
    assert page.get_by_label('Rate of layer 3').input_value() == '2'


def test_gridding_is_seen_and_goes(open_page):
    page = open_page('atrous')
    assert 'sees 7 of the 13 pixels' in said(page)
    assert 'shares none' in said(page)
    assert '49 of 169 pixels are seen; the pale ones are blind' in said(page)
    page.get_by_label('Rate of layer 1').fill('1')
    page.get_by_label('Rate of layer 3').fill('3')
    assert 'sees 13 of the 13 pixels' in said(page)
    assert 'blind' not in said(page)
    assert address(page) == '#k=3&rates=1,2,3&strides=1,1,1'
    page.get_by_role('button', name='one layer less').click()
    assert address(page) == '#k=3&rates=1,2&strides=1,1'
    for _ in range(2):
        page.get_by_role('button', name='one layer more').click()
    assert address(page) == '#k=3&rates=1,2,1,1&strides=1,1,1,1'
    assert page.get_by_role('button', name='one layer more').is_disabled()


def test_refused_numbers_say_why_and_change_nothing(open_page):
    page = open_page('atrous')
    box = page.get_by_label('Rate of layer 1')
    for typed, words in (
        ('0', 'from 1 to 9'),
        ('', 'must be a whole number'),
        ('1.5', 'must be a whole number'),
    ):
        box.fill(typed)
        assert words in page.inner_text('.atrous-message')
        assert box.get_attribute('aria-invalid') == 'true'
    page.get_by_label('Kernel').focus()
    assert box.input_value() == '2'
    assert 'sees 7 of the 13 pixels' in said(page)


def test_keys_move_the_output(open_page):
    page = open_page('atrous')
    output = page.get_by_role('slider', name='Output')
    output.focus()
    for key, number in (
        ('ArrowRight', '1'),
        ('ArrowUp', '2'),
        ('ArrowLeft', '1'),
        ('End', '4'),
        ('ArrowRight', '4'),
        ('Home', '0'),
    ):
        press(page, key)
        assert output.get_attribute('aria-valuenow') == number
    press(page, 'End')
    assert 'sees pixels 4, 6, 8' in output.get_attribute('aria-valuetext')
    assert address(page) == f'{START}&look=4'


def test_a_pointer_and_a_finger_choose_an_output(open_page):
    for options in ({}, {'has_touch': True, 'is_mobile': True, 'width': 360}):
        page = open_page('atrous', **options)
        output = page.get_by_role('slider', name='Output')
        box = output.bounding_box()
        place = {'x': box['width'] * 10.5 / 17, 'y': 18}
        if options:
            output.tap(position=place)
        else:
            output.hover(position=place)
        assert output.get_attribute('aria-valuenow') == '4'


def test_it_follows_the_theme_and_fits_a_phone(open_page):
    state = '#k=4&rates=9,9&strides=1,1'
    for width in (1400, 360):
        page = open_page('atrous', state=state, width=width)
        pale = []
        for theme in ('light', 'dark'):
            page.evaluate(
                f"document.documentElement.dataset.theme = '{theme}'"
            )
            keep(page, f'atrous-{width}-{theme}')
            pale.append(
                page.evaluate("""() => document.querySelector('.atrous canvas')
                    .getContext('2d').getImageData(12, 12, 1, 1).data[0]""")
            )
        assert pale[0] > 200 and pale[1] < 80
        assert page.evaluate('document.documentElement.scrollWidth') <= width
