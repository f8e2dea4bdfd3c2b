"""Walking through a template gives what Jinja itself gives: construct by construct, and for all templates we have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
import pytest

from tests.unit.toolchain.conftest import PROJECT
from xengen.abi.hypercalls import HYPERCALLS
from xengen.abi.symbols import assembler_symbols
from xengen.toolchain.parse import Templates, jinja_environment
from xengen.toolchain.render import render_image, template_names
from xengen.toolchain.spec import ImageSpec, list_images
from xengen.toolchain.walk import Place, Walker

LIBRARY = {
    "library": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{% set number = 7 %}{% set _hidden = 8 %}not shown",
    "part": "part of {{ outer | default('nobody') }}{% set outer = 'part' %}",
}
STATEMENTS = {
    "text": "a\n  b\n",
    "comment": "a\n  {# b #}\nc{# d #}e\n",
    "raw text": "{% raw %}{{ a }}{% endraw %}",
    "output": "{{ 1 }}{{ 'a' }}{{ none }}{{ true }}{{ [1, 'b'] }}",
    "set": "{% set a = 1 %}{{ a }}{% set a = a + 1 %}{{ a }}",
    "set of several": "{% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}",
    "set of a body": "{% set a %}<{{ 1 }}>{% endset %}{% set b | upper | lower %}X{% set a = 2 %}{% endset %}{{ a~b }}",
    "namespace": "{% set n = namespace(a=1) %}{% for i in range(3) %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}",
    "do": "{% set a = [] %}{% do a.append(1) %}{{ a }}",
    "if": "{% for a in range(4) %}{% if a == 0 %}x{% elif a == 1 %}y{% elif a < 3 %}z{% else %}{% endif %}{% endfor %}",
    "if that is false": "a{% if false %}b{% endif %}c",
    "if has no scope": "{% if true %}{% set a = 1 %}{% endif %}{{ a }}",
    "for": "{% for a in [1, 2] %}{{ a }},{% endfor %}",
    "for of pairs": "{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}{{ b }}{% endfor %}",
    "for with a condition": "{% for a in range(6) if a % 2 %}{{ loop.index }}{{ a }}{{ loop.last }}{% endfor %}",
    "for of nothing": "{% for a in [] %}x{% else %}y{% endfor %}{% for a in [1] %}x{% else %}y{% endfor %}",
    "for has a scope": "{% set a = 1 %}{% for b in [2] %}{{ a }}{% set a = b %}{{ a }}{% endfor %}{{ a }}",
    "for begins with what is around": "{% set a = 0 %}{% for b in [1, 2] %}{{ a }}{% set a = b %}{% endfor %}",
    "loop": "{% for a in 'xyz' %}{{ loop.index0 }}{{ loop.first }}{{ loop.length }}{{ loop.cycle(1, 2) }}{% endfor %}",
    "loop of loops": "{% for a in 'xy' %}{% set o = loop %}{% for b in 'zw' %}{{ o.index }}{{ loop.index }}{% endfor %}"
                     "{{ loop.index }}{% endfor %}",
    "break and continue": "{% for a in range(9) %}{% if a == 1 %}{% continue %}{% endif %}{% if a > 3 %}{% break %}"
                          "{% endif %}{{ a }}{% else %}x{% endfor %}",
    "macro": "{% macro m(a, b=2, c=a ~ b) %}{{ [a, b, c] }}{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(4, 5, 6) }}",
    "macro of many": "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, b=4) }}",
    "macro sees later names": "{% macro m() %}{{ a }}{% endmacro %}{% set a = 1 %}{{ m() }}{% set a = 2 %}{{ m() }}",
    "macro has a scope": "{% macro m() %}{% set a = 2 %}{{ a }}{% endmacro %}{% set a = 1 %}{{ m() }}{{ a }}",
    "macro with its own caller": "{% macro m(a, caller=none) %}{{ a }}{{ caller is none }}{% endmacro %}{{ m(1) }}",
    "call": "{% macro m(a) %}<{{ a }}{{ caller() }}>{% endmacro %}{% set b = 2 %}{% call m(1) %}{{ b }}{% endcall %}",
    "call with arguments": "{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b, c=3) m() %}{{ a + b + c }}"
                           "{% endcall %}",
    "call in a call": "{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}{% call m() %}x{% endcall %}y"
                      "{% endcall %}",
    "call for a macro that does not": "{% macro m() %}{% endmacro %}{% call m() %}x{% endcall %}",
    "with": "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "filter": "{% set a = 1 %}{% filter upper | replace('B', 'c') %}ab{% set a = 2 %}{% endfilter %}{{ a }}",
    "include": "{% set outer = 'us' %}{% include 'part' %}{{ outer }}",
    "include without context": "{% set outer = 'us' %}{% include 'part' without context %}",
    "include what is not there": "a{% include 'none' ignore missing %}b",
    "import": "{% import 'library' as l %}{{ l.twice(l.number) }}",
    "import by names": "{% from 'library' import twice, number as n %}{{ twice(n) }}",
}  # fmt: skip
VALUES = {
    "arithmetic": "1 + 2 * 3 - 4 / 5, 7 // 2, 7 % 4, 2 ** 3, -x, +x",
    "text": "'a' 'b' ~ 1 ~ none ~ x, 'it\\'s\\n', \"\\x41\", 'ä'",
    "numbers": "0x1f, 1_000, 1.5, 0",
    "comparison": "1 < 2 < 3, 1 < 3 < 2, x == 3, x != 3, x >= 3, x <= 2, x > 2",
    "membership": "1 in [1], 1 not in [1], 'a' in 'abc'",
    "logic": "0 or 5, 0 and nobody, 1 or nobody, not x, not (x and 0)",
    "condition": "'a' if x else nobody.at.all, 'a' if not x else 'b', 'a' if not x",
    "collections": "[1, [2]], (1,), (), {'a': {'b': x}}['a']['b'], {}",
    "attributes": "text.upper(), pairs['a'], pairs.a, items[1], items[-1], pairs.items() | list",
    "slices": "items[1:], items[:2], items[::2], items[1:3:1], text[0]",
    "filters": "items | join('-'), items | map('string') | list, text | replace('e', a='x') if 0, (items | length) + 1",
    "tests": "x is odd, x is not even, x is divisibleby 3, nobody is defined, nobody is undefined, x in items",
    "calls": "range(*[1, 3]) | list, dict(**{'a': 1}), '{}-{b}'.format(1, b=2), dict(a=1)",
}
WRONG = {
    "undefined": "{{ nobody }}",
    "attribute of undefined": "{{ nobody.name }}",
    "unknown attribute": "{{ text.nobody }}",
    "condition on undefined": "{% if nobody %}{% endif %}",
    "loop over undefined": "{% for a in nobody %}{% endfor %}",
    "loop over a number": "{% for a in 1 %}{% endfor %}",
    "name of a loop behind it": "{% for a in [1] %}{% endfor %}{{ a }}",
    "parameter that was not given": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}",
    "too many arguments": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "unknown argument": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}",
    "call for a macro that takes none": "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "types that do not go together": "{{ 1 + 'a' }}",
}
NAMES: dict[str, Any] = {"x": 3, "text": "hello", "items": [1, 2, 3, 4], "pairs": {"a": 1, "b": 2}}
BUILTIN = ("range", "dict", "namespace")


def names() -> dict[str, Any]:
    """Return what the tests' templates know."""
    return NAMES | {name: jinja2.defaults.DEFAULT_NAMESPACE[name] for name in BUILTIN}


