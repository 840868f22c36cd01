"""The layout holds: floors, no circles, no private names of others, one IGNORE. Imports for type checking count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# Each package imports from its own floor and those before it.
FLOORS = (
    (
        'command_line',
        'geometry',
        'pseudo_labels',
        'structures',
        'files',
        'targets',
        'checkpoints',
        'half_precision',
        'random_state',
        'process_group',
        'text_table',
    ),
    ('models', 'datasets', 'evaluation', 'visualization'),
    ('preparation', 'engine', 'apis', 'components'),
)
TEACHERS = ('mmseg', 'transformers', 'onnxruntime')
# Where these may be imported: by functions of the one, and by plug-ins for mmsegmentation that it alone loads.
TEACHERS_AT_HOME = 'ssl_bev.pseudo_labels.teachers.'
TEACHERS_PLUGINS = 'projects.SyntheticNuScenes.teacher.'
NAMED_TUPLE = ('_asdict', '_fields', '_make', '_replace')
FOREIGN = ('runner', 'torch', 'os', 'pickle')  # objects of libraries that have no public way to what we need
# torch documents its dispatch modes under the first name alone; nothing else tells what its safe unpickler knows.
LIBRARIES = ('torch.utils._python_dispatch', 'torch._weights_only_unpickler')


class Import(NamedTuple):
    """One imported name, or a whole module where the name is ''."""

    module: str
    name: str
    line: int
    runs_in_function: bool
    for_types: bool


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def read(*folders: str) -> tuple[dict[str, ast.Module], set[str]]:
    """The files below these folders by the name of their module, and which of them are packages."""
    paths = {name_of(path): path for folder in folders for path in sorted((ROOT / folder).rglob('*.py'))}
    packages = {name for name, path in paths.items() if path.name == '__init__.py'}
    return {name: ast.parse(path.read_text()) for name, path in paths.items()}, packages


OURS, PACKAGES = read('ssl_bev', 'projects')
OTHERS, _ = read('tools', 'tests')


def imports(
    name: str, node: ast.AST, packages: set[str] = PACKAGES, in_function: bool = False, for_types: bool = False
) -> Iterator[Import]:
    """All imports of a module, relative ones resolved."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, '', node.lineno, in_function, for_types)
    elif isinstance(node, ast.ImportFrom):
        parts = name.split('.')
        up = node.level - (name in packages)
        base = parts[: len(parts) - up] if node.level else []
        module = '.'.join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield Import(module, alias.name, node.lineno, in_function, for_types)
    in_function = in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for_types = for_types or (isinstance(node, ast.If) and ast.unparse(node.test).endswith('TYPE_CHECKING'))
    for child in ast.iter_child_nodes(node):
        yield from imports(name, child, packages, in_function, for_types)


def targets(name: str, found: Import, modules: Mapping[str, ast.Module]) -> set[str]:
    """The modules that an import loads: what it names, and the packages around it that do not hold the importer."""
    whole = f'{found.module}.{found.name}' if found.name else found.module
    module = whole if whole in modules else found.module
    parents = {module.rsplit('.', depth)[0] for depth in range(1, module.count('.') + 1)}
    return {target for target in {module, *parents} & set(modules) if not f'{name}.'.startswith(f'{target}.')}


def loads(modules: Mapping[str, ast.Module], packages: set[str]) -> dict[str, set[str]]:
    """Each module -> the modules that it loads."""
    return {
        name: {target for found in imports(name, tree, packages) for target in targets(name, found, modules)}
        for name, tree in modules.items()
    }


def circle(graph: Mapping[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def room(module: str) -> str:
    """The package or single module of ssl_bev, or the project: ssl_bev.models, projects.BEVFormer."""
    return '.'.join(module.split('.')[:2])


def floor(module: str) -> int:
    if module.startswith('projects.'):
        return len(FLOORS)
    (number,) = (i for i, names in enumerate(FLOORS) if f'{module}.'.startswith(tuple(f'ssl_bev.{n}.' for n in names)))
    return number


def test_every_package_has_a_floor():
    rooms = {room(name) for name in OURS if name.startswith('ssl_bev.')}
    assert rooms == {f'ssl_bev.{name}' for names in FLOORS for name in names}


def test_no_module_is_in_a_circle():
    assert circle(loads(OURS, PACKAGES)) is None


def test_no_package_is_in_a_circle():
    graph: dict[str, set[str]] = {}
    for name, found in loads(OURS, PACKAGES).items():
        graph.setdefault(room(name), set()).update({room(target) for target in found} - {room(name), 'ssl_bev'})
    assert circle(graph) is None


def test_circles_are_found():
    files = {
        'a': 'from .b import c',
        'a.b': '',
        'a.b.c': 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..d import D',
        'a.d': 'def f():\n    import a.b',
    }
    modules = {name: ast.parse(text) for name, text in files.items()}
    graph = loads(modules, {'a', 'a.b'})
    assert graph == {'a': {'a.b', 'a.b.c'}, 'a.b': set(), 'a.b.c': {'a.d'}, 'a.d': {'a.b'}}
    assert circle(graph) is None
    modules['a.d'] = ast.parse('from .b import c')
    assert set(circle(loads(modules, {'a', 'a.b'}))) == {'a.b.c', 'a.d'}


def test_nothing_imports_from_a_floor_above():
    faults = [
        f'{name} imports {target}'
        for name, found in loads(OURS, PACKAGES).items()
        for target in found
        if target != 'ssl_bev' and floor(target) > floor(name)
    ]
    outside = [f'{n}:{i.line}' for n, tree in OURS.items() for i in imports(n, tree) if i.module.startswith('tools')]
    assert faults + outside == []


def test_no_project_imports_another():
    faults = [
        f'{name} imports {target}'
        for name, found in loads(OURS, PACKAGES).items()
        for target in found
        if name.startswith('projects.') and target.startswith('projects.') and room(target) != room(name)
    ]
    assert faults == []


def test_the_teachers_libraries_stay_with_the_teachers():
    faults = [
        f'{name}:{found.line} imports {found.module}'
        for name, tree in OURS.items()
        for found in imports(name, tree)
        if found.module.split('.')[0] in TEACHERS
        and not name.startswith(TEACHERS_PLUGINS)
        and not (name.startswith(TEACHERS_AT_HOME) and (found.runs_in_function or found.for_types))
    ]
    assert faults == []


def test_no_private_names_are_imported():
    faults = [
        f'{name}:{found.line} imports {found.module} {found.name}'
        for name, tree in (OURS | OTHERS).items()
        for found in imports(name, tree)
        if any(part.startswith('_') and not part.startswith('__') for part in (*found.module.split('.'), found.name))
        and found.module not in LIBRARIES
    ]
    assert faults == []


def test_no_private_attribute_of_another_object_is_read():
    faults = [
        f'{name}:{node.lineno} {ast.unparse(node)}'
        for name, tree in OURS.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith('_')
        and not node.attr.startswith('__')
        and node.attr not in NAMED_TUPLE
        and ast.unparse(node.value) not in ('self', 'cls', 'super()')
        and ast.unparse(node.value).split('.')[0] not in FOREIGN
    ]
    assert faults == []


def test_there_is_one_ignore():
    places = [
        name
        for name, tree in (OURS | OTHERS).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == 'IGNORE' and isinstance(node.ctx, ast.Store)
    ]
    assert places == ['ssl_bev.targets']
