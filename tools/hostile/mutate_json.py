"""Changes to a document of JSON: values of another kind or size, members that are absent, double or misspelt, and text that is not quite
JSON."""

import json

import json_nodes

# What a terminal or a page would take for an order: escape sequences, C1 controls, marks that turn the writing round, new lines, NUL, HTML.
UNQUIET = ["\x1b[2J\x1b[31mred", "\u009b31m", "\u202egnp.exe", "a\nb\r\nc", "nul\0nul", "\x07\x08\x7f", "<script>alert(1)</script>", "](x)|`*_",
           "\u2028", "x" * 5000, "../../../etc/passwd", "/dev/zero", "C:\\CON", "%s%n", "", " ", "\u0130\ufeff"]
VALUES = [None, True, False, 0, 1, -1, 2, 3, 7, 64, 10**6, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -2**63, -2**63 - 1,
          0.5, -0.0, 1e-45, 1e308, -1e308, [], {}, [[]], [0], [None], [1, 2, 3], {"a": 1}, {"": ""}, "auto", "F32", "llama", "default", *UNQUIET]
# Text that takes the place of a value.
RAW = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1", "1.", ".5", "0x10", "1" * 400, "1." + "0" * 400 + "1", '"\\ud800"', '"\\udc00\\ud800"',
       '"\\u0000"', '"\\x41"', '"\\u12"', '"a', "tru", "nul", "undefined", "'a'", '{"a":1,"a":2}', '{"a":1,}', "[1,]", "[1 2]", "{1:2}", '{"a"}', "// no\n1",
       "[" * 200 + "]" * 200, "[" * 100000, '{"a":' * 3000 + "1" + "}" * 3000, '"' + "\\u001b[31m" * 3 + '"', '"\xff"', "\x00"]
MARK = "\uf8ffplace\uf8ff"


def written(document, raw=None, indent=None):
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    if raw is not None:
        text = text.replace(f'"{MARK}"', raw)
    return text.encode("utf-8", "surrogatepass")


def parsed(raw):
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def pick(draw, document):
    """A path, of the upper levels as often as of all: a vocabulary has a hundred thousand entries and the settings ten."""
    paths = list(json_nodes.places(document))
    shallow = [path for path in paths if len(path) <= draw.choice([1, 2, 2, 3])]
    return draw.choice(shallow if shallow and draw.random() < 0.6 else paths)


def other_value(draw, document):
    return written(json_nodes.replaced(document, pick(draw, document), draw.choice(VALUES)))


def other_text(draw, document):
    return written(json_nodes.replaced(document, pick(draw, document), MARK), draw.choice(RAW))


def scaled(draw, document):
    path = pick(draw, document)
    value = json_nodes.at(document, path)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return written(json_nodes.replaced(document, path, draw.choice([value * 2, value // 2, -value, value + 1, value - 1, float(value), str(value)])))
    if isinstance(value, str):
        return written(json_nodes.replaced(document, path, draw.choice([value + "x", value[:-1], value.upper(), value * 200, value + draw.choice(UNQUIET)])))
    return written(json_nodes.replaced(document, path, draw.choice([[value], [value, value], {"a": value}, [value] * 300])))


def absent(draw, document):
    return written(json_nodes.without(document, pick(draw, document)))


def renamed(draw, document):
    paths = [path for path in json_nodes.places(document) if isinstance(path[-1], str)]
    if not paths:
        return absent(draw, document)
    path = draw.choice(paths)
    return written(json_nodes.renamed(document, path, draw.choice([path[-1] + "_", path[-1][:-1], path[-1].upper(), *UNQUIET])))


def exchanged(draw, document):
    a, b = pick(draw, document), pick(draw, document)
    if a[:len(b)] == b or b[:len(a)] == a:
        return other_value(draw, document)
    first, second = json_nodes.at(document, a), json_nodes.at(document, b)
    return written(json_nodes.replaced(json_nodes.replaced(document, a, second), b, first))


def doubled(draw, document):
    """A member of an object that is there twice, with another value the second time."""
    paths = [path for path in json_nodes.places(document) if isinstance(path[-1], str)]
    if not paths:
        return other_value(draw, document)
    path = draw.choice(paths)
    twice = f"{json.dumps(path[-1])}: {json.dumps(draw.choice(VALUES))}"
    return written(json_nodes.renamed(document, path, path[-1] + MARK)).replace(
        json.dumps(path[-1] + MARK, ensure_ascii=False).encode("utf-8", "surrogatepass"), f"{twice}, {json.dumps(path[-1])}".encode(), 1)


def root(draw, document):
    return draw.choice([b"null", b"[]", b"{}", b"0", b'"text"', written([document]), written({"a": document}), b"\xef\xbb\xbf" + written(document),
                        written(document).decode().encode("utf-16"), written(document) + b"}", written(document) * 2, b"[" * 50000])


MUTATIONS = [other_value, other_value, other_value, other_text, other_text, scaled, scaled, absent, absent, renamed, exchanged, doubled, root]


def change(draw, raw):
    document = parsed(raw)
    if not isinstance(document, (dict, list)) or not document:
        return raw + draw.randbytes(3)
    return draw.choice(MUTATIONS)(draw, document)