def by_jinja(source: str) -> str:
    """Return what Jinja makes of a template."""
    environment = jinja_environment()
    environment.loader = jinja2.DictLoader(LIBRARY | {"main": source})
    environment.globals.update(names())
    return environment.get_template("main").render()


def walker(source: str) -> Walker:
    """Return a walker through a template called main."""
    environment = jinja_environment()

    def load(file: str) -> list[jinja2.nodes.Node]:
        if file not in LIBRARY and file != "main":
            raise jinja2.TemplateNotFound(file)
        return environment.parse((LIBRARY | {"main": source})[file]).body

    return Walker(environment, load, names())


def outcome(render: Callable[[], str]) -> str:
    """Return the text of a rendering, or of what was raised."""
    try:
        return render()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("source", STATEMENTS.values(), ids=STATEMENTS)
def test_a_construct_renders_as_by_jinja(source: str) -> None:
    expected = outcome(lambda: by_jinja(source))
    assert outcome(lambda: walker(source).text("main")) == expected


@pytest.mark.parametrize("source", VALUES.values(), ids=VALUES)
def test_an_expression_has_the_value_that_jinja_gives_it(source: str) -> None:
    template = f"{{{{ [{source}] }}}}"
    assert walker(template).text("main") == by_jinja(template)


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_as_by_jinja(source: str) -> None:
    expected = outcome(lambda: by_jinja(source))
    assert "Error: " in expected
    assert outcome(lambda: walker(source).text("main")) == expected


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% extends 'library' %}", "templates here have no extends"),
        ("{% block a %}{% endblock %}", "templates here have no block"),
        ("{% autoescape true %}{% endautoescape %}", "templates here have no scope"),
        ("{% for a in [1] recursive %}{% endfor %}", "loops here do not recurse"),
        ("{% break %}", "break outside of a loop"),
        ("{% continue %}", "continue outside of a loop"),
        ("{% set a, b = [1] %}", "1 values for 2 names"),
        ("{% set a = {} %}{% set a.b = 1 %}", "a is no namespace: its attributes cannot be set"),
        ("{% from 'library' import nobody %}", "library defines no nobody"),
        ("{% import 'library' as l %}{{ l._hidden }}", "'types.SimpleNamespace object' has no attribute '_hidden'"),
        ("{{ 1 | nobody }}", "No filter named 'nobody'."),
        ("{{ 1 is nobody }}", "No test named 'nobody'."),
    ],
)
def test_what_templates_cannot_do_here_is_said(source: str, said: str) -> None:
    with pytest.raises(jinja2.TemplateError) as caught:
        walker(source).text("main")
    assert str(caught.value) == said


