"""A matplotlib figure to draw on by pixels, as on an SVG picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Polygon, Rectangle
from matplotlib.patheffects import withStroke

from mlflow_lime.report.fonts import families, wrap
from mlflow_lime.report.overlays import Pixels

__all__ = ["Sheet"]

_DOTS_PER_INCH = 100
_POINT = 72 / _DOTS_PER_INCH  # of a pixel


@dataclass(frozen=True, slots=True)
class Sheet:
    """A white figure whose places are pixels from its top left corner.

    Attributes
    ----------
    figure : Figure
        Free of pyplot state.
    axes : Axes
        All of the figure, without a frame.
    """

    figure: Figure
    axes: Axes

    @classmethod
    def blank(cls, width: int, height: int) -> Self:
        """Return an empty figure of so many pixels at 100 dots per inch."""
        size = (width / _DOTS_PER_INCH, height / _DOTS_PER_INCH)
        figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor="white")
        figure.set_layout_engine("none")  # places are pixels, whatever the user's style
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        return cls(figure, axes)

    def write(
        self,
        text: object,
        x: float,
        y: float,
        *,
        size: int = 12,
        anchor: str = "left",
        color: str,
        bold: bool = False,
        width: float = 640,
    ) -> None:
        """Write a line, cut to a width; `y` is its base line."""
        weight = "bold" if bold else "normal"
        self.axes.text(
            x,
            y,
            wrap(text, size, width=width, bold=bold),
            fontproperties=FontProperties(
                family=list(families()), size=size * _POINT, weight=weight
            ),
            color=color,
            ha=anchor,
            va="baseline",
            parse_math=False,
            usetex=False,
        )

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        color: str,
        width: float = 1,
    ) -> None:
        """Draw a straight line."""
        places = [start[0], end[0]], [start[1], end[1]]
        self.axes.plot(
            *places, color=color, linewidth=width * _POINT, solid_capstyle="butt", zorder=1
        )

    def curve(self, points: Sequence[tuple[float, float]], *, color: str, width: float = 1) -> None:
        """Draw a line through points, with a light edge."""
        xs, ys = zip(*points, strict=True)
        halo = withStroke(linewidth=(width + 2.6) * _POINT, foreground="white", alpha=0.75)
        self.axes.plot(
            xs, ys, color=color, linewidth=width * _POINT, path_effects=[halo], zorder=1.5
        )

    def bar(self, x: float, y: float, width: float, height: float, *, color: str) -> None:
        """Fill a rectangle; its width and height may be negative."""
        self.axes.add_patch(Rectangle((x, y), width, height, color=color, linewidth=0))

    def dots(
        self,
        places: Sequence[tuple[float, float]],
        *,
        radius: float,
        color: str,
        opacity: float = 1,
    ) -> None:
        """Draw discs."""
        area = (2 * radius * _POINT) ** 2
        xs, ys = zip(*places, strict=True)
        self.axes.scatter(xs, ys, s=area, c=color, alpha=opacity, linewidths=0, zorder=2)

    def diamond(self, x: float, y: float, radius: float, *, color: str) -> None:
        """Draw a hollow diamond that lets shine through what is below it."""
        corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
        patch = Polygon(corners, facecolor=(1, 1, 1, 0.55), edgecolor=color, zorder=3)
        patch.set_linewidth(1.6 * _POINT)
        self.axes.add_patch(patch)

    def show(self, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Draw an image."""
        self.axes.imshow(
            pixels,
            extent=(x, x + width, y + height, y),
            interpolation="nearest",
            aspect="auto",
            zorder=2,
        )
