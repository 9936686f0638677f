"""Nets and trainings as files, each complete or not at all.

Nothing in such a file is ever run: it holds arrays and JSON.
"""

import functools
import json
import math
import reprlib
import shutil
import tempfile
import zipfile
from pathlib import Path

import parts.start  # noqa: F401  first: before MXNet
from parts.images import host
from parts.start import ON_MXNET1
from parts.stored import (
    naming,
    open_arrays,
    open_member,
    open_zip,
    read_json,
    read_member,
    unfolds_to,
)
from parts.tables import table_arguments, table_to_json
from parts.texts import plain
from parts.whole import place, put, scratch

import numpy as onp
from mxnet import np, npx


def save_net(path, net, table, about=None, dtype='float32'):
    """Save a net and what its classes are called as one file.

    A zip file, complete or not at all: `parameters`, as
    `net.save_parameters` writes them; `classes.json`; and `about.json`.
    `make predict` reads it, and `tools.predict.load_net` in Python.

    `table`: a class table. `about`: what else users of the net should know,
    a dict or None: {'photos': {class: how many photos of it the net has
    learnt from}}, and under any other names texts and numbers, such as
    'kind' and 'licence'. `dtype`: 'float16' stores parameters of float32 in
    half of the bytes; they are float32 again where `load_net` reads them
    (`net.load_parameters` needs `cast_dtype=True`).

    Raises ValueError if no file can hold the table (1 to 255 classes) or
    what the net is about, and for a parameter that is too large for float16.
    """
    classes = table_to_json(table)
    table_arguments(classes)
    objects = {'classes.json': classes}
    if about is not None:
        objects['about.json'] = _checked_about(about, table.names)
    if dtype not in ('float32', 'float16'):
        raise ValueError(f"dtype={dtype!r}: it is 'float32' or 'float16'")
    save = net.save_parameters
    if dtype == 'float16':
        save = functools.partial(_save_halves, net)
    _write_zip(path, {'parameters': save}, objects)


def _save_halves(net, path):
    """Write a net's parameters with those of float32 as float16."""
    net.save_parameters(path)
    halves = {}
    with open_arrays(path) as stored:
        for name, array in stored.items():
            values, kind = array.read(), array.dtype
            if kind == onp.float32:
                kind = onp.dtype('float16')
                if not onp.abs(values).max(initial=0) <= onp.finfo(kind).max:
                    raise ValueError(
                        f'the parameter {name} holds numbers that float16 '
                        'does not have: save the net as float32'
                    )
            halves[name] = np.array(values.astype(kind), dtype=kind)
    if ON_MXNET1:
        npx.save(path, halves)
    else:
        npx.savez(path, **halves)


def load_saved(path, net, devices):
    """Give a net what `save_net` stored of one like it, on a list of devices.

    The net knows its sizes. Returns what the stored one is about. Raises
    ValueError naming the file if it is damaged or holds another net.
    """
    with (
        naming(path, 'is not what save_net writes'),
        open_zip(place(path)) as archive,
        tempfile.TemporaryDirectory() as folder,
    ):
        unpack(archive, ['parameters'], folder)
        with open_arrays(f'{folder}/parameters') as stored:
            fill(net, stored, devices)
        classes = read_json(read_member(archive, 'classes.json'))
        return read_about(archive, table_arguments(classes)['names'])


# What an about.json may hold; a table has at most 255 classes.
_MOST_ABOUT, _MOST_ENTRIES = 1_000_000, 100  # bytes, and entries
_LONGEST = 2_000  # letters of a text


def _checked_about(about, names):
    """Check what a net is about (`save_net`), and return it.

    `names`: those of its classes. Raises ValueError, one sentence.
    """
    if not isinstance(about, dict) or len(about) > _MOST_ENTRIES:
        raise ValueError(
            'what a net is about is a dict of at most '
            f'{_MOST_ENTRIES} entries, not {reprlib.repr(about)}'
        )
    for name, value in about.items():
        if not _is_text(name, 60):
            raise ValueError(
                f'no entry of about.json is called {reprlib.repr(name)}'
            )
        if name == 'photos':
            _check_photos(value, names)
        elif not _is_text(value, _LONGEST) and not (
            type(value) in (int, float) and abs(value) <= 1e15  # as NaN is not
        ):
            raise ValueError(
                f'about.json says «{name}» in a text of at most {_LONGEST} '
                f'printable letters or a number, not {reprlib.repr(value)}'
            )
    return about


