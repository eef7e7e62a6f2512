"""The section on methods that look inside a neural network."""

from typing import Annotated, Literal

from pydantic import Field

from mlflow_lime.config.sections import Section
from mlflow_lime.config.values import CodeReference, SomeItems

__all__ = ["DeepSection"]


class DeepSection(Section):
    """DeepLIFT and layer-wise relevance propagation (LRP) beside LIME, for neural networks."""

    methods: Literal["auto", "none"] | SomeItems[Literal["deeplift", "lrp"]] = Field(
        default="auto",
        description=(
            "Methods: auto (both, where the model is a network of torch or a perceptron of"
            " scikit-learn, and mlflow-lime[deep] is installed), none, or a list of deeplift and"
            " lrp."
        ),
    )
    network: CodeReference | None = Field(
        default=None,
        description=(
            "A function of your own, module:function, from the loaded model to its torch module,"
            " or to a mlflow_lime.Network that also says how inputs are encoded; null where the"
            " model is a torch module itself."
        ),
    )
    baseline: Literal["auto", "mean", "zero", "blurred", "absent", "samples"] = Field(
        default="auto",
        description=(
            "What DeepLIFT compares an instance with: mean (of a table's background, else of the"
            " reference set), zero, blurred (images and sequences), absent (what LIME puts in the"
            " place of all parts), samples (several of these rows, averaged), or auto"
            " (mean for tables, absent for images and sequences, zero for texts)."
        ),
    )
    samples: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8,
        description="Rows of the background that baseline: samples averages over.",
    )
    rule: Literal["composite", "epsilon", "gamma", "alpha_beta"] = Field(
        default="composite",
        description=(
            "How LRP shares relevance: epsilon, gamma (1/4), alpha_beta (1, 0), or composite"
            " (epsilon for dense layers, gamma for convolutions)."
        ),
    )
    start: Literal["baseline", "zero"] = Field(
        default="baseline",
        description=(
            "What LRP counts departures of the input from: baseline (that of DeepLIFT), or zero (as"
            " in the literature; what is zero then counts for nothing)."
        ),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description=(
            "Where the network runs for them: cpu, cuda, or auto (cuda where there is one)."
        ),
    )
