"""What is asked of a catalogue, as SQL: names are looked up in tables, values are always parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Collection, Iterator, Literal, Sequence, Union

from cdwidget.catalogue.storage import SCORE, STATUSES
from cdwidget.registry import lookup

Of = Literal["items", "instances"]
Condition = tuple[str, str, Any]  # column, one of OPERATORS, value
Texts = Union[str, Sequence[str], None]

OPERATORS = {
    "=": "{} IS ?",
    "!=": "{} IS NOT ?",
    "<": "{} < ?",
    "<=": "{} <= ?",
    ">": "{} > ?",
    ">=": "{} >= ?",
    "contains": "instr(lower({}), lower(?)) > 0",
    "in": "{} IN (SELECT value FROM json_each(?))",  # of whole numbers
}
_OF_ITEM = {name: f"items.{name}" for name in ("path", "height", "width", "changed", "version", "problem")}
CONDITIONS = {  # what `where` may name
    "items": {"id": "items.id", "status": "items.status", "score": "items.score", **_OF_ITEM},
    "instances": {
        **{name: f"instances.{name}" for name in ("id", "item", "number", "label", "status", "score", "area", "x0", "y0", "x1", "y1")},
        **_OF_ITEM,
        "text": "(items.path || char(10) || instances.label)",
    },
}
# What a page may be ordered by: expressions that an index ends in, so that no order is made on the way. `{}` is the table.
_SCORE = "ifnull({}.score, -9e999)"
assert _SCORE.replace("{}.", "") == SCORE
_ORDERS = {"id": ("{}.id",), "score": (_SCORE, "{}.id"), "status": ("{}.status", _SCORE, "{}.id")}
ORDERS = {
    "items": {**_ORDERS, "path": ("{}.path",), "changed": ("{}.changed", "{}.id")},
    "instances": {**_ORDERS, "label": ("{}.label", _SCORE, "{}.id"), "area": ("{}.area", "{}.id")},
}
_NAMED = "(SELECT value FROM scores WHERE instance = instances.id AND name = ?)"  # a score that has a name of its own
FEW = 5000  # so many rows are put in order quicker than an index is walked in search of them


@dataclass(frozen=True)
class Selection:
    """Which items or instances: of a status (or several), with a label and a tag, and with `where` all true, in an order.

    order_by: a name of ORDERS, or for instances that of a score; "-" before it: the highest first. What has no score comes before all
    scores; where another score than the overall one is asked for, only what has it is selected. after: the id of the row before.
    """

    of: Of = "items"
    status: Texts = None
    label: Texts = None
    tag: Texts = None
    order_by: str = "id"
    where: Sequence[Condition] = ()
    after: int | None = None
    scores: Sequence[str] = field(default=(), compare=False)  # the names of scores there are

    def __post_init__(self) -> None:
        lookup(ORDERS, self.of, "kind of row")
        for status in _texts(self.status, "status"):
            lookup(dict.fromkeys(STATUSES), status, "status")
        self._order()

    def sql(self, few: Collection[str] = (), limit: int | None = None, offset: int = 0) -> tuple[str, list[Any]]:
        """Return the query for the ids, and its parameters. few: the filters that leave few rows, which are followed and not the order."""
        expressions, named = self._order()
        joins, first = self._joins(named, bool(few))
        id = "scores.instance" if named else f"{self.of}.id"
        filters, parameters = self._filters(few)
        direction, sign = ("DESC", "<") if self.order_by.startswith("-") else ("ASC", ">")
        if self.after is not None:

            def of_row(columns: str) -> str:
                return f"(SELECT {columns} FROM {joins} WHERE {id} = ?)"

            every = ", ".join(expressions)
            filters += [
                f"{expressions[0]} {sign}= {of_row(expressions[0])}",
                f"({every}) {sign} {of_row(every)}",
            ]  # the first: where to begin
            parameters += [*first, self.after] * 2
        order = ", ".join(f"{'+' if few else ''}{expression} {direction}" for expression in expressions)
        text = f"SELECT {id} AS id FROM {joins} WHERE {' AND '.join(filters) or '1'} ORDER BY {order} LIMIT ? OFFSET ?"
        return text, [*first, *parameters, -1 if limit is None else limit, offset]

    def counting(self, few: Collection[str] = ()) -> tuple[str, list[Any]]:
        """Return the query for how many there are."""
        joins, first = self._joins(self._order()[1], bool(few))
        filters, parameters = self._filters(few or ("status", "label"))
        return f"SELECT count(*) FROM {joins} WHERE {' AND '.join(filters) or '1'}", [*first, *parameters]

    def apart(self) -> list[Selection]:
        """Return the order without filters, then each filter without an order: what is in all of them is selected, and each is quick.

        The first one is in order.
        """
        free = replace(self, status=None, label=None, tag=None, where=(), after=None)
        given = [{name: value} for name in ("status", "label", "tag") if (value := getattr(self, name)) is not None]
        filtered = [replace(free, order_by="id", **one) for one in given]
        for condition in self.where:
            self._condition(condition)  # where it is none, it is said here
            name, operator, _ = condition
            ranged = operator in ("<", "<=", ">", ">=") and self._is_score(name)
            filtered.append(replace(free, order_by=name if ranged else "id", where=(condition,)))
        return filtered if filtered and self.order_by == filtered[0].order_by == "id" else [free, *filtered]

    def probes(self) -> Iterator[tuple[tuple[str, ...], str, list[Any]]]:
        """Yield filters that an index answers together, and the query whether they leave fewer than FEW rows."""
        given = {name: _texts(getattr(self, name), name) for name in ("status", "label", "tag") if getattr(self, name) is not None}
        tables = {"status": self.of, "label": "instances", "tag": "tags"}
        together = self.of == "instances" and {"status", "label"} <= given.keys()
        for names in (("status", "label"), ("tag",)) if together else (("status",), ("label",), ("tag",)):
            if all(name in given for name in names):
                filters = " AND ".join(f"{name} IN ({_marks(given[name])})" for name in names)
                text = f"SELECT count(*) < {FEW} FROM (SELECT 1 FROM {tables[names[0]]} WHERE {filters} LIMIT {FEW})"
                yield names, text, [value for name in names for value in given[name]]

    def _is_score(self, name: str) -> bool:
        return self.of == "instances" and name in self.scores and name not in CONDITIONS["instances"]

    def _order(self) -> tuple[tuple[str, ...], str | None]:
        """The expressions to order by, and the name of the score that is one."""
        name = self.order_by.removeprefix("-")
        if self.of == "instances" and name not in ORDERS["instances"] and name in self.scores:
            return ("scores.value", "scores.instance"), name
        choices = {**ORDERS[self.of], **(dict.fromkeys(self.scores, ()) if self.of == "instances" else {})}
        return tuple(expression.format(self.of) for expression in lookup(choices, name, "order of " + self.of)), None

    def _joins(self, named: str | None, few: bool) -> tuple[str, list[Any]]:
        if self.of == "items":
            return "items", []
        of_item = any(condition[0] in _OF_ITEM or condition[0] == "text" for condition in self.where)
        items = " JOIN items ON items.id = instances.item" if of_item else ""
        if named is None:
            return "instances" + items, []
        if not any((self.status, self.label, self.tag, *(one for one in self.where if one[0] != named))):
            return "(SELECT instance, value FROM scores WHERE name = ?) AS scores", [named]
        outer, inner = ("instances", "scores") if few else ("scores", "instances")  # CROSS: the outer one is walked along
        return f"{outer} CROSS JOIN {inner} ON instances.id = scores.instance AND scores.name = ?{items}", [named]

    def _filters(self, few: Collection[str]) -> tuple[list[str], list[Any]]:
        item = "items.id" if self.of == "items" else "instances.item"
        single = self.order_by.removeprefix("-") in ("score", "status", "label")  # an index holds this order for each status and label
        filters: list[str] = []
        parameters: list[Any] = []

        def put(text: str, values: Sequence[Any]) -> None:
            filters.append(text.format(_marks(values)))
            parameters.extend(values)

        for name, given in (("status", self.status), ("label", self.label)):
            if given is None or (name == "label" and self.of == "items"):
                continue
            values = _texts(given, name)
            by_index = name in few or (not few and single and len(values) == 1)
            put(f"{'' if by_index else '+'}{self.of}.{name} IN ({{}})", values)
        if self.of == "items" and self.label is not None:
            followed = "items.id IN (SELECT item FROM instances WHERE label IN ({}))"
            asked = "EXISTS (SELECT 1 FROM instances WHERE item = items.id AND +label IN ({}))"
            put(followed if "label" in few else asked, _texts(self.label, "label"))
        if self.tag is not None:
            followed = f"{item} IN (SELECT item FROM tags WHERE tag IN ({{}}))"
            asked = f"EXISTS (SELECT 1 FROM tags WHERE item = {item} AND tag IN ({{}}))"
            put(followed if "tag" in few else asked, _texts(self.tag, "tag"))
        for condition in self.where:
            text, values = self._condition(condition)
            filters.append(text)
            parameters.extend(values)
        return filters, parameters

    def _condition(self, condition: Condition) -> tuple[str, list[Any]]:
        if isinstance(condition, str) or len(condition) != 3:
            raise ValueError(f'{condition!r} is no condition; write (name, operator, value), such as ("area", "<", 100)')
        name, operator, value = condition
        columns = CONDITIONS[self.of]
        if self.of == "instances":
            columns = {**{score: "scores.value" if score == self._order()[1] else _NAMED for score in self.scores}, **columns}
        column = lookup(columns, name, "column of " + self.of)
        text = lookup(OPERATORS, operator, "operator").format(column)
        if operator == "in":
            value = json.dumps([int(one) for one in value])
        elif not isinstance(value, (str, int, float, type(None))):
            raise ValueError(f"{value!r} cannot be compared with {name}; allowed are text, numbers and None")
        return text, [name, value] if column is _NAMED else [value]


def _texts(given: Texts, what: str) -> list[str]:
    values = [given] if isinstance(given, str) else list(given or ())
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ValueError(f"{what} must be text or a list of texts, not {wrong[0]!r}")
    return values


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
