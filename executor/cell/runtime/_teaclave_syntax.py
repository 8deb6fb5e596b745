# SPDX-License-Identifier: Apache-2.0
"""Python 2 in a script, told by line: what Python 3 can not read, and what it reads as something else.

The client asks before it sends a script, the cell before it runs one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

# What the interpreter says, or what stands at the place it points to -> what it is, and what to write instead.
_BY_MESSAGE = (
    ("Missing parentheses in call to 'print'", "print as a statement", "print(...)"),
    ("Missing parentheses in call to 'exec'", "exec as a statement", "exec(...)"),
    ("multiple exception types", "'except A, e'", "'except A as e'"),
    ("leading zeros in decimal", "an octal number with a leading zero", "0o..."),
    ("parameters cannot be parenthesized", "a parameter that is a tuple", "one name, and take it apart in the body"),
    ("inconsistent use of tabs", "a mixture of tabs and blanks", "blanks only"),
)
_BY_PLACE = (
    (re.compile(r"<>"), "'<>'", "'!='"),
    (re.compile(r"`"), "an expression in backticks", "repr(...)"),
    (re.compile(r"\b(?:0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)[lL]\b"), "a long number with L", "it without L"),
    (re.compile(r"\b[uU][rR]['\"]"), "a text with prefix ur", "prefix r"),
    (re.compile(r"\braise\s+[\w.]+\s*,"), "'raise A, text'", "'raise A(text)'"),
    (re.compile(r"\bprint\s+[\w'\"]"), "print as a statement", "print(...)"),
    (re.compile(r"\bexec\s+[\w'\"]"), "exec as a statement", "exec(...)"),
)
GONE = frozenset({
    "apply", "basestring", "buffer", "cmp", "coerce", "execfile", "file", "intern", "long", "raw_input", "reduce",
    "reload", "unichr", "unicode", "xrange",
})
"""Built-in names that only Python 2 has."""
_GONE_METHODS = frozenset({"has_key", "iteritems", "iterkeys", "itervalues"})


def _sentence(what: str, instead: str) -> str:
    return f"{what} is Python 2 syntax; write {instead}"


def explain(error: BaseException, source: str) -> str | None:
    """Return a sentence for a syntax error that is Python 2 syntax, else None.

    Args:
        error: what compiling ``source`` raised.
        source: the whole text.

    Example:
        >>> try:
        ...     ast.parse("if a <> b: pass")
        ... except SyntaxError as error:
        ...     explain(error, "if a <> b: pass")
        "'<>' is Python 2 syntax; write '!='"
    """
    if not isinstance(error, SyntaxError) or error.lineno is None:
        return None
    for beginning, what, instead in _BY_MESSAGE:
        if beginning in str(error.msg):
            return _sentence(what, instead)
    lines = source.splitlines()
    line = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else ""
    for pattern, what, instead in _BY_PLACE:
        if pattern.search(line):
            return _sentence(what, instead)
    return None


def refuse(tree: ast.Module) -> None:
    """Refuse what Python 3 reads without complaint, but not as it was meant: forms of the print statement.

    Raises:
        SyntaxError: with the line.

    Example:
        >>> refuse(ast.parse("print >>log, 'x'"))
        Traceback (most recent call last):
        SyntaxError: print as a statement is Python 2 syntax; write print(...)
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and _is_print(node.value):
            error = SyntaxError(_sentence("print as a statement", "print(...)"))
            error.lineno = node.lineno
            raise error


def _is_print(value: ast.expr) -> bool:
    """Whether a statement's expression begins with ``print``, and is not just its call."""
    if isinstance(value, ast.Call):
        return False
    while isinstance(value, (ast.BinOp, ast.Tuple)):
        if isinstance(value, ast.Tuple) and not value.elts:
            return False
        value = value.left if isinstance(value, ast.BinOp) else value.elts[0]
    if isinstance(value, ast.Call):
        value = value.func
    return isinstance(value, ast.Name) and value.id == "print"


def differences(tree: ast.Module) -> list[str]:
    """Return sentences about what Python 3 runs, or fails to, otherwise than Python 2: names that are gone, and ``/``.

    ``/`` is told where no side is surely a float, because between two whole numbers Python 2 rounded down.

    Example:
        >>> differences(ast.parse("for i in xrange(3): pass"))
        ['line 1 uses xrange, which only Python 2 has']
        >>> differences(ast.parse("a = total / 2.0\\nb = total / len(rows)"))[0].partition(":")[0]
        'line 2 divides with /'
    """
    nodes = list(ast.walk(tree))
    bound = set(_bound(nodes))
    gone = set()
    divided = set()
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in GONE - bound:
            gone.add((node.lineno, node.id))
        elif isinstance(node, ast.Attribute) and node.attr in _GONE_METHODS:
            gone.add((node.lineno, f".{node.attr}()"))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if not (_is_float(node.left) or _is_float(node.right)):
                divided.add(node.lineno)
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div) and not _is_float(node.value):
            divided.add(node.lineno)
    sentences = [f"line {line} uses {name}, which only Python 2 has" for line, name in sorted(gone)]
    if divided and "division" not in bound:
        where = ", ".join(map(str, sorted(divided)))
        where = f"line {where} divides" if len(divided) == 1 else f"lines {where} divide"
        sentences.append(f"{where} with /: between two ints Python 2 rounded down, Python 3 gives a fraction; write // "
                         "where rounding is meant (arrays and floats are the same in both)")
    return sentences


def _bound(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the names that a script gives a meaning of its own."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)


def _is_float(value: ast.expr) -> bool:
    """Whether an expression is a float by its looks."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, float)
    if isinstance(value, ast.UnaryOp):
        return _is_float(value.operand)
    if isinstance(value, ast.BinOp):
        return _is_float(value.left) or _is_float(value.right)
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "float"
