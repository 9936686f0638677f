"""Find the objects of the book's built-in scenes, as VOC tells them.

    python build/objects.py SCENES TARGET

reads which scenes lie in the folder SCENES, that build/scenes.py made, and
makes the folder TARGET: for each scene an XML file with the boxes of its
objects in Annotations, and in SegmentationObject a palette PNG of the same
size as the label, in which object k of the XML file has the number k, the
background 0, and void 255.

A label has classes only: it takes the two halves of a boat behind a tree for
two boats, and nothing in it says that they are one. So each scene is drawn
again, and the objects are looked at before they become a label. What is drawn
must be the label that is there.
"""

import argparse
import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[1]))

import scenes
from parts.images import open_image

import numpy as np
from PIL import Image

PARTS = 'SegmentationObject', 'Annotations'


def draw_objects(i):
    """Draw scene i: its label, and which pixels are which object's.

    Returns (label, order, names): uint8 (height, width) twice, in `order`
    object k, from 1 on, where it is to be seen; and the class of each.
    """
    things, draw_label = [], scenes.draw_label

    def watched(some, *size):
        things.extend(some)
        return draw_label(some, *size)

    rng = np.random.default_rng((scenes.SEED, i))
    width, height = scenes.image_size(rng)
    scenes.draw_label = watched
    try:
        _, label = scenes.draw_scene(rng, height, width)
    finally:
        scenes.draw_label = draw_label
    order = np.zeros((height, width), 'uint8')
    for k, thing in enumerate(things, 1):  # the farthest first
        order[thing.stencil.area()][thing.stencil.cover >= 0.5] = k
    return label, order, [thing.name for thing in things]


def box_of(mask):
    """The first and last column and row of a mask, as VOC counts: from 1."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return {
        'xmin': columns[0] + 1,
        'ymin': rows[0] + 1,
        'xmax': columns[-1] + 1,
        'ymax': rows[-1] + 1,
    }


def annotation(name, order, names):
    """Write VOC's annotation of a scene: a text in XML."""
    height, width = order.shape
    root = ElementTree.Element('annotation')
    ElementTree.SubElement(root, 'filename').text = f'{name}.jpg'
    size = ElementTree.SubElement(root, 'size')
    for side, value in (('width', width), ('height', height), ('depth', 3)):
        ElementTree.SubElement(size, side).text = str(value)
    ElementTree.SubElement(root, 'segmented').text = '1'
    for k, kind in enumerate(names, 1):
        thing = ElementTree.SubElement(root, 'object')
        ElementTree.SubElement(thing, 'name').text = kind
        ElementTree.SubElement(thing, 'difficult').text = '0'
        box = ElementTree.SubElement(thing, 'bndbox')
        for side, value in box_of(order == k).items():
            ElementTree.SubElement(box, side).text = str(value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding='unicode') + '\n'


def write_objects(name, source, target):
    """Write both files of a scene. Raises ValueError if it is another one."""
    label, order, names = draw_objects(int(name.removeprefix('scene_')))
    path = Path(source, 'SegmentationClass', f'{name}.png')
    if not np.array_equal(open_image(path), label):
        raise ValueError(f'{path} is not the label that is drawn here')
    path = Path(target, 'Annotations', f'{name}.xml')
    path.write_text(annotation(name, order, names), encoding='utf-8')
    order[label == scenes.VOID] = scenes.VOID
    image = Image.fromarray(order)
    image.putpalette(scenes.voc_palette())
    image.save(Path(target, 'SegmentationObject', f'{name}.png'))


def _write_job(job):
    write_objects(*job)


def make_objects(source, target, processes=None):
    """Make the folder `target` for the scenes in the folder `source`."""
    for part in PARTS:
        Path(target, part).mkdir(parents=True)
    photos = Path(source, 'JPEGImages').glob('scene_*.jpg')
    jobs = [(path.stem, source, target) for path in sorted(photos)]
    processes = processes or len(os.sched_getaffinity(0))
    scenes.in_processes(_write_job, jobs, processes)


def main():
    """Read the command line and make the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('scenes', help='the folder that holds the scenes')
    parser.add_argument('target', help='the folder to make')
    arguments = parser.parse_args()
    make_objects(arguments.scenes, arguments.target)


if __name__ == '__main__':
    main()
