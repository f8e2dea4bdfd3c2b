"""What a template renders to, found by walking through Jinja's syntax tree.

Jinja itself makes Python source of that tree, and has Python compile it. Nearly every template here runs once in a
build, and to translate and compile one takes ten times as long as to walk through it.

Invariants
  - The syntax is Jinja's, and so are loops, namespaces, and how a macro takes its arguments: here is only the walk.
    Tests render every template of the project, and each construct, both ways.
  - A body of `for`, `macro`, `call`, `filter`, `with` and block `set` has a scope of its own, and so has an included
    file; a body of `if` has not.
  - When something was raised, `places` says where: file and line of everything that was active, the outermost first.
  - Templates do not inherit (`extends`, `block`), and loops do not recurse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import LoopContext, Macro
from jinja2.utils import Namespace, missing

from xengen.toolchain.values import ByKind, Scope, Values

Body = Sequence[nodes.Node]
Output = list[str]
_SPECIAL = ("caller", "kwargs", "varargs")  # in the order in which a Macro hands them over


class _Break(jinja2.TemplateRuntimeError):
    """{% break %} was reached."""


class _Continue(jinja2.TemplateRuntimeError):
    """{% continue %} was reached."""


@dataclass(slots=True)
class Place:
    """Where the walk is in one file."""

    file: str
    line: int


class Walker:
    """Renders the templates of one image. `load` gives the tree of a file, `names` are known in all of them."""

    def __init__(self, environment: jinja2.Environment, load: Callable[[str], Body], names: dict[str, Any]) -> None:
        self.environment = environment
        self.places: list[Place] = []
        self._load = load
        self._values = Values(environment)
        self._modules: dict[str, dict[str, Any]] = {}
        self._globals = Scope(names, None)
        self._here = Place("", 1)
        kinds: dict[type[nodes.Node], Callable[..., Any]] = {
            nodes.Output: self._output,
            nodes.Assign: self._set,
            nodes.AssignBlock: self._set_block,
            nodes.Break: self._break,
            nodes.CallBlock: self._call_block,
            nodes.Continue: self._continue,
            nodes.ExprStmt: self._do,
            nodes.FilterBlock: self._filter_block,
            nodes.For: self._for,
            nodes.FromImport: self._from_import,
            nodes.If: self._if,
            nodes.Import: self._import,
            nodes.Include: self._include,
            nodes.Macro: self._macro,
            nodes.With: self._with,
        }
        self._kinds = ByKind(kinds)

    def text(self, file: str) -> str:
        """Return what `file` renders to; what it raises is raised, and `places` says where."""
        self.places.clear()
        return self._inside(Place(file, 1), self._load(file), Scope({}, self._globals))

    def module(self, file: str) -> dict[str, Any]:
        """Return the names that `file` defines for others: those that do not begin with an underscore."""
        if file not in self._modules:
            scope = Scope({}, self._globals)
            self._inside(Place(file, 1), self._load(file), scope)
            self._modules[file] = {name: value for name, value in scope.names.items() if not name.startswith("_")}
        return self._modules[file]

    def _inside(self, place: Place, body: Body, scope: Scope) -> str:
        """Return the text of a body at another place than this; when it fails, that place stays in `places`."""
        before, self._here = self._here, place
        self.places.append(place)
        text = self._text(body, scope)
        self.places.pop()
        self._here = before
        return text

    def _text(self, body: Body, scope: Scope) -> str:
        out: Output = []
        self._run(body, scope, out)
        return "".join(out)

    def _run(self, body: Body, scope: Scope, out: Output) -> None:
        for node in body:
            self._here.line = node.lineno
            self._kinds[type(node)](node, scope, out)

    # -- statements

    def _output(self, node: nodes.Output, scope: Scope, out: Output) -> None:
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                out.append(part.data)
            else:
                self._here.line = part.lineno
                out.append(str(self._values.of(part, scope)))

    def _set(self, node: nodes.Assign, scope: Scope, out: Output) -> None:
        self._assign(node.target, self._values.of(node.node, scope), scope)

    def _assign(self, target: nodes.Node, value: Any, scope: Scope) -> None:
        if isinstance(target, nodes.Name):
            scope.names[target.name] = value
        elif isinstance(target, nodes.NSRef):
            space = self._values.named(target, scope)
            if not isinstance(space, Namespace):
                raise jinja2.TemplateRuntimeError(f"{target.name} is no namespace: its attributes cannot be set")
            space[target.attr] = value
        else:
            assert isinstance(target, nodes.Tuple)
            values = list(value)
            if len(values) != len(target.items):
                raise jinja2.TemplateRuntimeError(f"{len(values)} values for {len(target.items)} names")
            for item, one in zip(target.items, values, strict=True):
                self._assign(item, one, scope)

    def _set_block(self, node: nodes.AssignBlock, scope: Scope, out: Output) -> None:
        text = self._text(node.body, Scope({}, scope))
        value = text if node.filter is None else self._values.filtered(node.filter, text, scope)
        self._assign(node.target, value, scope)

    def _filter_block(self, node: nodes.FilterBlock, scope: Scope, out: Output) -> None:
        out.append(str(self._values.filtered(node.filter, self._text(node.body, Scope({}, scope)), scope)))

    def _do(self, node: nodes.ExprStmt, scope: Scope, out: Output) -> None:
        self._values.of(node.node, scope)

    def _with(self, node: nodes.With, scope: Scope, out: Output) -> None:
        inner = Scope({}, scope)
        for target, value in zip(node.targets, node.values, strict=True):
            self._assign(target, self._values.of(value, scope), inner)
        self._run(node.body, inner, out)

    def _if(self, node: nodes.If, scope: Scope, out: Output) -> None:
        for branch in (node, *node.elif_):
            if self._values.of(branch.test, scope):
                self._run(branch.body, scope, out)
                return
        self._run(node.else_, scope, out)

    def _for(self, node: nodes.For, scope: Scope, out: Output) -> None:
        if node.recursive:
            raise jinja2.TemplateRuntimeError("loops here do not recurse")
        items = self._values.of(node.iter, scope)
        if node.test is not None:
            items = self._passing(node.target, items, node.test, scope)
        loop = LoopContext(items, self.environment.undefined)
        is_empty = True
        for item, _ in loop:
            is_empty = False
            inner = Scope({"loop": loop}, scope)
            self._assign(node.target, item, inner)
            try:
                self._run(node.body, inner, out)
            except _Continue:
                continue
            except _Break:
                break
        if is_empty:
            self._run(node.else_, Scope({}, scope), out)

    def _passing(self, target: nodes.Node, items: Any, test: nodes.Node, scope: Scope) -> Iterator[Any]:
        for item in items:
            inner = Scope({}, scope)
            self._assign(target, item, inner)
            if self._values.of(test, inner):
                yield item

    def _break(self, node: nodes.Break, scope: Scope, out: Output) -> None:
        raise _Break("break outside of a loop")

    def _continue(self, node: nodes.Continue, scope: Scope, out: Output) -> None:
        raise _Continue("continue outside of a loop")

    # -- other files

    def _include(self, node: nodes.Include, scope: Scope, out: Output) -> None:
        file = self._values.of(node.template, scope)
        try:
            body = self._load(file)
        except jinja2.TemplateNotFound:
            if node.ignore_missing:
                return
            raise
        around = scope if node.with_context else self._globals
        out.append(self._inside(Place(file, 1), body, Scope({}, around)))

    def _import(self, node: nodes.Import, scope: Scope, out: Output) -> None:
        scope.names[node.target] = SimpleNamespace(**self.module(self._values.of(node.template, scope)))

    def _from_import(self, node: nodes.FromImport, scope: Scope, out: Output) -> None:
        file = self._values.of(node.template, scope)
        module = self.module(file)
        for given in node.names:
            name, alias = (given, given) if isinstance(given, str) else given
            if name not in module:
                raise jinja2.TemplateRuntimeError(f"{file} defines no {name}")
            scope.names[alias] = module[name]

    # -- macros

    def _macro(self, node: nodes.Macro, scope: Scope, out: Output) -> None:
        scope.names[node.name] = self._callable(node.name, node, scope)

    def _call_block(self, node: nodes.CallBlock, scope: Scope, out: Output) -> None:
        out.append(str(self._values.call(node.call, scope, caller=self._callable("caller", node, scope))))

    def _callable(self, name: str, node: nodes.Macro | nodes.CallBlock, scope: Scope) -> Macro:
        """Return a macro, or the body of a call block, as what expressions can call."""
        file = self._here.file
        mentioned = {found.name for part in node.body for found in part.find_all(nodes.Name)}
        parameters = [parameter.name for parameter in node.args]
        special = [name for name in _SPECIAL if name in mentioned and name not in parameters]
        defaults = dict(zip(reversed(parameters), reversed(node.defaults), strict=False))

        def text(*values: Any) -> str:
            names = dict(zip((*parameters, *special), values, strict=True))
            inner = Scope(names, scope)
            for parameter in parameters:
                if names[parameter] is not missing:
                    continue
                if parameter in defaults:
                    names[parameter] = self._values.of(defaults[parameter], inner)
                else:
                    what = f"parameter {parameter!r} was not provided"
                    names[parameter] = self.environment.undefined(what, name=parameter)
            return self._inside(Place(file, node.lineno), node.body, inner)

        has_caller, has_kwargs, has_varargs = (name in special for name in _SPECIAL)
        return Macro(self.environment, text, name, parameters, has_kwargs, has_varargs, has_caller, False)
