"""The configuration: a YAML file or a dictionary comes in, a checked `Config` goes out.

``sections`` declares every key once (type, bounds, default, description); ``model`` is the whole;
``yaml_lines`` reads YAML and remembers lines; ``problems`` turns pydantic's errors into sentences;
``load`` is where files and dictionaries come in; ``dump`` writes YAML and the JSON Schema.

Nothing here imports mlflow, numpy or pandas, and nothing of the core imports this package.
"""

from mlflow_lime.config.domains import (
    ImageSection,
    SequenceSection,
    TabularSection,
    TextSection,
)
from mlflow_lime.config.dump import commented_yaml, config_schema, default_yaml, dump_config
from mlflow_lime.config.engine import EngineSection, PredictionSection
from mlflow_lime.config.load import (
    KNOWN_KEYS,
    OWN_KEYS,
    SHORTHANDS,
    claims,
    load_config,
    parse_config,
)
from mlflow_lime.config.model import Config
from mlflow_lime.config.registration import RegistrationSection
from mlflow_lime.config.sections import (
    BackgroundSection,
    DataSection,
    KernelSection,
    OutputsSection,
    ReferenceSection,
    SamplingSection,
    SurrogateSection,
)

__all__ = [
    "KNOWN_KEYS",
    "OWN_KEYS",
    "SHORTHANDS",
    "BackgroundSection",
    "Config",
    "DataSection",
    "EngineSection",
    "ImageSection",
    "KernelSection",
    "OutputsSection",
    "PredictionSection",
    "ReferenceSection",
    "RegistrationSection",
    "SamplingSection",
    "SequenceSection",
    "SurrogateSection",
    "TabularSection",
    "TextSection",
    "claims",
    "commented_yaml",
    "config_schema",
    "default_yaml",
    "dump_config",
    "load_config",
    "parse_config",
]
