"""SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shapecheck import __version__
from shapecheck.report import Diagnostic, Place, PlacedFix, Report
from shapecheck.rule import Severity
from shapecheck.source import Location

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"


def render(report: Report) -> str:
    """One run; places in notebooks are lines of the file."""
    root = _repository(report.folder)
    driver: dict[str, Any] = {"name": "shapecheck", "version": __version__, "rules": _rules(report)}
    indices = {rule["id"]: index for index, rule in enumerate(driver["rules"])}
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {_ROOT: {"uri": _uri(root) + "/"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, root, indices, seen) for one in report.diagnostics],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rules(report: Report) -> list[dict[str, Any]]:
    """The rules that ran, and the codes of ours that are no rules but were reported."""
    rules = [_rule(rule.code, rule.name, rule.severity, rule.summary, rule.page) for rule in report.rules]
    known = {rule.code for rule in report.rules}
    others = {(one.code, one.name, one.severity) for one in report.diagnostics if one.code not in known}
    return rules + [_rule(*other, other[1], other[1]) for other in sorted(others, key=lambda other: other[0])]


def _rule(code: str, name: str, severity: Severity, summary: str, page: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": name,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": page},
        "help": {"text": page},
        "defaultConfiguration": {"level": _LEVELS[severity], "enabled": severity is not Severity.INFO},
        "properties": {"problem.severity": severity.value.replace("info", "recommendation")},
    }


def _result(diagnostic: Diagnostic, root: Path, indices: dict[str, int], seen: Counter[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": indices[diagnostic.code],
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": diagnostic.whole_message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")},
        "locations": [_location(diagnostic.place, root, diagnostic.symbol)],
        "partialFingerprints": {"shapecheckFinding/v1": _fingerprint(diagnostic, root, seen)},
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": message}, **_location(place, root)}
            for number, (message, place) in enumerate(diagnostic.related, 1)
        ]
    if diagnostic.fix and diagnostic.place.location.cell is None:
        result["fixes"] = [_fix(diagnostic.fix, diagnostic.place.path, root)]
    return result


def _location(place: Place, root: Path, symbol: str | None = None) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(place.path, root), "region": _region(place.location)}
    }
    if symbol:
        location["logicalLocations"] = [{"fullyQualifiedName": symbol}]
    return location


def _artifact(path: Path, root: Path) -> dict[str, str]:
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix(), errors="surrogateescape"), "uriBaseId": _ROOT}
    return {"uri": _uri(path)}


def _region(location: Location) -> dict[str, int]:
    lines = {"startLine": location.line, "endLine": location.end_line}
    if location.cell is not None:  # a column of the cell is none of the JSON text
        return lines
    return {**lines, "startColumn": location.column, "endColumn": location.end_column}


def _fix(fix: PlacedFix, path: Path, root: Path) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": _region(location), "insertedContent": {"text": content}} for content, location in fix.edits
    ]
    changes = [{"artifactLocation": _artifact(path, root), "replacements": replacements}]
    return {"description": {"text": fix.message}, "artifactChanges": changes}


def _fingerprint(diagnostic: Diagnostic, root: Path, seen: Counter[str]) -> str:
    """Stays the same when lines above are added: what is found in which line of code, and its number among equals."""
    place = diagnostic.place
    path = place.path.relative_to(root) if place.path.is_relative_to(root) else place.path
    code = place.lines[0].strip() if place.lines else ""
    parts = (diagnostic.code, path.as_posix(), diagnostic.symbol or "", code)
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"


def _repository(folder: Path) -> Path:
    """The root of the repository that `folder` is in, or `folder` itself."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _uri(path: Path) -> str:
    return "file://" + quote(("/" + path.as_posix()).replace("//", "/"), errors="surrogateescape")
