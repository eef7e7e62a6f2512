"""The section on the review page, and on what it puts into the model registry."""

from pydantic import Field

from mlflow_lime.config.sections import Section

__all__ = ["ReportSection"]


class ReportSection(Section):
    """The page that reviewers read, and what leads to it."""

    page: bool = Field(
        default=True,
        description="Write lime_report.html, one file that needs nothing else.",
    )
    compare: bool = Field(
        default=True,
        description=(
            "Compare a version that was explained with its baseline (compare.baseline, else the"
            " version before it), where that one was explained in the same way already."
        ),
    )
    max_instances: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Show at most so many instances one by one; the numbers are of all.",
    )
    description: bool = Field(
        default=True,
        description=(
            "Put a block with verdict, numbers, links and the overview below whatever the"
            " description of the version says; your own text stays as it is."
        ),
    )
    saved_view: bool = Field(
        default=False,
        description=(
            "Add a view to the experiment that shows accuracy against fidelity (an undocumented"
            " format of MLflow's)."
        ),
    )
