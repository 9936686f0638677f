"""Run a Python program with the options that stand in a variable.

Usage: python build/words.py VARIABLE -m MODULE
       python build/words.py VARIABLE FILE

The variable's text is split into words as a shell would do it, with quotes
and backslashes; nothing in it is expanded or executed:

    make test TESTS='tests/test_data.py -k "one or two"'
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import os
import runpy
import shlex
import sys


def words(variable):
    """Return the words of a variable; end the program if a quote is open."""
    text = os.environ.get(variable, '')
    try:
        return shlex.split(text)
    except ValueError as error:
        sys.exit(f'{variable}={ending.plain(text)}: {error}')


def main(variable, *command):
    """Become the program."""
    command = [*command, *words(variable)]
    if command[0] != '-m':
        ending.become(sys.executable, *command)
    # In this process, whose ending is arranged: tests/conftest.py goes on so.
    sys.path[0] = os.getcwd()
    sys.argv = command[1:]
    runpy.run_module(command[1], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
