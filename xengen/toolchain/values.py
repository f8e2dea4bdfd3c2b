"""Values of a template's expressions, found by walking through their syntax trees (why: see walk.py).

Invariants
  - What operations mean is Jinja's matter: filters, tests, attributes, items and undefined names go through its
    environment. Functions that want Jinja's context as an argument are not among what templates here can call.
  - A name is looked for in its scope, then in those around it; nothing else is known.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import jinja2
from jinja2 import nodes

_BINARY: dict[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: operator.add,
    nodes.Sub: operator.sub,
    nodes.Mul: operator.mul,
    nodes.Div: operator.truediv,
    nodes.FloorDiv: operator.floordiv,
    nodes.Mod: operator.mod,
    nodes.Pow: operator.pow,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda one, many: one in many,
    "notin": lambda one, many: one not in many,
}


class Scope:
    """Names and their values; what is not among them may be in the scope around it."""

    __slots__ = ("around", "names")

    def __init__(self, names: dict[str, Any], around: Scope | None) -> None:
        self.names = names
        self.around = around


class ByKind(dict[type[nodes.Node], Callable[..., Any]]):
    """What to do for each kind of node; a template with another kind is in error."""

    def __missing__(self, kind: type[nodes.Node]) -> Callable[..., Any]:
        raise jinja2.TemplateRuntimeError(f"templates here have no {kind.__name__.lower()}")


class Values:
    """Finds values. `environment` has the filters and tests, and says what an undefined name is."""

    def __init__(self, environment: jinja2.Environment) -> None:
        self.environment = environment
        self._context = environment.context_class(environment, {}, None, {})
        kinds: dict[type[nodes.Node], Callable[..., Any]] = {
            nodes.And: lambda node, scope: self.of(node.left, scope) and self.of(node.right, scope),
            nodes.Call: self.call,
            nodes.Compare: self._compare,
            nodes.Concat: lambda node, scope: "".join([str(self.of(part, scope)) for part in node.nodes]),
            nodes.CondExpr: self._choose,
            nodes.Const: lambda node, scope: node.value,
            nodes.Dict: lambda node, scope: {
                self.of(pair.key, scope): self.of(pair.value, scope) for pair in node.items
            },
            nodes.Filter: self._filter,
            nodes.Getattr: lambda node, scope: self.environment.getattr(self.of(node.node, scope), node.attr),
            nodes.Getitem: self._item,
            nodes.List: lambda node, scope: [self.of(item, scope) for item in node.items],
            nodes.Name: self.named,
            nodes.Neg: lambda node, scope: -self.of(node.node, scope),
            nodes.Not: lambda node, scope: not self.of(node.node, scope),
            nodes.Or: lambda node, scope: self.of(node.left, scope) or self.of(node.right, scope),
            nodes.Pos: lambda node, scope: +self.of(node.node, scope),
            nodes.Test: self._test,
            nodes.Tuple: lambda node, scope: tuple([self.of(item, scope) for item in node.items]),
            **dict.fromkeys(_BINARY, self._binary),
        }
        self._kinds = ByKind(kinds)

    def of(self, node: nodes.Node, scope: Scope) -> Any:
        """Return the value of an expression."""
        return self._kinds[type(node)](node, scope)

    def named(self, node: nodes.Name | nodes.NSRef, scope: Scope) -> Any:
        """Return the value of a name, or what stands for an undefined one."""
        name = node.name
        inner: Scope | None = scope
        while inner is not None:
            names = inner.names
            if name in names:
                return names[name]
            inner = inner.around
        return self.environment.undefined(name=name)

    def call(self, node: nodes.Call, scope: Scope, **more: Any) -> Any:
        """Return the value of a call with `more` as further arguments."""
        function = self.of(node.node, scope)
        positional, named = self._arguments(node, scope)
        return function(*positional, **named, **more)

    def filtered(self, node: nodes.Filter, text: str, scope: Scope) -> Any:
        """Return what the filters of a body make of its text: the innermost has no operand."""
        value = text if node.node is None else self.filtered(cast("nodes.Filter", node.node), text, scope)
        return self.environment.call_filter(node.name, value, *self._arguments(node, scope), self._context)

    def _filter(self, node: nodes.Filter, scope: Scope) -> Any:
        value = self.of(cast("nodes.Expr", node.node), scope)
        return self.environment.call_filter(node.name, value, *self._arguments(node, scope), self._context)

    def _arguments(
        self, node: nodes.Call | nodes.Filter | nodes.Test, scope: Scope
    ) -> tuple[list[Any], dict[str, Any]]:
        positional = [self.of(argument, scope) for argument in node.args]
        named = {str(argument.key): self.of(argument.value, scope) for argument in node.kwargs} if node.kwargs else {}
        if node.dyn_args is not None:
            positional += self.of(node.dyn_args, scope)
        if node.dyn_kwargs is not None:
            named |= self.of(node.dyn_kwargs, scope)
        return positional, named

    def _test(self, node: nodes.Test, scope: Scope) -> Any:
        value = self.of(node.node, scope)
        return self.environment.call_test(node.name, value, *self._arguments(node, scope), self._context)

    def _binary(self, node: nodes.BinExpr, scope: Scope) -> Any:
        return _BINARY[type(node)](self.of(node.left, scope), self.of(node.right, scope))

    def _compare(self, node: nodes.Compare, scope: Scope) -> Any:
        left = result = self.of(node.expr, scope)
        for operand in node.ops:
            right = self.of(operand.expr, scope)
            result = _COMPARE[operand.op](left, right)
            if not result:
                break
            left = right
        return result

    def _choose(self, node: nodes.CondExpr, scope: Scope) -> Any:
        if self.of(node.test, scope):
            return self.of(node.expr1, scope)
        if node.expr2 is None:
            return jinja2.Undefined("the condition of an if without else is false")
        return self.of(node.expr2, scope)

    def _item(self, node: nodes.Getitem, scope: Scope) -> Any:
        container = self.of(node.node, scope)
        if isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            return container[slice(*[None if bound is None else self.of(bound, scope) for bound in bounds])]
        return self.environment.getitem(container, self.of(node.arg, scope))
