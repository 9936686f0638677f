"""Find what a page's code rests on: the book's definitions that it reaches.

From the names in its cells the way leads through utils.py, parts/, segbook.py,
checks/ and tools/, as their imports say, from definition to definition. What
a module does besides when it is imported counts for all that import it; a
widget counts with its files, for they are in the output. Only what code means
counts: no comments, no docstrings. Nothing is run.
"""

import ast
import functools
import re

from save import names_bound_by

MODULES = 'utils.py', 'segbook.py', 'parts/*.py', 'checks/*.py', 'tools/*.py'
COMMAND = re.compile(
    r'(?:tools/)?(\w+)\.py'
)  # a text that names one: it is run
ALL = '*'  # a module is used in a way that we cannot follow
EFFECTS = ''  # what it does when it is imported


def parsed(code):
    """Return a tree of Python code, without its docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            del node.body[0]
    return tree


def meaning(code):
    """Return code as far as it matters; what is no Python, as it is."""
    try:
        return ast.dump(parsed(code))
    except SyntaxError:  # %magic
        return code


class Module:
    """A module's statements by what they are for.

    definitions: {name: statements that bind it}; imports: {bound name:
    dotted name of what it means}, those inside of functions, too; effects:
    what else happens when it is imported.
    """

    def __init__(self, tree):
        self.definitions, self.imports, self.effects = {}, {}, []
        for node in tree.body:
            names = names_bound_by(node)
            for name in names:
                self.definitions.setdefault(name, []).append(node)
            text = isinstance(node, ast.Expr) and isinstance(
                node.value, ast.Constant
            )
            imports = isinstance(node, ast.Import | ast.ImportFrom)
            if not (names or imports or text):
                self.effects.append(node)
        self.definitions.pop('__all__', None)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.name if alias.asname else _first(alias.name)
                    self.imports[alias.asname or name] = name
                    self.imports[alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    name = alias.asname or alias.name
                    self.imports[name] = f'{node.module}.{alias.name}'


def _first(dotted):
    return dotted.split('.')[0]


class Book:
    """The book's modules, of which the code of a page may use a part."""

    def __init__(self, root):
        self.modules = {}
        for path in sorted(p for glob in MODULES for p in root.glob(glob)):
            name = '.'.join(path.relative_to(root).with_suffix('').parts)
            tree = parsed(path.read_text(encoding='utf-8'))
            self.modules[name.removesuffix('.__init__')] = Module(tree)
        self.widgets = {'': ''}  # that of all stands in the folder itself
        for path in sorted(root.glob('build/widgets/**/*.*')):
            name = path.relative_to(root / 'build' / 'widgets').parent.name
            text = self.widgets.get(name, '') + path.read_text('utf-8')
            self.widgets[name] = text

    def reached_by(self, cells):
        """Return {dotted name: meaning} of all that a page's cells reach.

        A cell that is no Python counts as if it used the modules that it
        names whole.
        """
        found, waiting, page = {}, set(), ast.Module([], [])
        for cell in cells:
            try:
                page.body += parsed(cell).body
            except SyntaxError:
                words = set(re.findall(r'\w+', cell))
                waiting |= {(name, ALL) for name in words & set(self.modules)}
        imports = Module(page).imports
        for name in imports.values():
            waiting |= set(self._meant(name, EFFECTS))
        waiting |= self._mentioned(page, imports)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found[place], more = self._at(*place)
                waiting |= more
        reached = {f'{m}.{n}': text for (m, n), text in found.items() if text}
        if 'parts.controls.show_widget' in reached:
            named = {getattr(node, 'value', '') for node in ast.walk(page)}
            for name in self.widgets.keys() & {'', *named}:
                reached[f'widget {name}'] = self.widgets[name]
        return reached

    @functools.cache  # noqa: B019  one book a process
    def _at(self, name, what):
        """Return a definition's meaning, and where its names lead."""
        module = self.modules[name]
        if what == ALL:
            lent = [n for n, of in module.imports.items() if '.' in of]
            places = EFFECTS, *module.definitions, *lent
            return '', {(name, each) for each in places}
        if what == EFFECTS:
            nodes, more = module.effects, set()
            package = name.rpartition('.')[0]
            for imported in (package, *module.imports.values()):
                more |= set(self._meant(imported, EFFECTS))
        elif what in module.definitions:
            nodes, more = module.definitions[what], {(name, EFFECTS)}
        else:  # what it imports itself, or does not have
            return '', set(self._meant(module.imports.get(what, ''), ALL))
        tree = ast.Module(nodes, [])
        more |= self._mentioned(tree, module.imports, module.definitions, name)
        return nodes and ast.dump(tree), more

    def _mentioned(self, tree, imports, definitions=(), home=None):
        """Return the places that the names in a tree lead to."""
        found = set()
        attributes = {
            id(node.value): node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in definitions:
                found.add((home, node.id))
            elif isinstance(node, ast.Name) and node.id in imports:
                attribute = attributes.get(id(node), ALL)
                found |= set(self._meant(imports[node.id], attribute))
            elif command := COMMAND.fullmatch(str(getattr(node, 'value', ''))):
                found |= set(self._meant(f'tools.{command[1]}', ALL))
        return found

    def _meant(self, dotted, attribute):
        """Yield the places that a dotted name, and one thing in it, mean."""
        module, _, name = dotted.rpartition('.')
        if f'{dotted}.{attribute}' in self.modules:
            yield f'{dotted}.{attribute}', ALL
        elif dotted in self.modules:
            yield dotted, attribute
        elif module in self.modules:
            yield module, name if attribute or name == ALL else EFFECTS
