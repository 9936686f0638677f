"""Nets and trainings as files, each complete or not at all."""

import json
import os
import tempfile
import zipfile
from pathlib import Path

import parts.start  # noqa: F401  first: before MXNet
from parts.images import VOID

import mxnet as mx


def save_net(path, net, table):
    """Save a net and what its classes are called as one file.

    A zip file, complete or not at all: `parameters`, which is what
    `net.load_parameters` reads, and `classes.json`. `table`: a class table.
    `make predict` reads it, and `tools.predict.load_net` in Python.
    """
    files = {'parameters': net.save_parameters}
    _write_zip(path, files, {'classes.json': table_to_json(table)})


def table_to_json(table):
    """The arguments that make a class table, as JSON has them."""
    return {
        'names': table.names,
        'colors': table.colormap[: len(table.names)].tolist(),
        'void': table.void,
        'void_color': table.colormap[VOID].tolist(),
    }


def save_checkpoint(path, net, trainer, settings, history):
    """Write parameters, optimizer and history as one file, all or nothing."""
    files = {'parameters': net.save_parameters, 'trainer': trainer.save_states}
    run = {'settings': settings, 'history': history}
    _write_zip(path, files, {'run.json': run})


def _write_zip(path, files, objects):
    """Write a zip file in one step.

    `files`: from a name to a function that writes the file it is given;
    `objects`: from a name to what is stored as JSON.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        with zipfile.ZipFile(f'{folder}/whole', 'w') as archive:
            for name, save in files.items():
                save(f'{folder}/{name}')
                archive.write(f'{folder}/{name}', name)
            for name, value in objects.items():
                archive.writestr(name, json.dumps(value))
        os.replace(f'{folder}/whole', path)


def load_checkpoint(path, net, trainer, devices, settings):
    """Restore net and trainer and return the history."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                run = json.loads(archive.read('run.json'))
                for name in ('parameters', 'trainer'):
                    archive.extract(name, folder)
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ValueError(
                f'{path} is not a checkpoint of train: {error}'
            ) from error
        for name, value in settings.items():
            if run['settings'].get(name) != value:
                raise ValueError(
                    f'{path} is of a run with {name}='
                    f'{run["settings"].get(name)!r}, not {value!r}'
                )
        try:
            net.load_parameters(f'{folder}/parameters', devices)
        except (AssertionError, mx.base.MXNetError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f'{path} is of another network: {first}'
            ) from error
        trainer.load_states(f'{folder}/trainer')
    return run['history']
