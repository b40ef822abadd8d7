"""What is asked of a catalogue, as SQL: names are looked up in tables, values are always parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Sequence, Union

from cdwidget.lookup import lookup
from cdwidget.review.schema import SCORE, STATUSES

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
}
_OF_ITEM = {name: f"items.{name}" for name in ("path", "height", "width", "changed", "version", "problem")}
CONDITIONS = {  # what `where` may name
    "items": {"id": "items.id", "status": "items.status", "score": "items.score", **_OF_ITEM},
    "instances": {
        **{name: f"instances.{name}" for name in ("id", "item", "number", "label", "status", "score", "area", "x0", "y0", "x1", "y1")},
        **_OF_ITEM,
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
    ids: Sequence[int] | None = None
    scores: Sequence[str] = field(default=(), compare=False)  # the names of scores there are

    def __post_init__(self) -> None:
        lookup(ORDERS, self.of, "kind of row")
        for status in _texts(self.status, "status"):
            lookup(dict.fromkeys(STATUSES), status, "status")
        self._order()

    def by_id(self) -> Selection:
        """Return the same rows in the order of their ids."""
        return replace(self, order_by="id")

    def sql(self, columns: str, few: bool = False, limit: int | None = None, offset: int = 0) -> tuple[str, list[Any]]:
        """Return a query and its parameters. few: the filters leave FEW rows at most, so they are followed and not the order."""
        expressions, named = self._order()
        filters, parameters = self._filters(few)
        joins, before = self._joins(named)
        direction = "DESC" if self.order_by.startswith("-") else "ASC"
        if self.after is not None:
            sign = "<" if direction == "DESC" else ">"
            row = f"SELECT {', '.join(expressions)} FROM {joins} WHERE {self.of}.id = ?"
            filters.append(f"({', '.join(expressions)}) {sign} ({row})")
            parameters += [*before, self.after]
        order = ", ".join(f"{'+' if few else ''}{expression} {direction}" for expression in expressions)
        text = f"SELECT {columns} FROM {joins} WHERE {' AND '.join(filters) or '1'} ORDER BY {order} LIMIT ? OFFSET ?"
        return text, [*before, *parameters, -1 if limit is None else limit, offset]

    def counting(self, at_most: int | None = None) -> tuple[str, list[Any]]:
        """Return the query for how many there are; with `at_most` it counts no further, and looks at status, label, tag and ids alone."""
        _, named = self._order()
        joins, before = self._joins(named) if at_most is None else (self.of, [])
        filters, parameters = (self if at_most is None else replace(self, where=()))._filters(True)
        rows = f"SELECT 1 FROM {joins} WHERE {' AND '.join(filters) or '1'} LIMIT ?"
        return f"SELECT count(*) FROM ({rows})", [*before, *parameters, -1 if at_most is None else at_most]

    @property
    def filtered(self) -> bool:
        """Say whether an index may leave few rows."""
        return any(value is not None for value in (self.status, self.label, self.tag, self.ids))

    def _order(self) -> tuple[tuple[str, ...], str | None]:
        """The expressions to order by, and the name of the score that is one."""
        name = self.order_by.removeprefix("-")
        if self.of == "instances" and name not in ORDERS["instances"] and name in self.scores:
            return ("scores.value", "scores.instance"), name
        choices = {**ORDERS[self.of], **(dict.fromkeys(self.scores, ()) if self.of == "instances" else {})}
        return tuple(expression.format(self.of) for expression in lookup(choices, name, "order of " + self.of)), None

    def _joins(self, named: str | None) -> tuple[str, list[Any]]:
        if self.of == "items":
            return "items", []
        if named is None:
            return "instances JOIN items ON items.id = instances.item", []
        # CROSS: along the scores, not along the instances in search of one
        scores = "scores CROSS JOIN instances ON instances.id = scores.instance AND scores.name = ?"
        return f"{scores} JOIN items ON items.id = instances.item", [named]

    def _filters(self, few: bool) -> tuple[list[str], list[Any]]:
        item = "items.id" if self.of == "items" else "instances.item"
        single = self.order_by.removeprefix("-") in ("score", "status", "label")  # an index holds this order for each status and label
        filters: list[str] = []
        parameters: list[Any] = []

        def put(text: str, *values: Any) -> None:
            filters.append(text)
            parameters.extend(values)

        for name, given in (("status", self.status), ("label", self.label)):
            values = _texts(given, name)
            if given is None or (name == "label" and self.of == "items"):
                continue
            by_index = few or (single and len(values) == 1)
            put(f"{'' if by_index else '+'}{self.of}.{name} IN ({_marks(values)})", *values)
        if self.of == "items" and self.label is not None:
            values = _texts(self.label, "label")
            marks = f"label IN ({_marks(values)})"
            if few:
                put(f"items.id IN (SELECT item FROM instances WHERE {marks})", *values)
            else:
                put(f"EXISTS (SELECT 1 FROM instances WHERE item = items.id AND +{marks})", *values)
        if self.tag is not None:
            values = _texts(self.tag, "tag")
            if few:
                put(f"{item} IN (SELECT item FROM tags WHERE tag IN ({_marks(values)}))", *values)
            else:
                put(f"EXISTS (SELECT 1 FROM tags WHERE item = {item} AND tag IN ({_marks(values)}))", *values)
        if self.ids is not None:
            put(f"{self.of}.id IN (SELECT value FROM json_each(?))", "[" + ",".join(str(int(id)) for id in self.ids) + "]")
        for condition in self.where:
            put(*self._condition(condition))
        return filters, parameters

    def _condition(self, condition: Condition) -> tuple[str, Any]:
        if isinstance(condition, str) or len(condition) != 3:
            raise ValueError(f'{condition!r} is no condition; write (name, operator, value), such as ("area", "<", 100)')
        name, operator, value = condition
        column = lookup(CONDITIONS[self.of], name, "column of " + self.of)
        if not isinstance(value, (str, int, float, type(None))):
            raise ValueError(f"{value!r} cannot be compared with {name}; allowed are text, numbers and None")
        return lookup(OPERATORS, operator, "operator").format(column), value


def _texts(given: Texts, what: str) -> list[str]:
    values = [given] if isinstance(given, str) else list(given or ())
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ValueError(f"{what} must be text or a list of texts, not {wrong[0]!r}")
    return values


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
