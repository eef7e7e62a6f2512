"""One HTML page for the explanations of many instances."""

from collections.abc import Sequence

from markupsafe import Markup

from mlflow_lime.core.explanation import Explanation
from mlflow_lime.report.html import render_explanation, template_of
from mlflow_lime.report.wording import cut

__all__ = ["render_page"]

_ENOUGH = 20_000_000
"""Characters after which no further instance is shown; MLflow previews files up to 50 MiB."""


def render_page(
    explanations: Sequence[Explanation],
    *,
    title: str,
    top: int = 10,
    most: int = 50,
    enough: int = _ENOUGH,
) -> str:
    """Return one page with the first explained label of each instance.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explained instances, in the order in which they are shown.
    title : str
        Heading.
    top : int, default 10
        Rows in the table of weights of an instance.
    most : int, default 50
        How many instances to show.
    enough : int
        Characters after which no further instance is shown; there is always a first one.

    Returns
    -------
    str
        An HTML document that needs nothing else: no scripts, links or requests. It follows the
        reader's light or dark theme on a background of its own.
    """
    fragments: list[Markup] = []
    size = 0
    for item in explanations[:most]:
        if size > enough:
            break
        # Its own template escaped everything in it.
        fragments.append(Markup(render_explanation(item, item.labels[0], top=top, style=False)))
        size += len(fragments[-1])
    return template_of("page.html.jinja").render(
        title=cut(title, 200) or "LIME explanations",
        count=_count(len(fragments), len(explanations)),
        fragments=fragments,
    )


def _count(shown: int, found: int) -> str:
    instances = "1 instance" if found == 1 else f"{found:,} instances"
    if shown == found:
        return f"LIME explanations of {instances}"
    return f"LIME explanations of the first {shown:,} of {instances}"
