"""The words of the house: docstrings, messages, `--help` and pages are plain English.

Read from the sources by `ast`. What a pattern can't tell for certain is left to readers.
"""

import ast
import inspect
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("amr_tf", "tfrecords", "trainers", "studies", "benchmarks")
PAGES = ("*.md", "docs/**/*.md", "studies/**/*.md", "benchmarks/*.md", "examples/*.md")

_HEADLESS = re.compile(
    "(Of|For|In|With|By|As|To|From|At|On|And|Or|But|Where|When|While|Whose)(?![-\\w])|\\S+$"
)
# What an argument is: a word that begins a sentence, code, a shape, a number or a dtype ...
_NOUN = re.compile(r"[A-Z`\[\d]|(u?int|float)\d|bool|None")
# ... and no word that leaves it out: "Of the build.", "How many ...", "Whether ...".
_NO_NOUN = re.compile(
    "(Of|For|In|Into|With|By|As|To|From|At|On|And|Or|But|Where|When|While|Whose|Whether|Which"
    "|What|Who|How|If|Their|Its|Also|Only|Likewise)(?![-\\w])"
)
_ITEM = re.compile(r"    \*{0,2}\w+(?:, \*{0,2}\w+)*: +(.+)")
# "Alone" as the last word of a clause, but not where it means "without the others", as it does
# after a modality, a verb or a name that is filled in: "the sound alone", "is trained alone".
_ALONE = re.compile(r"(\S+)\s+alone(?=[.,;:)]|$)")
_IDIOM = re.compile(
    r"\b((leave|leaves|left|leaving|let)\b[^.;:]*|(by|from) ((the|this) )?\S+) alone$"
)
_WITHOUT_OTHERS = re.compile(
    r".*[};:,.]|\W*(modality|modalities|m|audio|video|sound|picture|image|text|voice|face|one"
    r"|is|are|be|stands?|trained|trains?|learns?|learned)\W*"
)


def _docstring(node):
    """The text of an object's docstring and the line it begins on, None without one."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or not node.body:
        return None
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        value = first.value.value
        return (inspect.cleandoc(value), first.lineno) if isinstance(value, str) else None
    return None


def _items(text):
    """The arguments and attributes that a docstring describes: (line from 0, description)."""
    section = None
    for number, line in enumerate(text.split("\n")):
        if line and not line.startswith(" "):
            section = line
        elif section in ("Args:", "Attributes:") and (item := _ITEM.fullmatch(line)):
            yield number, item[1]


def _prose(text):
    """A text without its examples, its line breaks kept."""
    fenced, lines = False, []
    for line in text.split("\n"):
        fence = line.lstrip().startswith("```")
        code = fenced or fence or line.lstrip().startswith((">>>", "...", "|"))
        fenced ^= fence
        lines.append("" if code else line)
    return "\n".join(lines)


def _only_meant(text):
    """Where a text says "alone" and means "only": (line from 0, the clause's end)."""
    prose = _prose(text)
    for found in _ALONE.finditer(prose):
        clause = " ".join(prose[: found.end()].split())
        if not _WITHOUT_OTHERS.fullmatch(found[1]) and not _IDIOM.search(clause):
            yield prose[: found.end()].count("\n"), clause[-40:]


def _strings(tree):
    """The texts of a source that are no docstrings: (line, text); what f-strings fill in is {}."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if part is not node}
        elif _docstring(node) is not None:
            inside.add(id(node.body[0].value))
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def faults(source):
    """The lines of a Python source that are no plain English: (line, object, what is wrong)."""
    tree, found = ast.parse(source), []
    for node in ast.walk(tree):
        if (docstring := _docstring(node)) is None:
            continue
        (text, line), name = docstring, getattr(node, "name", "module")
        if _HEADLESS.match(first := text.split("\n")[0]):
            found.append((line, name, f"headless first line: {first}"))
        for number, words in _items(text):
            if not _NOUN.match(words) or _NO_NOUN.match(words):
                found.append((line + number, name, f"no noun first: {words}"))
        for number, words in _only_meant(text):
            found.append((line + number, name, f'"alone" for "only": {words}'))
    for line, text in _strings(tree):
        if text != "alone":
            found += [(line, "text", f'"alone" for "only": {w}') for _, w in _only_meant(text)]
    return sorted(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_sources_are_plain_english(package):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}: {wrong}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name, wrong in faults(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_pages_say_only():
    found = [
        f"{path.relative_to(ROOT)}:{line + 1}: {words}"
        for path in sorted(p for pattern in PAGES for p in ROOT.glob(pattern))
        for line, words in _only_meant(path.read_text())
    ]
    assert not found, "\n".join(found)


def _source(first="A build.", item="Integer, the seed.", message="no clips"):
    """A source with a docstring and a message."""
    lines = [
        f'"""{first}',
        "",
        "Args:",
        f"    seed: {item}",
        '"""',
        f'raise ValueError(f"{message}")',
    ]
    return "\n    ".join(["def build(seed):", *lines])


@pytest.mark.parametrize(
    ("source", "line", "wrong"),
    [
        (_source("Of a batch."), 2, "headless"),
        (_source("Where the clips are."), 2, "headless"),
        (_source("Builds."), 2, "headless"),
        (_source(item="Of all choices."), 5, "no noun"),
        (_source(item="Whether to build."), 5, "no noun"),
        (_source(item="How many there are."), 5, "no noun"),
        (_source(item="(index, count)."), 5, "no noun"),
        (_source("A build of the head alone."), 2, "alone"),
        (_source(item="Integer, of shards\n            alone."), 6, "alone"),
        (_source(message="expected {kind} of classes alone, got none"), 7, "alone"),
        (_source().replace("Args", "Attributes").replace("Integer, the", "Of the"), 5, "no noun"),
    ],
)
def test_finds(source, line, wrong):
    [(found, _, words)] = faults(source)
    assert found == line
    assert wrong in words


@pytest.mark.parametrize(
    "source",
    [
        _source(),
        _source("On-the-fly gradient modulation."),
        _source("Formats what is known of a build."),
        _source(item="Boolean, whether to build."),
        _source(item="`Build`, what to do."),
        _source(item="[B, C] logits."),
        _source(item="float32 `[B]`."),
        _source("A model of the sound alone."),
        _source("A head that is trained alone."),
        _source("It leaves what is there alone."),
        _source("A file alone is not enough."),
        _source(message="{name} alone, got none"),
    ],
)
def test_passes(source):
    assert faults(source) == []
