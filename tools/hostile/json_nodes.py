"""Places in a document of JSON, and the document with one of them changed."""

import copy


def places(node, at=()):
    """Paths of everything below the root, containers included."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*at, key)
        yield from places(child, (*at, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def replaced(document, path, value):
    fresh = copy.deepcopy(document)
    at(fresh, path[:-1])[path[-1]] = value
    return fresh


def without(document, path):
    fresh = copy.deepcopy(document)
    del at(fresh, path[:-1])[path[-1]]
    return fresh


def renamed(document, path, name):
    """The member of an object under another name, in its place."""
    fresh = copy.deepcopy(document)
    parent = at(fresh, path[:-1])
    members = [(name if key == path[-1] else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(members)
    return fresh


def another(value):
    """A value of the same kind that means something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value and value[-1].isalnum() else value + "x"
    if value is None:
        return 0
    return value[1:] if isinstance(value, list) and value else None