def test_places_lead_from_the_file_to_what_failed() -> None:
    source = "{% macro m() %}\n{{ nobody }}\n{% endmacro %}\n{% macro c() %}\n\n{{ caller() }}\n{% endmacro %}\n"
    found = walker(source + "\n{% call c() %}\n\n{{ m() }}\n{% endcall %}\n")
    with pytest.raises(jinja2.UndefinedError):
        found.text("main")
    assert found.places == [Place("main", 9), Place("main", 6), Place("main", 11), Place("main", 2)]


def jinja_lines(spec: ImageSpec, debug: bool) -> list[str]:
    """Return an image's lines as Jinja renders the templates as they are."""
    environment = jinja_environment()
    environment.loader = jinja2.FileSystemLoader(PROJECT)
    environment.globals.update(template_names(debug, assembler_symbols(), HYPERCALLS))
    for file in spec.macros:
        module = vars(environment.get_template(file).module)
        environment.globals.update({name: value for name, value in module.items() if not name.startswith("_")})
    texts = [environment.get_template(file).render() for file in spec.sources(PROJECT)]
    return [line for text in texts for line in text.split("\n")]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("spec", list_images(PROJECT), ids=lambda spec: spec.name)
def test_every_image_renders_as_by_jinja(spec: ImageSpec, debug: bool) -> None:
    lines = render_image(
        Templates(PROJECT), spec, debug=debug, symbols=assembler_symbols(), hypercalls=HYPERCALLS
    )
    assert [line.text for line in lines] == jinja_lines(spec, debug)


@pytest.mark.parametrize("spec", list_images(PROJECT), ids=lambda spec: spec.name)
def test_a_line_without_tags_is_the_one_that_it_says_it_is(spec: ImageSpec) -> None:
    sources: dict[str, list[str]] = {}
    checked = 0
    for line in render_image(
        Templates(PROJECT), spec, debug=True, symbols=assembler_symbols(), hypercalls=HYPERCALLS
    ):
        file, number, macro = line.origin
        written = sources.setdefault(file, (PROJECT / file).read_text().split("\n"))[number - 1]
        if macro is None and line.text.strip() and not {"{", "}"} & set(written):
            assert line.text == written, line.origin
            checked += 1
    assert checked > 100