def _check_photos(photos, names):
    """Check {class: how many photos of it a net has learnt from}."""
    if not isinstance(photos, dict):
        raise ValueError(
            'photos of about.json are a number for each class, not '
            f'{reprlib.repr(photos)}'
        )
    for name, count in photos.items():
        if name not in names:
            raise ValueError(
                f'about.json counts photos of {reprlib.repr(name)}, which is '
                'no class of the net'
            )
        if type(count) is not int or not 0 <= count <= 10**9:
            raise ValueError(
                f'about.json counts {reprlib.repr(count)} photos of '
                f'«{plain(name, 60)}»'
            )


def _is_text(value, most):
    """Whether something is a text that can be shown as it is."""
    text = isinstance(value, str) and 0 < len(value) <= most
    return text and value.isprintable()


def read_about(archive, names):
    """What a net in an open zip file is about: a dict, empty if none says.

    `names`: those of its classes.
    """
    if 'about.json' not in archive.namelist():
        return {}
    text = read_member(archive, 'about.json', _MOST_ABOUT)
    return _checked_about(read_json(text), names)


# -------------------------------------------------------------- parameters


def fill(net, stored, devices):
    """Give a net what `net.save_parameters` wrote, on a list of devices.

    `stored`: {name: array in a file}. The net knows its sizes. Unlike
    `net.load_parameters`, this reads the files of both MXNets, and those of a
    net that is a single layer; and MXNet itself does not check all lengths.
    Where the net has float32, the file may have float16.

    Raises ValueError, and then nothing is changed, if names, shapes or types
    are not the net's.
    """
    _check_arrays(net, stored, also=('float16',))
    named = net._collect_params_with_prefix()
    for name, array in stored.items():
        values = np.array(array.read(), dtype=named[name].dtype)
        named[name]._load_init(values, list(devices))


def _check_arrays(net, stored, also=()):
    """Raise ValueError unless arrays in a file are a net's parameters.

    `also`: other types that do where the net has float32.
    """
    named = net._collect_params_with_prefix()
    there = {named[name] for name in stored if name in named}  # some share
    missing = [name for name in named if named[name] not in there]
    unknown = [name for name in stored if name not in named]
    if missing or unknown:
        raise ValueError(
            f'it has no {missing[0]}' if missing else f'it has {unknown[0]}'
        )
    for name, array in stored.items():
        wanted = named[name].shape, onp.dtype(named[name].dtype)
        fits = array.dtype == wanted[1] or (
            wanted[1] == onp.float32 and array.dtype in also
        )
        if array.shape != wanted[0] or not fits:
            raise ValueError(
                f'its {name} is {array.dtype} {array.shape}, not '
                f'{wanted[1]} {wanted[0]}'
            )


# --------------------------------------------------------------- trainings


def save_checkpoint(path, net, trainer, settings, history):
    """Write parameters, optimizer and history as one file, all or nothing.

    A zip file: `parameters`; `states`, the optimizer's arrays as a .npz file;
    `run.json`: settings, history, and the optimizer's numbers.
    """
    numbers, arrays = _optimizer_state(net, trainer)
    files = {
        'parameters': net.save_parameters,
        'states': lambda file: _write_arrays(file, arrays),
    }
    run = {
        'settings': {name: _text(value) for name, value in settings.items()},
        'history': {
            name: [None if math.isnan(value) else value for value in values]
            for name, values in history.items()
        },
        'optimizer': numbers,
    }
    _write_zip(path, files, {'run.json': run})


def _text(value):
    """A setting as it is compared: equal if it means the same."""
    return json.dumps(value, sort_keys=True, default=repr)


def _write_arrays(path, arrays):
    """Write a .npz file, one array after the other."""
    with zipfile.ZipFile(path, 'w') as archive:
        for name, array in arrays.items():
            with archive.open(f'{name}.npy', 'w', force_zip64=True) as member:
                onp.lib.format.write_array(member, host(array))


