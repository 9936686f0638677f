"""Ask whether the pinned packages have known vulnerabilities.

Usage: make audit, which is python build/audit.py in .venv-audit

pip-audit asks the package index's database about every package of every
environment. What SECURITY.md names is known, and it says there why it does
not matter here. The status is

    0  every package was asked about, and there is nothing else;
    1  there is something else;
    3  not every package could be asked about: then nothing is known.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import PINNED, ROOT

# No solving and no downloading of packages: the pins are complete.
PIP_AUDIT = (
    *(sys.executable, '-m', 'pip_audit', '--no-deps', '--disable-pip'),
    *('--progress-spinner', 'off', '--format', 'json'),
)
# A package that there is something to say about. A database that does not
# know this is empty, or none.
PROBE = [('requests', '2.19.1')]
NAME = re.compile(r'\b(?:CVE-\d+-\d+|PYSEC-\d+-\d+|GHSA(?:-[0-9a-z]{4}){3})\b')


class Unanswered(Exception):
    """The database could not be asked; the text says why."""


def pins(name):
    """Return [(package, version)] of an environment."""
    text = (ROOT / 'requirements' / f'{name}.txt').read_text('utf-8')
    # The index knows 2.13.0, but no build of it, such as 2.13.0+cpu.
    return re.findall(r'^([\w.-]+)==([^\s+]+)', text, re.MULTILINE)


def lists():
    """Yield all that is pinned, as lists with one version of a package each.

    A newer Python has other versions of some, and pip-audit takes one alone.
    """
    for name in PINNED:
        left = pins(name)
        while left:
            some = dict(left)
            yield list(some.items())
            left = [(name, v) for name, v in left if some[name] != v]


def ask(packages):
    """Return what pip-audit says of packages. Raises Unanswered.

    A list of dicts: a package's `name`, and either its `version` and `vulns`
    or, as `skip_reason`, why nothing is known.
    """
    with tempfile.TemporaryDirectory(prefix='audit-') as folder:
        file = Path(folder, 'requirements.txt')
        file.write_text(
            ''.join(f'{n}=={v}\n' for n, v in packages), encoding='utf-8'
        )
        command = [*PIP_AUDIT, '--requirement', str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)['dependencies']
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines() or ['pip-audit said nothing']
        raise Unanswered(ending.plain(said[-1])) from None


def describe(package, vulnerability):
    """Return a vulnerability on one line."""
    names = [vulnerability['id'], *vulnerability.get('aliases', [])]
    mended = ', '.join(vulnerability.get('fix_versions', [])) or 'no version'
    what = ending.plain(' '.join(vulnerability.get('description', '').split()))
    return (
        f'{package["name"]} {package["version"]}: {", ".join(names)} '
        f'(mended in {mended}) {what[:200]}'
    )


def main():
    """Ask about everything, and print what there is; return the status."""
    (probe,) = ask(PROBE)
    if not probe.get('vulns'):
        raise Unanswered(
            'it has nothing against requests 2.19.1 '
            f'({probe.get("skip_reason", "which is wrong")})'
        )
    known = set(NAME.findall((ROOT / 'SECURITY.md').read_text('utf-8')))
    answers, skipped = {}, set()
    for package in itertools.chain(*map(ask, lists())):
        if 'skip_reason' in package:
            skipped.add(package['name'])
        else:
            answers[package['name'], package['version']] = package
    status = 0
    for package in answers.values():
        for found in package['vulns']:
            line = describe(package, found)
            if known & {found['id'], *found.get('aliases', [])}:
                line = f'known, see SECURITY.md: {line}'
            else:
                status = 1
            print(line)
    if skipped:
        names = ', '.join(sorted(skipped))
        print(f'could not ask about {names}', file=sys.stderr)
        return status or 3
    if not status:
        print(f'{len(answers)} packages: no other vulnerability is known')
    return status


if __name__ == '__main__':
    ending.in_order()
    try:
        sys.exit(main())
    except Unanswered as error:
        print(f'the database could not be asked: {error}', file=sys.stderr)
        sys.exit(3)
