"""Queries of a catalogue as SQL.

Names are looked up in tables, and values are always parameters, so nothing can be injected.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Collection, Iterator, Literal, Sequence, Union

from cdwidget.catalogue.schema import SCORE_SQL, STATUSES
from cdwidget.registry import lookup

RowKind = Literal["items", "instances"]
Condition = tuple[str, str, Any]  # column, a key of OPERATORS, value
Texts = Union[str, Sequence[str], None]

OPERATORS = {
    "=": "{} IS ?",
    "!=": "{} IS NOT ?",
    "<": "{} < ?",
    "<=": "{} <= ?",
    ">": "{} > ?",
    ">=": "{} >= ?",
    "contains": "instr(lower({}), lower(?)) > 0",
    "in": "{} IN (SELECT value FROM json_each(?))",  # a list of whole numbers
}
_ITEM_COLUMNS = {name: f"items.{name}" for name in ("path", "height", "width", "changed", "version", "problem")}
COLUMNS = {  # the columns of a `where` condition
    "items": {
        **{name: f"items.{name}" for name in ("id", "status", "score")},
        **_ITEM_COLUMNS,
        "instances": "(SELECT count(*) FROM instances WHERE item = items.id)",
    },
    "instances": {
        **{name: f"instances.{name}" for name in ("id", "item", "number", "label", "status", "score", "area", "x0", "y0", "x1", "y1")},
        **_ITEM_COLUMNS,
        **{name: f"instances.{name}" for name in ("confidence", "track_id")},
        "text": "(items.path || char(10) || instances.label)",
    },
}
# Sort keys for which an index ends in the same expressions, so that SQLite need not sort. `{}` is the table.
_SCORE_KEY = "ifnull({}.score, -9e999)"
assert _SCORE_KEY.replace("{}.", "") == SCORE_SQL
_COMMON_ORDERS = {"id": ("{}.id",), "score": (_SCORE_KEY, "{}.id"), "status": ("{}.status", _SCORE_KEY, "{}.id")}
ORDERS = {
    "items": {**_COMMON_ORDERS, "path": ("{}.path",), "changed": ("{}.changed", "{}.id")},
    "instances": {
        **_COMMON_ORDERS,
        "label": ("{}.label", _SCORE_KEY, "{}.id"),
        "area": ("{}.area", "{}.id"),
        "confidence": ("{}.confidence", "{}.id"),
    },
}
ATTRIBUTE_PREFIX = "attributes."  # before the name of an attribute in a condition
_ATTRIBUTE = "json_extract(instances.attributes, ?)"
_ESCAPED_ATTRIBUTE = "(SELECT value FROM json_each(instances.attributes) WHERE key = ?)"  # Slower; paths of SQLite have no escapes.
_NAMED_SCORE = "(SELECT value FROM scores WHERE instance = instances.id AND name = ?)"
MAX_SELECTIVE_ROWS = 5000  # A filter that leaves fewer rows is applied first, and its rows sorted: faster than a scan of the order's index.


@dataclass(frozen=True)
class Query:
    """Filters and an order of items or instances.

    Attributes:
        of: "items" or "instances".
        status: One or several statuses.
        label: One or several labels; an item matches if any of its instances does.
        tag: One or several tags of the item.
        order_by: A key of ORDERS, or for instances the name of a score; "-" before it for descending. Rows without an overall score sort
            below all others; rows without another score, or without a confidence, that is ordered by are omitted.
        where: Conditions that must all hold.
        after: The id of the last row of the previous page.
        scores: The names of all scores in the catalogue.
    """

    of: RowKind = "items"
    status: Texts = None
    label: Texts = None
    tag: Texts = None
    order_by: str = "id"
    where: Sequence[Condition] = ()
    after: int | None = None
    scores: Sequence[str] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        lookup(ORDERS, self.of, "kind of row")
        for status in _texts(self.status, "status"):
            lookup(dict.fromkeys(STATUSES), status, "status")
        self._order()

    def sql(self, selective: Collection[str] = (), limit: int | None = None, offset: int = 0) -> tuple[str, list[Any]]:
        """Return the SQL that selects the ids, and its parameters.

        Args:
            selective: Names of filters that leave few rows; they are applied first, else the order's index is scanned.
            limit: Maximum number of rows; None for all.
            offset: Number of rows to skip.
        """
        expressions, score = self._order()
        joins, first = self._joins(score, bool(selective))
        id = "scores.instance" if score else f"{self.of}.id"
        filters, parameters = self._filters(selective)
        direction, sign = ("DESC", "<") if self.order_by.startswith("-") else ("ASC", ">")
        if self.after is not None:

            def last_row(columns: str) -> str:
                return f"(SELECT {columns} FROM {joins} WHERE {id} = ?)"

            every = ", ".join(expressions)
            # The first filter alone finds the start in an index; the second one compares all sort keys.
            filters += [f"{expressions[0]} {sign}= {last_row(expressions[0])}", f"({every}) {sign} {last_row(every)}"]
            parameters += [*first, self.after] * 2
        # A "+" before a column keeps SQLite from using its index.
        order = ", ".join(f"{'+' if selective else ''}{expression} {direction}" for expression in expressions)
        text = f"SELECT {id} AS id FROM {joins} WHERE {' AND '.join(filters) or '1'} ORDER BY {order} LIMIT ? OFFSET ?"
        return text, [*first, *parameters, -1 if limit is None else limit, offset]

    def count_sql(self, selective: Collection[str] = ()) -> tuple[str, list[Any]]:
        """Return the SQL that counts the rows, and its parameters."""
        joins, first = self._joins(self._order()[1], bool(selective))
        filters, parameters = self._filters(selective or ("status", "label"))
        return f"SELECT count(*) FROM {joins} WHERE {' AND '.join(filters) or '1'}", [*first, *parameters]

    def single_queries(self) -> list[Query]:
        """Split the query into the order without filters, and single filters.

        Each is fast by itself, and the ids found by all of them are the result. The first one has the order of the result.
        """
        unfiltered = replace(self, status=None, label=None, tag=None, where=(), after=None)
        given = [{name: value} for name in ("status", "label", "tag") if (value := getattr(self, name)) is not None]
        filtered = [replace(unfiltered, order_by="id", **one) for one in given]
        for condition in self.where:
            self._condition(condition)  # Raises for an invalid condition.
            name, operator, _ = condition
            is_range = operator in ("<", "<=", ">", ">=") and self._is_score(name)
            filtered.append(replace(unfiltered, order_by=name if is_range else "id", where=(condition,)))
        return filtered if filtered and self.order_by == filtered[0].order_by == "id" else [unfiltered, *filtered]

    def selectivity_probes(self) -> Iterator[tuple[tuple[str, ...], str, list[Any]]]:
        """Yield filters that share an index, with SQL that tests whether they are selective."""
        given = {name: _texts(getattr(self, name), name) for name in ("status", "label", "tag") if getattr(self, name) is not None}
        tables = {"status": self.of, "label": "instances", "tag": "tags"}
        has_both = self.of == "instances" and {"status", "label"} <= given.keys()
        for names in (("status", "label"), ("tag",)) if has_both else (("status",), ("label",), ("tag",)):
            if all(name in given for name in names):
                filters = " AND ".join(f"{name} IN ({_placeholders(given[name])})" for name in names)
                rows = f"SELECT 1 FROM {tables[names[0]]} WHERE {filters} LIMIT {MAX_SELECTIVE_ROWS}"
                text = f"SELECT count(*) < {MAX_SELECTIVE_ROWS} FROM ({rows})"
                yield names, text, [value for name in names for value in given[name]]

    def _is_score(self, name: str) -> bool:
        return self.of == "instances" and name in self.scores and name not in COLUMNS["instances"]

    def _order(self) -> tuple[tuple[str, ...], str | None]:
        """Return the sort keys, and the name of the score if the items are sorted by one."""
        name = self.order_by.removeprefix("-")
        if self.of == "instances" and name not in ORDERS["instances"] and name in self.scores:
            return ("scores.value", "scores.instance"), name
        choices = {**ORDERS[self.of], **(dict.fromkeys(self.scores, ()) if self.of == "instances" else {})}
        return tuple(expression.format(self.of) for expression in lookup(choices, name, "order of " + self.of)), None

    def _joins(self, score: str | None, selective: bool) -> tuple[str, list[Any]]:
        if self.of == "items":
            return "items", []
        needs_item = any(condition[0] in _ITEM_COLUMNS or condition[0] == "text" for condition in self.where)
        items = " JOIN items ON items.id = instances.item" if needs_item else ""
        if score is None:
            return "instances" + items, []
        if not any((self.status, self.label, self.tag, *(one for one in self.where if one[0] != score))):
            return "(SELECT instance, value FROM scores WHERE name = ?) AS scores", [score]
        outer, inner = ("instances", "scores") if selective else ("scores", "instances")  # CROSS JOIN scans the outer table.
        return f"{outer} CROSS JOIN {inner} ON instances.id = scores.instance AND scores.name = ?{items}", [score]

    def _filters(self, selective: Collection[str]) -> tuple[list[str], list[Any]]:
        item = "items.id" if self.of == "items" else "instances.item"
        indexed_order = self.order_by.removeprefix("-") in ("score", "status", "label")  # An index has it for each status and label.
        filters: list[str] = []
        parameters: list[Any] = []

        def add(text: str, values: Sequence[Any]) -> None:
            filters.append(text.format(_placeholders(values)))
            parameters.extend(values)

        if self.order_by.removeprefix("-") == "confidence":
            filters.append("instances.confidence IS NOT NULL")
        for name, given in (("status", self.status), ("label", self.label)):
            if given is None or (name == "label" and self.of == "items"):
                continue
            values = _texts(given, name)
            use_index = name in selective or (not selective and indexed_order and len(values) == 1)
            add(f"{'' if use_index else '+'}{self.of}.{name} IN ({{}})", values)
        if self.of == "items" and self.label is not None:
            by_label = "items.id IN (SELECT item FROM instances WHERE label IN ({}))"
            by_item = "EXISTS (SELECT 1 FROM instances WHERE item = items.id AND +label IN ({}))"
            add(by_label if "label" in selective else by_item, _texts(self.label, "label"))
        if self.tag is not None:
            by_tag = f"{item} IN (SELECT item FROM tags WHERE tag IN ({{}}))"
            by_item = f"EXISTS (SELECT 1 FROM tags WHERE item = {item} AND tag IN ({{}}))"
            add(by_tag if "tag" in selective else by_item, _texts(self.tag, "tag"))
        for condition in self.where:
            text, values = self._condition(condition)
            filters.append(text)
            parameters.extend(values)
        return filters, parameters

    def _condition(self, condition: Condition) -> tuple[str, list[Any]]:
        if isinstance(condition, str) or len(condition) != 3:
            raise ValueError(f'{condition!r} is not a condition; write (name, operator, value), such as ("area", "<", 100)')
        name, operator, value = condition
        columns = COLUMNS[self.of]
        if self.of == "instances":
            columns = {**{score: "scores.value" if score == self._order()[1] else _NAMED_SCORE for score in self.scores}, **columns}
            if name.startswith(ATTRIBUTE_PREFIX):
                attribute = name.removeprefix(ATTRIBUTE_PREFIX)
                is_plain = json.dumps(attribute, ensure_ascii=False) == f'"{attribute}"'
                columns = {**columns, name: _ATTRIBUTE if is_plain else _ESCAPED_ATTRIBUTE}
        column = lookup(columns, name, "column of " + self.of)
        text = lookup(OPERATORS, operator, "operator").format(column)
        if operator == "in":
            value = json.dumps([int(one) for one in value])
        elif not isinstance(value, (str, int, float, type(None))):
            raise ValueError(f"{value!r} cannot be compared with {name}; allowed are text, numbers and None")
        if column is _ATTRIBUTE:
            return text, [f'$."{attribute}"', value]
        if column is _ESCAPED_ATTRIBUTE:
            return text, [attribute, value]
        return text, [name, value] if column is _NAMED_SCORE else [value]


def _texts(given: Texts, name: str) -> list[str]:
    values = [given] if isinstance(given, str) else list(given or ())
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ValueError(f"{name} must be text or a list of texts, not {wrong[0]!r}")
    return values


def _placeholders(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
