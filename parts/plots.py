"""What chapters plot: curves and bars."""

from parts.canvas import Picture, caption, new_figure, show

# Told apart in grey and by colour-blind eyes (Okabe and Ito's set).
_COLORS = '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a6a00', '#333333'
_DASHES = '-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))


def plot(
    x, curves, xlabel, ylabel, alt, ylim=None, marker=None, size=(6, 3.4)
):
    """Draw curves over one axis, each with its own colour and dashes.

    Args:
        x: the positions, a sequence of numbers; None counts 1, 2, 3 …
        curves: dict from a name to its values (a sequence as long as x), or
            to a pair (positions, values) for a curve with its own positions.
        xlabel: what x is, with its unit.
        ylabel: what the values are, with their unit.
        alt: a sentence that says what is to be seen.
        ylim: pair (lowest, highest) of the vertical axis; None fits it.
        marker: matplotlib's sign for a marker at each value, such as 'o'.
        size: width and height in inches.

    Raises:
        ValueError: a curve with another number of values than positions.
    """
    fig = new_figure(*size)
    fig.set_layout_engine('constrained')
    axes = fig.add_subplot()
    _draw_curves(axes, x, curves, marker)
    _name_axes(axes, xlabel, ylabel, ylim)
    if len(curves) > 1:
        _add_legend(axes, curves, size[0])
    show(fig, alt)


def training_picture(losses, shares, alt):
    """Make the picture of a training's curves, by epoch.

    `losses` and `shares`: dicts from a name to as many values. Losses have
    no upper end and shares end at 1: each kind has an axis of its own.
    """
    kinds = [('loss', losses, None), ('share, 0 to 1', shares, (0, 1))]
    kinds = [kind for kind in kinds if kind[1]]
    fig = new_figure(3.5 * len(kinds), 3)
    fig.set_layout_engine('constrained')
    for axes, (ylabel, curves, ylim) in zip(
        fig.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True
    ):
        _draw_curves(axes, None, curves, 'o')
        _name_axes(axes, 'epoch', ylabel, ylim)
        _add_legend(axes, curves, 3.5)
    return Picture(fig, alt)


def _draw_curves(axes, x, curves, marker):
    """Draw the curves of `plot`."""
    for index, (name, values) in enumerate(curves.items()):
        positions = x
        if isinstance(values, tuple) and len(values) == 2:
            positions, values = values
        if positions is None:
            positions = range(1, len(values) + 1)
        if len(positions) != len(values):
            raise ValueError(
                f'curve {name!r}: {len(values)} values at '
                f'{len(positions)} positions'
            )
        axes.plot(
            [float(position) for position in positions],
            [float(value) for value in values],
            label=caption(name),
            color=_COLORS[index % len(_COLORS)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=2,
            marker=marker,
        )
        if all(float(position).is_integer() for position in positions):
            # There is no epoch 1.5.
            axes.xaxis.get_major_locator().set_params(integer=True)


def _name_axes(axes, xlabel, ylabel, ylim):
    """Write what the axes are, above a grid."""
    axes.set_xlabel(xlabel, fontsize=12)
    axes.set_ylabel(ylabel, fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(color='#dddddd')
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    if ylim is not None:
        axes.set_ylim(*ylim)


def _add_legend(axes, curves, width):
    """Name the curves above axes of so many inches."""
    longest = max(len(caption(name)) for name in curves)
    columns = int(width / (0.09 * longest)) if longest else 3
    axes.legend(
        loc='lower left',
        bbox_to_anchor=(0, 1),
        ncols=max(1, min(3, len(curves), columns)),
        fontsize=_font_size(width, longest),
        frameon=False,
        borderaxespad=0.2,
    )


def _font_size(width, longest):
    """In points: so many letters leave room in a figure's width, in inches."""
    return min(11, 54 * width / max(1, longest))


def plot_bars(names, values, xlabel, alt, log=False, size=None):
    """Draw one horizontal bar for each name, its value written at the end.

    Args:
        names: list of strings, drawn from top to bottom.
        values: as many numbers.
        xlabel: what the values are, with their unit.
        alt: a sentence that says what is to be seen.
        log: True for a logarithmic axis; values must then be positive.
        size: width and height in inches; None gives each bar 0.3 inches.

    Raises:
        ValueError: another number of values than of names.
    """
    if len(names) != len(values):
        raise ValueError(f'{len(values)} values for {len(names)} names')
    size = size or (6, 0.3 * len(names) + 0.9)
    names = [caption(name) for name in names]
    longest = max(map(len, names), default=0)
    fig = new_figure(*size)
    fig.set_layout_engine('constrained')
    axes = fig.add_subplot()
    numbers = [float(value) for value in values]
    bars = axes.barh(range(len(names)), numbers, color=_COLORS[0], log=log)
    labels = [_short(number) for number in numbers]
    axes.bar_label(bars, labels, padding=3, fontsize=10.5)
    fontsize = _font_size(size[0], longest)
    axes.set_yticks(range(len(names)), names, fontsize=fontsize)
    axes.tick_params(axis='x', labelsize=11)
    axes.margins(x=0.15, y=0.02)
    axes.invert_yaxis()
    axes.set_xlabel(xlabel, fontsize=12)
    axes.spines[['top', 'right']].set_visible(False)
    show(fig, alt)


def _short(value):
    """Write what the eye can compare: three digits, or all of a large one."""
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'