def _write_zip(path, files, objects):
    """Write a zip file in one step.

    `files`: from a name to a function that writes the file it is given;
    `objects`: from a name to what is stored as JSON.
    """
    path = place(path)
    with scratch(path.parent) as folder:
        with zipfile.ZipFile(folder / 'whole', 'w') as archive:
            for name, save in files.items():
                save(str(folder / name))
                archive.write(folder / name, name)
            for name, value in objects.items():
                text = json.dumps(value, allow_nan=False)
                archive.writestr(name, text)
        put(folder / 'whole', path)


def unpack(archive, names, folder):
    """Write members of an open zip file into a folder."""
    for name in names:
        limit = unfolds_to(archive.filename)
        with (
            open_member(archive, name, limit) as member,
            open(Path(folder, name), 'wb') as file,
        ):
            shutil.copyfileobj(member, file)


def load_checkpoint(path, net, trainer, devices, settings):
    """Restore net and trainer and return the history.

    The net knows its sizes (`knows_sizes`), the trainer has not stepped yet.

    Raises ValueError naming the file if it is damaged, of a run with other
    settings, of another net, or of an older version of this book.
    """
    with (
        naming(path, 'is not a checkpoint of train'),
        open_zip(place(path)) as archive,
        tempfile.TemporaryDirectory() as folder,
    ):
        if 'trainer' in archive.namelist():
            raise ValueError(
                f'{path} is a checkpoint of an older version of train, and '
                'reading it could run code: remove it and train anew'
            )
        run = _checked_run(read_json(read_member(archive, 'run.json')))
        for name, value in settings.items():
            stored, wanted = str(run['settings'].get(name)), _text(value)
            if stored != wanted:
                stored = stored[:200].encode('unicode_escape').decode()
                raise ValueError(
                    f'{path} is of a run with {name}={stored}, not {wanted}'
                )
        epochs = max(map(len, run['history'].values()), default=0)
        if epochs > settings.get('num_epochs', epochs):
            raise ValueError(f'its history is of {epochs} epochs')
        unpack(archive, ('parameters', 'states'), folder)
        with (
            open_arrays(f'{folder}/parameters') as parameters,
            open_arrays(f'{folder}/states') as states,
        ):
            with naming(path, 'is of another network'):
                _check_arrays(net, parameters)
            _restore_optimizer(net, trainer, devices, run['optimizer'], states)
            fill(net, parameters, devices)
    return run['history']


def _checked_run(run):
    """Check the JSON of a checkpoint, but for the optimizer's part."""
    parts = 'settings', 'history', 'optimizer'
    if not isinstance(run, dict) or not all(
        isinstance(run.get(part), dict) for part in parts
    ):
        raise ValueError('its run.json lacks a part')
    history = {}
    for name, values in run['history'].items():
        if not isinstance(values, list) or not all(
            value is None or type(value) in (int, float) for value in values
        ):
            raise ValueError(f'its history of {name} is no list of numbers')
        history[name] = [math.nan if v is None else v for v in values]
    if len({len(values) for values in history.values()}) > 1:
        raise ValueError('its history has more of one number than of another')
    return run | {'history': history}


# --------------------------------------------------------------- optimizers

# What optimizers of MXNet count beside their states, and AMP: the ranges.
_COUNTED = {
    'num_update': (0, 10**9),
    'm_schedule': (0.0, 1.0),  # Nadam
    'last_lr': (1e-30, 1e30),  # LARS
    'cur_lr': (1e-30, 1e30),
}
_SCALED = {
    '_loss_scale': (1e-30, 2**24),
    '_next_loss_scale': (1e-30, 2**24),
    '_unskipped': (0, 1999),
}


def _optimizer_state(net, trainer):
    """What a trainer needs to go on: (numbers for JSON, {name: array}).

    Arrays are named PARAMETER/0, PARAMETER/1, … in the order in which the
    optimizer makes them; they and the counts are the same on all devices.
    """
    names = _names(net, trainer)
    optimizer, states = trainer._optimizer, trainer._updaters[0].states
    counts = {}
    for device in optimizer._all_index_update_counts.values():
        counts |= {names[index]: count for index, count in device.items()}
    arrays = {
        f'{names[index]}/{k}': leaf
        for index, state in states.items()
        for k, leaf in enumerate(_leaves(state))
    }
    gathered = {}
    for index, entry in getattr(optimizer, 'cumgrads', {}).items():  # LBSGD
        gathered[names[index]] = entry['num_cums']
        if hasattr(entry['cum_grad'], 'shape'):  # else it is the number 0
            arrays[f'{names[index]}/gathered'] = entry['cum_grad']
    numbers = {
        'counted': _numbers_of(optimizer, _COUNTED),
        'scaled': _numbers_of(_scaler(trainer), _SCALED),
        'counts': counts,
        'gathered': gathered,
    }
    return numbers, arrays


