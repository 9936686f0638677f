"""Draw the book's built-in data set: paper-cut scenes in the VOC layout.

    python build/scenes.py TARGET

makes the folder TARGET (complete or not at all): photos in JPEGImages, labels
in SegmentationClass, the splits in ImageSets/Segmentation. Every scene shows
1 to 4 objects of six VOC classes before a textured background with shapes
that belong to no class. Everything, objects and backgrounds of all classes
alike, takes colours and textures from the same family, so that only shape
tells a class. `thumbnail` draws single objects with the same code.

All is drawn from seeds: image i depends on (SEED, i) alone, and so neither on
the number of processes nor on the images before it.
"""

import argparse
import math
import multiprocessing
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SEED = 2012
NUM_TRAIN, NUM_VAL = 200, 60
VOID = 255

# VOC's index of each class that is drawn; its other classes stay empty.
CLASSES = {
    'aeroplane': 1,
    'boat': 4,
    'bottle': 5,
    'car': 7,
    'horse': 13,
    'person': 15,
}

# (width, height) in pixels and how often: as in VOC, most photos are 500x375,
# some are portraits, some too small for a crop of 480x320.
SIZES = (
    ((500, 375), 9),
    ((375, 500), 4),
    ((500, 333), 3),
    ((333, 500), 1),
    ((500, 281), 1),
    ((400, 300), 1),
    ((480, 360), 1),
)

SUPERSAMPLING = 4  # outlines are drawn this much larger, then averaged
VOID_OUTSIDE, VOID_INSIDE = 3, 2  # pixels of void on both sides of an outline


# ---------------------------------------------------------------- Colours


def oklch(lightness, chroma, hue):
    """Convert a colour from OKLCH to sRGB: float32 (3,) from 0 to 1.

    Equal steps of `lightness` (0..1) look equal whatever the hue (radians);
    the matrices are those of Ottosson, «A perceptual color space» (2020).
    """
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    cones = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = (
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cones**3
    )
    linear = linear.clip(0, 1)
    srgb = np.where(
        linear < 0.0031308,
        12.92 * linear,
        1.055 * linear ** (1 / 2.4) - 0.055,
    )
    return srgb.astype('float32')


@dataclass
class Colour:
    """A colour in OKLCH (see `oklch`)."""

    lightness: float
    chroma: float
    hue: float

    def rgb(self, lighter=0.0):
        """Return sRGB float32 (3,), with `lighter` added to the lightness."""
        lightness = min(max(self.lightness + lighter, 0.05), 0.98)
        return oklch(lightness, self.chroma, self.hue)

    def distance(self, other):
        """Return how different two colours look (0.02 is just visible)."""
        ab = [
            colour.chroma * np.exp(1j * colour.hue) for colour in (self, other)
        ]
        return math.hypot(self.lightness - other.lightness, abs(ab[0] - ab[1]))


class Palette:
    """A few hues that go together, for all the things in one scene."""

    SCHEMES = ((0, 30, 180), (0, 25, -25), (0, 150, 210), (0, 120, 240))

    def __init__(self, rng):
        first = rng.uniform(0, 360)
        scheme = self.SCHEMES[rng.integers(len(self.SCHEMES))]
        self.hues = [math.radians(first + offset) for offset in scheme]
        self.chroma = rng.uniform(0.04, 0.12)

    def colour(self, rng, low=0.3, high=0.93):
        """Draw a colour with a lightness from `low` to `high`."""
        hue = self.hues[rng.integers(len(self.hues))] + rng.normal(0, 0.12)
        return Colour(
            rng.uniform(low, high), self.chroma * rng.uniform(0.5, 1.4), hue
        )

    def contrasting(self, rng, others, low=0.3, high=0.93, least=0.24):
        """Draw a colour that differs from all `others` (the best of 12)."""
        best, best_distance = None, -1.0
        for _ in range(12):
            colour = self.colour(rng, low, high)
            distance = min(colour.distance(other) for other in others)
            if distance > best_distance:
                best, best_distance = colour, distance
            if best_distance > least:
                break
        return best


# --------------------------------------------------------------- Textures


def noise(rng, height, width, cell_height, cell_width):
    """Draw smooth noise: float32 (height, width), values about 0..1.

    One independent value for each cell of the given size in pixels.
    """
    rows = max(2, round(height / cell_height) + 1)
    columns = max(2, round(width / cell_width) + 1)
    coarse = Image.fromarray(rng.random((rows, columns), dtype='float32'))
    return np.asarray(
        coarse.resize((width, height), Image.Resampling.BICUBIC)
    ).clip(0, 1)


