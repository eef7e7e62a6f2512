"""Explanations in, pictures, HTML and tables out.

Everything here is a pure function of finished explanations: a matplotlib figure, an SVG or HTML
string, a data frame. Nothing is written anywhere. Names come from data and models, so that every
string is cleaned and escaped before it reaches markup.

Knows `mlflow_lime.core.explanation`, `mlflow_lime.metrics` and `mlflow_lime.errors`. Must not
import mlflow, nor the packages that log, load models or read the configuration.
"""
