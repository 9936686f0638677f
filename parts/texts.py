"""Text that comes from files, made fit to be shown and compared."""

import unicodedata


def plain(text, most=None):
    """Write text as one line that is safe in a terminal and in a page.

    What is no printable character (ends of lines, control characters, those
    that turn the direction of writing, halves of surrogate pairs) is written
    as Python writes it in a string: a new line as \\n. More than `most`
    characters are cut off: the last one left is then «…».
    """
    if most is not None and len(text) > most:
        text = text[: most - 1] + '…'
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode()
        for c in text
    )


def same_letters(text):
    """The one way to write a text of several that look the same.

    Unicode has two for «ä»: one character, or an a and two dots. Windows and
    Linux write the first into names of files, a Mac writes the second.
    """
    return unicodedata.normalize('NFC', text)