def _restore_optimizer(net, trainer, devices, numbers, stored):
    """Give a new trainer what `_optimizer_state` returned.

    `stored`: {name: array in a file}. Raises ValueError for what cannot be of
    this optimizer and net.
    """
    names, optimizer = _names(net, trainer), trainer._optimizer
    _set_numbers(optimizer, numbers.get('counted'), _COUNTED)
    if _scaler(trainer) and numbers.get('scaled'):
        _set_numbers(_scaler(trainer), numbers['scaled'], _SCALED)
    counts, gathered = (
        _checked_counts(numbers.get(part), names.values())
        for part in ('counts', 'gathered')
    )
    for device in devices:
        optimizer._all_index_update_counts[device.device_id] = {
            index: counts[name]
            for index, name in names.items()
            if name in counts
        }
    used = set()

    def values(name, like):
        array = stored.get(name)
        if array is None or (array.shape, array.dtype) != (
            like.shape,
            like.dtype,
        ):
            raise ValueError(f'its state {name} does not fit the optimizer')
        used.add(name)
        return array.read()

    for index, parameter in enumerate(trainer._params):
        name = names[index]
        if name not in counts and f'{name}/0' not in stored:
            continue
        for updater, weight in zip(
            trainer._updaters, parameter.list_data(), strict=True
        ):
            state = optimizer.create_state_multi_precision(
                index, weight.as_nd_ndarray()
            )
            for k, leaf in enumerate(_leaves(state)):
                leaf[:] = values(f'{name}/{k}', leaf)
            updater.states[index] = state
            updater.states_synced[index] = True
        if name in gathered:
            grad, sum_name = 0, f'{name}/gathered'
            if sum_name in stored:
                grad = weight.as_nd_ndarray().zeros_like()
                grad[:] = values(sum_name, grad)
            entry = {'cum_grad': grad, 'num_cums': gathered[name]}
            optimizer.cumgrads[index] = entry
    if set(stored) - used:
        raise ValueError('it holds states that the optimizer does not have')


def _names(net, trainer):
    """The names within the net of a trainer's parameters, by their index.

    Those that a Trainer sorts its parameters by change from net to net.
    """
    named = net._collect_params_with_prefix()
    names = {parameter: name for name, parameter in named.items()}
    return {i: names[p] for i, p in enumerate(trainer._params)}


def _leaves(state):
    """The arrays of an optimizer's state: None, one, or (nested) a tuple."""
    if isinstance(state, (list, tuple)):
        return [leaf for part in state for leaf in _leaves(part)]
    return [] if state is None else [state]


def _scaler(trainer):
    """What AMP scales the losses with; None without AMP."""
    return getattr(trainer, '_amp_loss_scaler', None)


def _numbers_of(thing, ranges):
    """The attributes in `ranges` that a thing has."""
    found = {name: getattr(thing, name, None) for name in ranges}
    return {name: value for name, value in found.items() if value is not None}


def _set_numbers(thing, stored, ranges):
    """Set a thing's attributes, if they are numbers in their range."""
    if not isinstance(stored, dict):
        raise ValueError('its optimizer counts nothing')
    for name, value in stored.items():
        low, high = ranges.get(name, (1, 0))
        if (
            not hasattr(thing, name)
            or type(value) not in (int, type(low))
            or not low <= value <= high
        ):
            raise ValueError(f'its optimizer cannot have {name}={value!r}')
        setattr(thing, name, value)


def _checked_counts(stored, names):
    """Check {name of a parameter: how often something happened}."""
    if (
        not isinstance(stored, dict)
        or not set(stored) <= set(names)
        or not all(type(n) is int and 0 <= n <= 10**9 for n in stored.values())
    ):
        raise ValueError('its counts of updates are damaged')
    return stored
