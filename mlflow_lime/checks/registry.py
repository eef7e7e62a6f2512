"""The checks that there are: our own, and those of installed plugins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from mlflow_lime.checks.check import NEEDS, SEVERITIES, Check, Evidence, Finding, Outcome
from mlflow_lime.checks.drifted import DRIFTED
from mlflow_lime.checks.flat import FLAT
from mlflow_lime.checks.generalisation import GENERALISATION
from mlflow_lime.checks.id_like import ID_LIKE
from mlflow_lime.checks.image_region import IMAGE_REGION
from mlflow_lime.checks.inside import ADDS_UP, DISAGREE, REFUSED
from mlflow_lime.checks.leak import LEAK
from mlflow_lime.checks.low_fidelity import LOW_FIDELITY
from mlflow_lime.checks.new_reason import NEW_REASON
from mlflow_lime.checks.off_manifold import OFF_MANIFOLD
from mlflow_lime.checks.options import Options, read_options
from mlflow_lime.checks.proxy import PROXY
from mlflow_lime.checks.sensitive import SENSITIVE
from mlflow_lime.checks.unseen_category import UNSEEN_CATEGORY
from mlflow_lime.checks.unstable import UNSTABLE
from mlflow_lime.errors import ConfigError, did_you_mean, shorten

__all__ = ["CHECKS", "GROUP", "known_checks", "run_checks"]

CHECKS: tuple[Check, ...] = (
    LOW_FIDELITY,
    UNSTABLE,
    FLAT,
    OFF_MANIFOLD,
    SENSITIVE,
    PROXY,
    LEAK,
    ID_LIKE,
    IMAGE_REGION,
    UNSEEN_CATEGORY,
    DRIFTED,
    NEW_REASON,
    GENERALISATION,
    DISAGREE,
    ADDS_UP,
    REFUSED,
)
"""Our own checks, in the order of their codes."""

GROUP = "mlflow_lime.checks"
"""Group of entry points by which others add theirs: a `Check`, or a function that returns one."""

_CODE = re.compile(r"[A-Z]{3}[0-9]{3}")


def known_checks() -> tuple[tuple[Check, ...], tuple[Outcome, ...]]:
    """Return all checks, and a skipped outcome for each plugin that has none to give.

    A plugin cannot take a code that is taken.
    """
    checks = {check.code: check for check in CHECKS}
    broken: list[Outcome] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        found = _plugin(point)
        if isinstance(found, Check) and found.code in checks:
            found = f"its code {found.code} is taken by {shorten(checks[found.code].title)}"
        if isinstance(found, Check):
            checks[found.code] = found
        else:
            title = f"plugin {shorten(point.name, 60)}"
            broken.append(Outcome("PLUGIN", title, "info", "skipped", found))
    return tuple(checks.values()), tuple(broken)


def _plugin(point: EntryPoint) -> Check | str:
    """Return the check of a plugin, or why there is none."""
    try:
        found = point.load()
        check: object = found if isinstance(found, Check) else found()
    except Exception as error:  # whatever a stranger's code does must not stop our own checks
        return f"it cannot be loaded: {type(error).__name__}"
    if not isinstance(check, Check):
        return f"it gives a {type(check).__name__}, expected a mlflow_lime.checks.check.Check"
    if not _CODE.fullmatch(str(check.code)):
        return f"its code is {shorten(check.code)}, expected three capitals and three digits"
    if check.severity not in SEVERITIES:
        return f"its severity is {shorten(check.severity)}, expected one of {SEVERITIES}"
    unknown = [need for need in check.needs if need not in NEEDS]
    if unknown:
        return f"it needs {shorten(unknown[0])}, which no evidence has"
    options: object = check.options
    if not (isinstance(options, type) and issubclass(options, Options)):
        return f"its options are {shorten(options)}, expected a subclass of Options"
    return check


def run_checks(
    evidence: Evidence,
    *,
    muted: Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Outcome, ...]:
    """Make all checks.

    Parameters
    ----------
    evidence : Evidence
        What is known about the version.
    muted : sequence of str
        Codes of checks that are not made.
    options : mapping of str to mapping, optional
        Options of checks, by code.

    Returns
    -------
    tuple of Outcome
        One for each check, and one for each plugin that cannot be loaded.

    Raises
    ------
    ConfigError
        If there is no check of a code, or an option is unknown, wrong, or out of bounds.

    Examples
    --------
    >>> run_checks(Evidence(), muted=["LIM001"])[0].reason
    'muted (checks.mute)'
    """
    checks, broken = known_checks()
    options = options or {}
    if not broken:  # else the code may be that of a plugin that cannot be loaded
        _require_codes([*muted, *options], checks)
    chosen = {
        check.code: read_options(check.options, options.get(check.code, {}), code=check.code)
        for check in checks
    }
    outcomes = [
        check.outcome(_made(check, evidence, chosen[check.code], check.code in muted))
        for check in checks
    ]
    return (*outcomes, *broken)


def _require_codes(codes: Sequence[str], checks: Sequence[Check]) -> None:
    known = [check.code for check in checks]
    for code in codes:
        if code not in known:
            hint = did_you_mean(code, known)
            msg = (
                f"there is no check {shorten(code)}, which checks.mute or checks.options names; "
                f"`mlflow-lime check --list` shows all.{hint}"
            )
            raise ConfigError(msg)


def _made(check: Check, evidence: Evidence, options: Options, muted: bool) -> Finding:
    if muted:
        return Finding.skipped("muted (checks.mute)")
    try:
        why = check.applies(evidence)
        if why:
            return Finding("not applicable", why)
        lacking = next(_lacking(check, evidence), None)
        found: object = Finding.skipped(lacking) if lacking else check.find(evidence, options)
    except Exception as error:  # one check that fails must not stop the others
        return Finding.skipped(f"the check itself failed: {type(error).__name__}")
    if not isinstance(found, Finding):
        return Finding.skipped(f"the check gave a {type(found).__name__}, expected a Finding")
    return found


def _lacking(check: Check, evidence: Evidence) -> Iterator[str]:
    """Yield why evidence is missing that a check needs."""
    for need in check.needs:
        value = getattr(evidence, need)
        if value is None or (isinstance(value, (Sequence, Mapping)) and not value):
            yield evidence.absent.get(need, NEEDS[need])