def _wave(rng, height, width):
    """Draw a sine over the picture, in any direction: values -1..1."""
    y, x = np.ogrid[:height, :width]
    angle = rng.uniform(0, math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    bend = rng.uniform(0, 0.4) * np.sin(
        (y * math.cos(angle) - x * math.sin(angle)) / rng.uniform(12, 40)
    )
    return np.sin(along * 2 * math.pi / rng.uniform(11, 40) + 4 * bend)


def _soft_step(values, width=0.35):
    return (values / width).clip(-1, 1) * 0.5 + 0.5


def texture_field(rng, height, width):
    """Draw a texture without colour: float32 (height, width), 0..1."""
    kind = rng.integers(7)
    if kind == 0:  # plain
        field = np.full((height, width), 0.5)
    elif kind == 1:  # from light to dark
        y, x = np.mgrid[:height, :width]
        angle = rng.uniform(0, 2 * math.pi)
        field = x / width * math.cos(angle) + y / height * math.sin(angle)
        field = (field + 1) / 2
    elif kind == 2:  # clouds
        cell = rng.uniform(20, 60)
        field = sum(
            noise(rng, height, width, cell / n, cell / n) / n
            for n in (1, 2, 4)
        )
        field = field / 1.75
    elif kind == 3:  # brush strokes
        cells = (rng.uniform(3, 6), rng.uniform(40, 120))
        field = noise(rng, height, width, *rng.permutation(cells))
    elif kind == 4:  # stripes
        field = _soft_step(_wave(rng, height, width))
    elif kind == 5:  # checks
        field = _soft_step(_wave(rng, height, width)) / 2
        field = field + _soft_step(_wave(rng, height, width)) / 2
    else:  # dots
        product = _wave(rng, height, width) + _wave(rng, height, width)
        field = _soft_step(product - rng.uniform(0.6, 1.2))
    return field.astype('float32')


def texture(rng, height, width, colour, contrast=1.0):
    """Draw a textured area around a colour: float32 (height, width, 3)."""
    change = contrast * rng.uniform(0.03, 0.09) * rng.choice((-1, 1))
    field = texture_field(rng, height, width)[..., None]
    dark, light = colour.rgb(-change / 2), colour.rgb(change / 2)
    return dark + field * (light - dark)


# ----------------------------------------------------------------- Shapes
# A shape is a list of parts in a coordinate system of its own: x to the
# right, y down, the ground at the largest y. Later parts cover earlier ones.


@dataclass
class Part:
    """A filled outline: float (n, 2); `tone` > 0 is lighter, < 0 darker.

    `accent` parts take the object's second colour instead of its first.
    """

    outline: np.ndarray
    tone: float = 0.0
    accent: bool = False


def polygon(*points, tone=0.0, accent=False):
    """Make a part with straight edges."""
    return Part(np.array(points, dtype='float64'), tone, accent)


def curve(*points, tone=0.0, accent=False, rounds=3):
    """Make a part with a smooth outline (Chaikin's corner cutting).

    A point given twice becomes a corner.
    """
    outline = np.array(points, dtype='float64')
    for _ in range(rounds):
        after = np.roll(outline, -1, axis=0)
        cut = np.stack(
            [0.75 * outline + 0.25 * after, 0.25 * outline + 0.75 * after],
            axis=1,
        )
        outline = cut.reshape(-1, 2)
    return Part(outline, tone, accent)


def disc(x, y, radius, tone=0.0, accent=False, stretch=1.0):
    """Make a disc, or an ellipse `stretch` times as wide as high."""
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    outline = np.stack(
        [x + stretch * radius * np.cos(angles), y + radius * np.sin(angles)],
        axis=1,
    )
    return Part(outline, tone, accent)


def limb(*joints, tone=0.0, accent=False):
    """Make a limb through joints (x, y, width), round at joints and ends."""
    parts = []
    for x, y, width in joints:
        parts.append(disc(x, y, width / 2, tone, accent))
    for (x0, y0, w0), (x1, y1, w1) in zip(joints, joints[1:], strict=False):
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
        parts.append(
            polygon(
                (x0 + nx * w0, y0 + ny * w0),
                (x1 + nx * w1, y1 + ny * w1),
                (x1 - nx * w1, y1 - ny * w1),
                (x0 - nx * w0, y0 - ny * w0),
                tone=tone,
                accent=accent,
            )
        )
    return parts


def _hang(x, y, length, angle):
    """Return the end of a bone that hangs from (x, y); angle from below."""
    return x + length * math.sin(angle), y + length * math.cos(angle)


# fmt: off
# Outlines are tables of points: several on a line. A point that stands twice
# is a corner.


def aeroplane(rng):
    """An airliner from the side, nose to the right."""
    span = rng.uniform(0.75, 1.2)  # how far the wings reach up and down
    fin = rng.uniform(0.85, 1.15)
    engine = 0.26 * span
    far_wing = curve(
        (0.26, -0.08), (0.26, -0.08), (-0.08, -0.44 * span),
        (-0.20, -0.45 * span), (-0.22, -0.42 * span),
        (-0.08, -0.08), (-0.08, -0.08), tone=-0.10, rounds=2,
    )
    rudder = curve(
        (-0.50, -0.08), (-0.50, -0.08), (-0.82, -0.46 * fin),
        (-0.98, -0.47 * fin), (-0.90, -0.06), (-0.90, -0.06),
        accent=True, rounds=2,
    )
    body = curve(
        (1.03, 0.03), (0.94, -0.08), (0.74, -0.13), (0.3, -0.135),
        (-0.5, -0.125), (-0.92, -0.11), (-1.04, -0.09), (-1.02, -0.05),
        (-0.62, 0.08), (-0.2, 0.13), (0.3, 0.135), (0.8, 0.13), (0.98, 0.09),
    )
    tailplane = curve(
        (-0.66, -0.03), (-0.66, -0.03), (-0.94, 0.13 * span),
        (-1.07, 0.13 * span), (-0.94, -0.04), (-0.94, -0.04),
        tone=-0.08, rounds=2,
    )
    near_wing = curve(
        (0.30, 0.05), (0.30, 0.05), (-0.32, 0.56 * span),
        (-0.47, 0.57 * span), (-0.48, 0.53 * span),
        (-0.14, 0.08), (-0.14, 0.08), tone=0.10, rounds=2,
    )
    cockpit = polygon(
        (0.80, -0.10), (0.90, -0.075), (0.94, -0.03), (0.81, -0.03), tone=-0.3
    )
    windows = [
        disc(x, -0.045, 0.026, tone=-0.28)
        for x in np.arange(-0.5, 0.7, rng.uniform(0.11, 0.15))
    ]
    return [
        far_wing, rudder, body, tailplane,
        *limb((0.06, engine, 0.13), (-0.10, engine, 0.10), tone=-0.16),
        near_wing, cockpit, *windows,
    ]


def boat(rng):
    """A sailing boat, bow to the right."""
    top = -rng.uniform(1.15, 1.6)
    aft = -rng.uniform(0.5, 0.66)
    fore = rng.uniform(0.5, 0.66)
    depth = rng.uniform(0.22, 0.32)
    mast = polygon(
        (-0.03, top - 0.06), (0.03, top - 0.06), (0.035, 0.06),
        (-0.035, 0.06), tone=-0.25,
    )
    mainsail = curve(
        (-0.05, top), (-0.05, top), (-0.24, top * 0.62), (aft * 0.9, -0.4),
        (aft, -0.14), (aft, -0.14), (-0.05, -0.12), (-0.05, -0.12), tone=0.08,
    )
    boom = polygon(
        (aft - 0.03, -0.12), (0.0, -0.10), (0.0, -0.05), (aft - 0.03, -0.08),
        tone=-0.25,
    )
    jib = curve(
        (0.06, top * 0.9), (0.06, top * 0.9), (0.30, top * 0.5),
        (fore, -0.10), (fore, -0.10), (0.3, -0.16), (0.06, -0.14),
        (0.06, -0.14), tone=-0.04, accent=rng.random() < 0.5,
    )
    flag = polygon(
        (0.0, top - 0.05), (-0.22, top), (0.0, top + 0.05), accent=True
    )
    hull = curve(
        (-0.66, 0.0), (-0.66, 0.0), (-0.60, depth), (-0.40, depth),
        (0.35, depth), (0.58, depth * 0.8), (0.80, -0.05), (0.80, -0.05),
        (0.2, 0.01), accent=True,
    )
    stripe = polygon(
        (-0.62, 0.05), (0.72, 0.05), (0.69, 0.10), (-0.61, 0.10), tone=0.14
    )
    sails = [mainsail, jib] if rng.random() < 0.75 else [mainsail]
    return [mast, *sails, boom, flag, hull, stripe]


def bottle(rng):
    """A standing bottle."""
    body = rng.uniform(0.16, 0.22)  # half its width
    neck = rng.uniform(0.055, 0.075)
    shoulder = rng.uniform(0.36, 0.48)
    slope = rng.uniform(0.10, 0.22)
    high, low = shoulder + rng.uniform(0.08, 0.16), 0.9  # of the label
    side = [
        (neck, 0.02), (neck, 0.02), (neck, shoulder - slope),
        (neck * 1.1, shoulder - 0.6 * slope), (body, shoulder),
        (body, shoulder + 0.1), (body, 0.8), (body, 1.0), (body, 1.0),
    ]
    glass = curve(*side, *((-x, y) for x, y in reversed(side)))
    label = polygon(
        (-body, high), (body, high), (body, low), (-body, low),
        tone=0.06, accent=True,
    )
    gleam = limb(
        (-0.6 * body, shoulder + 0.04, 0.03), (-0.6 * body, 0.93, 0.03),
        tone=0.2,
    )
    lid = 1.3 * neck
    cap = polygon(
        (-lid, 0.0), (lid, 0.0), (lid, 0.10), (-lid, 0.10),
        tone=-0.2, accent=True,
    )
    return [glass, label, *gleam, cap]


def car(rng):
    """A car from the side, front to the right."""
    back = rng.uniform(-0.82, -0.42)  # where the roof begins and ends
    front = rng.uniform(0.08, 0.28)
    roof = -rng.uniform(0.84, 1.02)
    wheel = rng.uniform(0.17, 0.21)
    rear = max(back - 0.24, -0.98)
    middle = (back + front) / 2
    glass, sill = roof + 0.08, -0.58  # the windows' upper and lower edges
    body = curve(
        (-1.02, -0.14), (-1.02, -0.14), (-1.05, -0.44), (-0.99, -0.56),
        (rear, -0.59), (back, roof), (back + 0.1, roof - 0.02),
        (front - 0.1, roof - 0.02), (front + 0.02, roof),
        (front + 0.32, -0.60), (0.88, -0.54), (1.04, -0.42),
        (1.06, -0.14), (1.06, -0.14),
    )
    rear_window = polygon(
        (rear + 0.16, sill), (back + 0.08, glass), (middle - 0.04, glass),
        (middle - 0.04, sill), tone=-0.28,
    )
    front_window = polygon(
        (middle + 0.04, sill), (middle + 0.04, glass), (front - 0.05, glass),
        (front + 0.2, sill), tone=-0.28,
    )
    shade = polygon(
        (-1.02, -0.24), (1.05, -0.24), (1.05, -0.14), (-1.02, -0.14),
        tone=-0.14,
    )
    handle = polygon(
        (middle + 0.07, -0.5), (middle + 0.2, -0.5),
        (middle + 0.2, -0.46), (middle + 0.07, -0.46), tone=-0.2,
    )
    wheels = []
    for x in (-0.58, 0.60):
        wheels += [
            disc(x, -0.17, wheel + 0.03, tone=-0.2),
            disc(x, -wheel, wheel, tone=-0.35, accent=True),
            disc(x, -wheel, wheel * 0.5, tone=0.15, accent=True),
        ]
    lamp = disc(0.97, -0.42, 0.06, tone=0.25)
    return [body, rear_window, front_window, shade, lamp, handle, *wheels]


def _horse_leg(rng, x, y, tone, hind):
    swing = rng.normal(0, 0.22)
    bend = rng.uniform(0.0, 0.35) * (-1 if hind else 1)
    knee = _hang(x, y, 0.22, swing + bend * 0.4)
    hoof = _hang(*knee, 0.24, swing - bend)
    toe = (hoof[0] + 0.03, hoof[1] + 0.02)
    return [
        *limb((x, y, 0.19 if hind else 0.15), (*knee, 0.085), (*hoof, 0.06),
              tone=tone),
        *limb((*hoof, 0.065), (*toe, 0.065), tone=tone - 0.25),
    ]


def horse(rng):
    """A horse from the side, head to the right."""
    nod = (0.0, rng.uniform(-0.06, 0.10))  # how low it holds its head
    hair = rng.uniform(-0.02, 0.10)
    legs = [
        _horse_leg(rng, x, y, tone, hind)
        for x, y, tone, hind in (
            (-0.27, -0.45, -0.12, True), (0.26, -0.44, -0.12, False),
            (-0.31, -0.45, 0.0, True), (0.23, -0.44, 0.0, False),
        )
    ]
    tail = curve(
        (-0.38, -0.63), (-0.50, -0.62), (-0.60, -0.46), (-0.62 - hair, -0.20),
        (-0.60 - hair, -0.12), (-0.52 - hair, -0.20), (-0.50, -0.40),
        (-0.42, -0.50), accent=True, tone=-0.1,
    )
    body = curve(
        (-0.46, -0.52), (-0.40, -0.66), (-0.24, -0.68), (-0.05, -0.62),
        (0.12, -0.63), (0.28, -0.71), (0.40, -0.56), (0.38, -0.40),
        (0.22, -0.32), (-0.02, -0.30), (-0.22, -0.34), (-0.40, -0.36),
    )
    neck = curve(
        (0.10, -0.62), (0.26, -0.76), np.add(nod, (0.40, -1.00)),
        np.add(nod, (0.52, -1.04)), np.add(nod, (0.62, -0.92)),
        (0.52, -0.72), (0.42, -0.48), (0.26, -0.42),
    )
    face = curve(
        *np.add(nod, (
            (0.42, -1.02), (0.52, -1.07), (0.64, -0.98), (0.82, -0.82),
            (0.84, -0.73), (0.76, -0.69), (0.66, -0.76), (0.54, -0.80),
            (0.46, -0.88),
        )), tone=0.03,
    )
    ear = polygon(
        *np.add(nod, ((0.45, -1.0), (0.47, -1.15), (0.54, -1.03))),
        tone=-0.06,
    )
    mane = curve(
        *np.add(nod, ((0.53, -1.04), (0.45, -1.09), (0.34, -1.00))),
        (0.20, -0.84), (0.10, -0.66), (0.20, -0.66), (0.34, -0.80),
        np.add(nod, (0.44, -0.95)), accent=True, tone=-0.1,
    )
    eye = disc(*np.add(nod, (0.60, -0.93)), 0.018, tone=-0.4)
    far_legs, near_legs = legs[0] + legs[1], legs[2] + legs[3]
    return [*far_legs, tail, body, *near_legs, neck, face, ear, mane, eye]


def _leg(side, swing):
    tone = -0.10 if side < 0 else 0.0
    hip = (0.085 * side, -0.88)
    knee = _hang(*hip, 0.43, swing)
    foot = _hang(*knee, 0.42, swing - abs(swing) * 0.5)
    toe = (foot[0] + 0.11, foot[1] + 0.02)
    return [
        *limb((*hip, 0.19), (*knee, 0.14), (*foot, 0.11), tone=tone,
              accent=True),
        *limb((*foot, 0.10), (*toe, 0.08), tone=tone - 0.3, accent=True),
    ]


def _arm(rng, side, swing):
    tone = -0.08 if side < 0 else 0.05
    shoulder = (0.19 * side, -1.36)
    elbow = _hang(*shoulder, 0.29, swing)
    hand = _hang(*elbow, 0.27, swing + rng.uniform(0.1, 0.5))
    return [
        *limb((*shoulder, 0.13), (*elbow, 0.105), (*hand, 0.085), tone=tone),
        disc(*hand, 0.055, tone=0.2),
    ]


def person(rng):
    """A person, standing, walking or waving."""
    stride = rng.uniform(-0.42, 0.42)
    lifted = rng.random() < 0.25
    swing = rng.uniform(2.2, 2.8) if lifted else 0.8 * stride + 0.2
    hair = rng.uniform(0.02, 0.16)
    legs = _leg(-1, stride) + _leg(1, rng.normal(-stride, 0.08))
    trunk = curve(
        (-0.10, -1.47), (0.10, -1.47), (0.25, -1.42), (0.24, -1.25),
        (0.17, -1.02), (0.20, -0.82), (-0.20, -0.82), (-0.17, -1.02),
        (-0.24, -1.25), (-0.25, -1.42),
    )
    skirt = polygon((-0.15, -1.02), (0.15, -1.02), (0.32, -0.5), (-0.32, -0.5))
    fringe = curve(
        (0.14, -1.72), (0.08, -1.85), (-0.08, -1.85), (-0.16, -1.74),
        (-0.16, -1.62 + hair), (-0.08, -1.60 + hair), (-0.06, -1.72),
        (0.06, -1.76), tone=-0.3, accent=True,
    )
    clothes = [trunk, skirt] if rng.random() < 0.35 else [trunk]
    return [
        *legs, *_arm(rng, -1, -0.8 * stride - 0.2), *clothes,
        *_arm(rng, 1, swing),
        *limb((0, -1.55, 0.11), (0, -1.42, 0.12), tone=0.14),
        disc(0.01, -1.66, 0.15, tone=0.2, stretch=0.85), fringe,
    ]


# fmt: on


SHAPES = {
    'aeroplane': aeroplane,
    'boat': boat,
    'bottle': bottle,
    'car': car,
    'horse': horse,
    'person': person,
}

# How far a class may lean to either side, in degrees.
LEAN = {
    'aeroplane': 25,
    'boat': 12,
    'bottle': 18,
    'car': 8,
    'horse': 8,
    'person': 10,
}

# How much longer a class is drawn in scenes than a compact one, so that all
# cover areas of about the same size.
STRETCH = {
    'aeroplane': 1.35,
    'boat': 1.0,
    'bottle': 1.0,
    'car': 1.0,
    'horse': 1.2,
    'person': 1.4,
}


# ------------------------------------------------- Shapes of no class at all


def _cloud(rng):
    puffs = int(rng.integers(3, 6))
    parts = [
        disc(0.3 * i, rng.uniform(-0.12, 0.0), rng.uniform(0.16, 0.3))
        for i in range(puffs)
    ]
    return parts


def _tree(rng):
    width = rng.uniform(0.2, 0.45)
    trunk = polygon(
        (-0.05, -0.5), (0.05, -0.5), (0.07, 0), (-0.07, 0), tone=-0.2
    )
    if rng.random() < 0.5:
        crown = [disc(0, -0.75, width)]
    else:
        crown = [
            polygon(
                (-width, -0.25 - 0.3 * i),
                (width, -0.25 - 0.3 * i),
                (0, -0.75 - 0.3 * i),
                tone=0.05 * i,
            )
            for i in range(3)
        ]
    return [trunk, *crown]


def _stone(rng):
    angles = np.sort(rng.uniform(0, 2 * math.pi, 7))
    radii = rng.uniform(0.6, 1.0, 7)
    return [
        curve(
            *np.stack(
                [radii * np.cos(angles), 0.7 * radii * np.sin(angles)], axis=1
            )
        )
    ]


def _block(rng):
    width, height = rng.uniform(0.2, 1.0, 2)
    parts = [polygon((0, -height), (width, -height), (width, 0), (0, 0))]
    if rng.random() < 0.5:  # a house
        parts.append(
            polygon(
                (-0.05, -height),
                (width + 0.05, -height),
                (width / 2, -height - 0.35),
                accent=True,
            )
        )
    for x in np.arange(0.06, width - 0.1, 0.2):
        for y in np.arange(0.1, height - 0.12, 0.22):
            parts.append(
                polygon(
                    (x, -y),
                    (x + 0.09, -y),
                    (x + 0.09, -y - 0.12),
                    (x, -y - 0.12),
                    tone=-0.2,
                )
            )
    return parts


def _post(rng):
    lean = rng.normal(0, 0.05)
    parts = limb((0, 0, 0.05), (lean, -1, 0.04))
    if rng.random() < 0.6:
        parts.append(disc(lean, -1.0, rng.uniform(0.06, 0.16), accent=True))
    return parts


def _ring(rng):
    return [disc(0, 0, 0.5), disc(0, 0, rng.uniform(0.2, 0.38), accent=True)]


def _kite(rng):
    points = int(rng.integers(3, 7))
    angles = np.arange(points) * 2 * math.pi / points + rng.uniform(0, 1)
    radii = np.where(np.arange(points) % 2, rng.uniform(0.4, 1.0), 1.0)
    return [
        polygon(
            *np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
        )
    ]


def _fence(rng):
    step = rng.uniform(0.18, 0.3)
    posts = [
        polygon((x, -0.4), (x + 0.06, -0.4), (x + 0.06, 0), (x, 0))
        for x in np.arange(0, 1.2, step)
    ]
    rails = [
        polygon(
            (-0.05, y),
            (1.2, y),
            (1.2, y + 0.05),
            (-0.05, y + 0.05),
            tone=-0.08,
        )
        for y in (-0.3, -0.15)
    ]
    return rails + posts


IN_THE_SKY = (_cloud, _cloud, _ring, _kite)
ON_THE_GROUND = (_tree, _tree, _stone, _block, _post, _fence, _ring, _kite)


# --------------------------------------------------------------- Painting


@dataclass
class Stencil:
    """A shape, rasterised: where it covers the canvas and how it is toned.

    `top`, `left`: the corner of its box on the canvas, in pixels. `cover`,
    `tone`, `accent`: float32 (height, width) of the box; `cover` and
    `accent` from 0 to 1. `whole`: the area in pixels including what lies
    outside the canvas.
    """

    top: int
    left: int
    cover: np.ndarray
    tone: np.ndarray
    accent: np.ndarray
    whole: float

    def area(self):
        """Return the slices of the canvas that the box covers."""
        height, width = self.cover.shape
        return (
            slice(self.top, self.top + height),
            slice(self.left, self.left + width),
        )


def place(parts, length, x, base, angle=0.0, flip=False):
    """Move a shape to its place: new parts, in pixels.

    `length`: of the longer side of its box, before turning it by `angle`
    (degrees). `x`: the middle of the box, `base`: its lower edge.
    """
    points = np.concatenate([part.outline for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = length / (high - low).max()
    turn = math.radians(angle)
    matrix = scale * np.array(
        [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
    )
    if flip:
        matrix[:, 0] *= -1
    moved = (points - (low + high) / 2) @ matrix.T
    shift = (
        x - (moved[:, 0].min() + moved[:, 0].max()) / 2,
        base - moved[:, 1].max(),
    )
    moved += shift
    ends = np.cumsum([len(part.outline) for part in parts])[:-1]
    return [
        Part(outline, part.tone, part.accent)
        for part, outline in zip(parts, np.split(moved, ends), strict=True)
    ]


def _polygon_area(mask):
    return np.asarray(mask, dtype='float32').sum() / 255


def rasterise(parts, height, width):
    """Draw placed parts on a canvas of the given size: a `Stencil`.

    Returns None if nothing of the shape lies on the canvas.
    """
    points = np.concatenate([part.outline for part in parts])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    left, top = max(0, math.floor(x0)), max(0, math.floor(y0))
    right, bottom = min(width, math.ceil(x1)), min(height, math.ceil(y1))
    if right - left < 2 or bottom - top < 2:
        return None
    n = SUPERSAMPLING
    size = ((right - left) * n, (bottom - top) * n)
    layers = [Image.new('L', size, fill) for fill in (0, 128, 0)]
    draws = [ImageDraw.Draw(layer) for layer in layers]
    for part in parts:
        outline = ((part.outline - (left, top)) * n).ravel().tolist()
        fills = (255, round(128 + 127 * part.tone), 255 * part.accent)
        for draw, fill in zip(draws, fills, strict=True):
            draw.polygon(outline, fill=fill)
    cover, tone, accent = (
        np.asarray(layer.reduce(n), dtype='float32') / 255 for layer in layers
    )
    # The area outside the canvas is only needed roughly: draw it small.
    rough = Image.new('L', (128, 128))
    draw = ImageDraw.Draw(rough)
    unit = max(x1 - x0, y1 - y0) / 126
    for part in parts:
        draw.polygon(((part.outline - (x0, y0)) / unit).ravel().tolist(), 255)
    whole = max(_polygon_area(rough) * unit**2, float(cover.sum()))
    return Stencil(
        top, left, cover, tone * 255 / 127 - 128 / 127, accent, whole
    )


def _blur(mask, radius):
    image = Image.fromarray((mask * 255).astype('uint8'))
    blurred = image.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, dtype='float32') / 255


def _shadow(canvas, stencil, depth):
    """Darken the canvas below and right of a shape, softly."""
    height, width = canvas.shape[:2]
    pad = 3 * depth
    top, left = stencil.top - pad, stencil.left - pad
    mask = _blur(np.pad(stencil.cover, pad), depth)
    top, left = top + depth, left + depth // 2
    rows = slice(max(top, 0), min(top + mask.shape[0], height))
    columns = slice(max(left, 0), min(left + mask.shape[1], width))
    mask = mask[
        rows.start - top : rows.stop - top,
        columns.start - left : columns.stop - left,
    ]
    canvas[rows, columns] *= 1 - 0.38 * mask[..., None]


def paint(rng, canvas, stencil, colours, depth=4):
    """Paint a shape on the canvas, float32 (height, width, 3), in place.

    `colours`: the first and the second colour. `depth`: how far above the
    background the paper seems to lie, in pixels.
    """
    height, width = stencil.cover.shape
    if depth:
        _shadow(canvas, stencil, depth)
    first, second = (texture(rng, height, width, c) for c in colours)
    accent = np.minimum(stencil.accent, stencil.cover)
    share = (accent / np.maximum(stencil.cover, 1e-3))[..., None]
    paper = first + share * (second - first)
    tone = stencil.tone[..., None]
    paper = np.where(tone > 0, paper + tone * (1 - paper), paper * (1 + tone))
    # Light from above left: a bright upper edge, a shade towards the foot.
    edge = stencil.cover - _blur(np.pad(stencil.cover, 8), 2)[6:-10, 6:-10]
    fall = np.linspace(0.05, -0.07, height, dtype='float32')[:, None]
    paper = paper * (1 + (0.10 * edge + fall)[..., None])
    rows, columns = stencil.area()
    cover = stencil.cover[..., None]
    canvas[rows, columns] += cover * (paper.clip(0, 1) - canvas[rows, columns])


# ------------------------------------------------------------- Background


@dataclass
class Background:
    """A canvas, float32 (height, width, 3), and where things stand on it.

    `horizon`, `shore`: rows, in pixels; boats swim between them, if the shore
    is lower than the horizon. `sky`, `ground`: the main colours. `clutter`:
    how many of the shapes of no class are drawn, from 0 to 1.
    """

    canvas: np.ndarray
    horizon: float
    shore: float
    sky: Colour
    ground: Colour
    clutter: float


def _band(rng, background, top, colour, roughness):
    """Cover everything below a row, an uneven edge, with textured paper."""
    height, width = background.canvas.shape[:2]
    x = np.linspace(-0.02 * width, 1.02 * width, 60)
    ripple = noise(rng, 1, 60, 1, rng.uniform(6, 20))[0] - 0.5
    y = top + roughness * ripple * 2
    outline = [
        *zip(x, y, strict=True),
        (x[-1], height + 2),
        (x[0], height + 2),
    ]
    stencil = rasterise([polygon(*outline)], height, width)
    if stencil is not None:
        paint(rng, background.canvas, stencil, (colour, colour), depth=3)


def _scatter(rng, background, palette, makers, count, rows, sizes):
    """Paint shapes of no class: far ones first, and smaller."""
    height, width = background.canvas.shape[:2]
    count = rng.binomial(count, background.clutter)
    for base in np.sort(rng.uniform(*rows, count)):
        maker = makers[rng.integers(len(makers))]
        length = rng.uniform(*sizes) * min(height, width)
        parts = place(
            maker(rng),
            length,
            rng.uniform(0, width),
            base,
            rng.normal(0, 4),
            rng.random() < 0.5,
        )
        stencil = rasterise(parts, height, width)
        if stencil is not None:
            near = (
                background.sky
                if base < background.horizon
                else background.ground
            )
            first = palette.contrasting(rng, [near], least=0.1)
            paint(
                rng,
                background.canvas,
                stencil,
                (first, palette.colour(rng)),
                depth=3,
            )


def draw_background(rng, palette, height, width, with_shore=None, clutter=0.6):
    """Draw a background with unlabelled shapes: a `Background`."""
    indoors = rng.random() < 0.3
    horizon = height * rng.uniform(0.35, 0.7)
    sky = palette.colour(rng, 0.68, 0.95)
    ground = palette.contrasting(rng, [sky], 0.4, 0.85, least=0.15)
    canvas = texture(rng, height, width, sky)
    glow = np.linspace(-0.10, 0.06, height, dtype='float32')[:, None, None]
    background = Background(
        canvas * (1 + glow), horizon, horizon, sky, ground, clutter
    )
    if indoors:
        _scatter(
            rng,
            background,
            palette,
            (_ring, _kite, _block),
            rng.integers(0, 4),
            (0.2 * height, 0.9 * horizon),
            (0.1, 0.4),
        )
        _band(rng, background, horizon, ground, 0)
        _scatter(
            rng,
            background,
            palette,
            ON_THE_GROUND,
            rng.integers(1, 4),
            (horizon, height),
            (0.1, 0.4),
        )
        return background
    _scatter(
        rng,
        background,
        palette,
        IN_THE_SKY,
        rng.integers(1, 5),
        (0.1 * height, 0.95 * horizon),
        (0.08, 0.35),
    )
    for i in range(rng.integers(0, 3)):  # hills
        hill = palette.contrasting(rng, [sky], least=0.1)
        _band(
            rng,
            background,
            horizon - (0.10 - 0.06 * i) * height,
            hill,
            0.10 * height,
        )
    _scatter(
        rng,
        background,
        palette,
        ON_THE_GROUND,
        rng.integers(1, 5),
        (horizon, horizon + 0.05 * height),
        (0.08, 0.35),
    )
    if with_shore if with_shore is not None else rng.random() < 0.2:
        _band(rng, background, horizon, palette.contrasting(rng, [ground]), 0)
        background.shore = horizon + (height - horizon) * rng.uniform(
            0.35, 0.8
        )
    _band(rng, background, background.shore, ground, 0.03 * height)
    _scatter(
        rng,
        background,
        palette,
        ON_THE_GROUND,
        rng.integers(0, 4),
        (background.shore, height),
        (0.1, 0.4),
    )
    return background


def finish(rng, canvas):
    """Add grain and darker corners: uint8 (height, width, 3)."""
    height, width = canvas.shape[:2]
    grain = rng.normal(0, 0.008, (height, width, 1)).astype('float32')
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = (1 - 0.09 * (x**2 + y**2) ** 1.5)[..., None]
    picture = (canvas + grain) * corners
    return (picture.clip(0, 1) * 255 + 0.5).astype('uint8')


# ----------------------------------------------------------------- Scenes


@dataclass
class Thing:
    """An object of a class in a scene, on its way to be painted."""

    name: str
    stencil: Stencil


def _visible_share(stencils, height, width):
    """Return which share of each shape is to be seen, later ones in front."""
    hidden = np.zeros((height, width), bool)
    shares = []
    for stencil in reversed(stencils):
        mask = stencil.cover >= 0.5
        area = stencil.area()
        shares.append((mask & ~hidden[area]).sum() / stencil.whole)
        hidden[area] |= mask
    return shares[::-1]


def _try_place(rng, name, length, background):
    """Place an object where its class belongs: a `Stencil` or None."""
    height, width = background.canvas.shape[:2]
    horizon, shore = background.horizon, background.shore
    if name == 'aeroplane':
        base = rng.uniform(0.45 * length, max(1.1 * horizon, 0.6 * length))
    elif name == 'boat' and shore > horizon:
        base = rng.uniform(horizon + 0.1 * (shore - horizon), shore)
    else:
        # Near things are large and stand low in the picture.
        near = min(1.0, length / (0.9 * min(height, width)))
        base = shore + (height - shore) * near + rng.normal(0, 0.06) * height
        base = min(
            max(base, shore + 0.02 * height, 0.8 * length), 1.12 * height
        )
    lean = LEAN[name]
    parts = place(
        SHAPES[name](rng),
        length,
        rng.uniform(0.05, 0.95) * width,
        base,
        rng.uniform(-lean, lean),
        rng.random() < 0.5,
    )
    return rasterise(parts, height, width)


def _arrange(rng, names, background):
    """Find places for objects: a list of `Thing`, the farthest first.

    No object is more than half hidden, by others or by the frame.
    """
    height, width = background.canvas.shape[:2]
    things = []
    for name in names:
        for _ in range(25):
            share = math.exp(rng.uniform(math.log(0.24), math.log(0.85)))
            share = min(share * STRETCH[name], 1.05)
            length = share * min(height, width)
            stencil = _try_place(rng, name, length, background)
            if stencil is None:
                continue
            trial = sorted(
                [*things, Thing(name, stencil)],
                key=lambda thing: thing.stencil.top + len(thing.stencil.cover),
            )
            shares = _visible_share(
                [thing.stencil for thing in trial], height, width
            )
            if min(shares) >= 0.55:
                things = trial
                break
    return things


def _disc_offsets(radius):
    steps = range(-radius, radius + 1)
    return [(i, j) for i in steps for j in steps if i * i + j * j <= radius**2]


def _over_disc(values, radius, combine):
    """Combine (maximum, minimum) each pixel's neighbours in a disc."""
    height, width = values.shape
    padded = np.pad(values, radius, mode='edge')
    result = values
    for i, j in _disc_offsets(radius):
        i, j = i + radius, j + radius
        result = combine(result, padded[i : i + height, j : j + width])
    return result


def draw_label(things, height, width):
    """Draw the label map of a scene: uint8 (height, width).

    Class indices, 0 for the background, and VOID for a line of five pixels
    along every outline, also between two objects of one class.
    """
    order = np.zeros((height, width), 'uint8')
    table = np.array([0] + [CLASSES[thing.name] for thing in things], 'uint8')
    for i, thing in enumerate(things, 1):
        order[thing.stencil.area()][thing.stencil.cover >= 0.5] = i
    label = table[order]
    outside = _over_disc(order, VOID_OUTSIDE, np.maximum) > order
    inside = _over_disc(order, VOID_INSIDE, np.minimum) < order
    label[outside | inside] = VOID
    return label


def _colours_for(rng, palette, background, stencil):
    """Choose two colours that stand out where the object will be."""
    around = [background.ground]
    if stencil.top < background.horizon:
        around.append(background.sky)
    first = palette.contrasting(rng, around)
    return first, palette.contrasting(rng, [first, *around], least=0.15)


def draw_scene(rng, height, width):
    """Draw a scene: photo uint8 (height, width, 3), label (height, width)."""
    palette = Palette(rng)
    names = rng.choice(
        list(CLASSES), rng.choice((1, 2, 3, 4), p=(0.15, 0.3, 0.3, 0.25))
    )
    background = draw_background(
        rng,
        palette,
        height,
        width,
        with_shore=True if 'boat' in names else None,
    )
    things = []
    while not things:
        things = _arrange(rng, names, background)
    for thing in things:
        colours = _colours_for(rng, palette, background, thing.stencil)
        paint(rng, background.canvas, thing.stencil, colours)
    label = draw_label(things, height, width)
    return finish(rng, background.canvas), label


def thumbnail(rng, size=96, background_share=1 / 7):
    """Draw one object alone: photo uint8 (size, size, 3), VOC class index.

    A share of the thumbnails shows no object, index 0.
    """
    palette = Palette(rng)
    # A thumbnail shows a part of a scene, so a part of its clutter.
    background = draw_background(rng, palette, size, size, clutter=0.25)
    name = list(CLASSES)[rng.integers(len(CLASSES))]
    index = CLASSES[name]
    if rng.random() < background_share:
        return finish(rng, background.canvas), 0
    lean = LEAN[name]
    while True:
        length = size * math.exp(rng.uniform(math.log(0.5), math.log(1.4)))
        parts = place(
            SHAPES[name](rng),
            length,
            size / 2 + rng.normal(0, 0.13) * size,
            (size + length) / 2 + rng.normal(0, 0.13) * size,
            rng.uniform(-lean, lean),
            rng.random() < 0.5,
        )
        stencil = rasterise(parts, size, size)
        if stencil is None:
            continue
        seen = stencil.cover.sum() / stencil.whole
        if seen > 0.4:
            break
    colours = _colours_for(rng, palette, background, stencil)
    paint(rng, background.canvas, stencil, colours)
    return finish(rng, background.canvas), index


# ------------------------------------------------------------- Data set


def voc_palette():
    """Return VOC's colour table as Pillow wants it: 768 numbers."""
    index = np.arange(256)
    table = np.zeros((256, 3), 'uint8')
    for bit in range(8):
        for channel in range(3):
            on = (index >> (3 * bit + channel)) & 1
            table[:, channel] |= (on << (7 - bit)).astype('uint8')
    return table.ravel().tolist()


def image_size(rng):
    """Draw a (width, height) from SIZES."""
    sizes, weights = zip(*SIZES, strict=True)
    p = np.array(weights) / sum(weights)
    return sizes[rng.choice(len(sizes), p=p)]


def _name(i):
    return f'scene_{i:04d}'


def write_scene(i, folder):
    """Draw scene i and write its photo and its label below a folder."""
    rng = np.random.default_rng((SEED, i))
    width, height = image_size(rng)
    photo, label = draw_scene(rng, height, width)
    Image.fromarray(photo).save(
        Path(folder, 'JPEGImages', f'{_name(i)}.jpg'), quality=84
    )
    image = Image.fromarray(label, mode='P')
    image.putpalette(voc_palette())
    image.save(Path(folder, 'SegmentationClass', f'{_name(i)}.png'))


def _write_splits(folder, num_train, num_val):
    names = [_name(i) for i in range(num_train + num_val)]
    splits = {
        'train': names[:num_train],
        'val': names[num_train:],
        'trainval': names,
    }
    for split, members in splits.items():
        path = Path(folder, 'ImageSets', 'Segmentation', f'{split}.txt')
        path.write_text(''.join(f'{name}\n' for name in members))


def _write_job(job):
    write_scene(*job)


def in_processes(function, jobs, processes):
    """Return [function(job) for job in jobs], computed by some processes."""
    if processes == 1:
        return [function(job) for job in jobs]
    with multiprocessing.Pool(processes) as pool:
        return pool.map(function, jobs, chunksize=8)


def make_dataset(target, num_train=NUM_TRAIN, num_val=NUM_VAL, processes=None):
    """Make the folder `target`, complete or not at all.

    It is drawn beside its place and moved there in one step. Somebody else
    who finishes first wins; the drawings are the same.
    """
    target = Path(target).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    processes = processes or len(os.sched_getaffinity(0))
    folder = tempfile.mkdtemp(prefix=f'.{target.name}-', dir=target.parent)
    try:
        os.chmod(folder, 0o755)
        for part in (
            'JPEGImages',
            'SegmentationClass',
            'ImageSets/Segmentation',
        ):
            Path(folder, part).mkdir(parents=True)
        jobs = [(i, folder) for i in range(num_train + num_val)]
        in_processes(_write_job, jobs, processes)
        _write_splits(folder, num_train, num_val)
        try:
            os.rename(folder, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    """Read the command line and make the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('target', help='the folder to make')
    make_dataset(parser.parse_args().target)


if __name__ == '__main__':
    main()
